"""Faults on demand: what goes wrong at a shop, how often, in which requests, and what is sent instead."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from shopify.development_store import responses
from shopify.development_store.cost import Level
from shopify.development_store.responses import StoreResponse
from shopify.rate_limit import MAX_QUERY_COST

GRAPHQL, OAUTH = "graphql", "oauth"


class UnknownFault(LookupError):
    """There is no such kind of fault; the message lists those that exist."""


class StoreFault(BaseModel):
    """One kind of fault. It strikes `times` requests (None: until cleared), after letting `skip` requests pass.

    Raises UnknownFault for a kind or target that does not exist.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    shop_domain: str | None = None
    """None: every shop."""
    times: int | None = None
    skip: int = 0
    operation: str | None = None
    """Only requests with this operation name; None: all."""
    target: str = GRAPHQL
    seconds: float | None = None
    status: int | None = None
    length: int | None = None
    location: str | None = None
    version: str | None = None

    def model_post_init(self, _context: Any) -> None:
        if self.kind not in KINDS:
            raise UnknownFault(f"there is no fault {self.kind!r}; there are: {', '.join(KINDS)}")
        if self.target not in (GRAPHQL, OAUTH):
            raise UnknownFault(f"target must be {GRAPHQL} or {OAUTH}, got {self.target!r}")

    def concerns(self, shop_domain: str, target: str, operation: str | None) -> bool:
        """Whether it applies to a request."""
        return self.target == target and self.shop_domain in (None, shop_domain) and self.operation in (None, operation)

    def seconds_or(self, default: float) -> float:
        """Its `seconds`, which may be 0, or else the default."""
        return default if self.seconds is None else self.seconds


