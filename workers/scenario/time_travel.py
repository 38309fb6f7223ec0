"""Time that passes without anybody waiting for it.

Every time in the workers' database is Postgres' `clock_timestamp()`. In the database of scenarios another function of
this name stands before it: real time, and an offset that is kept in one row. Advancing time is one update of this row.
What Redis keeps for a limited time is gone so much earlier.

While nobody works and something is due later (a pause between two messages, a lost message that is missed, the lease
of a worker that was killed), the scenario's time jumps there. What somebody does in the meantime (a store that answers
slowly, a fetch that waits to be allowed, a worker that starts) takes the time it takes.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

import redis
from sqlalchemy import text

from storage import turns
from storage.cache import FLIGHTS
from storage.database import Database, Session
from storage.turns import OpenTurn

INSTALL = """
CREATE SCHEMA scenario;
CREATE TABLE scenario.clock (ahead interval);
INSERT INTO scenario.clock VALUES ('0');
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.clock_timestamp() + ahead FROM scenario.clock';
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
END $$
"""
_ADVANCE = text("UPDATE scenario.clock SET ahead = ahead + make_interval(secs => :seconds)")
_RESET = text("UPDATE scenario.clock SET ahead = '0'")
_NO_CLAIM = text("LOCK TABLE turns IN EXCLUSIVE MODE")
_COUNTS = text("""
SELECT (SELECT count(*) FROM events WHERE status = 'received'), (SELECT count(*) FROM replies)
""")
_KNOWN_EVENTS = text("SELECT source, id FROM events WHERE status <> 'received'")

#: Unix times are greater; other scores in Redis are not times.
_A_TIME = 1e9
#: How long nobody must have worked when something is overdue: it may have been lost, or somebody is slow to take it.
PATIENCE_SECONDS = 0.3
#: How far time jumps then: it is not known when the loss is noticed. Before the next jump comes another wait.
FIRST_STEP, LONGEST_STEP = 1.0, 2.0
#: Beyond the moment, so that it is over for everyone.
MARGIN_SECONDS = 0.002


def install(database_url: str) -> None:
    """Put the clock into a database that has no tables yet."""
    database = Database(database_url, pool_size=1)
    with database.transaction() as session:
        session.execute(text(INSTALL))
    database.dispose()


def advance(session: Session, seconds: float, *, lives: Callable[[str], bool], lease_seconds: float) -> float:
    """Advance the workers' clock; returns when, as Unix time. Leases are renewed of whoever lives."""
    session.execute(_NO_CLAIM)
    held = [(turn.turn_id, turn.attempt) for turn in turns.under_way(session) if turn.owner and lives(turn.owner)]
    session.execute(_ADVANCE, {"seconds": seconds})
    turns.extend_leases(session, held, lease_seconds=lease_seconds)
    return time.time()


def reset(session: Session) -> None:
    """Set the workers' clock to real time."""
    session.execute(_RESET)


def expire_earlier(client: redis.Redis, seconds: float) -> None:
    """Let whatever a Redis keeps for a limited time, or at a time, be over earlier.

    Fetches in flight are left alone: who leads one lives and would have renewed it.
    """
    flights = set(client.scan_iter(match=FLIGHTS))
    for key in client.scan_iter():
        left = int(client.pttl(key))
        if key in flights:
            continue
        if 0 <= left <= seconds * 1000:
            client.delete(key)
        elif left > 0:
            client.pexpire(key, left - round(seconds * 1000))
        elif client.type(key) == b"zset":
            times = [(member, score) for member, score in client.zscan_iter(key) if score > _A_TIME]
            client.zadd(key, {member: score - seconds for member, score in times}, xx=True) if times else None


class ScenarioClock:
    """The scenario's seconds, from its beginning on: real ones, and those that passed in jumps."""

    def __init__(self) -> None:
        self._began = time.time()
        self._jumps: list[tuple[float, float]] = []

    def jumped(self, seconds: float, *, at: float) -> None:
        """Time has jumped, at this Unix time."""
        self._jumps.append((at, seconds))

    def now(self) -> float:
        """Seconds since the scenario began."""
        return self.of_real(time.time())

    def of_real(self, unix: float) -> float:
        """The same for a moment of real time, a Unix time."""
        return unix - self._began + sum(seconds for at, seconds in self._jumps if at <= unix)

    def of_workers(self, moment: datetime | None) -> float:
        """The same for a moment of the workers' clock, such as the time of a reply; None: now."""
        return self.now() if moment is None else moment.timestamp() - self._began


@dataclass(frozen=True)
class Pending:
    """What is under way: events nobody has handled, replies nobody was shown, turns that go on by themselves."""

    events: int
    replies: int
    turns: tuple[OpenTurn, ...]

    @classmethod
    def look(cls, session: Session, *, published: Collection[tuple[str, str]], shown: int) -> "Pending":
        """What is under way when these events (source, id) were published and `shown` replies were shown."""
        received, replies = session.execute(_COUNTS).one()
        known = {(source, id) for source, id in session.execute(_KNOWN_EVENTS)}
        on_their_way = sum(event not in known for event in published)
        return cls(max(received, on_their_way), max(replies - shown, 0), tuple(turns.under_way(session)))

    @property
    def is_anything(self) -> bool:
        """Whether something is still to come."""
        return bool(self.events or self.replies or self.turns)


class TimeTraveller:
    """Looks on, and says how far time may jump."""

    def __init__(self, lives: Callable[[str], bool]) -> None:
        """`lives`: whether the owner of a lease takes work."""
        self._lives = lives
        self._idle_since: float | None = None
        self._step = FIRST_STEP

    def is_working(self, pending: Pending, *, is_busy: bool) -> bool:
        """Whether somebody works."""
        return is_busy or any(turn.owner is not None and self._lives(turn.owner) for turn in pending.turns)

    def jump(self, pending: Pending, *, is_working: bool) -> float:
        """Seconds to jump now: 0 unless something is due later and nobody works, now and at the last look.

        At one look alone a task may be about to begin.
        """
        now = time.monotonic()
        if is_working or not pending.is_anything:
            self._idle_since, self._step = None, FIRST_STEP
        elif self._idle_since is None:
            self._idle_since = now
        elif (wait := self._wait(pending, now - self._idle_since)) is not None:
            self._idle_since = None
            return wait + MARGIN_SECONDS
        return 0.0

    def _wait(self, pending: Pending, idle: float) -> float | None:
        """Seconds until something goes on; None if that is to be waited for."""
        due = min((turn.seconds for turn in pending.turns), default=0.0)
        is_known = due > 0 and not pending.events
        if not is_known and idle < PATIENCE_SECONDS:
            return None
        if is_known and not pending.replies:
            return due
        step, self._step = self._step, min(self._step * 2, LONGEST_STEP)
        return min(step, due) if is_known else step  # a reply that was lost is sent again before that, perhaps
