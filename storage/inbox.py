"""The inbox: incoming events. (source, id) identifies an event; the same event twice is one event.

An accepted row is `received` until a workflow worker has handled it, then `processed`; an unusable one is `rejected`,
with a code and a sentence. The SQL is in `inbox.sql`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from events.envelope import Event
from storage import sql
from storage.errors import StorageUnavailable
from storage.sql import dump, storable_text

if TYPE_CHECKING:
    from storage.database import Session

#: Seconds before another wake-up is sent for an event.
WAKE_AGAIN_SECONDS = 5.0
#: How many unhandled events of one merchant wake workflow workers at a time.
PER_MERCHANT = 4
#: Seconds for which the others are put off, unless `wake_oldest` or `wake_forgotten` wakes them earlier.
PUT_OFF_SECONDS = 60.0
MESSAGE_LIMIT = 1000
NAME_LIMIT = 200

SQL = sql.load("inbox")


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """A valid event, ready to be stored."""

    source: str
    id: str
    type: str
    data: Mapping[str, Any]
    content_hash: bytes
    time: datetime | None = None
    subject: str | None = None
    traceparent: str | None = None
    correlation_id: str | None = None
    merchant_id: str | None = None
    conversation_id: str | None = None
    by_door: bool = False

    @classmethod
    def of(cls, event: Event, traceparent: str | None = None, *, by_door: bool = False) -> NewEvent:
        """The stored form of an event, with its known data fields; `traceparent` replaces its own. `by_door`: the way
        it came."""
        envelope = event.envelope
        return cls(
            source=event.source,
            id=event.id,
            type=event.type,
            data=event.payload,
            content_hash=event.content_hash,
            time=envelope.time,
            subject=envelope.subject,
            traceparent=traceparent or envelope.traceparent,
            correlation_id=envelope.correlationid,
            merchant_id=event.merchant_id,
            conversation_id=event.conversation_id,
            by_door=by_door if envelope.delivery is None else envelope.delivery == "door",
        )


@dataclass(frozen=True)
class Accepted:
    """The event is stored; `fresh` is False if it was already. `put_off`: no wake-up now, see `wake_oldest`."""

    key: int
    fresh: bool
    put_off: bool = False


@dataclass(frozen=True)
class Reused:
    """A different event with this source and id was stored at `stored_at`."""

    stored_at: datetime


@dataclass(frozen=True)
class InboxRow:
    """An event being handled. `age_seconds` by the database's clock."""

    key: int
    source: str
    id: str
    type: str
    data: dict[str, Any]
    time: datetime | None
    traceparent: str | None
    correlation_id: str | None
    attempts: int
    received_at: datetime
    merchant_id: str | None
    conversation_id: str | None
    age_seconds: float
    progress: dict[str, Any] | None
    """The progress of handling that takes several transactions."""
    error_code: str | None
    error: str | None
    """Why it will be refused, if that is known already (`refuse_later`)."""
    by_door: bool = False
    is_crowded: bool = False
    """Whether events of its merchant may have been put off; then `wake_oldest` must be called."""


@dataclass(frozen=True)
class RejectedRow:
    """A refused event, for operators."""

    id: str
    source: str
    type: str
    error_code: str
    error: str
    received_at: datetime

    def to_json(self) -> dict[str, Any]:
        """The event and why it was refused, as JSON."""
        return dict(vars(self))


def accept(session: Session, new: Sequence[NewEvent], *, per_merchant: int = PER_MERCHANT) -> list[Accepted | Reused]:
    """Store a batch of events, each once; returns the results in the order of the batch.

    Takes one round trip, one more for a batch of several, and one more if some were stored already.
    """
    answers: dict[int, Accepted | Reused] = {}
    left = list(enumerate(new))
    for _ in range(3):
        answers |= _accept(session, left, per_merchant)
        left = [(place, event) for place, event in left if place not in answers]
        if not left:
            return [answers[place] for place in range(len(new))]
    raise StorageUnavailable("an event with the same identity is being refused again and again; try later")


