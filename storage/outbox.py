"""The outbox: committed replies, published after the commit and again until the gateway acks them.

Replies of a conversation at the door are never published: `storage.door` reads their rows.

A reply's row holds its whole envelope. (turn, key) makes a repeated append harmless: the key says what the reply is
within its turn, e.g. "started", "2:text". The SQL is in `outbox.sql`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from events.reply import APART, REPLY_TYPE
from storage import agui, sql, turns
from storage.agui import Events
from storage.sql import dump, storable
from storage.turns import AbsorbedTurn, Claim, Held, TurnChange

if TYPE_CHECKING:
    from storage.database import Session

#: Seconds without an ack until a reply is published again: after the first publish, the second, …; the last value
#: repeats. The index `replies_due` has as many steps.
BACKOFF_SECONDS = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
#: Seconds for which the sweeper leaves a new reply to its publisher.
FRESH_SECONDS = 1.0

SOURCE = "/cj"

SQL = sql.load("outbox")


@dataclass(frozen=True)
class NewReply:
    """AG-UI events to send together; `key` is unique within the turn."""

    key: str
    data: Events


@dataclass(frozen=True)
class OutgoingReply:
    """A committed reply: the envelope's id and the envelope."""

    id: str
    body: dict[str, Any]


@dataclass(frozen=True)
class RefusedEvent:
    """A refused event, as far as it could be read."""

    key: int
    id: str
    merchant_id: str
    conversation_id: str
    traceparent: str | None = None
    correlation_id: str | None = None
    is_unreadable: bool = False
    """Whether its content was unreadable, so that the same event can never be accepted."""


@dataclass(frozen=True)
class _Origin:
    """What the replies of a turn have in common."""

    run_id: str
    turn: int
    conversation_id: str
    merchant_id: str
    event_id: str | None
    traceparent: str | None
    correlation_id: str | None


def append(session: Session, turn_id: int, replies: Sequence[NewReply]) -> list[OutgoingReply]:
    """Add replies to a turn, in order; returns what to publish: replies whose keys the turn already has as they were
    committed, and nothing if they are read at the door.

    Sequences run from 000001 without gaps. The caller must have locked the turn, or ended it (`turns.expire`).
    """
    if not replies:
        return []
    last, now, *origin = session.execute(SQL["lock_turn"], {"turn_id": turn_id}).one()
    known, by_door = _known(session, turn_id, replies) if last else ({}, False)
    told, new = _enveloped(_Origin(turns.run_id(turn_id), *origin), replies, known, last, now)
    if new["ids"]:
        by_door = session.execute(SQL["append"], {**new, "turn_id": turn_id}).all()[0].by_door
    return [] if by_door else told


def append_held(
    session: Session,
    claim: Claim,
    held: Held,
    replies: Sequence[NewReply],
    *,
    maybe_known: bool,
    change: TurnChange | None,
) -> tuple[list[OutgoingReply], bool]:
    """Like `append`, for the holder of the turn, once per transaction; also writes the other changes of the turn, and
    returns whether a model call was counted. Without a `change` the caller ends the turn.

    Unless `maybe_known`, the turn must have none of these replies yet.
    """
    whose = (claim.conversation_id, claim.merchant_id, claim.event_id, claim.traceparent, claim.correlation_id)
    known = _known(session, claim.turn_id, replies)[0] if maybe_known else {}
    told, new = _enveloped(_Origin(claim.run_id, claim.seq, *whose), replies, known, held.last_sequence, held.now)
    values, begins = {**new, "turn_id": claim.turn_id}, False
    if change is not None:
        of_turn = {"merchant_id": claim.merchant_id, "lease_seconds": claim.lease_seconds, **vars(change)}
        if change.begins:
            begins = session.execute(SQL["append_held"], {**values, **of_turn}).scalar_one()
        else:
            session.defer(SQL["append_held"], {**values, **of_turn})
    elif new["ids"]:
        session.defer(SQL["append_last"], values)
    held.last_sequence = new["last_sequence"]
    return ([] if held.by_door else told), begins


