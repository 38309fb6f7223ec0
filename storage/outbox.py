"""The outbox: committed replies, published after the commit and again until the gateway acks them.

A reply's row holds its whole envelope. (turn, key) makes a repeated append harmless: the key says what the reply is
within its turn, e.g. "started", "2:text". The SQL is in `outbox.sql`.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult

from events import agui
from events.reply import REPLY_TYPE
from storage import sql, turns
from storage.database import Session
from storage.sql import dump, storable

#: Seconds without an ack until a reply is published again: after the first publish, the second, …; then the last one.
#: The index `replies_due` has as many steps.
BACKOFF_SECONDS = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
#: Seconds for which a new reply is left to its publisher.
FRESH_SECONDS = 1.0

SOURCE = "/cj"

SQL = sql.load("outbox")


@dataclass(frozen=True)
class NewReply:
    """An AG-UI event to send; `key` is unique within the turn."""

    key: str
    data: dict[str, Any]


@dataclass(frozen=True)
class OutgoingReply:
    """A committed reply: the envelope's id and the envelope."""

    id: str
    body: dict[str, Any]


def append(
    session: Session,
    *,
    turn_id: int,
    conversation_id: str,
    turn_seq: int,
    causation_id: str,
    traceparent: str | None,
    replies: Sequence[NewReply],
) -> list[OutgoingReply]:
    """Add replies to a turn, in order; one whose key the turn already has is returned as it was committed.

    Sequences run from 000001 without gaps. The caller holds the turn (`turns.fence`, or `turns.expire` ended it).
    """
    if not replies:
        return []
    last, now = session.execute(SQL["lock_turn"], {"turn_id": turn_id}).one()
    known = _known(session, turn_id, replies) if last else {}
    new: list[tuple[int, NewReply, OutgoingReply]] = []
    for reply in replies:
        if reply.key in known:
            continue
        sequence = last + len(new) + 1
        body = _envelope(turn_id, sequence, reply, now, conversation_id, turn_seq, causation_id, traceparent)
        known[reply.key] = OutgoingReply(body["id"], body)
        new.append((sequence, reply, known[reply.key]))
    if new:
        values = {
            "ids": [outgoing.id for _, _, outgoing in new],
            "sequences": [sequence for sequence, _, _ in new],
            "keys": [reply.key for _, reply, _ in new],
            "bodies": [dump(outgoing.body) for _, _, outgoing in new],
        }
        owner = {"turn_id": turn_id, "conversation_id": conversation_id}
        session.execute(SQL["append"], {**values, **owner, "now": now, "last_sequence": last + len(new)})
    return [known[key] for key in dict.fromkeys(reply.key for reply in replies)]


def end_absorbed(session: Session, turn_id: int, conversation_id: str) -> list[OutgoingReply]:
    """Add the replies of the turns that the ended turn `turn_id` absorbed: every turn ends with one RUN_FINISHED."""
    committed: list[OutgoingReply] = []
    for absorbed in turns.absorbed_by(session, turn_id):
        run_id = f"turn_{absorbed.turn_id}"
        committed += append(
            session,
            turn_id=absorbed.turn_id,
            conversation_id=conversation_id,
            turn_seq=absorbed.seq,
            causation_id=absorbed.event_id,
            traceparent=None,
            replies=[
                NewReply(agui.STARTED_KEY, agui.run_started(conversation_id, run_id)),
                NewReply(agui.END_KEY, agui.run_finished(conversation_id, run_id)),
            ],
        )
    return committed


def mark_published(session: Session, ids: Sequence[str]) -> None:
    """Note that these replies were handed to the broker."""
    session.execute(SQL["mark_published"], {"ids": sorted(ids)})


def acknowledge(session: Session, ids: Sequence[str]) -> int:
    """Note that the gateway has these replies; returns how many were unacked until now."""
    result = session.execute(SQL["acknowledge"], {"ids": sorted(ids)})
    assert isinstance(result, CursorResult)
    return result.rowcount


def due(
    session: Session,
    *,
    limit: int,
    longest_seconds: float = BACKOFF_SECONDS[-1],
    factor: float = 1.0,
    again: bool = True,
) -> list[OutgoingReply]:
    """Replies to publish (again), oldest first; after `longest_seconds` at the latest, times `factor`.

    Without `again`, only those that were never published.
    """
    pauses = BACKOFF_SECONDS if again else ()
    backoff = [FRESH_SECONDS, *(min(seconds, longest_seconds) * factor for seconds in pauses)]
    values = {"backoff": backoff, "limit": limit}
    return [OutgoingReply(*row) for row in session.execute(SQL["due"], values)]


def _known(session: Session, turn_id: int, replies: Sequence[NewReply]) -> dict[str, OutgoingReply]:
    rows = session.execute(SQL["known"], {"turn_id": turn_id, "keys": [reply.key for reply in replies]})
    return {key: OutgoingReply(reply_id, body) for key, reply_id, body in rows}


def _envelope(
    turn_id: int,
    sequence: int,
    reply: NewReply,
    now: datetime,
    conversation_id: str,
    turn_seq: int,
    causation_id: str,
    traceparent: str | None,
) -> dict[str, Any]:
    number = f"{sequence:06d}"
    trace = {} if traceparent is None else {"traceparent": traceparent}
    return {
        "specversion": "1.0",
        # Not to be guessed: an ack is believed because only who has read the reply can name it.
        "id": f"turn_{turn_id}:{number}:{secrets.token_hex(8)}",
        "source": SOURCE,
        "type": REPLY_TYPE,
        "subject": conversation_id,
        "time": now.isoformat(timespec="milliseconds"),
        "turn": turn_seq,
        "sequence": number,
        "causationid": causation_id,
        **trace,
        "data": storable(reply.data),
    }
