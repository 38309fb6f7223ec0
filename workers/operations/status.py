"""The state of the system: what waits, how fast it is, which workers answer, and what is wrong, in sentences.

`read` asks Postgres, the broker and the workers; `problems` names what is wrong, with the command that shows more.
`cj status` and `cj check` use both; the gauges of `workers.metrics` are the same numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import redis

from events import queues
from storage import backlog, redis_server
from storage.backlog import Backlog, Speed
from storage.database import Database
from storage.errors import SchemaMissing, StorageError, StorageUnavailable
from workers.settings import Settings

LIMIT_SECONDS = 2.0
"""How long the broker and the workers have to answer."""
WINDOW_SECONDS = 900.0
"""Speeds are measured over this many last seconds."""
WAITS_LONG_SECONDS = 60.0
"""What waits longer than this probably needs an operator."""
SILENT_SECONDS = 10.0
"""Intake takes milliseconds per event: while events are on the broker, it stores one more often than this."""
FULL_QUEUE = 1000
NO_WRITES = "Postgres accepts no writes (a full disk, a standby)"
OVERDUE_SECONDS = 86_400.0
CLOCK_SECONDS = 5.0

PROMISES: Mapping[str, float] = {"event handled": 0.5, "turn claimed": 0.5, "first words": 10.0}
"""Targets for the 95th percentile, in seconds."""
WORKERS: Mapping[str, str] = {queues.WORKFLOW: "workflow", queues.TURNS: "agent", queues.SHOPIFY: "shopify"}


@dataclass(frozen=True)
class Trouble:
    """A problem, and the command that shows more. `alarming`: merchants wait because of it, or soon will."""

    sentence: str
    command: str
    alarming: bool = True


@dataclass(frozen=True)
class Status:
    """What was found; None where a server did not answer."""

    backlog: Backlog | None
    speeds: Mapping[str, Speed]
    queues: Mapping[str, int] | None
    workers: Sequence[str] | None
    """Celery node names of the workers that answer. Intake is not a Celery worker."""
    unfit: Sequence[str] = ()
    """What is wrong with a Redis that is the broker."""
    flooder: tuple[str, int] | None = None
    """The merchant with the most declined messages in the last hour, and how many."""
    away: str | None = None
    """Why Postgres gave no backlog."""

    def to_json(self) -> dict[str, Any]:
        """As JSON, with the problems."""
        found = problems(self)
        return {
            "ok": not any(one.alarming for one in found),
            "problems": [asdict(one) for one in found],
            "waiting": None if self.backlog is None else asdict(self.backlog),
            "speeds": {what: asdict(speed) for what, speed in self.speeds.items()},
            "queues": self.queues,
            "workers": self.workers,
        }


def read(settings: Settings) -> Status:
    """Ask all servers and workers. Never raises: what does not answer is part of the status."""
    found, speeds, flooder, away = _rows(settings.database_url)
    broker_url = settings.broker_url
    return Status(found, speeds, _queues(broker_url), _workers(broker_url), _unfit(broker_url), flooder, away)


def read_rows(settings: Settings) -> Status:
    """The backlog and the queues only; `cj check` checks the broker itself."""
    found, _, _, away = _rows(settings.database_url)
    return Status(found, {}, _queues(settings.broker_url), None, away=away)


def problems(status: Status) -> Sequence[Trouble]:
    """What is wrong, worst first."""
    return sorted(_found(status), key=lambda one: not one.alarming)


def _found(status: Status) -> Iterator[Trouble]:
    if status.away is not None:
        yield Trouble(status.away, "cj check")
    if status.queues is None:
        yield Trouble("the broker does not answer: no event comes in, and workers find their work late", "cj check")
    for sentence in status.unfit:
        yield Trouble(f"the broker {sentence}", "cj check")
    yield from _absent_workers(status)
    yield from _unstored_events(status)
    if status.backlog is not None:
        yield from _waiting(status.backlog, status)
        yield from _ended(status.backlog)
    if status.flooder is not None:
        merchant_id, count = status.flooder
        what = f"messages of merchant {merchant_id} that were declined in the last hour: {count:,}"
        yield Trouble(f"{what}; it sends them faster than CJ answers", f"cj why {merchant_id}", alarming=False)
    for what, promised in PROMISES.items():
        speed = status.speeds.get(what)
        if speed is not None and speed.p95 > promised:
            sentence = f"{what}: the 95th percentile is {span(speed.p95)}, the target {span(promised)}"
            yield Trouble(sentence, "cj why CONVERSATION", alarming=False)


def _unstored_events(status: Status) -> Iterator[Trouble]:
    count = 0 if status.queues is None else status.queues[queues.EVENTS]
    silent = 0.0 if status.backlog is None else status.backlog.silent_seconds
    if count >= FULL_QUEUE or (count and silent > SILENT_SECONDS):
        since = f", none stored for {span(silent)}" if silent > SILENT_SECONDS else ""
        cause = f"intake is not running, or {NO_WRITES}: its log says which"
        yield Trouble(f"events on the broker: {count:,}{since}; {cause}", "cj check --kind intake")


def _absent_workers(status: Status) -> Iterator[Trouble]:
    if status.workers is None or status.queues is None:
        return
    for queue, kind in WORKERS.items():
        if not any(name.startswith(kind) for name in status.workers):
            count = status.queues[queue]
            yield Trouble(f"no {kind} worker answers; wake-ups on its queue: {count:,}", f"cj check --kind {kind}")


def _why_late(found: Backlog, workers: Sequence[str] | None) -> str:
    """Why runnable turns do not run. `workers`: those that answer; None if they were not asked."""
    if found.without_model:
        return "no language model answers, and each turn tries one before it ends with a promise"
    if workers is not None and not any(name.startswith(WORKERS[queues.TURNS]) for name in workers):
        return "no agent answers"
    if found.running:
        return (
            f"the agents are busy with {found.running:,}, so these are late, not lost: start more agents, unless one "
            "merchant has them all (CJ_TURNS_AT_A_TIME)"
        )
    if workers is None:
        return "no agent runs them"
    return f"agents answer but run nothing, as when {NO_WRITES}: their log says why"


def _waiting(found: Backlog, status: Status) -> Iterator[Trouble]:
    lengths = status.queues or {}
    if found.events.oldest_seconds > WAITS_LONG_SECONDS:
        what = f"unhandled events: {found.events.count:,}, the oldest for {span(found.events.oldest_seconds)}"
        yield Trouble(
            f"{what}; workflow workers do not keep up, or one event is put off again and again", "cj why MERCHANT"
        )
    if found.turns.oldest_seconds > WAITS_LONG_SECONDS:
        what = f"turns that wait for an agent: {found.turns.count:,}, the oldest for {span(found.turns.oldest_seconds)}"
        yield Trouble(f"{what}; {_why_late(found, status.workers)}", "cj why CONVERSATION")
    if found.replies.oldest_seconds > WAITS_LONG_SECONDS:
        what = f"unacked replies: {found.replies.count:,}, the oldest for {span(found.replies.oldest_seconds)}"
        if lengths.get(queues.REPLIES):
            why = f"the chat gateway does not consume `replies` ({lengths[queues.REPLIES]:,} wait there)"
        else:
            why = "the chat gateway consumes `replies` and does not ack, or they cannot be published"
        yield Trouble(f"{what}; {why}", "cj timeline CONVERSATION")
    if abs(found.clock_ahead_seconds) > CLOCK_SECONDS:
        sentence = f"this machine's clock differs from Postgres' by {span(abs(found.clock_ahead_seconds))}"
        yield Trouble(
            f"{sentence}; token renewal and certificates depend on it", "date; chronyc tracking", alarming=False
        )
    if found.overdue_seconds > OVERDUE_SECONDS:
        yield Trouble(f"rows are overdue for deletion by {span(found.overdue_seconds)}", "cj check --kind workflow")


def _ended(found: Backlog) -> Iterator[Trouble]:
    if found.without_model:
        sentence = f"answers owed because no language model answers: {found.without_model:,}"
        yield Trouble(f"{sentence}; the agents' log says why", "cj why CONVERSATION")
    if found.failed:
        dead = f", {found.dead:,} of them dead" if found.dead else ""
        sentence = f"turns that failed in the last hour: {found.failed:,}{dead}; their merchants got no answer"
        yield Trouble(sentence, "cj turns failed --since 1h")
    if found.refused:
        sentence = f"events refused in the last hour: {found.refused:,}"
        yield Trouble(sentence, "cj events rejected", alarming=False)
    if found.owed:
        sentence = f"answers promised to merchants once their stores can be read again: {found.owed:,}"
        yield Trouble(sentence, "cj merchant SHOP", alarming=False)


def lines(status: Status) -> Iterator[str]:
    """One screen of text."""
    found = problems(status)
    for one in found:
        yield f"{'✗' if one.alarming else '!'} {one.sentence}"
        yield f"    {one.command}"
    if not found:
        yield "✓ nothing waits for long, and nothing failed in the last hour"
    yield ""
    if (rows := status.backlog) is not None:
        yield "waiting        rows    oldest"
        for what, count, oldest in waiting_rows(status):
            yield f"  {what:8} {count:>8}  {oldest:>8}"
        owed = rows.owed + rows.without_model
        states = f"{rows.running:,} running, {owed:,} owed, {rows.failed:,} failed in the last hour"
        yield f"turns          {states}"
        shops = ", ".join(f"{count:,} {name}" for name, count in rows.integrations.items())
        yield f"shops          {shops}"
    if status.queues is not None:
        yield "broker         " + ", ".join(f"{name} {count:,}" for name, count in status.queues.items())
    if status.workers is not None:
        yield "workers        " + (", ".join(sorted(status.workers)) or "none answers")
    elif status.queues is not None:
        yield "workers        could not be asked"
    if status.speeds:
        yield f"last {WINDOW_SECONDS / 60:.0f} min       cases      p50      p95    target"
        for what, count, p50, p95, promised in speed_rows(status):
            yield f"  {what:14} {count:>8} {p50:>8} {p95:>8}  {promised:>8}"


def waiting_rows(status: Status) -> Iterator[tuple[str, str, str]]:
    """What waits, how many, and the age of the oldest, as text."""
    if (rows := status.backlog) is not None:
        for what, found in (("events", rows.events), ("turns", rows.turns), ("replies", rows.replies)):
            yield what, f"{found.count:,}", span(found.oldest_seconds) if found.count else "-"


def speed_rows(status: Status) -> Iterator[tuple[str, str, str, str, str]]:
    """What was measured, how often, p50, p95 and the target, as text."""
    for what, speed in sorted(status.speeds.items()):
        promised = span(PROMISES[what]) if what in PROMISES else "-"
        yield what, f"{speed.count:,}", span(speed.p50), span(speed.p95), promised


def span(seconds: float) -> str:
    """`0 s`, `0.35 s`, `12 s`, `4 min`, `2.5 h`, `3 days`."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{round(seconds / size, int(unit != 'min')):g} {unit}"
    return f"{round(seconds, 3):.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def _rows(database_url: str) -> tuple[Backlog | None, Mapping[str, Speed], tuple[str, int] | None, str | None]:
    found, speeds, flooder, away = None, dict[str, Speed](), None, None
    database = Database(database_url, application_name="cj-status")
    try:
        # The speeds come last: on a busy day they take longest, and may time out.
        with database, database.reading() as session:
            found, flooder = backlog.read(session), backlog.declined(session)
            speeds = backlog.speeds(session, window_seconds=WINDOW_SECONDS)
    except StorageError as error:
        if found is None:
            is_down = isinstance(error, StorageUnavailable | SchemaMissing)
            what = "no event is stored and nothing is answered" if is_down else "the backlog cannot be read"
            away = f"{what}: {error}"
    return found, speeds, flooder, away


def _queues(broker_url: str) -> Mapping[str, int] | None:
    try:
        with queues.connection(broker_url, timeout=LIMIT_SECONDS) as connection:
            channel = queues.open_channel(connection)
            return {name: queues.length(name, channel) for name in queues.ALL}
    except Exception:  # noqa: BLE001 - each transport fails in its own way
        return None


def _unfit(broker_url: str) -> Sequence[str]:
    try:
        return redis_server.problems(broker_url.split(";")[0], seconds=LIMIT_SECONDS, keeps_queues=True)
    except redis_server.UnfitServer as error:
        return (str(error),)
    except redis.RedisError:  # `_queues` says so
        return ()


def _workers(broker_url: str) -> Sequence[str] | None:
    from workers.delivery.wake_ups import sender

    try:
        with sender(broker_url) as app:
            return list(app.control.inspect(timeout=LIMIT_SECONDS / 2).ping() or {})
    except Exception:  # noqa: BLE001 - as above
        return None
