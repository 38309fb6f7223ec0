"""Skips time.

All times in the workers' database come from Postgres' `clock_timestamp()`. The scenarios' database shadows it with a
function that adds an offset, stored in one row, to real time. Advancing time is one update of this row. Redis' keys are
made to expire earlier by the same amount.

While nobody works and something is due later (a pause between two messages, the recovery of a lost message, the lease
of a killed worker), the scenario's time jumps there. Work (a slow store, a fetch that waits for points, a worker that
starts) takes real time.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

import redis
from sqlalchemy import text

from events import queues
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
_SET = text("UPDATE scenario.clock SET ahead = :now - pg_catalog.clock_timestamp()")
_RESET = text("UPDATE scenario.clock SET ahead = '0'")
_NO_CLAIM = text("LOCK TABLE turns IN EXCLUSIVE MODE")
_COUNTS = text("""
SELECT (SELECT count(*) FROM events WHERE status = 'received'), (SELECT count(*) FROM replies)
""")
_KNOWN_EVENTS = text("SELECT source, id FROM events WHERE status <> 'received'")

#: Seconds of idleness required if something is overdue: it may be lost, or just not taken yet.
PATIENCE_SECONDS = 0.3
#: Seconds to jump then, since it is unknown when the loss is noticed. Another wait follows before the next jump.
FIRST_STEP, LONGEST_STEP = 1.0, 2.0
#: Seconds beyond the due time, so that it has passed for everyone.
MARGIN_SECONDS = 0.002


def install(database_url: str) -> None:
    """Install the clock in a database without tables."""
    database = Database(database_url, pool_size=1)
    with database.transaction() as session:
        session.execute(text(INSTALL))
    database.dispose()


def advance(session: Session, seconds: float, *, lives: Callable[[str], bool], lease_seconds: float) -> float:
    """Advance the workers' clock; returns the Unix time. Renews the leases of living owners."""
    session.execute(_NO_CLAIM)
    held = [(turn.turn_id, turn.attempt) for turn in turns.under_way(session) if turn.owner and lives(turn.owner)]
    session.execute(_ADVANCE, {"seconds": seconds})
    turns.extend_leases(session, held, lease_seconds=lease_seconds)
    return time.time()


def set_clock(session: Session, now: datetime) -> None:
    """Set the workers' clock, before they have any work."""
    session.execute(_SET, {"now": now})


def reset(session: Session) -> None:
    """Set the workers' clock to real time."""
    session.execute(_RESET)


def expire_earlier(client: redis.Redis, seconds: float) -> None:
    """Make Redis keys expire earlier, and unacked messages of dead consumers return earlier.

    Fetches in flight are left alone: their leader is alive and would have renewed them.
    """
    flights = set(client.scan_iter(match=FLIGHTS))
    for key in set(client.scan_iter()) - flights:
        left = int(client.pttl(key))
        if 0 <= left <= seconds * 1000:
            client.delete(key)
        elif left > 0:
            client.pexpire(key, left - round(seconds * 1000))
    for queue in (queues.EVENTS, queues.REPLIES):
        index = queues.unacked_keys(queue)["unacked_index_key"]
        if taken := dict(client.zscan_iter(index)):
            client.zadd(index, {tag: at - seconds for tag, at in taken.items()}, xx=True)


class ScenarioClock:
    """The scenario's time in seconds since its start: real time plus jumps."""

    def __init__(self) -> None:
        self._began = time.time()
        self._jumps: list[tuple[float, float]] = []

    def jumped(self, seconds: float, *, at: float) -> None:
        """Record a jump at this Unix time."""
        self._jumps.append((at, seconds))

    def now(self) -> float:
        """Seconds since the scenario started."""
        return self.of_real(time.time())

    def of_real(self, unix: float) -> float:
        """The scenario's time at a Unix time."""
        return unix - self._began + sum(seconds for at, seconds in self._jumps if at <= unix)

    def of_workers(self, moment: datetime | None) -> float:
        """The scenario's time for a time by the workers' clock, such as a reply's; None: now."""
        return self.now() if moment is None else moment.timestamp() - self._began


@dataclass(frozen=True)
class Pending:
    """What is in progress: unhandled events, replies not shown yet, open turns."""

    events: int
    replies: int
    turns: tuple[OpenTurn, ...]

    @classmethod
    def look(cls, session: Session, *, published: Collection[tuple[str, str]], shown: int) -> "Pending":
        """What is in progress, given the published events (source, id) and the number of `shown` replies."""
        received, replies = session.execute(_COUNTS).one()
        known = {(source, id) for source, id in session.execute(_KNOWN_EVENTS)}
        on_their_way = sum(event not in known for event in published)
        return cls(max(received, on_their_way), max(replies - shown, 0), tuple(turns.under_way(session)))

    @property
    def is_anything(self) -> bool:
        """Whether something is still to come."""
        return bool(self.events or self.replies or self.turns)


class TimeTraveller:
    """Says how far time may jump."""

    def __init__(self, lives: Callable[[str], bool]) -> None:
        """`lives`: whether the owner of a lease is alive."""
        self._lives = lives
        self._idle_since: float | None = None
        self._step = FIRST_STEP

    def is_working(self, pending: Pending, *, is_busy: bool) -> bool:
        """Whether somebody works."""
        return is_busy or any(turn.owner is not None and self._lives(turn.owner) for turn in pending.turns)

    def jump(self, pending: Pending, *, is_working: bool) -> float:
        """Seconds to jump now: 0 unless something is due later and nobody works, now and at the previous look.

        At a single look a task may just be about to start.
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
        """Seconds until something continues; None if real time must pass."""
        due = min((turn.seconds for turn in pending.turns), default=0.0)
        is_known = due > 0 and not pending.events
        if not is_known and idle < PATIENCE_SECONDS:
            return None
        if is_known and not pending.replies:
            return due
        step, self._step = self._step, min(self._step * 2, LONGEST_STEP)
        return min(step, due) if is_known else step  # a lost reply may be sent again before that
