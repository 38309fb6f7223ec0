"""The points a shop gives this app, shared by all who ask it.

Shopify counts per app and store, not per process (https://shopify.dev/docs/api/usage/limits), so whoever is to stay
within the limit must know what the others spend. `Budget` is where that is kept; `Purse` is one client's use of it.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from graphql import DocumentNode

from shopify.costs import COSTS, Costs
from shopify.errors import Throttled
from shopify.throttle import Throttle

ENOUGH_SECONDS = 0.5
"""Left for the request itself after a wait; a wait that leaves less is not begun."""


class Budget(Protocol):
    """Implemented over something all workers share. Never raises: without it, everything goes on unplanned."""

    def reserve(self, shop_domain: str, reservation: str, points: float, *, longest_wait: float) -> float:
        """Set points aside under the name `reservation`; returns in how many seconds they are there (0: now).

        If that is more than `longest_wait`, nothing was set aside.
        """
        ...

    def settle(
        self, shop_domain: str, reservation: str, points: float, charged: float | None, reading: Throttle | None
    ) -> None:
        """End a reservation of `points`: `charged` were used (None: unknown, so all), the rest comes back.

        `reading` is what Shopify said of its own bucket, if it did.
        """
        ...


@dataclass(frozen=True)
class Reservation:
    """Points set aside for one request."""

    name: str
    points: float


class Purse:
    """What one client spends at one shop."""

    def __init__(
        self, shop_domain: str, budget: Budget, *, costs: Costs = COSTS, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._shop = shop_domain
        self._budget = budget
        self._costs = costs
        self._sleep = sleep

    def reserve(self, document: DocumentNode, variables: Mapping[str, Any], ends: float) -> Reservation:
        """Wait until the points for this query are there.

        Raises Throttled at once if that would leave too little time before `ends` (`time.monotonic()`).
        """
        reservation = Reservation(uuid.uuid4().hex, self._costs.of(document, variables))
        longest = max(0.0, ends - time.monotonic() - ENOUGH_SECONDS)
        wait = self._budget.reserve(self._shop, reservation.name, reservation.points, longest_wait=longest)
        if wait > longest:
            text = f"{self._shop}: the points for this are free in {wait:.2f} s, after the fetch's deadline"
            raise Throttled(text, reason="budget", retry_after=wait)
        if wait > 0:
            self._sleep(wait)
        return reservation

    def settle(
        self,
        reservation: Reservation,
        document: DocumentNode,
        variables: Mapping[str, Any],
        *,
        answered: bool,
        reading: Throttle | None,
    ) -> None:
        """End the reservation. Without an answer the query may have been executed; without a reading it was not."""
        if reading is not None:
            self._costs.learn(document, variables, reading.requested)
        charged = ((reading.actual if reading else None) or 0.0) if answered else None
        self._budget.settle(self._shop, reservation.name, reservation.points, charged, reading)
