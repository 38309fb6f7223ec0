"""Prometheus metrics. Each process counts its own work and serves its own page.

| metric                        | labels               | says                                                          |
|-------------------------------|----------------------|---------------------------------------------------------------|
| cj_build_info                 | kind, version        | 1: the kind and version of the process that answers           |
| cj_events_total               | type, result         | events: accepted, repeated or refused by intake; handled,     |
|                               |                      | postponed, refused or over_limit (answered with a sentence:   |
|                               |                      | too many turns of the merchant wait) by a workflow worker     |
| cj_events_without_rule_total  | type, workflow       | events of a conversation that no rule of its workflow took    |
| cj_event_wait_seconds         |                      | from an event's arrival until it was handled                  |
| cj_turn_wait_seconds          |                      | from when a turn could run until it was claimed               |
| cj_first_words_seconds        | workflow             | from an event's arrival to the first words of CJ              |
| cj_first_insight_seconds      | workflow             | … to the first words based on store data                      |
| cj_turn_seconds               | workflow, result     | from an event's arrival to the end of its turn: ok, or the    |
|                               |                      | error with which it ended                                     |
| cj_leases_lost_total          |                      | leases that ran out: a worker died or hung                    |
| cj_tool_call_seconds          | tool, data_type      | how long turns waited for their tool calls                    |
| cj_tool_calls_total           | tool, result         | tool calls of turns: ok, stale, or an error code              |
| cj_cache_reads_total          | data_type, result    | reads of store data: hit (fresh in the cache), joined (a      |
|                               |                      | fetch under way), miss (Shopify is asked)                     |
| cj_fetches_total              | data_type, result    | fetches after a miss: ok, partial, stale (old data), error    |
| cj_fetch_seconds              | data_type            | fetches, all pages and retries                                |
| cj_shopify_reads_total        | result               | reads from Shopify's API: ok, or an error code                |
| cj_shopify_bucket_wait_seconds|                      | how long a request waited for points of its shop              |
| cj_shopify_points_left        |                      | points left in the emptiest bucket of the last minute         |
| cj_token_renewals_total       | result               | renewals of access tokens: ok, or an error code               |
| cj_model_calls_total          | model, result        | calls to language models: ok, or an error code                |
| cj_model_call_seconds         | model                | calls to language models, answered or not                     |
| cj_model_tokens_total         | model, workflow,     | tokens of language models: input, output                      |
|                               | direction            |                                                               |
| cj_model_cost_dollars_total   | model, workflow      | their price by litellm's list, for models that are on it      |
| cj_claims_total               | result               | figures, names and dates in what CJ says: grounded, withdrawn |
|                               |                      | (the model was told to correct them), left_out, said (without |
|                               |                      | a ground, where a workflow has `truth: report`)               |
| cj_budgets_used_up_total      | budget               | turns that ended because their merchant's budget of the day   |
|                               |                      | or the minute was used up                                     |
| cj_acks_total                 | result               | acks of the gateway: marked, in vain (repeated, or for no     |
|                               |                      | waiting reply: somebody is guessing), malformed               |
| cj_ack_seconds                |                      | from a reply's commit to the gateway's ack                    |
| cj_replies_resent_total       |                      | replies that the sweeper sent again                           |
| cj_door_requests_total        | route, status        | requests that the door answered                               |
| cj_door_streams               |                      | streams that are open at a door                               |
| cj_door_reply_seconds         |                      | from a reply's commit until it was sent to an open stream, or |
|                               |                      | until its client came                                         |
| cj_transaction_seconds        | step                 | transactions, by what they commit                             |
| cj_service_away               | service              | 1 while this process skips the broker or cache because it is  |
|                               |                      | down, or (intake) while Postgres accepts no writes            |
| cj_pool_in_use                |                      | connections to Postgres that are in use                       |

The gauges below come from Postgres and the broker, and are the same in every intake and workflow process: use `max()`,
not `sum()`. They are read at most every ten seconds, and absent while Postgres or the broker does not answer.

| metric                        | labels               | says                                                          |
|-------------------------------|----------------------|---------------------------------------------------------------|
| cj_waiting                    | what                 | events not handled, turns not claimed, replies not acked      |
| cj_oldest_waiting_seconds     | what                 | the age of the oldest of them; 0 if none waits                |
| cj_turns                      | state                | running; owed (promised to the merchant);                     |
|                               |                      | failed, dead (of the last hour, and not retried)              |
| cj_refused_events             |                      | events refused in the last hour                               |
| cj_integrations               | status               | shops: active, needs_reauth, uninstalled                      |
| cj_overdue_seconds            |                      | how long the oldest ended turn is past its retention time     |
| cj_clock_ahead_seconds        |                      | the process's clock minus Postgres'; differs by process       |
| cj_queue_messages             | queue                | messages on each queue of the broker                          |

The cache hit rate is `hit + joined` divided by all reads. The Prometheus client's process_* and python_* metrics are
served, too.

With CJ_METRICS_PORT=9464 each kind of process has its own port: intake 9464, workflow 9465, agent 9466, shopify 9467,
ops 9468, gateway 9469, auth 9470; a second process of a kind uses a port higher by seven, and so on. Only this machine
can read them, unless CJ_METRICS_ADDRESS says otherwise: a page names models, workflows and event types, and has no
password. No label names a merchant, a shop or a conversation.
"""

