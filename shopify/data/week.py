"""The orders of the last seven days: read page by page within limits, then added up in the shop's time zone."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from shopify.client import ShopifyClient
from shopify.data.fetched import MOST_ITEMS_SHOWN, Fetched, counted, cut_short, fitting
from shopify.data.orders import Item, Order, compact, read_orders, shared_titles
from shopify.data.query import CUSTOMER, ITEM_PRODUCT, ORDERS, DataQuery, Scopes, fetch_access
from shopify.data.scalars import decimal_text, page, utc_text
from shopify.data.scalars import time_zone as zone_named
from shopify.errors import ACCESS_LOST, ShopifyError
from shopify.text import clean

DAYS = 7
PAGE_ORDERS = 100
MOST_PAGES = 10
TOTAL_SECONDS = 20.0
"""If the caller sets no deadline."""
SECONDS_FOR_A_PAGE = 1.0
"""With less than this left, no further page is begun."""
MOST_ORDERS_SHOWN = 50
ITEM_TITLE_CHARACTERS = 100


def fetch_week_orders(
    client: ShopifyClient,
    scopes: Scopes,
    now: datetime,
    deadline: float | None,
    time_zone: str | None = None,
) -> Fetched:
    """`{from, to, time_zone, orders_counted, test_orders, cancelled_orders, totals, by_day, top_items, customers?,
    orders, orders_not_shown, truncated, covered_from?}`: the newest 1,000 orders of the week at most, see `summary`.

    Without `time_zone` (IANA) the shop is asked for it first, and for the granted scopes if these are not known.
    """
    ends = time.monotonic() + TOTAL_SECONDS if deadline is None else deadline
    zone = zone_named(time_zone)
    if zone is None:
        known = fetch_access(client, deadline=ends)
        zone = zone_named(known.time_zone)
        scopes = scopes if scopes.granted is not None else Scopes(known.scopes)
    query = DataQuery(client, "week_orders", scopes, (CUSTOMER, ITEM_PRODUCT), needs=ORDERS)
    week = Week.until(now, zone or ZoneInfo("UTC"))
    if zone is None:
        query.problems.note("time_zone")
    pages = _read(query, week, ends)
    return _fetched(week, pages, query, query.data_window(now))


@dataclass(frozen=True)
class Week:
    """Today and the six days before it, by the shop's clock."""

    start: datetime
    end: datetime
    zone: ZoneInfo

    @classmethod
    def until(cls, now: datetime, zone: ZoneInfo) -> "Week":
        """The week that ends at `now`. It starts at midnight in the shop, even if daylight saving has changed since."""
        first = now.astimezone(zone).date() - timedelta(days=DAYS - 1)
        return cls(datetime.combine(first, time_of_day.min, tzinfo=zone), now.astimezone(zone), zone)

    @property
    def filter(self) -> str:
        """For Shopify's search: dates in UTC and quoted (https://shopify.dev/docs/api/usage/search-syntax)."""
        return f"created_at:>='{utc_text(self.start.astimezone(UTC))}'"

    @property
    def days(self) -> list[date]:
        """All of its days, in order."""
        return [self.start.date() + timedelta(days=n) for n in range((self.end.date() - self.start.date()).days + 1)]

    def day_of(self, order: Order) -> date | None:
        """The day of an order; None if it is unknown or outside the week."""
        day = order.created_at.astimezone(self.zone).date() if order.created_at else None
        return day if day is not None and self.start.date() <= day <= self.end.date() else None


@dataclass
class _Pages:
    orders: list[Order] = field(default_factory=list)
    stopped: dict[str, Any] | None = None
    """An entry of `missing` if there are more orders than these."""


def _read(query: DataQuery, week: Week, ends: float) -> _Pages:
    """Follow the cursor until the week's first order, a limit, or an error."""
    pages, cursor = _Pages(), None
    cursors: set[str] = set()
    known: set[str] = set()
    for number in range(MOST_PAGES):
        if number and ends - time.monotonic() < SECONDS_FOR_A_PAGE:
            pages.stopped = _newest(pages, "could be read in time")
            return pages
        try:
            connection = query.run_for(
                "orders", {"query": week.filter, "first": PAGE_ORDERS, "after": cursor}, deadline=ends
            )
        except ShopifyError as error:
            if number == 0 or isinstance(error, ACCESS_LOST):
                raise
            reason = (
                f"Of the week only the newest {counted(len(pages.orders), 'order')} could be read. {error.merchant}"
            )
            pages.stopped = {"part": "orders", "reason": reason, "code": error.code}
            return pages
        for order in read_orders(connection, query.problems, customers_complete=query.complete(CUSTOMER)):
            if week.day_of(order) is not None and (order.id is None or order.id not in known):
                known.update({order.id} if order.id else ())
                pages.orders.append(order)
        more, cursor = page(connection)
        if not more:
            return pages
        if cursor is None or cursor in cursors:
            pages.stopped = _newest(pages, "could be read: Shopify's list of orders goes in circles")
            return pages
        cursors.add(cursor)
    pages.stopped = _newest(pages, "were read")
    return pages


def _newest(pages: _Pages, how: str) -> dict[str, Any]:
    return cut_short("orders", f"Of the week only the newest {counted(len(pages.orders), 'order')} {how}.")


