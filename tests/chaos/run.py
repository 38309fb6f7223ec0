"""One run: connect the merchants, publish events while faults happen, wait for quiet, judge."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from events import queues
from storage.errors import StorageError
from tests.chaos import plan
from tests.chaos.faults import Chaos
from tests.chaos.frontend import Frontends, history
from tests.chaos.ground import STANDBY, Ground
from tests.chaos.plan import Fault, Given
from tests.chaos.record import Shown
from tests.chaos.source import Source
from tests.chaos.verdict import EventRow, ReplyRow, TurnRow, Verdict, judge, latencies

POLL_SECONDS = 0.2
REQUESTS_ONE_IN = 6
PATIENCE = 90.0
"""Seconds to wait for quiet in a test."""
QUEUES = (queues.EVENTS, queues.REPLIES, queues.ACKS)


@dataclass(frozen=True)
class Wanted:
    """A run's parameters. In seconds: `pause` is the least and the most time between faults, `patience` how long to
    wait for quiet after the last event."""

    name: str
    seed: int
    seconds: float
    rate: float
    pause: tuple[float, float] = (0.8, 2.4)
    copies: tuple[int, ...] = (0, 1, 1, 2, 3)
    per_merchant: int = 8
    patience: float = 240.0
    doors: bool = False
    """Every other conversation is at the doors, a second gateway stands by at the queue, merchants stop runs, and
    frontends come back."""


@dataclass
class Outcome:
    """A run's outcome."""

    wanted: Wanted
    verdict: Verdict
    counts: dict[str, int]
    faults: Sequence[Fault]
    first: list[float]
    end: list[float]
    quiet_after: float | None
    problems: list[str] = field(default_factory=list)
    given: Sequence[Given] = ()

    @property
    def good(self) -> bool:
        return not (self.verdict.faults or self.problems or self.quiet_after is None)


