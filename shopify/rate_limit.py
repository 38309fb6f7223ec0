"""A shop's rate limit: points in a leaky bucket, shared by all callers of the shop for this app.

Shopify counts per app and store, not per process (https://shopify.dev/docs/api/usage/limits). A query runs only if its
requested cost is available, and is then charged its actual cost. So before each request a client reserves the
query's cost, and afterwards corrects the reservation by what Shopify says it charged. `Budget` is the bucket shared by
all workers; `RateLimiter` is one client's use of it. Limits differ by plan and Shopify may lower them, so they are read
from every response and never configured.
"""

import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shopify.errors import Throttled

MAX_QUERY_COST = 1000
"""Points a single query may cost on every plan; above it Shopify answers MAX_COST_EXCEEDED."""
QUERY_COSTS: Mapping[str, int] = {
    "Access": 3,
    "Counts": 43,
    "RecentOrders": 55,
    "StoreOverview": 74,
    "WeekOrders": 113,
    "Sales": 7,
}
"""Requested cost of our queries by operation, with every optional field and the default page size. The development
store computes them; a test compares."""
OWN_BUCKET = "budget"
"""Reason of a Throttled without a request: the points are not available."""
MIN_REQUEST_SECONDS = 0.5
"""Seconds left for the request after a wait; a wait that would leave less is not started."""

_Question = tuple[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True)
class Throttle:
    """`extensions.cost` of a response; all figures in points, `restore_rate` in points per second."""

    requested: float
    actual: float | None
    """None if the query was not executed."""
    available: float
    maximum: float
    restore_rate: float

    @property
    def wait(self) -> float:
        """Seconds until the bucket holds enough for this query, if nobody else takes from it."""
        return max(0.0, (self.requested - self.available) / self.restore_rate)

    @property
    def hopeless(self) -> bool:
        """Whether the query asks for more than the full bucket holds."""
        return self.requested > self.maximum


def read_throttle(extensions: object) -> Throttle | None:
    """None if the response has no usable numbers."""
    cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
    status = cost.get("throttleStatus") if isinstance(cost, Mapping) else None
    if not isinstance(cost, Mapping) or not isinstance(status, Mapping):
        return None
    requested, actual = _number(cost, "requestedQueryCost"), _number(cost, "actualQueryCost")
    available, maximum = _number(status, "currentlyAvailable"), _number(status, "maximumAvailable")
    rate = _number(status, "restoreRate")
    if requested is None or available is None or maximum is None or not rate:
        return None
    return Throttle(requested, actual, available, maximum, rate)


class Budget(Protocol):
    """The shared bucket. Implementations never raise: if it is unreachable, nobody has to wait."""

    def reserve(self, shop_domain: str, reservation: str, points: float, *, longest_wait: float) -> float:
        """Reserve points under the name `reservation`; returns the seconds until they are available (0: now).

        If that is more than `longest_wait`, nothing was reserved.
        """
        ...

    def settle(
        self, shop_domain: str, reservation: str, points: float, charged: float | None, reading: Throttle | None
    ) -> None:
        """End a reservation of `points`: `charged` were used (None: unknown, so all), the rest is returned.

        `reading`: what Shopify reported about its bucket, if anything.
        """
        ...


class QueryCosts:
    """What queries cost: QUERY_COSTS, until Shopify has reported its own figure for the same query.

    Two queries are the same if the operation, its numbers and its switches are; texts (a search, a cursor) do not
    matter. An unknown query counts as the most expensive that Shopify allows.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._learnt: dict[_Question, float] = {}

    def of(self, operation: str, variables: Mapping[str, Any]) -> float:
        """Points that must be available before this is executed."""
        with self._lock:
            learnt = self._learnt.get(_question(operation, variables))
        return QUERY_COSTS.get(operation, MAX_QUERY_COST) if learnt is None else learnt

    def learn(self, operation: str, variables: Mapping[str, Any], requested: float) -> None:
        """Record Shopify's `requestedQueryCost`, which is authoritative: its rules may change with an API version."""
        if 0 < requested <= MAX_QUERY_COST:
            with self._lock:
                self._learnt[_question(operation, variables)] = requested


_COSTS = QueryCosts()
"""Of this process."""


@dataclass(frozen=True)
class Reservation:
    """Points set aside for one request."""

    name: str
    points: float
    operation: str
    variables: Mapping[str, Any]


class RateLimiter:
    """Keeps one client within a shop's rate limit."""

    def __init__(
        self,
        shop_domain: str,
        budget: Budget,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._shop = shop_domain
        self._budget = budget
        self._sleep = sleep

    def reserve(self, operation: str, variables: Mapping[str, Any], ends: float) -> Reservation:
        """Wait until the points for this query are available.

        Raises Throttled at once if that would leave too little time before `ends` (`time.monotonic()`).
        """
        points = _COSTS.of(operation, variables)
        reservation = Reservation(uuid.uuid4().hex, points, operation, variables)
        longest = max(0.0, ends - time.monotonic() - MIN_REQUEST_SECONDS)
        wait = self._budget.reserve(self._shop, reservation.name, points, longest_wait=longest)
        if wait > longest:
            text = f"{self._shop}: the points for this are free in {wait:.2f} s, after the fetch's deadline"
            raise Throttled(text, reason=OWN_BUCKET, retry_after=wait)
        if wait > 0:
            self._sleep(wait)
        return reservation

    def settle(self, reservation: Reservation, *, answered: bool, reading: Throttle | None) -> None:
        """End the reservation.

        Without a response the query may have been executed, so all points are charged. A response without a reading
        means that it was not executed.
        """
        if reading is not None:
            _COSTS.learn(reservation.operation, reservation.variables, reading.requested)
        charged = ((reading.actual if reading else None) or 0.0) if answered else None
        self._budget.settle(self._shop, reservation.name, reservation.points, charged, reading)


def _question(operation: str, variables: Mapping[str, Any]) -> _Question:
    return operation, tuple(sorted((name, value) for name, value in variables.items() if isinstance(value, int)))


def _number(values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
