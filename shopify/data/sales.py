"""Sales as in Shopify's reports: the numbers on the merchant's dashboard, further back than orders reach.

They come from ShopifyQL (https://shopify.dev/docs/api/shopifyql). The query is fixed except for its dates, which are
computed from a period's name and the shop's clock.
"""

import calendar
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from events.data_types import AMOUNTS, AVERAGE, COMPARISONS, PERIODS
from shopify.client import ShopifyClient
from shopify.data.fetched import Fetched
from shopify.data.query import REPORTS, DataQuery, Scopes, fetch_access
from shopify.data.scalars import Money, Problems, integer, money
from shopify.data.scalars import time_zone as zone_named
from shopify.errors import AccessDenied, BadAnswer, BadDocument, ProtectedData, ShopifyError
from shopify.response import GraphQLResponse
from shopify.text import clean, quoted

TOTAL_SECONDS = 8.0
"""If the caller sets no deadline."""
REVERSALS_SINCE = "2026-04"
"""From this API version on `returns` is called `sales_reversals`; since 2026-07 the old name is an error
(https://shopify.dev/changelog/shopifyql-returns-fields-deprecated-and-replaced-with-sales-reversals-fields)."""


def fetch_sales(
    client: ShopifyClient,
    scopes: Scopes,
    now: datetime,
    deadline: float | None,
    time_zone: str | None = None,
    *,
    period: str,
    compare_to: str,
) -> Fetched:
    """`{period, compare_to, time_zone, currency, current, previous?}`; `previous` is absent if `compare_to` is none.

    Each of the two: `{from, to, so_far, total_sales, net_sales, gross_sales, discounts, returns, taxes,
    shipping_charges, average_order_value, orders}`: days by the shop's calendar, both included; `so_far` is true if
    today is one of them; amounts of money, discounts and returns as what they take away. A figure is null if it could
    not be read; an average of no orders is, too. Raises ValueError for an unknown period or comparison.
    """
    if period not in PERIODS or compare_to not in COMPARISONS:
        raise ValueError(f"unknown period {period!r} or comparison {compare_to!r}")
    ends = time.monotonic() + TOTAL_SECONDS if deadline is None else deadline
    zone = zone_named(time_zone)
    if zone is None and scopes.allow(REPORTS):
        known = fetch_access(client, deadline=ends)
        zone = zone_named(known.time_zone)
        scopes = scopes if scopes.granted is not None else Scopes(known.scopes)
    query = DataQuery(client, "sales", scopes, needs=REPORTS)
    zone = zone or ZoneInfo("UTC")
    found, days = _ask(client, query, now, zone, period, compare_to, ends)
    shop = found.data.get("shop")
    named = zone_named(shop.get("ianaTimezone")) if isinstance(shop, Mapping) else None
    if named is not None and named.key != zone.key:  # the shop's time zone has changed since it was read
        zone = named
        found, days = _ask(client, query, now, zone, period, compare_to, ends)
    currency = clean(shop.get("currencyCode"), 5) if isinstance(shop, Mapping) else None
    if currency is None:
        raise BadAnswer(f"{client.shop_domain}: no currency in the answer", reason="shape")
    data: dict[str, Any] = {
        "period": period,
        "compare_to": compare_to,
        "time_zone": zone.key,
        "currency": currency,
    }
    today = now.astimezone(zone).date()
    for alias in days:
        table = _Table.read(client, scopes, found, alias)
        data[alias] = days[alias].shown(today) | _figures(table, currency, query.problems, alias)
    return Fetched(data, query.missing)


@dataclass(frozen=True)
class Days:
    """From one day to another, both included."""

    first: date
    last: date

    @classmethod
    def of(cls, period: str, today: date) -> "Days":
        """The days of a period. "Last 30 days" are whole days: they end yesterday, as in Shopify's reports."""
        yesterday, month, year = today - timedelta(days=1), today.replace(day=1), today.replace(month=1, day=1)
        match period:
            case "today":
                return cls(today, today)
            case "this_month":
                return cls(month, today)
            case "this_year":
                return cls(year, today)
            case "yesterday":
                return cls(yesterday, yesterday)
            case "last_month":
                return cls(_months(month, -1), month - timedelta(days=1))
            case "last_year":
                return cls(_months(year, -12), year - timedelta(days=1))
            case "last_12_months":
                return cls(_months(month, -12), month - timedelta(days=1))
        return cls(today - timedelta(days=int(period.split("_")[1])), yesterday)

    def before(self, period: str, compare_to: str) -> "Days":
        """The days to compare with: the same days a year earlier, or the previous month or year, or as many days
        before."""
        months = 12 if compare_to == "previous_year" or period.endswith(("_year", "_12_months")) else 1
        if months == 1 and not period.endswith("_month"):
            length = self.last - self.first + timedelta(days=1)
            return Days(self.first - length, self.last - length)
        if period in ("last_month", "last_year", "last_12_months"):  # whole months, however long each is
            return Days(
                _months(self.first, -months), _months(self.last + timedelta(days=1), -months) - timedelta(days=1)
            )
        return Days(_months(self.first, -months), _months(self.last, -months))

    def query(self, api_version: str) -> str:
        """The ShopifyQL query. Its keywords have a fixed order, and both dates are included."""
        returns = "sales_reversals" if api_version >= REVERSALS_SINCE else "returns"
        columns = ", ".join([*AMOUNTS, "orders", AVERAGE]).replace("returns", returns)
        return f"FROM sales SHOW {columns} SINCE {self.first} UNTIL {self.last}"

    def shown(self, today: date) -> dict[str, Any]:
        return {"from": self.first.isoformat(), "to": self.last.isoformat(), "so_far": self.last >= today}