def _enveloped(
    sent_by: _Origin, replies: Sequence[NewReply], known: dict[str, OutgoingReply], last: int, now: datetime
) -> tuple[list[OutgoingReply], dict[str, Any]]:
    """All replies in order, each key once, and the column values of the new ones."""
    found, new = dict(known), dict[str, tuple[int, OutgoingReply]]()
    for reply in replies:
        if reply.key not in found:
            sequence = last + len(new) + 1
            body = _envelope(sent_by, sequence, reply.data, now)
            found[reply.key] = OutgoingReply(body["id"], body)
            new[reply.key] = sequence, found[reply.key]
    return [found[key] for key in dict.fromkeys(reply.key for reply in replies)], {
        "ids": [outgoing.id for _, outgoing in new.values()],
        "sequences": [sequence for sequence, _ in new.values()],
        "keys": list(new),
        "bodies": [dump(outgoing.body) for _, outgoing in new.values()],
        "conversation_id": sent_by.conversation_id,
        "now": now,
        "last_sequence": last + len(new),
    }


def append_apart(session: Session, refused: RefusedEvent, code: str, sentence: str) -> list[OutgoingReply]:
    """Answer a refused event that has no conversation: a failed run, once per event."""
    whose = (refused.conversation_id, refused.merchant_id, refused.id, refused.traceparent, refused.correlation_id)
    sent_by = _Origin(f"event_{refused.key}", APART, *whose)
    events = [
        *agui.run_started(refused.conversation_id, sent_by.run_id),
        *agui.run_error(sent_by.run_id, code, sentence),
    ]
    body = _envelope(sent_by, 1, events, session.execute(SQL["now"]).scalar_one())
    values = {"id": body["id"], "event_key": refused.key, "key": agui.END_KEY, "body": dump(body)}
    row = session.execute(SQL["append_apart"], {**values, "conversation_id": refused.conversation_id}).first()
    return [] if row is None or row.by_door else [OutgoingReply(body["id"], body)]


def of_absorbed(absorbed: Sequence[AbsorbedTurn]) -> list[NewReply]:
    """The replies that say which later messages a turn also answers."""
    return [NewReply(f"absorbed:{item.turn_id}", agui.message_absorbed(item.event_id)) for item in absorbed]


def end_absorbed(session: Session, turn_id: int, conversation_id: str) -> list[OutgoingReply]:
    """Add the replies of the turns that the ended turn `turn_id` absorbed: every turn ends with one RUN_FINISHED."""
    committed: list[OutgoingReply] = []
    for absorbed in turns.absorbed_by(session, turn_id):
        run_id = turns.run_id(absorbed.turn_id)
        ended = agui.run_finished(conversation_id, run_id, result={"absorbedBy": turns.run_id(turn_id)})
        run = [*agui.run_started(conversation_id, run_id), *ended]
        committed += append(session, absorbed.turn_id, [NewReply(agui.END_KEY, run)])
    return committed


def after(session: Session, conversation_id: str, place: tuple[int, int], *, limit: int) -> list[OutgoingReply]:
    """The stored replies of a conversation after (turn, sequence), in order, acked or not."""
    values = {"conversation_id": conversation_id, "turn": place[0], "sequence": place[1], "limit": limit}
    return [OutgoingReply(*row) for row in session.execute(SQL["after"], values)]


def of_no_turn(
    events: Events,
    now: datetime,
    *,
    conversation_id: str,
    merchant_id: str,
    asked_by: tuple[int, str | None] | None = None,
) -> OutgoingReply:
    """A run that is not stored, because its content is stored elsewhere. `asked_by`: key and correlation id of the
    requesting event; its id is the same each time it is sent."""
    key, correlation_id = asked_by or (None, None)
    sent_by = _Origin("snapshot", APART, conversation_id, merchant_id, None, None, correlation_id)
    body = _envelope(sent_by, 1, events, now)
    if key is not None:
        body["id"] = f"event_{key}:snapshot"
    return OutgoingReply(body["id"], body)


