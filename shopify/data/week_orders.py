"""All orders of the last seven days, page by page, within bounds."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from shopify.data.access import access, zone_named
from shopify.data.fetched import Fetched, counted, cut_short, fitting, missing_part
from shopify.data.orders import Order, read_orders
from shopify.data.query import CUSTOMER, ITEM_PRODUCT, Gate, not_granted
from shopify.data.scalars import Problems, page
from shopify.data.week import Week, summary
from shopify.errors import (
    AccessDenied,
    BadAnswer,
    Forbidden,
    ProtectedData,
    ShopifyError,
    StoreUnavailable,
    Unauthorized,
)
from shopify.scopes import ORDERS, Scopes

if TYPE_CHECKING:
    from shopify.client import ShopifyClient

PAGE_ORDERS = 100
MOST_PAGES = 10
TOTAL_SECONDS = 20.0
"""If the caller sets no deadline."""
SECONDS_FOR_A_PAGE = 1.0
"""With less than this left, no further page is begun."""
ACCESS_LOST = (Unauthorized, Forbidden, StoreUnavailable, AccessDenied, ProtectedData)
"""What ends the whole fetch even if some pages were read: the store must not be talked about any longer."""


@dataclass
class _Reading:
    orders: list[Order] = field(default_factory=list)
    stopped: dict[str, Any] | None = None
    """Why there are more orders than these, as an entry of `missing`."""


def week_orders(
    client: "ShopifyClient",
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
    zone = zone_named(time_zone) if time_zone else None
    if zone is None:
        known = access(client, deadline=ends)
        zone = zone_named(known.time_zone) if known.time_zone else None
        scopes = scopes if scopes.granted is not None else Scopes(known.scopes)
    if not scopes.allow(ORDERS):
        raise not_granted(client.shop_domain, ORDERS)
    week = Week.until(now, zone or ZoneInfo("UTC"))
    gate, problems = Gate(client, "week_orders", scopes, (CUSTOMER, ITEM_PRODUCT)), Problems()
    if zone is None:
        problems.note("time_zone")
    reading = _read(gate, week, problems, ends)
    return _fetched(week, reading, gate, problems, scopes.data_window(now))


def _read(gate: Gate, week: Week, problems: Problems, ends: float) -> _Reading:
    """Follow the cursor until the week's first order, a bound, or trouble."""
    reading, cursor = _Reading(), None
    cursors: set[str] = set()
    known: set[str] = set()
    for number in range(MOST_PAGES):
        if number and ends - time.monotonic() < SECONDS_FOR_A_PAGE:
            reading.stopped = _newest(reading, "could be read in time")
            return reading
        try:
            connection = _page(gate, week, cursor, ends)
        except ShopifyError as error:
            if number == 0 or isinstance(error, ACCESS_LOST):
                raise
            reading.stopped = missing_part("orders", error)
            return reading
        for order in read_orders(connection, problems, customers_complete=gate.complete(CUSTOMER)):
            if week.day_of(order) is not None and (order.id is None or order.id not in known):
                known.update({order.id} if order.id else ())
                reading.orders.append(order)
        more, cursor = page(connection)
        if not more:
            return reading
        if cursor is None or cursor in cursors:
            reading.stopped = _newest(reading, "could be read: Shopify's list of orders goes in circles")
            return reading
        cursors.add(cursor)
    reading.stopped = _newest(reading, "were read")
    return reading


def _page(gate: Gate, week: Week, cursor: str | None, ends: float) -> object:
    answer = gate.ask({"query": week.filter, "first": PAGE_ORDERS, "after": cursor}, deadline=ends)
    connection = answer.data.get("orders")
    if connection is None:
        raise BadAnswer(f"{gate.shop}: no orders in the answer", reason="shape", request_id=answer.request_id)
    return connection


def _newest(reading: _Reading, how: str) -> dict[str, Any]:
    return cut_short("orders", f"Of the week only the newest {counted(len(reading.orders), 'order')} {how}.")


def _fetched(week: Week, reading: _Reading, gate: Gate, problems: Problems, data_window: dict[str, Any]) -> Fetched:
    def render(title_limit: int) -> dict[str, Any]:
        return summary(
            week,
            reading.orders,
            truncated=reading.stopped is not None,
            customers_complete=gate.complete(CUSTOMER),
            title_limit=title_limit,
        )

    data, dropped = fitting(render, "orders")
    data["orders_not_shown"] += dropped
    missing = gate.missing + problems.missing()
    if reading.stopped is not None:
        missing.append(reading.stopped)
    more_items = sum(order.more_items for order in reading.orders)
    if more_items:
        missing.append(cut_short("top_items", f"In {counted(more_items, 'order')} only the first ten items were read."))
    return Fetched(data, missing, data_window)