def _months(day: date, number: int) -> date:
    """The same day that many months later, or the last day of a shorter month."""
    month = day.year * 12 + day.month - 1 + number
    year, month = divmod(month, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _ask(
    client: ShopifyClient, query: DataQuery, now: datetime, zone: ZoneInfo, period: str, compare_to: str, ends: float
) -> tuple[GraphQLResponse, dict[str, Days]]:
    current = Days.of(period, now.astimezone(zone).date())
    days = {"current": current}
    if compare_to != "none":
        days["previous"] = current.before(period, compare_to)
    texts = {alias: each.query(client.api_version) for alias, each in days.items()}
    return query.run({**texts, "compare": "previous" in days}, deadline=ends), days


@dataclass(frozen=True)
class _Table:
    """The one row of a report; None for a period without sales."""

    row: Mapping[str, Any] | None

    @classmethod
    def read(cls, client: ShopifyClient, scopes: Scopes, found: GraphQLResponse, alias: str) -> "_Table":
        """Raises ShopifyError if the report was refused, the query was not understood, or there is no table."""
        answer, shop = found.data.get(alias), client.shop_domain
        if not isinstance(answer, Mapping):
            nothing = BadAnswer(f"{shop}: no report in the answer", reason="shape", request_id=found.request_id)
            raise next((_refusal(error, scopes) for error in found.errors if error.path[:1] == (alias,)), nothing)
        if said := answer.get("parseErrors") or answer.get("parseWarnings"):
            first = said[0] if isinstance(said, list) else said
            text = f"{shop}: Shopify did not understand our ShopifyQL: {quoted(first)}"
            raise BadDocument(text, reason="shopifyql", request_id=found.request_id)
        table = answer.get("tableData")
        columns, rows = (table.get("columns"), table.get("rows")) if isinstance(table, Mapping) else (None, None)
        if not isinstance(columns, list) or not isinstance(rows, list) or len(rows) > 1:
            raise BadAnswer(f"{shop}: a report without exactly one row", reason="shape", request_id=found.request_id)
        if not rows:
            return cls(None)
        if isinstance(rows[0], Mapping):
            return cls(rows[0])
        names = [column.get("name") if isinstance(column, Mapping) else None for column in columns]
        if not isinstance(rows[0], list) or len(rows[0]) != len(names):
            raise BadAnswer(f"{shop}: a report with an odd row", reason="shape", request_id=found.request_id)
        return cls(dict(zip(map(str, names), rows[0], strict=True)))


def _refusal(error: ShopifyError, scopes: Scopes) -> ShopifyError:
    """Which permission is missing. By the schema the field needs `read_reports` and approval for customer data, and
    Shopify's message names both, whichever is missing."""
    if not isinstance(error, AccessDenied | ProtectedData):
        return error
    granted = scopes.granted is not None and scopes.allow(REPORTS)
    kind, reason, named = (ProtectedData, "object", ()) if granted else (AccessDenied, "scope", (REPORTS,))
    return kind(error.operator, reason=reason, request_id=error.request_id, path=error.path, scopes=named)


def _figures(table: _Table, currency: str, problems: Problems, alias: str) -> dict[str, Any]:
    row = table.row or {}
    row = {("returns" if name == "sales_reversals" else name): value for name, value in row.items()}
    no_sales = all(row.get(name) is None for name in (*AMOUNTS, "orders"))
    if no_sales:
        row = {**dict.fromkeys(AMOUNTS, "0"), "orders": 0}
    amounts = {name: _money(row.get(name), currency, problems, f"{alias}.{name}") for name in AMOUNTS}
    amounts |= _taken_away(amounts, problems, alias)
    orders = integer(row.get("orders"))
    if orders is None:
        problems.note(f"{alias}.orders")
    average = row.get(AVERAGE)
    worth = _money(average, currency, problems, f"{alias}.{AVERAGE}") if orders or average is not None else None
    shown = {name: found.shown() if found else None for name, found in (amounts | {AVERAGE: worth}).items()}
    return {**shown, "orders": orders}


def _money(value: object, currency: str, problems: Problems, part: str) -> Money | None:
    plain = str(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value
    return money({"amount": plain, "currencyCode": currency}, problems, part)


def _taken_away(amounts: Mapping[str, Money | None], problems: Problems, alias: str) -> dict[str, Money | None]:
    """Discounts and returns as positive amounts. Reports show them as negative, the documentation subtracts them: net
    sales decide which it is."""
    gross, net, discounts, returns = (amounts[name] for name in ("gross_sales", "net_sales", "discounts", "returns"))
    if gross is None or net is None or discounts is None or returns is None:
        return {"discounts": None, "returns": None}
    taken = discounts.amount + returns.amount
    for sign in (1, -1):
        if net.amount == gross.amount - sign * taken:
            return {
                name: Money(sign * found.amount + 0, found.currency)
                for name, found in (("discounts", discounts), ("returns", returns))
            }
    problems.note(f"{alias}.net_sales")
    return {"discounts": None, "returns": None}
