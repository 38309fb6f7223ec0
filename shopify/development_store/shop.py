"""One development shop: what it is, what it holds, and its lists as an app may see them."""

import threading
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from events.shop_domain import is_shop_domain
from shopify.development_store.filters import ORDERS, Search, compile_search
from shopify.development_store.generation import DAY, SIZES, Contents, Recipe, Size, generate, one_more
from shopify.development_store.pagination import BY_NUMBER, SortKey
from shopify.development_store.records import PER_DOLLAR, OrderRecord
from shopify.development_store.tokens import APP_KINDS, CUSTOM, DEFAULT_SCOPES, token_for

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

STATES = ("active", "frozen", "fraudulent", "inactive", "locked", "not_found")

TIME_ZONES = {"EUR": "Europe/Berlin", "GBP": "Europe/London", "CAD": "America/Toronto", "JPY": "Asia/Tokyo"}

BY_AGE = SortKey(lambda order: order.created_at, time=True)
ORDER_SORTS: Mapping[str, SortKey] = {
    "CREATED_AT": BY_AGE,
    "PROCESSED_AT": BY_AGE,
    "ID": BY_NUMBER,
    "ORDER_NUMBER": BY_NUMBER,
    "UPDATED_AT": SortKey(lambda order: order.updated_at, time=True),
    "TOTAL_PRICE": SortKey(lambda order: int(order.total.amount * 100)),
    "CURRENT_TOTAL_PRICE": SortKey(lambda order: int(order.current_total.amount * 100)),
    "CUSTOMER_NAME": SortKey(lambda order: order.customer.display_name if order.customer else ""),
    "FINANCIAL_STATUS": SortKey(lambda order: order.financial_status),
    "FULFILLMENT_STATUS": SortKey(lambda order: order.fulfillment_status),
    "TOTAL_ITEMS_QUANTITY": SortKey(lambda order: sum(line.quantity for line in order.lines)),
}
"""The sort keys of `orders` that the store has."""

_REMEMBERED_LISTS = 64


class InvalidShop(Exception):
    """A shop cannot be registered like this; the message says what is wrong and what is possible."""