def last_place(session: Session, conversation_id: str) -> tuple[int, int]:
    """(turn, sequence) of the last reply of a conversation; (0, 0) if it has none."""
    row = session.execute(SQL["last_place"], {"conversation_id": conversation_id}).one_or_none()
    return (0, 0) if row is None else (int(row.seq), int(row.sequence))


def apart(session: Session, source: str, event_ids: Sequence[str]) -> list[OutgoingReply]:
    """The replies to those events of a source that have no conversation."""
    rows = session.execute(SQL["apart"], {"source": source, "ids": list(event_ids)})
    return [OutgoingReply(*row) for row in rows]


def recent(session: Session, since: datetime, *, limit: int) -> list[OutgoingReply]:
    """Replies of all merchants committed after `since`."""
    return [OutgoingReply(*row) for row in session.execute(SQL["recent"], {"since": since, "limit": limit})]


def now(session: Session) -> datetime:
    """The database's clock."""
    found: datetime = session.execute(SQL["now"]).scalar_one()
    return found


def repeated(reply: OutgoingReply, request: str) -> OutgoingReply:
    """The same reply, sent again for the event `request`, which `repeats` names."""
    return OutgoingReply(reply.id, {**reply.body, "repeats": request})


def unfinished(session: Session, turn_id: int) -> Events:
    """AG-UI events that end what a turn has left open: a message of which sentences were said, and tool calls that will
    never have a result."""
    messages = session.execute(SQL["unfinished_messages"], {"turn_id": turn_id}).scalars()
    ends = [event for message_id in messages for event in agui.text(message_id, "", begins=False)]
    calls = session.execute(SQL["unanswered_calls"], {"turn_id": turn_id}).scalars()
    return [*ends, *(event for call_id in calls for event in agui.tool_result(call_id, agui.CANCELLED))]


def mark_published(session: Session, ids: Sequence[str]) -> None:
    """Record that these replies were published."""
    session.defer(SQL["mark_published"], {"ids": sorted(ids)})


def acknowledge(session: Session, ids: Sequence[str], *, traced: bool = False) -> list[tuple[float, str | None]]:
    """Record that the gateway has these replies; returns the ages in seconds of those that were unacked until now and,
    if `traced`, their traceparents."""
    return [
        (row.age, row.traceparent)
        for row in session.execute(SQL["acknowledge"], {"ids": sorted(ids), "traced": traced})
    ]


def due(
    session: Session,
    *,
    limit: int,
    pauses: Sequence[float] = BACKOFF_SECONDS,
    factor: float = 1.0,
    again: bool = True,
) -> list[OutgoingReply]:
    """Replies to publish (again), oldest first: after the first, second, … of the `pauses` (seconds), times `factor`.

    Without `again`, only those that were never published.
    """
    backoff = [FRESH_SECONDS, *(seconds * factor for seconds in pauses if again)]
    values = {"backoff": backoff, "limit": limit}
    return [OutgoingReply(*row) for row in session.execute(SQL["due"], values)]


def _known(session: Session, turn_id: int, replies: Sequence[NewReply]) -> tuple[dict[str, OutgoingReply], bool]:
    keys = [reply.key for reply in replies]
    rows = session.execute(SQL["known"], {"turn_id": turn_id, "keys": keys}).all()
    return {row.key: OutgoingReply(row.id, row.body) for row in rows}, any(row.by_door for row in rows)


def _envelope(sent_by: _Origin, sequence: int, events: Events, now: datetime) -> dict[str, Any]:
    number = f"{sequence:06d}"
    optional = {
        "causationid": sent_by.event_id,
        "correlationid": sent_by.correlation_id,
        "traceparent": sent_by.traceparent,
    }
    return {
        "specversion": "1.0",
        # Unguessable: an ack is trusted because only a reader of the reply can name it.
        "id": f"{sent_by.run_id}:{number}:{secrets.token_hex(8)}",
        "source": SOURCE,
        "type": REPLY_TYPE,
        "subject": sent_by.conversation_id,
        "time": now.isoformat(timespec="milliseconds"),
        "merchantid": sent_by.merchant_id,
        "turn": sent_by.turn,
        "sequence": number,
        **{name: value for name, value in optional.items() if value is not None},
        "data": storable(events),
    }