class ActiveFaults:
    """The active faults. Every call is atomic, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[StoreFault] = []

    def add(self, fault: StoreFault) -> None:
        """Add a fault."""
        with self._lock:
            self._faults.append(fault)

    def clear(self, shop_domain: str | None = None, kind: str | None = None) -> None:
        """End the faults of a shop, of a kind, of both, or all."""
        with self._lock:
            self._faults = [
                fault
                for fault in self._faults
                if (shop_domain is not None and fault.shop_domain != shop_domain)
                or (kind is not None and fault.kind != kind)
            ]

    def strike(self, shop_domain: str, target: str, operation: str | None) -> dict[str, StoreFault]:
        """The faults that strike this request, by kind. Decrements their counts and removes those that are used up."""
        with self._lock:
            hit: dict[str, StoreFault] = {}
            left: list[StoreFault] = []
            for fault in self._faults:
                if not fault.concerns(shop_domain, target, operation) or fault.kind in hit:
                    left.append(fault)
                elif fault.skip > 0:
                    left.append(fault.model_copy(update={"skip": fault.skip - 1}))
                else:
                    hit[fault.kind] = fault
                    if fault.times is None:
                        left.append(fault)
                    elif fault.times > 1:
                        left.append(fault.model_copy(update={"times": fault.times - 1}))
            self._faults = left
            return hit

    def shown(self) -> list[dict[str, Any]]:
        """The active faults, as JSON-able dicts."""
        with self._lock:
            return [fault.model_dump(exclude_none=True) for fault in self._faults]


# Faults that replace the real answer.


@dataclass(frozen=True)
class StruckQuery:
    """The query that a fault strikes: its requested cost, its bucket's level, the request's id."""

    requested_cost: int
    level: Level
    request_id: str


def instead(faults: Mapping[str, StoreFault], query: StruckQuery) -> StoreResponse | None:
    """The response of the first fault that replaces the real one, or None if there is no such fault."""
    for kind, fault in faults.items():
        if kind in _RESPONSES:
            return _RESPONSES[kind](fault, query)
    return None


_REFUSALS: Mapping[str, tuple[int, Any]] = {
    "unauthorized": (401, responses.UNAUTHORIZED),
    "non_expiring": (403, responses.NON_EXPIRING),
    "ip_not_allowed": (403, responses.IP_NOT_ALLOWED),
    "frozen": (402, responses.UNAVAILABLE_SHOP),
    "fraudulent": (403, responses.FRAUDULENT),
    "not_found": (404, responses.NOT_FOUND),
    "locked": (423, responses.LOCKED),
    "inactive": (200, responses.SHOP_INACTIVE),
    "timeout": (200, responses.TIMEOUT),
    "undefined_field": (200, responses.UNDEFINED_FIELD),
    "invalid_variable": (200, responses.INVALID_VARIABLE),
    "html": (200, responses.html_error(200, "Shopify")),
    "not_an_object": (200, [{"data": None}]),
}
_REASONS = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


def _refusal(fault: StoreFault, _query: StruckQuery) -> StoreResponse:
    return StoreResponse(*_REFUSALS[fault.kind])


def _status(fault: StoreFault, _query: StruckQuery) -> StoreResponse:
    status = fault.status or 503
    headers = {} if fault.seconds is None else {"Retry-After": f"{fault.seconds:g}"}
    return StoreResponse(status, responses.html_error(status, _REASONS.get(status, "Error")), headers)


def _too_many_requests(fault: StoreFault, _query: StruckQuery) -> StoreResponse:
    return StoreResponse(429, responses.TOO_MANY_REQUESTS, {"Retry-After": str(float(fault.seconds_or(2.0)))})


def _redirect(fault: StoreFault, _query: StruckQuery) -> StoreResponse:
    return StoreResponse(302, "", {"Location": fault.location or "https://elsewhere.example/admin"})


def _huge_body(fault: StoreFault, _query: StruckQuery) -> StoreResponse:
    return StoreResponse(200, {"data": {"filler": "x" * (fault.length or 3 * 1024 * 1024)}})


def _throttled(fault: StoreFault, query: StruckQuery) -> StoreResponse:
    """The bucket lacks as many points as are restored in `seconds` (default 0.2)."""
    level = query.level
    missing = max(1, int(fault.seconds_or(0.2) * level.restore_rate))
    available = max(0, min(level.available, query.requested_cost - missing))
    short = Level(level.maximum, available, level.restore_rate)
    return StoreResponse(200, responses.throttled(query.requested_cost, short))


def _max_cost_exceeded(_fault: StoreFault, query: StruckQuery) -> StoreResponse:
    cost = max(query.requested_cost, MAX_QUERY_COST + 1)
    return StoreResponse(200, responses.max_cost_exceeded(cost, MAX_QUERY_COST, query.level))


def _internal_error(_fault: StoreFault, query: StruckQuery) -> StoreResponse:
    return StoreResponse(200, responses.internal_error(query.request_id))


_RESPONSES: Mapping[str, Callable[[StoreFault, StruckQuery], StoreResponse]] = {
    **dict.fromkeys(_REFUSALS, _refusal),
    "status": _status,
    "too_many_requests": _too_many_requests,
    "redirect": _redirect,
    "huge_body": _huge_body,
    "throttled": _throttled,
    "max_cost_exceeded": _max_cost_exceeded,
    "internal_error": _internal_error,
}

_OF_THE_CONNECTION = (
    "latency",
    "hang",
    "dropped",
    "lost_answer",
    "slow_body",
    "truncated",
    "gzip_bomb",
    "other_version",
)
_OF_THE_CONTENT = ("protected_data", "customer_plan", "ignored_search", "endless_cursor", "wrong_types")

KINDS = (*_OF_THE_CONNECTION, *_RESPONSES, *_OF_THE_CONTENT)
"""Every kind of fault. The README says what each one does."""


# Faults that make the content of a well-formed answer wrong.

_IGNORED_SEARCH = {
    "path": ["orders"],
    "query": "nonsense:1",
    "parsed": {"field": "nonsense", "match_all": "1"},
    "warnings": [{"field": "nonsense", "message": "Invalid search field for this query.", "code": "invalid_field"}],
}
_NOT_IN_PLAN = (
    "Access to personally identifiable information (PII) like customer names is only available on Shopify, Advanced, "
    "and Plus plans. See https://help.shopify.com/en/manual/apps/app-types/custom-apps for more details."
)
_ENDLESS = {"hasNextPage": True, "endCursor": "eyJsYXN0X2lkIjoxfQ=="}
_WRONG_TYPES = {"amount": "NaN", "lineItems": None}


def spoil(body: dict[str, Any], faults: Mapping[str, StoreFault]) -> dict[str, Any]:
    """The body after all such faults."""
    if "ignored_search" in faults:
        body = {**body, "extensions": {**body.get("extensions", {}), "search": [_IGNORED_SEARCH]}}
    if "customer_plan" in faults and "errors" in body:
        body = {**body, "errors": [{**error, "message": _NOT_IN_PLAN} for error in body["errors"]]}
    if "endless_cursor" in faults:
        body = _overwritten(body, _ENDLESS)
    if "wrong_types" in faults:
        body = _overwritten(body, _WRONG_TYPES)
    return body


def _overwritten(value: Any, by_key: Mapping[str, Any]) -> Any:
    """A copy in which these keys have these values, at any depth."""
    if isinstance(value, dict):
        return {name: by_key.get(name, _overwritten(entry, by_key)) for name, entry in value.items()}
    if isinstance(value, list):
        return [_overwritten(entry, by_key) for entry in value]
    return value