def _fetched(week: Week, pages: _Pages, query: DataQuery, data_window: dict[str, Any]) -> Fetched:
    def render(title_limit: int) -> dict[str, Any]:
        return summary(
            week,
            pages.orders,
            truncated=pages.stopped is not None,
            customers_complete=query.complete(CUSTOMER),
            title_limit=title_limit,
        )

    data, dropped = fitting(render, "orders")
    data["orders_not_shown"] += dropped
    missing = query.missing
    if pages.stopped is not None:
        missing.append(pages.stopped)
    more_items = sum(order.more_items for order in pages.orders)
    if more_items:
        missing.append(cut_short("top_items", f"In {counted(more_items, 'order')} only the first ten items were read."))
    return Fetched(data, missing, data_window, query.told)


def summary(
    week: Week, orders: Sequence[Order], *, truncated: bool, customers_complete: bool, title_limit: int
) -> dict[str, Any]:
    """The orders added up, without test and cancelled ones, which are only counted.

    `totals` are as ordered (`amount`) and after refunds and edits (`current_amount`, if it differs). If `truncated`,
    orders are known back to `covered_from`, and `by_day` leaves out the days before it. `top_items` are goods by
    current units, without refunded or removed ones.
    """
    real = [order for order in orders if order.is_real]
    covered = min((o.created_at for o in orders if o.created_at), default=None) if truncated else None
    data: dict[str, Any] = {
        "from": week.start.isoformat(timespec="minutes"),
        "to": week.end.isoformat(timespec="minutes"),
        "time_zone": week.zone.key,
        "truncated": truncated,
        "orders_counted": len(real),
        "test_orders": sum(order.test for order in orders),
        "cancelled_orders": sum(order.cancelled and not order.test for order in orders),
        "totals": _totals(real),
        "by_day": _by_day(week, real, covered),
        "top_items": _top_items(real, min(title_limit, ITEM_TITLE_CHARACTERS)),
    }
    if covered is not None:
        data["covered_from"] = covered.astimezone(week.zone).isoformat(timespec="minutes")
    if customers_complete:
        data["customers"] = _customers(real)
    data["orders"] = [compact(order, week.zone) for order in orders[:MOST_ORDERS_SHOWN]]
    data["orders_not_shown"] = max(0, len(orders) - MOST_ORDERS_SHOWN)
    return data


def _totals(orders: Iterable[Order]) -> list[dict[str, Any]]:
    placed: defaultdict[str, Decimal] = defaultdict(Decimal)
    current: defaultdict[str, Decimal] = defaultdict(Decimal)
    numbers: Counter[str] = Counter()
    for order in orders:
        if order.total is not None:
            now = order.current_total if order.current_total is not None else order.total
            placed[order.total.currency] += order.total.amount
            current[now.currency] += now.amount
            numbers[order.total.currency] += 1
    totals = []
    for currency, number in numbers.most_common():
        total = {"amount": decimal_text(placed[currency], currency), "currency": currency, "orders": number}
        if current[currency] != placed[currency]:
            total["current_amount"] = decimal_text(current[currency], currency)
        totals.append(total)
    return totals


def _by_day(week: Week, orders: Iterable[Order], covered: datetime | None) -> list[dict[str, Any]]:
    by_day: defaultdict[date | None, list[Order]] = defaultdict(list)
    for order in orders:
        by_day[week.day_of(order)].append(order)
    first = covered.astimezone(week.zone).date() if covered is not None else week.start.date()
    return [
        {"date": day.isoformat(), "orders": len(by_day[day]), "totals": _day_totals(by_day[day])}
        for day in week.days
        if day >= first
    ]


def _day_totals(orders: Iterable[Order]) -> list[dict[str, Any]]:
    return [{name: value for name, value in total.items() if name != "orders"} for total in _totals(orders)]


def _top_items(orders: Sequence[Order], title_limit: int) -> list[dict[str, Any]]:
    """Products by current units, with their newest title, and with their id if another product has the same title."""
    newest: dict[str, Item] = {}
    units: Counter[str] = Counter()
    in_orders: Counter[str] = Counter()
    for order in orders:
        for item in order.sold:
            newest.setdefault(item.key, item)
            units[item.key] += item.current_quantity
        in_orders.update({item.key for item in order.sold})
    ambiguous = shared_titles(newest.values())
    top = []
    for key, quantity in units.most_common(MOST_ITEMS_SHOWN):
        item = newest[key]
        row = {"title": clean(item.title, title_limit), "quantity": quantity, "orders": in_orders[key]}
        top.append(row | ({"product": item.product} if item.title in ambiguous and item.product else {}))
    return top


def _customers(orders: Iterable[Order]) -> dict[str, int]:
    """Distinct customers, by whether this was their first order ever. Guest orders have no known customer."""
    lifetime: dict[str, int] = {}
    guests = 0
    for order in orders:
        guests += order.guest is True
        customer = order.customer
        if customer is not None and customer.id is not None and customer.orders is not None:
            lifetime[customer.id] = max(customer.orders, lifetime.get(customer.id, 0))
    first_time = sum(number <= 1 for number in lifetime.values())
    return {"first_time": first_time, "returning": len(lifetime) - first_time, "guest_orders": guests}
