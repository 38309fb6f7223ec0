"""Prometheus metrics. Each process counts for itself and serves its own page.

| metric                       | labels             | counts                                                           |
|------------------------------|--------------------|------------------------------------------------------------------|
| cj_events_total              | type, result       | events: accepted, repeated or refused by intake; handled,        |
|                              |                    | postponed, refused or over_limit (answered with a sentence: too  |
|                              |                    | many turns of the merchant wait) by a workflow worker            |
| cj_events_without_rule_total | type, workflow     | events of a conversation that no rule of its workflow took       |
| cj_acks_total                | result             | acks of the gateway: marked, in vain (repeated, or of no reply   |
|                              |                    | that waits: somebody guesses), malformed                         |
| cj_tool_calls_total          | tool, result       | tool calls of turns: ok, stale, or an error code                 |
| cj_cache_reads_total         | data_type, result  | reads of store data: hit (fresh in the cache), joined (a fetch   |
|                              |                    | under way), miss (Shopify is asked)                              |
| cj_fetches_total             | data_type, result  | fetches after a miss: ok, partial, stale (old data), error       |
| cj_shopify_errors_total      | code               | errors when reading from Shopify                                 |
| cj_model_calls_total         | model, result      | calls of language models: ok, or an error code                   |
| cj_model_tokens_total        | model, direction   | tokens of language models: input, output                         |
| cj_claims_total              | result             | figures, names and dates in what CJ says: grounded, withdrawn    |
|                              |                    | (the model was told to correct them), left_out, said (without a  |
|                              |                    | ground, where a workflow has `truth: report`)                    |
| cj_budgets_used_up_total     | budget             | turns that ended because their merchant's budget of the day or   |
|                              |                    | the minute was used up                                           |

The hit rate is `hit + joined` of all reads. Prometheus' own process_* and python_* metrics are served too.

With CJ_METRICS_PORT set, a process serves on that port or, if it is taken, on the next free one: four workers on one
machine with CJ_METRICS_PORT=9464 serve on 9464 to 9467. Only this machine can read them, unless CJ_METRICS_ADDRESS says
otherwise: a page names models, workflows and event types, and asks for no password.
"""

import errno

from prometheus_client import Counter, disable_created_metrics, start_http_server

from workers import logs

log = logs.get(__name__)

PORTS_TRIED = 50

_EVENTS = Counter("cj_events", "Events by outcome", ["type", "result"])
_WITHOUT_RULE = Counter("cj_events_without_rule", "Events that matched no rule of the workflow", ["type", "workflow"])
_ACKS = Counter("cj_acks", "Acks of replies", ["result"])
_TOOL_CALLS = Counter("cj_tool_calls", "Tool calls of turns", ["tool", "result"])
_CACHE_READS = Counter("cj_cache_reads", "Reads of store data", ["data_type", "result"])
_FETCHES = Counter("cj_fetches", "Fetches from Shopify", ["data_type", "result"])
_SHOPIFY_ERRORS = Counter("cj_shopify_errors", "Errors when reading from Shopify", ["code"])
_MODEL_CALLS = Counter("cj_model_calls", "Calls of language models", ["model", "result"])
_MODEL_TOKENS = Counter("cj_model_tokens", "Tokens of language models", ["model", "direction"])
_CLAIMS = Counter("cj_claims", "Claims in what CJ says", ["result"])
_BUDGETS_USED_UP = Counter("cj_budgets_used_up", "Turns that met their merchant's budget", ["budget"])


def event(event_type: str, result: str) -> None:
    """What became of an event: one of the results in the table above. `event_type` is one of the catalog's."""
    _EVENTS.labels(event_type, result).inc()


def event_without_rule(event_type: str, workflow: str) -> None:
    """The event matched no rule of the conversation's workflow; the log says why."""
    _WITHOUT_RULE.labels(event_type, workflow).inc()


def acks(result: str, count: int) -> None:
    """So many acks came: marked, in vain or malformed."""
    _ACKS.labels(result).inc(count)


def tool_call(tool: str, result: str) -> None:
    """A tool call has ended."""
    _TOOL_CALLS.labels(tool, result).inc()


def cache_read(data_type: str, result: str) -> None:
    """Store data was read: hit, joined or miss."""
    _CACHE_READS.labels(data_type, result).inc()


def fetch(data_type: str, result: str) -> None:
    """A fetch has ended: ok, partial, stale or error."""
    _FETCHES.labels(data_type, result).inc()


def shopify_error(code: str) -> None:
    """Reading from Shopify failed with this error."""
    _SHOPIFY_ERRORS.labels(code).inc()


def model_call(model: str, result: str) -> None:
    """A model answered or failed."""
    _MODEL_CALLS.labels(model, result).inc()


def model_tokens(model: str, input_tokens: int, output_tokens: int) -> None:
    """A model has answered: tokens it read and wrote."""
    _MODEL_TOKENS.labels(model, "input").inc(input_tokens)
    _MODEL_TOKENS.labels(model, "output").inc(output_tokens)


def claims(result: str, count: int) -> None:
    """So many claims of an answer were judged: one of the results in the table above."""
    _CLAIMS.labels(result).inc(count)


def budget_used_up(budget: str) -> None:
    """A turn ended before a model was asked: its merchant's budget is used up."""
    _BUDGETS_USED_UP.labels(budget).inc()


def serve(port: int, *, address: str = "127.0.0.1") -> int | None:
    """Serve the page on the first free port from `port` on, in a background thread; returns that port.

    Returns None and logs a warning if no port is free: metrics must not stop a process from working.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    for candidate in range(port, min(port + PORTS_TRIED, 65_536)):
        try:
            start_http_server(candidate, address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                log.warning("cannot serve metrics", port=candidate, reason=error.strerror)
                return None
        else:
            log.info("serving metrics", port=candidate)
            return candidate
    log.warning("cannot serve metrics: no free port", first=port, tried=PORTS_TRIED)
    return None