class ShopSettings(BaseModel):
    """A shop to open, and how an app gets in. Times are in seconds. Raises InvalidShop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shop_domain: str
    size: str = "medium"
    token: str | None = None
    """None: `token_for(shop_domain)`."""
    scopes: list[str] = list(DEFAULT_SCOPES)
    app: str = CUSTOM
    expires_in: float | None = None
    refresh_token: str | None = None
    currency: str = "USD"
    former_currency: str | None = None
    """Currency of the orders older than 30 days: a shop that has changed its own."""
    presentment_currencies: list[str] = []
    """Further currencies that customers pay in."""
    time_zone: str | None = None
    name: str | None = None
    plan: str = "basic"
    maximum_available: int | None = None
    restore_rate: int | None = None
    state: str = "active"
    protected_customer_data: bool = True
    """Whether the app has been approved for customer data."""

    def model_post_init(self, _context: Any) -> None:
        if not is_shop_domain(self.shop_domain):
            raise InvalidShop(f"shop_domain must be NAME.myshopify.com, got {self.shop_domain!r}")
        currencies = (self.currency, *self.presentment_currencies, self.former_currency or self.currency)
        for what, value, possible in (
            ("size", self.size, list(SIZES)),
            ("plan", self.plan, list(PLANS)),
            ("state", self.state, STATES),
            *(("currency", currency, list(PER_DOLLAR)) for currency in currencies),
        ):
            if value not in possible:
                raise InvalidShop(f"{what} must be one of {', '.join(possible)}, got {value!r}")
        try:
            ZoneInfo(self.time_zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            raise InvalidShop(f"time_zone must be an IANA name like Europe/Berlin, got {self.time_zone!r}") from None
        if self.app not in APP_KINDS:
            raise InvalidShop(f"app must be one of {', '.join(APP_KINDS)}, got {self.app!r}")

    @property
    def access_token(self) -> str:
        """The token the app gets in with."""
        return self.token or token_for(self.shop_domain)

    @property
    def complete_history(self) -> bool:
        """Whether the app may see orders older than 60 days."""
        return not {"read_all_orders", "write_all_orders"}.isdisjoint(self.scopes)


@dataclass(frozen=True)
class Selection:
    """Orders in ascending order, and the search that found them (None: everything in the window)."""

    orders: Sequence[OrderRecord]
    search: Search | None


class Shop:
    """A shop with generated contents, made when somebody first looks. Safe to use from several threads."""

    def __init__(self, settings: ShopSettings, *, now: datetime | None = None) -> None:
        self.settings = settings
        self.now = int((now or datetime.now(UTC)).timestamp())
        self._lock = threading.RLock()
        self._lists: OrderedDict[tuple[Any, ...], Selection] = OrderedDict()
        self._lagging = 0.0

    @property
    def domain(self) -> str:
        """The shop's NAME.myshopify.com."""
        return self.settings.shop_domain

    @property
    def name(self) -> str:
        """The shop's name as its customers know it."""
        return self.settings.name or self.contents.name

    @property
    def size(self) -> Size:
        """How much the shop holds."""
        return SIZES[self.settings.size]

    @property
    def time_zone(self) -> str:
        """IANA name of the time zone the merchant lives in."""
        return self.settings.time_zone or TIME_ZONES.get(self.settings.currency, "America/New_York")

    @cached_property
    def contents(self) -> Contents:
        """Products, customers and orders."""
        chosen = self.settings
        return generate(
            Recipe(
                shop_domain=chosen.shop_domain,
                size=self.size,
                now=self.now,
                currency=chosen.currency,
                former_currency=chosen.former_currency,
                presentment_currencies=tuple(chosen.presentment_currencies),
            )
        )

    def window_from(self, complete: bool) -> int | None:
        """Unix seconds of the oldest order an app may see; None with the complete history."""
        return None if complete else self.now - WINDOW_DAYS * DAY

    def orders(
        self, query: str | None, window_from: int | None, sort: str = "CREATED_AT", *, indexed: bool = False
    ) -> Selection:
        """The orders that an app sees and that match the query, ascending by one of ORDER_SORTS.

        With `indexed`, as with a query, an order that the search index has not caught up with is left out. Raises what
        `compile_search` does.
        """
        with self._lock:
            if self._lagging and time.time() >= self._lagging:
                self._lists.clear()
                self._lagging = 0.0
            key = (query, window_from, ORDER_SORTS[sort], indexed and bool(self._lagging))
            if key not in self._lists:
                self._lists[key] = self._select(query, window_from, ORDER_SORTS[sort], indexed)
                if len(self._lists) > _REMEMBERED_LISTS:
                    self._lists.popitem(last=False)
            return self._lists[key]

    def _select(self, query: str | None, window_from: int | None, sort: SortKey, indexed: bool) -> Selection:
        search = compile_search(query, ORDERS, time_zone=self.time_zone, now=self.now) if query else None
        found: Sequence[OrderRecord] = self.contents.orders
        if window_from is not None:
            found = found[bisect_left(found, window_from, key=lambda order: order.created_at) :]
        if self._lagging and (indexed or search is not None):
            clock = time.time()
            found = [order for order in found if order.searchable_from <= clock]
        if search is not None:
            found = [order for order in found if search.matches(order)]
        # Orders come by age already, and their numbers grow with it.
        in_order = sort in (BY_AGE, BY_NUMBER)
        return Selection(found if in_order else sorted(found, key=sort.key), search)

    def place_order(self, *, age_seconds: int = 0, lag_seconds: float = 0.0) -> OrderRecord:
        """A new order comes in. Searches and counts see it only after the lag, as Shopify's index does."""
        with self._lock:
            clock = time.time()
            order = one_more(self.contents, self.settings.currency, int(clock) - age_seconds)
            if lag_seconds:
                order.searchable_from = clock + lag_seconds
                self._lagging = max(self._lagging, order.searchable_from)
            self._lists.clear()
            return order

    def truth(self, *, complete_history: bool) -> dict[str, Any]:
        """The numbers an app with this view must arrive at."""
        window_from = self.window_from(complete_history)
        visible = self.orders(None, window_from).orders
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
            "open_orders": len(self.orders(OPEN, window_from).orders),
            "unfulfilled_orders": len(self.orders(UNFULFILLED, window_from).orders),
            "orders_last_7_days": len(last_week),
            "orders_all_time": len(self.contents.orders),
            "latest_orders": [order.name for order in visible[:-11:-1]],
        }