def _accept(session: Session, left: Sequence[tuple[int, NewEvent]], per_merchant: int) -> dict[int, Accepted | Reused]:
    """One attempt. A conflicting row may be refused a moment later; then the event has no result yet."""
    first: dict[tuple[str, str], tuple[int, NewEvent]] = {}
    for place, event in left:
        first.setdefault((event.source, event.id), (place, event))
    identities = sorted(first)
    if len(identities) > 1:  # two batches with the same events in different orders must not deadlock
        session.execute(SQL["line_up"], {"identities": [f"{source} {event_id}" for source, event_id in identities]})
    # In order of arrival: it determines the keys, by which events of one conversation are handled in order.
    bounds = {"most": per_merchant, "put_off": PUT_OFF_SECONDS}
    rows = session.execute(SQL["accept"], {**_columns([event for _, event in first.values()]), **bounds})
    answers: dict[int, Accepted | Reused] = {
        first[row.source, row.id][0]: Accepted(int(row.key), fresh=True, put_off=row.is_put_off) for row in rows
    }
    others = [(place, event) for place, event in left if place not in answers]
    if not others:
        return answers
    wanted = {"sources": [event.source for _, event in others], "ids": [event.id for _, event in others]}
    stored = {(row.source, row.id): row for row in session.execute(SQL["accepted"], wanted)}
    for place, event in others:
        row = stored.get((event.source, event.id))
        if row is not None:
            same = bytes(row.content_hash) == event.content_hash
            answers[place] = Accepted(int(row.key), fresh=False) if same else Reused(row.received_at)
    return answers


def _columns(events: Sequence[NewEvent]) -> dict[str, list[Any]]:
    return {
        "sources": [event.source for event in events],
        "ids": [event.id for event in events],
        "types": [event.type for event in events],
        "times": [event.time for event in events],
        "subjects": [event.subject for event in events],
        "traceparents": [event.traceparent for event in events],
        "correlations": [event.correlation_id for event in events],
        "datas": [dump(dict(event.data)) for event in events],
        "hashes": [event.content_hash for event in events],
        "merchants": [event.merchant_id for event in events],
        "conversations": [event.conversation_id for event in events],
        "by_doors": [event.by_door for event in events],
    }


def reject(
    session: Session,
    *,
    source: str | None,
    id: str | None,
    type: str | None,
    content_hash: bytes,
    code: str,
    message: str,
    data: Mapping[str, Any] | None = None,
) -> int:
    """Store a refused message with the reason; a repetition only increments its count. Returns the row's key.

    Pass `data` only if it is valid, i.e. if the event was refused for another reason: then it can be retried.
    """
    values = {
        "source": storable_text(source or "", NAME_LIMIT),
        "id": storable_text(id or "", NAME_LIMIT),
        "type": storable_text(type or "", NAME_LIMIT),
        "data": dump(dict(data or {})),
        "content_hash": content_hash,
    }
    return int(session.execute(SQL["reject"], {**values, **_reason(code, message)}).scalar_one())


def refuse_later(
    session: Session, named: Mapping[str, str], *, content_hash: bytes, code: str, message: str
) -> int | None:
    """Store a message that a workflow worker must refuse, because its conversation has to be told.

    `named`: what it says about itself: id, source, type, merchant_id, conversation_id and perhaps a correlationid.
    Returns the row's key, or None if an event with the same identity was accepted.
    """
    values = {"correlationid": None, **named, "content_hash": content_hash, **_reason(code, message)}
    found = session.execute(SQL["refuse_later"], values).scalar()
    return None if found is None else int(found)


def take(session: Session, key: int, *, per_merchant: int = PER_MERCHANT) -> InboxRow | None:
    """The event to handle next in order to get to event `key`, locked until the end of the transaction.

    Events of one conversation are handled in order of arrival: while an earlier one is left, this returns it, and the
    caller asks again in its next transaction. None if nothing is left to do, or not yet.
    """
    while True:
        row = session.execute(SQL["take"], {"key": key, "most": per_merchant}).one_or_none()
        if row is not None:
            return InboxRow(*row)
        if session.execute(SQL["is_left"], {"key": key}).one_or_none() is None:
            return None
        # Another worker handled the previous event while we waited for the lock: look again.


