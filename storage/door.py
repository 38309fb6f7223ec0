"""The door's side of the outbox: replies are read by the place up to which a client has them.

Nobody keeps where a client stands: it says so itself. A reply of the door is never published, so there is nothing to
send again, and no order to restore: `read` gives each place once, in order, and to whoever asks again, again. Naming a
place acks everything up to it. `listen` tells which conversations have something new; `outbox.append` notifies. The SQL
is in `door.sql`.
"""

import re
import select
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self

import psycopg2

from storage import sql
from storage.database import CLIENT_ENCODING, CONNECT_TIMEOUT, KEEPALIVES, Session, libpq_url
from storage.errors import StorageUnavailable

CHANNEL = "cj_replies"
#: Seconds between two notices to ourselves: one that does not come back means that nobody is heard.
PROBE_SECONDS = 10.0
PROBE = "-"
#: Replies that are read for a stream at a time.
LIMIT = 100

PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,9})(?::([0-9]{1,18}))?")

SQL = sql.load("door")


@dataclass(frozen=True, order=True)
class ReplyPlace:
    """Everything up to here was shown: (turn, sequence), and the last refused event that was answered apart."""

    turn: int = 0
    sequence: int = 0
    apart: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """`3:2`, or `3:2:81`. Raises ValueError."""
        found = PLACE.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"a place is turn:sequence, such as 3:2, not {text[:40]!r}")
        numbers = [int(part or 0) for part in found.groups()]
        if max(numbers[:2]) > 2**31 - 1:
            raise ValueError("there is no such place")
        return cls(*numbers)

    def __str__(self) -> str:
        return f"{self.turn}:{self.sequence}" + (f":{self.apart}" if self.apart else "")


@dataclass(frozen=True)
class StoredReply:
    """A reply as it reads now, the place that it brings its reader to, and its age in seconds."""

    place: ReplyPlace
    body: dict[str, Any]
    age: float


@dataclass(frozen=True)
class Wanted:
    """What a stream is to be given next. `until`: it ends once this event's runs have, or with 0 every run."""

    merchant_id: str
    conversation_id: str
    place: ReplyPlace
    until: int | None = None


@dataclass(frozen=True)
class NextReplies:
    """The next replies. `has_more` may be there at once; `has_ended`: there will be no more of them."""

    replies: list[StoredReply]
    has_more: bool
    has_ended: bool


@dataclass(frozen=True)
class Owner:
    """Whose conversation it is, and whether its replies are read at the door."""

    merchant_id: str
    by_door: bool


def read(session: Session, wanted: Sequence[Wanted], *, limit: int = LIMIT) -> list[NextReplies]:
    """What each of these streams is to be given now, in one round trip."""
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
    """Whose conversation it is; None if it was not opened yet."""
    row = session.execute(SQL["whose"], {"conversation_id": conversation_id}).one_or_none()
    return None if row is None else Owner(*row)


def under_way(session: Session, merchant_id: str, conversation_id: str, turn_id: int | None) -> int:
    """The number of the turn `turn_id`; else of the first that has not ended; else of the next one."""
    values = {"merchant_id": merchant_id, "conversation_id": conversation_id, "turn_id": turn_id}
    return int(session.execute(SQL["under_way"], values).scalar() or 1)


def first_turn(session: Session, event_key: int) -> int | None:
    """The number of the first turn of an event, if it has one already."""
    return session.execute(SQL["first_turn"], {"event_key": event_key}).scalar()


def acknowledge(
    session: Session, merchant_id: str, conversation_id: str, place: ReplyPlace, *, traced: bool = False
) -> list[tuple[float, str | None]]:
    """Note that a client has everything up to `place`; returns how many seconds old those are that were unacked until
    now, and, if `traced`, their traceparents."""
    where = {"merchant_id": merchant_id, "conversation_id": conversation_id, **vars(place)}
    rows = session.execute(SQL["acknowledge"], {**where, "traced": traced})
    return [(row.age, row.traceparent) for row in rows]


def listen(url: str, heard: Callable[[set[str]], None], is_stopping: Callable[[], bool]) -> None:
    """Call `heard` with the conversations that have something new, until `is_stopping`; blocks.

    `heard(set())` means: perhaps all of them, since nothing was heard before. Raises StorageUnavailable when the
    connection breaks, or if notices do not come through, as through PgBouncer in transaction mode.
    """
    try:
        options: dict[str, Any] = {**CLIENT_ENCODING, **KEEPALIVES, "connect_timeout": CONNECT_TIMEOUT}
        with closing(psycopg2.connect(libpq_url(url), application_name="cj-gateway", **options)) as connection:
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
    except psycopg2.Error as error:
        raise StorageUnavailable(f"Postgres is not available: {type(error).__name__}") from None
