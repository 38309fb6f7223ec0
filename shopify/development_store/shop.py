"""One development shop: its settings, its contents, and its lists as an app may see them."""

import threading
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from events.shop_domain import is_shop_domain
from shopify.development_store.generation import DAY, SIZES, Contents, generate, one_more
from shopify.development_store.records import PER_DOLLAR, OrderRecord
from shopify.development_store.search import ORDERS, matcher
from shopify.development_store.tokens import DEFAULT_SCOPES, token_for

WINDOW_DAYS = 60
"""Without `read_all_orders` an app sees the orders of the last 60 days
(https://shopify.dev/docs/api/usage/access-scopes#orders-permissions)."""

OPEN = "status:open"
UNFULFILLED = "status:open fulfillment_status:unshipped,partial"
"""Shopify's own saved searches behind the tabs "Open" and "Unfulfilled"."""

PLANS: Mapping[str, tuple[str, int]] = {
    "basic": ("Basic", 100),
    "grow": ("Grow", 100),
    "advanced": ("Advanced", 200),
    "plus": ("Shopify Plus", 1_000),
    "enterprise": ("Commerce Components", 2_000),
}
"""Each plan's public name, and the cost points that its bucket restores in a second."""

TIME_ZONES = {"EUR": "Europe/Berlin", "GBP": "Europe/London", "CAD": "America/Toronto", "JPY": "Asia/Tokyo"}

_REMEMBERED_LISTS = 64


class InvalidShop(Exception):
    """Invalid settings; the message says what is wrong and what is possible."""


class ShopSettings(BaseModel):
    """A shop to open, and an app's access to it. Times are in seconds. Raises InvalidShop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shop_domain: str
    size: str = "medium"
    token: str | None = None
    """None: `token_for(shop_domain)`."""
    scopes: list[str] = list(DEFAULT_SCOPES)
    expires_in: float | None = None
    refresh_token: str | None = None
    currency: str = "USD"
    former_currency: str | None = None
    """Currency of the orders older than 30 days: a shop that has changed its own."""
    time_zone: str | None = None
    name: str | None = None
    plan: str = "basic"
    maximum_available: int | None = None
    restore_rate: int | None = None
    protected_customer_data: bool = True
    """Whether the app has been approved for customer data."""

    def model_post_init(self, _context: Any) -> None:
        if not is_shop_domain(self.shop_domain):
            raise InvalidShop(f"shop_domain must be NAME.myshopify.com, got {self.shop_domain!r}")
        currencies = (self.currency, self.former_currency or self.currency)
        for what, value, possible in (
            ("size", self.size, list(SIZES)),
            ("plan", self.plan, list(PLANS)),
            *(("currency", currency, list(PER_DOLLAR)) for currency in currencies),
        ):
            if value not in possible:
                raise InvalidShop(f"{what} must be one of {', '.join(possible)}, got {value!r}")
        try:
            ZoneInfo(self.time_zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            raise InvalidShop(f"time_zone must be an IANA name like Europe/Berlin, got {self.time_zone!r}") from None

    @property
    def access_token(self) -> str:
        """The app's access token."""
        return self.token or token_for(self.shop_domain)

    @property
    def complete_history(self) -> bool:
        """Whether the app may see orders older than 60 days."""
        return not {"read_all_orders", "write_all_orders"}.isdisjoint(self.scopes)


class Shop:
    """A shop with contents that are generated on first use. Thread-safe."""

    def __init__(self, settings: ShopSettings, *, now: datetime | None = None) -> None:
        self.settings = settings
        self.now = int((now or datetime.now(UTC)).timestamp())
        self._lock = threading.RLock()
        self._lists: dict[tuple[str | None, int | None], Sequence[OrderRecord]] = {}
        #: Unix time at which the search index has caught up with every order.
        self._indexed_at = 0.0

    @property
    def domain(self) -> str:
        """The shop's NAME.myshopify.com."""
        return self.settings.shop_domain

    @property
    def name(self) -> str:
        """The shop's name as its customers know it."""
        return self.settings.name or self.contents.name

    @property
    def time_zone(self) -> str:
        """IANA name of the time zone the merchant lives in."""
        return self.settings.time_zone or TIME_ZONES.get(self.settings.currency, "America/New_York")

    @cached_property
    def contents(self) -> Contents:
        """Products, customers and orders."""
        chosen = self.settings
        return generate(
            chosen.shop_domain,
            SIZES[chosen.size],
            self.now,
            currency=chosen.currency,
            former_currency=chosen.former_currency,
        )

    def window_from(self, complete: bool) -> int | None:
        """Unix seconds of the oldest order an app may see; None with the complete history."""
        return None if complete else self.now - WINDOW_DAYS * DAY

    def orders(self, query: str | None, window_from: int | None, *, indexed: bool = False) -> Sequence[OrderRecord]:
        """The orders that an app sees and that match the query, oldest first.

        With `indexed`, or with a query, leaves out orders that are not in the search index yet. Raises what `matcher`
        raises.
        """
        with self._lock:
            if time.time() < self._indexed_at:
                return self._select(query, window_from, indexed=indexed)
            key = query, window_from
            if key not in self._lists:
                if len(self._lists) >= _REMEMBERED_LISTS:
                    self._lists.clear()
                self._lists[key] = self._select(query, window_from)
            return self._lists[key]

    def _select(self, query: str | None, window_from: int | None, *, indexed: bool = False) -> Sequence[OrderRecord]:
        matches = matcher(query, ORDERS)
        found: Sequence[OrderRecord] = self.contents.orders
        if window_from is not None:
            found = found[bisect_left(found, window_from, key=lambda order: order.created_at) :]
        if indexed or matches is not None:
            clock = time.time()
            found = [order for order in found if order.searchable_from <= clock]
        return found if matches is None else [order for order in found if matches(order)]

    def place_order(self, *, age_seconds: int = 0, lag_seconds: float = 0.0) -> OrderRecord:
        """A new order comes in. Searches and counts see it only after the lag, as Shopify's index does."""
        with self._lock:
            clock = time.time()
            order = one_more(self.contents, self.settings.currency, int(clock) - age_seconds)
            if lag_seconds:
                order.searchable_from = clock + lag_seconds
                self._indexed_at = max(self._indexed_at, order.searchable_from)
            self._lists.clear()
            return order

    def truth(self, *, complete_history: bool) -> dict[str, Any]:
        """The true numbers that an app with this access must compute."""
        window_from = self.window_from(complete_history)
        visible = self.orders(None, window_from)
        last_week = [order for order in visible if order.created_at >= self.now - 7 * DAY]
        return {
            "shop_domain": self.domain,
            "name": self.name,
            "currency": self.settings.currency,
            "time_zone": self.time_zone,
            "now": self.now,
            "complete_history": complete_history,
            "customers": len(self.contents.customers),
            "products": len(self.contents.products),
            "orders": len(visible),
            "open_orders": len(self.orders(OPEN, window_from)),
            "unfulfilled_orders": len(self.orders(UNFULFILLED, window_from)),
            "orders_last_7_days": len(last_week),
            "orders_all_time": len(self.contents.orders),
            "latest_orders": [order.name for order in visible[:-11:-1]],
        }
