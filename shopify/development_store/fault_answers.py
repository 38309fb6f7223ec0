"""Answers that a fault puts in the place of the real one."""

from collections.abc import Callable, Mapping
from typing import Any

from shopify.cost import MAX_QUERY_COST
from shopify.development_store import responses as answers
from shopify.development_store.answer import Answer
from shopify.development_store.bucket import Level
from shopify.development_store.faults import Fault

REASONS = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


def canned(faults: Mapping[str, Fault], *, requested: int, level: Level, request_id: str) -> Answer | None:
    """The answer of the first fault that replaces the real one, or None if there is no such fault."""
    for kind, fault in faults.items():
        if kind in _ANSWERS:
            return _ANSWERS[kind](fault)
        if kind == "throttled":
            return Answer(200, answers.throttled(requested, _short(requested, level, fault)), code="THROTTLED")
        if kind == "max_cost_exceeded":
            cost = max(requested, MAX_QUERY_COST + 1)
            body = answers.max_cost_exceeded(cost, MAX_QUERY_COST, level)
            return Answer(200, body, code="MAX_COST_EXCEEDED")
        if kind == "internal_error":
            return Answer(200, answers.internal_error(request_id), code="INTERNAL_SERVER_ERROR")
    return None


def _short(requested: int, level: Level, fault: Fault) -> Level:
    """A reading that is too low for this query, by as much as is restored in `seconds` (default 0.2)."""
    missing = max(1, int((0.2 if fault.seconds is None else fault.seconds) * level.restore_rate))
    return Level(level.maximum, max(0, min(level.available, requested - missing)), level.restore_rate)


def _page(fault: Fault) -> Answer:
    status = fault.status or 503
    headers = {} if fault.seconds is None else {"Retry-After": f"{fault.seconds:g}"}
    return Answer(status, answers.html_error(status, REASONS.get(status, "Error")), headers=headers)


def _too_many(fault: Fault) -> Answer:
    seconds = 2.0 if fault.seconds is None else fault.seconds
    return Answer(429, answers.TOO_MANY_REQUESTS, headers={"Retry-After": str(float(seconds))})


def _redirect(fault: Fault) -> Answer:
    return Answer(302, "", headers={"Location": fault.location or "https://elsewhere.example/admin"})


def _huge(fault: Fault) -> Answer:
    return Answer(200, {"data": {"filler": "x" * (fault.length or 3 * 1024 * 1024)}})


def _fixed(status: int, body: Any, code: str | None = None) -> Callable[[Fault], Answer]:
    return lambda _fault: Answer(status, body, code=code)


_ANSWERS: Mapping[str, Callable[[Fault], Answer]] = {
    "unauthorized": _fixed(401, answers.UNAUTHORIZED),
    "non_expiring": _fixed(403, answers.NON_EXPIRING),
    "ip_not_allowed": _fixed(403, answers.IP_NOT_ALLOWED),
    "frozen": _fixed(402, answers.UNAVAILABLE_SHOP),
    "fraudulent": _fixed(403, answers.FRAUDULENT),
    "not_found": _fixed(404, answers.NOT_FOUND),
    "locked": _fixed(423, answers.LOCKED),
    "inactive": _fixed(200, answers.SHOP_INACTIVE, "SHOP_INACTIVE"),
    "timeout": _fixed(200, answers.TIMEOUT),
    "undefined_field": _fixed(200, answers.UNDEFINED_FIELD, "undefinedField"),
    "invalid_variable": _fixed(200, answers.INVALID_VARIABLE, "INVALID_VARIABLE"),
    "html": _fixed(200, answers.html_error(200, "Shopify")),
    "not_an_object": _fixed(200, [{"data": None}]),
    "status": _page,
    "too_many_requests": _too_many,
    "redirect": _redirect,
    "huge_body": _huge,
}

SHOP_STATES = {state: _ANSWERS[state] for state in ("frozen", "fraudulent", "inactive", "locked", "not_found")}
"""A shop's state answers like the fault of that name."""


def of_state(state: str) -> Answer:
    """What a shop that is not active answers."""
    return SHOP_STATES[state](Fault(state))
