"""What is counted, for Prometheus; each process counts for itself and serves a page of its own.

| metric                       | labels             | counts                                                           |
|------------------------------|--------------------|------------------------------------------------------------------|
| cj_events_total              | type, result       | events: accepted, repeated or refused by intake; handled,        |
|                              |                    | postponed, refused or over_limit (answered with a sentence: too  |
|                              |                    | many turns of the merchant wait) by a workflow worker            |
| cj_events_without_rule_total | type, workflow     | events of a conversation that no rule of its workflow took       |
| cj_tool_calls_total          | tool, result       | tool calls of turns: ok, stale, or an error code                 |
| cj_cache_reads_total         | data_type, result  | wishes for store data: hit (fresh in the cache), joined (a fetch |
|                              |                    | under way), miss (Shopify is asked)                              |
| cj_fetches_total             | data_type, result  | what came of a miss: ok, partial, stale (old data instead), error|
| cj_shopify_errors_total      | code               | why Shopify gave nothing                                         |
| cj_model_calls_total         | model, result      | calls of language models: ok, or an error code                   |

The hit rate is `hit + joined` of all reads. Beside these stand Prometheus' own process_* and python_*.

With CJ_METRICS_PORT set, a process serves on that port; if it is taken, on the next free one: of four workers on one
machine with CJ_METRICS_PORT=9464 the pages are at 9464 to 9467.
"""

import errno

from prometheus_client import Counter, disable_created_metrics, start_http_server

from workers import logs

log = logs.get(__name__)

PORTS_TRIED = 50

_EVENTS = Counter("cj_events", "Events by what became of them", ["type", "result"])
_WITHOUT_RULE = Counter("cj_events_without_rule", "Events that no rule of the workflow took", ["type", "workflow"])
_TOOL_CALLS = Counter("cj_tool_calls", "Tool calls of turns", ["tool", "result"])
_CACHE_READS = Counter("cj_cache_reads", "Wishes for store data", ["data_type", "result"])
_FETCHES = Counter("cj_fetches", "Fetches from Shopify", ["data_type", "result"])
_SHOPIFY_ERRORS = Counter("cj_shopify_errors", "Why Shopify gave nothing", ["code"])
_MODEL_CALLS = Counter("cj_model_calls", "Calls of language models", ["model", "result"])


def event(event_type: str, result: str) -> None:
    """What became of an event: one of the results in the table above. `event_type` is one of the catalog's."""
    _EVENTS.labels(event_type, result).inc()


def event_without_rule(event_type: str, workflow: str) -> None:
    """No rule of the conversation's workflow took the event; the log says why."""
    _WITHOUT_RULE.labels(event_type, workflow).inc()


def tool_call(tool: str, result: str) -> None:
    """A tool call has its result."""
    _TOOL_CALLS.labels(tool, result).inc()


def cache_read(data_type: str, result: str) -> None:
    """Somebody wished for store data: hit, joined or miss."""
    _CACHE_READS.labels(data_type, result).inc()


def fetch(data_type: str, result: str) -> None:
    """A fetch has ended: ok, partial, stale or error."""
    _FETCHES.labels(data_type, result).inc()


def shopify_error(code: str) -> None:
    """Shopify gave nothing, for this reason."""
    _SHOPIFY_ERRORS.labels(code).inc()


def model_call(model: str, result: str) -> None:
    """A model has answered or failed."""
    _MODEL_CALLS.labels(model, result).inc()


def serve(port: int, *, address: str = "0.0.0.0") -> int | None:  # noqa: S104 - Prometheus is another machine
    """Serve the page on the first free port from `port` on, in a thread of its own; returns the port taken.

    None, and a line in the log, if none of them is free: a process does its work without being counted.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    for candidate in range(port, min(port + PORTS_TRIED, 65_536)):
        try:
            start_http_server(candidate, address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                log.warning("no metrics page", port=candidate, reason=error.strerror)
                return None
        else:
            log.info("metrics page", port=candidate)
            return candidate
    log.warning("no metrics page: no port is free", first=port, tried=PORTS_TRIED)
    return None
