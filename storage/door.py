"""The door's side of the outbox: replies are read from a client's place on.

Clients keep their own place. A reply at the door is never published, so nothing is sent again and no order has to be
restored: `read` returns each place once, in order, and again if asked again. Naming a place acks everything up to it.
`listen` reports conversations with something new; `outbox.append` notifies. The SQL is in `door.sql`.
"""

import re
import select
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Self

import psycopg2

from storage import sql
from storage.database import CLIENT_ENCODING, CONNECT_TIMEOUT, KEEPALIVES, Session, libpq_url
from storage.errors import StorageUnavailable

CHANNEL = "cj_replies"
#: Seconds between two probes, notices to ourselves: one that does not arrive means that no notice does.
PROBE_SECONDS = 10.0
PROBE = "-"
#: How many replies are read for a stream at a time.
LIMIT = 100

#: A sequence number after all of a turn's.
_END = 2**31 - 1
PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,9})(?::([0-9]{1,18}))?")

SQL = sql.load("door")


@dataclass(frozen=True, order=True)
class ReplyPlace:
    """A client's place: everything up to (turn, sequence), and the last refused event answered outside the
    conversation."""

    turn: int = 0
    sequence: int = 0
    apart: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """`3:2`, or `3:2:81`. Raises ValueError."""
        found = PLACE.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"a place is turn:sequence, such as 3:2, not {text[:40]!r}")
        return cls(*(int(part or 0) for part in found.groups()))

    def within(self, last_turn: int) -> Self:
        """This place or, if there was no such turn yet, the end of the latest one: a client may name a place of
        another conversation, or of a state before Postgres was restored, and would wait for a turn of that number."""
        return self if self.turn <= last_turn else replace(self, turn=last_turn, sequence=_END)

    def __str__(self) -> str:
        return f"{self.turn}:{self.sequence}" + (f":{self.apart}" if self.apart else "")


@dataclass(frozen=True)
class StoredReply:
    """A reply in its current form, the place after it, and its age in seconds."""

    place: ReplyPlace
    body: dict[str, Any]
    age: float


@dataclass(frozen=True)
class Wanted:
    """What to read next for a stream. `until`: it ends when this event's runs have ended, or with 0 when all runs
    have."""

    merchant_id: str
    conversation_id: str
    place: ReplyPlace
    until: int | None = None


@dataclass(frozen=True)
class NextReplies:
    """The next replies. `has_more`: more can be read at once; `has_ended`: there will be no more."""

    replies: list[StoredReply]
    has_more: bool
    has_ended: bool


@dataclass(frozen=True)
class Owner:
    """A conversation's merchant, whether its replies are read at the door, and the number of its latest turn."""

    merchant_id: str
    by_door: bool
    last_turn: int


def read(session: Session, wanted: Sequence[Wanted], *, limit: int = LIMIT) -> list[NextReplies]:
    """The next replies for each of these streams, in one round trip."""
    values = {
        "numbers": list(range(len(wanted))),
        "merchants": [one.merchant_id for one in wanted],
        "conversations": [one.conversation_id for one in wanted],
        "turns": [one.place.turn for one in wanted],
        "sequences": [one.place.sequence for one in wanted],
        "aparts": [one.place.apart for one in wanted],
        "events": [-1 if one.until is None else one.until for one in wanted],
    }
    given = [NextReplies([], has_more=False, has_ended=False) for _ in wanted]
    places = [one.place for one in wanted]
    rows = session.execute(SQL["read"], {**values, "limit": limit}).all()
    counts: dict[tuple[int, bool], int] = {}
    for number, has_ended, turn, sequence, apart, body, age in rows:
        found = given[number].replies
        if body is not None:
            at = places[number]
            places[number] = ReplyPlace(at.turn, at.sequence, apart) if apart else ReplyPlace(turn, sequence, at.apart)
            found.append(StoredReply(places[number], body, age))
            counts[number, bool(apart)] = counts.get((number, bool(apart)), 0) + 1
        has_more = limit in (counts.get((number, False)), counts.get((number, True)))
        given[number] = NextReplies(found, has_more, has_ended and not has_more)
    return given


def whose(session: Session, conversation_id: str) -> Owner | None:
    """The conversation's owner; None if it was not opened yet."""
    row = session.execute(SQL["whose"], {"conversation_id": conversation_id}).one_or_none()
    return None if row is None else Owner(*row)


def under_way(session: Session, merchant_id: str, conversation_id: str, turn_id: int | None) -> int:
    """The number of the turn `turn_id`; else of the first unfinished turn; else of the next one."""
    values = {"merchant_id": merchant_id, "conversation_id": conversation_id, "turn_id": turn_id}
    return int(session.execute(SQL["under_way"], values).scalar() or 1)


def sent_otherwise(
    session: Session, merchant_id: str, conversation_id: str, messages: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """The events of those messages (id and text) that were sent to the conversation as events with these ids: a
    snapshot has shown them, and they are not new."""
    where = {"merchant_id": merchant_id, "conversation_id": conversation_id, "limit": LIMIT}
    rows = session.execute(SQL["sent_otherwise"], {**where, "ids": [name for name, _ in messages]})
    return {(row.id, row.text): row.key for row in rows if (row.id, row.text) in messages}


def first_turn(session: Session, event_key: int) -> int | None:
    """The number of the first turn of an event, if it has one already."""
    return session.execute(SQL["first_turn"], {"event_key": event_key}).scalar()


def acknowledge(
    session: Session, merchant_id: str, conversation_id: str, place: ReplyPlace, *, traced: bool = False
) -> list[tuple[float, str | None]]:
    """Record that a client has everything up to `place`; returns the ages in seconds of the replies that were unacked
    until now and, if `traced`, their traceparents."""
    where = {"merchant_id": merchant_id, "conversation_id": conversation_id, **vars(place)}
    rows = session.execute(SQL["acknowledge"], {**where, "traced": traced})
    return [(row.age, row.traceparent) for row in rows]


def listen(url: str, heard: Callable[[set[str]], None], is_stopping: Callable[[], bool]) -> None:
    """Call `heard` with the conversations that have something new, until `is_stopping`; blocks.

    `heard(set())` means that any may have, since earlier notices were missed. Raises StorageUnavailable when the
    connection breaks, or if notices do not arrive, as through PgBouncer in transaction mode.
    """
    try:
        options: dict[str, Any] = {**CLIENT_ENCODING, **KEEPALIVES, "connect_timeout": CONNECT_TIMEOUT}
        with closing(psycopg2.connect(libpq_url(url), application_name="cj-gateway", **options)) as connection:
            _listen(connection, heard, is_stopping)
    except psycopg2.Error as error:
        raise StorageUnavailable(f"Postgres is not available: {type(error).__name__}") from None


def _listen(connection: Any, heard: Callable[[set[str]], None], is_stopping: Callable[[], bool]) -> None:
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f"LISTEN {CHANNEL}")
    heard(set())
    waited, probed = PROBE_SECONDS, False
    while not is_stopping():
        if waited >= PROBE_SECONDS:
            if probed:
                raise StorageUnavailable(
                    "notices do not come through; name Postgres itself, or a PgBouncer in session mode"
                )
            cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, PROBE))
            waited, probed = 0.0, True
        if not connection.notifies:
            ready, _, _ = select.select([connection], [], [], 0.5)
            waited += 0.0 if ready else 0.5
        connection.poll()
        names = {notice.payload for notice in connection.notifies}
        connection.notifies.clear()
        probed = probed and PROBE not in names
        if names - {PROBE}:
            heard(names - {PROBE})