def run(
    ground: Ground,
    wanted: Wanted,
    *,
    faults: Sequence[Fault] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Outcome:
    """`faults` replaces those planned from the seed; `meanwhile` is called when they are over."""
    dice = random.Random(wanted.seed)
    count = max(2, int(wanted.seconds * wanted.rate / wanted.per_merchant))
    whose = plan.merchants(wanted.name, count, doors=wanted.doors)
    given = plan.events(
        wanted.name,
        whose,
        seconds=wanted.seconds,
        rate=wanted.rate,
        copies=wanted.copies,
        dice=dice,
        requests=REQUESTS_ONE_IN if wanted.doors else 0,
    )
    targets = sorted(ground.stack.supervisor.pids())
    if faults is None:
        lease = ground.lease_seconds
        faults = plan.faults(targets, seconds=wanted.seconds, lease_seconds=lease, pause=wanted.pause, dice=dice)
    for merchant in whose:
        ground.stack.connect(merchant.shop_domain, merchant.merchant_id, size="tiny")
    source = Source(ground.stack.database, ground.stack.publisher, given, ground.doors)
    chaos = Chaos(ground.stack.supervisor, ground.postgres, ground.valkey, faults)
    frontends = Frontends(ground.doors, whose, ground.at_doors, wanted.seed)
    with _standing_by(ground) if wanted.doors else contextlib.nullcontext():
        frontends.start()
        source.start()
        chaos.run()
        meanwhile()
        source.wait()
        quiet_after = wait_for_quiet(ground, given, wanted.patience)
    outcome = _outcome(ground, wanted, given, source, chaos, quiet_after)
    if quiet_after is None:
        outcome.problems += what_waits(ground, given)
    frontends.stop()
    for told in (*frontends.begun, *([history(ground.doors, one)] for one in whose if one.by_door)):
        outcome.verdict.judge_history(told[0], ground.at_doors.read())
        outcome.verdict.judge_continuity("who had nothing yet", told)
    outcome.counts["streams at the doors"] = frontends.reconnects
    outcome.counts["of those, begun with the history"] = len(frontends.begun)
    return outcome


@contextlib.contextmanager
def _standing_by(ground: Ground) -> Iterator[None]:
    """With a second gateway at the queue."""
    (ground.orders / STANDBY).touch()
    try:
        yield
    finally:
        (ground.orders / STANDBY).unlink()
        with contextlib.suppress(ProcessLookupError, KeyError):
            os.kill(ground.stack.supervisor.pids()[STANDBY], signal.SIGKILL)  # and another waits for the next order


def wait_for_quiet(ground: Ground, given: Sequence[Given], patience: float) -> float | None:
    """Seconds until nothing was left to do; None if that took longer than `patience`."""
    started = time.monotonic()
    while time.monotonic() - started < patience:
        try:
            if is_quiet(ground, given):
                return time.monotonic() - started
        except (StorageError, redis.RedisError):
            pass  # a server is still coming back
        time.sleep(POLL_SECONDS)
    return None


def is_quiet(ground: Ground, given: Sequence[Given]) -> bool:
    """Whether every event is handled, every turn ended, every reply acked, and no message waits."""
    prefix = _prefix(given)
    [(stored, received, open_turns, unacked)] = ground.stack.rows(
        """
        select count(*), count(*) filter (where status = 'received'),
               (select count(*) from turns where conversation_id like :prefix and status in ('queued', 'running')),
               (select count(*) from replies where conversation_id like :prefix and acked_at is null)
        from events where conversation_id like :prefix
        """,
        prefix=prefix,
    )
    if stored < len(given) or received or open_turns or unacked:
        return False
    client = redis.Redis.from_url(ground.valkey.url, socket_timeout=2.0)
    try:
        return not any(int(client.llen(queue)) for queue in QUEUES)
    finally:
        client.close()


def what_waits(ground: Ground, given: Sequence[Given]) -> list[str]:
    """Why it is not quiet, for whoever looks at a run that failed."""
    waiting = ground.stack.rows(
        """
        select 'event ' || id || ' is ' || status from events where conversation_id like :prefix and status = 'received'
        union all
        select 'turn ' || id || ' of ' || conversation_id || ' is ' || status from turns
        where conversation_id like :prefix and status in ('queued', 'running')
        union all
        select 'reply ' || id || ' of ' || conversation_id || ' was published ' || publishes || ' times, last at '
            || coalesce(published_at::text, 'no time') from replies
        where conversation_id like :prefix and acked_at is null
        """,
        prefix=_prefix(given),
    )
    with contextlib.closing(redis.Redis.from_url(ground.valkey.url, socket_timeout=2.0)) as client:
        lengths = [f"{client.llen(queue)} on queue {queue}" for queue in QUEUES]
        holders = [f"{key!r} is {client.get(key)!r}" for key in client.keys("*hold*")]
    return [sentence for (sentence,) in waiting] + lengths + holders


def look(ground: Ground, given: Sequence[Given]) -> tuple[Verdict, dict[str, int], list[Shown]]:
    """The verdict at this moment."""
    values: dict[str, Any] = {"prefix": _prefix(given)}
    rows = ground.stack.rows
    events = [
        EventRow(*row)
        for row in rows("select source, id, status, type from events where conversation_id like :prefix", **values)
    ]
    turns = [TurnRow(*row) for row in rows(TURNS, **values)]
    replies = [
        ReplyRow(*row)
        for row in rows(
            "select id, turn_id, acked_at is not null from replies where conversation_id like :prefix", **values
        )
    ]
    mine = {event.conversation_id for event in given}
    way = {event.conversation_id: event.by_door for event in given}
    shown = [item for item in ground.record.read() if item.reply.subject in mine]
    at_doors = [item for item in ground.at_doors.read() if item.reply.subject in mine]
    counts = {
        "events": len(given),
        "turns": len(turns),
        "replies": len(replies),
        "shown": len(shown),
        "shown at the doors": len(at_doors),
        "shown again": sum(item.reply.repeats is not None for item in shown),
        "stops": sum(event.type == "stop_requested" for event in given),
        "requests for replies": sum(event.type == "replies_requested" for event in given),
        "of those, answered": len({item.reply.repeats for item in shown} - {None}),
        "turns resumed": sum(turn.failures > 0 for turn in turns),
        "turns stopped or absorbed": sum(turn.aside and turn.status == "done" for turn in turns),
        "turns given up with an apology": sum(turn.status == "dead" for turn in turns),
    }
    verdict = judge([(event.source, event.id) for event in given], events, turns, replies, [*shown, *at_doors])
    wrong = [
        item for items, door in ((shown, False), (at_doors, True)) for item in items if way[item.reply.subject] != door
    ]
    verdict.duplicated += [f"reply {item.reply.id} came the other way" for item in wrong]
    return verdict, counts, [*shown, *at_doors]


TURNS = """
select t.id, t.conversation_id, t.seq, e.id, t.status, t.failures, t.started_at, t.finished_at,
       t.absorbed_by is not null or t.error is not distinct from 'stopped'
from turns t join events e on e.key = t.event_key where t.conversation_id like :prefix
"""


def _prefix(given: Sequence[Given]) -> str:
    return given[0].conversation_id.rpartition("-")[0] + "-%"


def _outcome(
    ground: Ground, wanted: Wanted, given: Sequence[Given], source: Source, chaos: Chaos, quiet_after: float | None
) -> Outcome:
    verdict, counts, shown = look(ground, given)
    counts["published in vain"] = source.failed_publishes
    first, end = latencies(source.given_at, shown)
    return Outcome(wanted, verdict, counts, chaos.done, first, end, quiet_after, chaos.problems, given)