import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import (
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workers import logs

if TYPE_CHECKING:
    from storage.backlog import Backlog

log = logs.get(__name__)

PORTS_TRIED = 50
#: In the order of their ports.
KINDS = ("intake", "workflow", "agent", "shopify", "ops", "gateway", "auth")
#: Seconds for which gauges from the rows are cached.
FRESH_SECONDS = 10.0

#: From a cache read to a merchant who waited for an hour.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)

NOTED_MOST = 500
_noted: deque[tuple[Counter | Histogram, float, tuple[str, ...]]] = deque()
_counting = True


def off() -> None:
    """Count nothing from now on: this process serves no page."""
    global _counting
    _counting = False


def _note(metric: Counter | Histogram, amount: float, *labels: str) -> None:
    """Count later, many at once: one at a time, between other work, each would cost three times as much."""
    if _counting:
        _noted.append((metric, amount, labels))
        if len(_noted) >= NOTED_MOST:
            _count()


def _count() -> None:
    with suppress(IndexError):  # another thread counts, too
        while True:
            metric, amount, labels = _noted.popleft()
            one = _labelled(metric, labels)
            if isinstance(one, Counter):
                one.inc(amount)
            else:
                one.observe(amount)


@cache
def _labelled(metric: Counter | Histogram, labels: tuple[str, ...]) -> Counter | Histogram:
    return metric.labels(*labels) if labels else metric


class _Noted(Collector):
    """Collected before the metrics, so that they are complete."""

    def collect(self) -> Sequence[Metric]:
        _count()
        return []

    def describe(self) -> Sequence[Metric]:
        return []


REGISTRY.register(_Noted())
_BUILD = Gauge("cj_build_info", "The process that answers", ["kind", "version"])
_EVENTS = Counter("cj_events", "Events by outcome", ["type", "result"])
_WITHOUT_RULE = Counter("cj_events_without_rule", "Events that matched no rule of the workflow", ["type", "workflow"])
_EVENT_WAIT = Histogram("cj_event_wait_seconds", "From an event's arrival until it was handled", buckets=_SECONDS)
_TURN_WAIT = Histogram("cj_turn_wait_seconds", "From when a turn could run until it was claimed", buckets=_SECONDS)
_FIRST_WORDS = Histogram("cj_first_words_seconds", "Event to first words", ["workflow"], buckets=_SECONDS)
_FIRST_INSIGHT = Histogram("cj_first_insight_seconds", "Event to first insight", ["workflow"], buckets=_SECONDS)
_TURNS = Histogram("cj_turn_seconds", "Event to the end of its turn", ["workflow", "result"], buckets=_SECONDS)
_LEASES_LOST = Counter("cj_leases_lost", "Leases of turns that ran out")
_TOOL_CALL = Histogram("cj_tool_call_seconds", "Tool calls of turns", ["tool", "data_type"], buckets=_SECONDS)
_TOOL_CALLS = Counter("cj_tool_calls", "Tool calls of turns", ["tool", "result"])
_CACHE_READS = Counter("cj_cache_reads", "Reads of store data", ["data_type", "result"])
_FETCHES = Counter("cj_fetches", "Fetches from Shopify", ["data_type", "result"])
_FETCH = Histogram("cj_fetch_seconds", "Fetches from Shopify", ["data_type"], buckets=_SECONDS)
_SHOPIFY_READS = Counter("cj_shopify_reads", "Readings of Shopify's API", ["result"])
_BUCKET_WAIT = Histogram("cj_shopify_bucket_wait_seconds", "Waiting for points of a shop", buckets=_SECONDS)
_RENEWALS = Counter("cj_token_renewals", "Renewals of access tokens", ["result"])
_MODEL_CALLS = Counter("cj_model_calls", "Calls of language models", ["model", "result"])
_MODEL_CALL = Histogram("cj_model_call_seconds", "Calls of language models", ["model"], buckets=_SECONDS)
_MODEL_TOKENS = Counter("cj_model_tokens", "Tokens of language models", ["model", "workflow", "direction"])
_MODEL_COST = Counter("cj_model_cost_dollars", "Price of language models", ["model", "workflow"])
_CLAIMS = Counter("cj_claims", "Claims in what CJ says", ["result"])
_BUDGETS_USED_UP = Counter("cj_budgets_used_up", "Turns that met their merchant's budget", ["budget"])
_ACKS = Counter("cj_acks", "Acks of replies", ["result"])
_ACK = Histogram("cj_ack_seconds", "From a reply's commit to its ack", buckets=_SECONDS)
_RESENT = Counter("cj_replies_resent", "Replies sent again")
_TRANSACTIONS = Histogram("cj_transaction_seconds", "Transactions", ["step"], buckets=_SECONDS)
_DOOR_REQUESTS = Counter("cj_door_requests", "Requests that the door answered", ["route", "status"])
_DOOR_STREAMS = Gauge("cj_door_streams", "Open streams")
_DOOR_REPLY = Histogram("cj_door_reply_seconds", "From a reply's commit to an open stream", buckets=_SECONDS)
_AWAY = Gauge("cj_service_away", "Left alone because it does not answer", ["service"])
_POOL = Gauge("cj_pool_in_use", "Connections to Postgres in use")


def event(event_type: str, result: str, *, age_seconds: float | None = None) -> None:
    """The outcome of an event: one of the results in the table above. `event_type`: from the catalog."""
    _note(_EVENTS, 1, event_type, result)
    if age_seconds is not None:
        _note(_EVENT_WAIT, age_seconds)


def event_without_rule(event_type: str, workflow: str) -> None:
    """No rule of the conversation's workflow took the event; the log says why."""
    _note(_WITHOUT_RULE, 1, event_type, workflow)


def turn_claimed(waited_seconds: float) -> None:
    """A turn was claimed, this long after it became runnable."""
    _note(_TURN_WAIT, max(waited_seconds, 0.0))


def words(workflow: str, seconds: float, *, first: bool, insight: bool) -> None:
    """CJ spoke, this long after the event arrived: the turn's `first` words, or the first based on data (`insight`)."""
    if first:
        _note(_FIRST_WORDS, seconds, workflow)
    if insight:
        _note(_FIRST_INSIGHT, seconds, workflow)


def turn_ended(workflow: str, result: str, seconds: float) -> None:
    """A turn ended, this long after its event arrived."""
    _note(_TURNS, seconds, workflow, result)


def leases_lost(count: int) -> None:
    """The sweeper found leases that had run out."""
    _note(_LEASES_LOST, count)


def acks(result: str, count: int) -> None:
    """Acks arrived: marked, in vain or malformed."""
    _note(_ACKS, count, result)


def acked(seconds: Iterable[float]) -> None:
    """Replies were acked, this long after their commit."""
    for one in seconds:
        _note(_ACK, one)


def replies_resent(count: int) -> None:
    """The sweeper sent replies again."""
    _note(_RESENT, count)


def tool_call(tool: str, result: str, *, data_type: str = "", seconds: float = 0.0) -> None:
    """A tool call has ended."""
    _note(_TOOL_CALLS, 1, tool, result)
    _note(_TOOL_CALL, seconds, tool, data_type)


def cache_read(data_type: str, result: str) -> None:
    """Store data was read: hit, joined or miss."""
    _note(_CACHE_READS, 1, data_type, result)


def fetch(data_type: str, result: str, seconds: float) -> None:
    """A fetch has ended: ok, partial, stale or error."""
    _note(_FETCHES, 1, data_type, result)
    _note(_FETCH, seconds, data_type)


def shopify_read(result: str) -> None:
    """Shopify was read: ok, or the error's code."""
    _note(_SHOPIFY_READS, 1, result)


def token_renewal(result: str) -> None:
    """A token was renewed: ok, or the error's code."""
    _note(_RENEWALS, 1, result)


def model_call(model: str, result: str, seconds: float) -> None:
    """A model answered or failed."""
    _note(_MODEL_CALLS, 1, model, result)
    _note(_MODEL_CALL, seconds, model)


def model_tokens(
    model: str, workflow: str, input_tokens: int, output_tokens: int, dollars: float | None = None
) -> None:
    """A model answered: input and output tokens, and their price if known."""
    _note(_MODEL_TOKENS, input_tokens, model, workflow, "input")
    _note(_MODEL_TOKENS, output_tokens, model, workflow, "output")
    if dollars is not None:
        _note(_MODEL_COST, dollars, model, workflow)


def door_request(route: str, status: int) -> None:
    """The door answered a request, or its stream has ended."""
    _note(_DOOR_REQUESTS, 1, route, str(status))


def door_reply(seconds: float) -> None:
    """A reply was sent to a stream, this long after its commit."""
    _note(_DOOR_REPLY, seconds)


def door_streams(count: Callable[[], int]) -> None:
    """`count` returns the number of open streams."""
    _DOOR_STREAMS.set_function(count)


def claims(result: str, count: int) -> None:
    """Claims of an answer were checked: one of the results in the table above."""
    _note(_CLAIMS, count, result)


def budget_used_up(budget: str) -> None:
    """A turn ended without a model call because its merchant's budget is used up."""
    _note(_BUDGETS_USED_UP, 1, budget)


def transaction(step: str, seconds: float) -> None:
    """A transaction has ended, committed or not."""
    _note(_TRANSACTIONS, seconds, step)


POINTS_SECONDS = 60.0


class Points:
    """Points left in the buckets of shops that were queried in the last POINTS_SECONDS."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._least: dict[int, float] = {}
        self._lock = threading.Lock()

    def note(self, points: float) -> None:
        """Record the points left in a bucket."""
        now = int(self._clock())
        with self._lock:
            self._least[now] = min(points, self._least.get(now, points))
            for old in [at for at in self._least if at < now - POINTS_SECONDS]:
                del self._least[old]

    def least(self) -> float:
        """The points in the emptiest bucket of the last minute; NaN if no shop was queried."""
        now = self._clock()
        with self._lock:
            return min(
                (points for at, points in self._least.items() if at >= now - POINTS_SECONDS), default=float("nan")
            )


_POINTS = Points()
Gauge("cj_shopify_points_left", "Points left in the emptiest bucket").set_function(_POINTS.least)


def bucket(*, waited: float | None = None, points_left: float | None = None) -> None:
    """A request waited for points of its shop, or Shopify reported how many are left."""
    if waited is not None:
        _note(_BUCKET_WAIT, waited)
    if points_left is not None:
        _POINTS.note(points_left)


def writes_refused(yes: bool) -> None:
    """Whether Postgres currently refuses this process's writes."""
    _AWAY.labels("postgres").set(yes)


def of_process(kind: str, version: str, *, away: Mapping[str, Callable[[], float]], in_use: Callable[[], int]) -> None:
    """Set up this process's gauges: its kind, the services that may be down, and the connections in use in its pool."""
    _BUILD.labels(kind, version).set(1)
    for service, is_away in away.items():
        _AWAY.labels(service).set_function(is_away)
    _POOL.set_function(in_use)


class RowsCollector(Collector):
    """The gauges from the rows and the broker; see the second table."""

    def __init__(
        self,
        backlog: "Callable[[], Backlog | None]",
        lengths: Callable[[], Mapping[str, int] | None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Both functions return None while their server does not answer; neither raises."""
        self._read = (backlog, lengths)
        self._clock = clock
        self._lock = threading.Lock()
        self._at: float | None = None
        self._kept: tuple[Backlog | None, Mapping[str, int] | None] = (None, None)

    def collect(self) -> Sequence[Metric]:
        """The metrics, at most a few seconds old."""
        with self._lock:
            if self._at is None or self._clock() - self._at > FRESH_SECONDS:
                backlog, lengths = self._read
                self._kept, self._at = (backlog(), lengths()), self._clock()
            found, messages = self._kept
        metrics = _of_rows(found) if found is not None else []
        if messages is not None:
            metrics.append(_family("cj_queue_messages", "Messages on the broker", "queue", messages))
        return metrics

    def describe(self) -> Sequence[Metric]:
        """Empty: registering must not query Postgres."""
        return []


def _of_rows(found: "Backlog") -> list[Metric]:
    waiting = {"events": found.events, "turns": found.turns, "replies": found.replies}
    counts = {what: one.count for what, one in waiting.items()}
    ages = {what: one.oldest_seconds for what, one in waiting.items()}
    states = {
        "running": found.running,
        "owed": found.owed + found.without_model,
        "failed": found.failed,
        "dead": found.dead,
    }
    return [
        _family("cj_waiting", "Rows that wait", "what", counts),
        _family("cj_oldest_waiting_seconds", "Age of the oldest row that waits", "what", ages),
        _family("cj_turns", "Turns by state", "state", states),
        GaugeMetricFamily("cj_refused_events", "Events refused in the last hour", value=found.refused),
        _family("cj_integrations", "Shops by status", "status", found.integrations),
        GaugeMetricFamily("cj_overdue_seconds", "Oldest row past retention", value=found.overdue_seconds),
        GaugeMetricFamily("cj_clock_ahead_seconds", "Ahead of Postgres' clock", value=found.clock_ahead_seconds),
    ]


def _family(name: str, says: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def collect(collector: Collector) -> None:
    """Serve the gauges of `collector`, too."""
    REGISTRY.register(collector)


def serve(port: int, kind: str, *, address: str = "127.0.0.1") -> int | None:
    """Serve the page on the first free port of this kind from `port` on, in a background thread; returns that port.

    Returns None and logs a warning if no port is free: metrics must not stop a process from working.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    first = port + (KINDS.index(kind) if kind in KINDS else len(KINDS) - 1)
    for candidate in range(first, min(first + PORTS_TRIED * len(KINDS), 65_536), len(KINDS)):
        try:
            start_http_server(candidate, address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                log.warning("cannot serve metrics", port=candidate, reason=error.strerror)
                return None
        else:
            log.info("serving metrics", port=candidate)
            return candidate
    log.warning("cannot serve metrics: no free port", first=first, tried=PORTS_TRIED)
    return None
