"""Trouble on demand: what goes wrong at a shop, how often, and in which requests."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

GRAPHQL, OAUTH = "graphql", "oauth"

KINDS: Mapping[str, str] = {
    "latency": "answer only after `seconds`",
    "throttled": "THROTTLED, with the bucket's live numbers",
    "max_cost_exceeded": "MAX_COST_EXCEEDED",
    "internal_error": "INTERNAL_SERVER_ERROR",
    "timeout": 'HTTP 200 with the error "Timeout"',
    "status": "HTTP `status` (default 503) with an HTML page, Retry-After: `seconds` if given",
    "too_many_requests": "HTTP 429 with Retry-After: `seconds` (default 2.0)",
    "dropped": "the connection is closed without an answer",
    "lost_answer": "the request takes effect, then the connection is closed without an answer",
    "hang": "no answer for `seconds` (default 30)",
    "slow_body": "the body drips, one byte every `seconds` (default 0.05)",
    "truncated": "half of the JSON, then the connection is closed",
    "huge_body": "JSON of `length` bytes (default 3 MiB)",
    "gzip_bomb": "a small gzip body that unpacks to `length` bytes (default 64 MiB)",
    "html": "HTTP 200 with an HTML page",
    "redirect": "HTTP 302 to `location`",
    "unauthorized": "HTTP 401, as for a revoked token",
    "non_expiring": "HTTP 403, as for a public app's token that does not expire",
    "ip_not_allowed": "HTTP 403, as for an address outside the app's allowlist",
    "frozen": "HTTP 402",
    "fraudulent": "HTTP 403",
    "not_found": "HTTP 404",
    "locked": "HTTP 423",
    "inactive": "HTTP 200 with SHOP_INACTIVE",
    "protected_data": "customers are refused as not approved",
    "customer_plan": "customers are refused as not part of the shop's plan",
    "undefined_field": "the query is refused, as if it named a field that does not exist",
    "invalid_variable": "the query is refused, as if a variable had the wrong type",
    "other_version": "the answer names `version` (default 2026-04) as the API version",
    "ignored_search": "a search field is ignored, with a warning in extensions.search",
    "endless_cursor": "hasNextPage is always true and the cursor stays the same",
    "wrong_types": 'amounts are "NaN" and line items null',
    "not_an_object": "HTTP 200 with a JSON list",
}
"""Every kind of fault and what it does."""


class UnknownFault(ValueError):
    """There is no such kind of fault; the message lists those that exist."""


@dataclass(frozen=True)
class Fault:
    """One kind of trouble. It happens `times` times (None: until cleared), after letting `skip` requests pass."""

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

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownFault(f"there is no fault {self.kind!r}; there are: {', '.join(KINDS)}")
        if self.target not in (GRAPHQL, OAUTH):
            raise UnknownFault(f"target must be {GRAPHQL} or {OAUTH}, got {self.target!r}")

    def concerns(self, shop_domain: str, target: str, operation: str | None) -> bool:
        """Whether it applies to a request."""
        return self.target == target and self.shop_domain in (None, shop_domain) and self.operation in (None, operation)


class Faults:
    """The faults in force. Every call is atomic, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put a fault into force."""
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

    def strike(self, shop_domain: str, target: str, operation: str | None) -> dict[str, Fault]:
        """The faults that hit this request, by kind. Each one's count goes down; a spent one is gone."""
        with self._lock:
            hit: dict[str, Fault] = {}
            left: list[Fault] = []
            for fault in self._faults:
                if not fault.concerns(shop_domain, target, operation) or fault.kind in hit:
                    left.append(fault)
                elif fault.skip > 0:
                    left.append(replace(fault, skip=fault.skip - 1))
                else:
                    hit[fault.kind] = fault
                    if fault.times is None:
                        left.append(fault)
                    elif fault.times > 1:
                        left.append(replace(fault, times=fault.times - 1))
            self._faults = left
            return hit

    def shown(self) -> list[dict[str, Any]]:
        """The faults in force, as JSON-able dicts."""
        with self._lock:
            return [{name: value for name, value in vars(fault).items() if value is not None} for fault in self._faults]
