"""Answers `shopifyqlQuery` from a shop's orders: `FROM sales` with columns, SINCE and UNTIL, and nothing else.

By Shopify's definitions
(https://help.shopify.com/manual/reports-and-analytics/shopify-reports/report-types/sales-reports): an order counts on
the day it was placed, with everything that was ordered; refunds, returns and cancellations count on the day they are
processed. Test orders are excluded. Nothing is sold here with a discount or a tax. Reports reach back to the first
order, whichever orders an app may see.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from shopify.development_store.records import PER_DOLLAR, OrderRecord, decimal_text, in_currency, rounded
from shopify.development_store.shop import Shop

REVERSALS = "sales_reversals"
FORMER = {"returns": REVERSALS}
"""Column names of earlier API versions, which cause a warning."""
NUMBERS = ("orders",)
COLUMNS = (
    *("total_sales", "net_sales", "gross_sales", "discounts", REVERSALS, "taxes", "shipping_charges"),
    *("average_order_value", *NUMBERS),
)
_QUERY = re.compile(
    r"\s*FROM\s+sales\s+SHOW\s+(?P<columns>\w+(?:\s*,\s*\w+)*)"
    r"\s+SINCE\s+(?P<since>\d{4}-\d\d-\d\d)\s+UNTIL\s+(?P<until>\d{4}-\d\d-\d\d)\s*",
    re.IGNORECASE | re.ASCII,
)


def answer_shopifyql(shop: Shop, text: str) -> dict[str, Any]:
    """A `ShopifyqlQueryResponse`: a table with one row, or the query's errors."""
    found = _QUERY.fullmatch(text)
    if found is None:
        return _refused("Only FROM sales SHOW … SINCE YYYY-MM-DD UNTIL YYYY-MM-DD is supported here.")
    shown = [name.strip().lower() for name in found["columns"].split(",")]
    for name in shown:
        if FORMER.get(name, name) not in COLUMNS:
            return _refused(f"Column '{name}' not found.")
    zone = ZoneInfo(shop.time_zone)
    try:
        first, last = date.fromisoformat(found["since"]), date.fromisoformat(found["until"])
    except ValueError as error:
        return _refused(f"Invalid date: {error}.")
    start, end = (datetime.combine(day, time.min, zone) for day in (first, last + timedelta(days=1)))
    figures = sales(shop.contents.orders, shop.settings.currency, start.timestamp(), end.timestamp())
    row = {name: _written(name, figures[FORMER.get(name, name)]) for name in shown}
    columns = [{"name": name} for name in shown]
    warnings = [f"Column '{name}' is deprecated, use '{FORMER[name]}'." for name in shown if name in FORMER]
    return {"tableData": {"columns": columns, "rows": [row]}, "parseErrors": [], "parseWarnings": warnings}


def sales(orders: Iterable[OrderRecord], currency: str, start: float, end: float) -> Mapping[str, Decimal | None]:
    """The report for the time from `start` to before `end` (Unix seconds), in the shop's currency."""
    number = 0
    found: dict[str, Decimal] = dict.fromkeys(("gross_sales", REVERSALS, "shipping_charges"), Decimal(0))
    for order in orders:
        if order.test or not (start <= order.created_at < end or start <= order.updated_at < end):
            continue
        goods = sum((line.unit_price.amount * line.quantity for line in order.lines), Decimal(0))
        if start <= order.created_at < end:
            number += 1
            found["gross_sales"] += _in(currency, order, goods)
            found["shipping_charges"] += _in(currency, order, order.total.amount - goods)
        if start <= order.updated_at < end and order.current_total != order.total:
            taken = order.total.amount - order.current_total.amount
            found[REVERSALS] -= _in(currency, order, min(taken, goods))
            found["shipping_charges"] -= _in(currency, order, max(taken - goods, Decimal(0)))
    net = found["gross_sales"] + found[REVERSALS]
    return {
        **found,
        "discounts": Decimal(0),
        "taxes": Decimal(0),
        "net_sales": net,
        "total_sales": net + found["shipping_charges"],
        "orders": Decimal(number),
        "average_order_value": rounded(found["gross_sales"] / number, currency) if number else None,
    }


def _in(currency: str, order: OrderRecord, amount: Decimal) -> Decimal:
    return amount if order.currency == currency else in_currency(amount / PER_DOLLAR[order.currency], currency)


def _written(name: str, value: Decimal | None) -> str | None:
    """Numbers and amounts as text; deductions are negative."""
    return None if value is None else str(value) if name in NUMBERS else decimal_text(value)


def _refused(error: str) -> dict[str, Any]:
    return {"tableData": None, "parseErrors": [error], "parseWarnings": []}
