"""What a merchant allowed us to read, and how far back. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

ORDERS, CUSTOMERS, PRODUCTS = "read_orders", "read_customers", "read_products"
ALL_ORDERS = "read_all_orders"
ORDER_HISTORY = timedelta(days=60)
"""Without `read_all_orders` Shopify silently leaves out older orders, in lists and in counts
(https://shopify.dev/docs/api/usage/access-scopes#orders-permissions)."""


@dataclass(frozen=True)
class Scopes:
    """The granted access scopes. `granted` None: not known, so everything is tried."""

    granted: frozenset[str] | None

    @classmethod
    def of(cls, granted: Collection[str] | None) -> "Scopes":
        """From any collection of scope handles."""
        return cls(None if granted is None else frozenset(granted))

    def allow(self, scope: str) -> bool:
        """Whether reading this is worth a try. A write scope includes its read scope."""
        return self.granted is None or self._granted(scope)

    def data_window(self, now: datetime) -> dict[str, Any]:
        """How far back orders reach: said beside everything that is made of orders."""
        if self._granted(ALL_ORDERS):
            return {"orders_from": None, "complete_history": True}
        start = (now.astimezone(UTC) - ORDER_HISTORY).strftime("%Y-%m-%dT%H:%M:%SZ")
        why = f"{ALL_ORDERS} not granted" if self.granted is not None else f"unknown whether {ALL_ORDERS} is granted"
        return {"orders_from": start, "complete_history": False, "reason": why}

    def _granted(self, scope: str) -> bool:
        return bool({scope, scope.replace("read_", "write_", 1)} & (self.granted or frozenset()))