def processed(session: Session, key: int, *, traceparent: str | None = None) -> None:
    """Mark a taken event as handled; its turns and replies continue `traceparent`, if given."""
    if traceparent is None:
        session.defer(SQL["processed"], {"key": key})
    else:
        session.defer(SQL["processed_traced"], {"key": key, "traceparent": traceparent})


def refuse(session: Session, key: int, code: str, message: str) -> bool:
    """Mark a taken event as refused. False if the same one was refused before; then only that row's count is
    incremented."""
    values = {"key": key, **_reason(code, message)}
    if session.execute(SQL["refused_before"], values).first() is not None:
        session.execute(SQL["forget"], {"key": key})
        return False
    session.execute(SQL["refuse"], values)
    return True


def postpone(session: Session, key: int, seconds: float) -> None:
    """Postpone a taken event; later events of its conversation wait for it."""
    session.execute(SQL["postpone"], {"key": key, "seconds": seconds})


def keep_progress(session: Session, key: int, progress: Mapping[str, Any]) -> None:
    """Store the progress of a taken event; whoever takes it next continues from there."""
    session.execute(SQL["keep_progress"], {"key": key, "progress": dump(dict(progress))})


def unprocessed(
    session: Session, *, older_than_seconds: float, limit: int, again_seconds: float = WAKE_AGAIN_SECONDS
) -> list[int]:
    """Events that are due and have not been handled for `older_than_seconds`: their wake-up was lost, or never sent.

    Marks them as woken; the caller sends the wake-ups after the commit. Leaves out those woken in the last
    `again_seconds`.
    """
    values = {"older_than": older_than_seconds, "again": again_seconds, "limit": limit}
    return sorted(int(key) for key in session.execute(SQL["unprocessed"], values).scalars())


def wake_oldest(session: Session, merchant_ids: Collection[str], *, per_merchant: int = PER_MERCHANT) -> list[int]:
    """Events of these merchants that were put off and are now among their oldest unhandled ones.

    Marks them as woken; the caller sends the wake-ups after the commit. Call it in a separate transaction after events
    of a crowded merchant were handled or put off.
    """
    values = {"merchants": sorted(merchant_ids), "most": per_merchant}
    return sorted(int(key) for key in session.execute(SQL["wake_oldest"], values).scalars())


def wake_forgotten(session: Session, *, limit: int, per_merchant: int = PER_MERCHANT) -> list[int]:
    """Like `wake_oldest`, for merchants whose worker died before it could call that; looks at the first `limit` events
    that were put off."""
    bounds = {"limit": limit, "most": per_merchant}
    merchant_ids = session.execute(SQL["forgotten"], bounds).scalars().all()
    return wake_oldest(session, merchant_ids, per_merchant=per_merchant) if merchant_ids else []


def rejected(session: Session, limit: int) -> list[RejectedRow]:
    """Refused events, latest first."""
    return [RejectedRow(*row) for row in session.execute(SQL["rejected"], {"limit": limit})]


def refused_by(session: Session, event_id: str) -> list[str]:
    """The sources from which an event with this id was refused."""
    return list(session.execute(SQL["refused_by"], {"id": event_id}).scalars())


def retry(session: Session, event: tuple[str, str]) -> int | None:
    """Retry the event that was last refused under this (source, id); returns its key.

    None if there is no such event, its content was not stored, or another event with its identity was accepted since.
    """
    source, event_id = event
    revived = session.execute(SQL["retry"], {"source": source, "id": event_id}).scalar()
    return None if revived is None else int(revived)


def _reason(code: str, message: str) -> dict[str, str]:
    return {"code": storable_text(code, NAME_LIMIT), "message": storable_text(message, MESSAGE_LIMIT)}
