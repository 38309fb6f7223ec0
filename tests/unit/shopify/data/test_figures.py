"""Every figure of every data type against a second computation, over shops that hypothesis generates.

What is expected is computed from the made-up shop itself, in cents, with nothing of the product's.
"""

import os
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.data_types import AMOUNTS
from shopify.data.counts import ALIASES
from shopify.data.dispatch import fetch
from shopify.errors import ShopifyError
from tests.shopify_answers import SHOP, Shop, answer, denied, ok, orders, report
from workers.agent.calculate_metrics import MetricsArguments, calculate

EXAMPLES = int(os.environ.get("FIGURES_EXAMPLES", "40"))  # nightly: 500
LATEST, RECENT_PAGES, WEEK_PAGES = 10, 4, 10


@dataclass(frozen=True)
class Line:
    """`kind`: goods, a deleted product, a tip or a gift card."""

    product: int
    ordered: int
    kept: int
    cents: int
    kind: str


@dataclass(frozen=True)
class Sold:
    """One order of a made-up shop."""

    number: int
    at: datetime
    currency: str
    lines: tuple[Line, ...]
    more_lines: bool
    test: bool
    cancelled: bool
    customer: tuple[int, int] | None
    refunded_cents: int

    @property
    def cents(self) -> int:
        return sum(line.ordered * line.cents for line in self.lines) + 490

    @property
    def current_cents(self) -> int:
        return max(0, self.cents - self.refunded_cents)

    @property
    def counts(self) -> bool:
        return not self.test and not self.cancelled

    @property
    def goods(self) -> list[Line]:
        return [line for line in self.lines if line.kind in ("goods", "deleted") and line.kept]

    def node(self) -> dict[str, Any]:
        """As Shopify sends it."""
        tips = sum(line.cents * line.ordered for line in self.lines if line.kind == "tip")
        customer = None
        if self.customer is not None:
            person, lifetime = self.customer
            customer = {"id": f"gid://shopify/Customer/{person}", "displayName": "X", "numberOfOrders": str(lifetime)}
        return {
            "id": f"gid://shopify/Order/{self.number}",
            "name": f"#{self.number}",
            "createdAt": self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "cancelledAt": "2026-11-28T00:00:00Z" if self.cancelled else None,
            "test": self.test,
            "displayFinancialStatus": "PAID",
            "displayFulfillmentStatus": "UNFULFILLED",
            "totalPriceSet": bag(self.cents, self.currency),
            "currentTotalPriceSet": bag(self.current_cents, self.currency),
            "totalTipReceivedSet": bag(tips, self.currency),
            "customer": customer,
            "lineItems": {
                "nodes": [line_node(line, self.currency) for line in self.lines],
                "pageInfo": {"hasNextPage": self.more_lines},
            },
        }


def line_node(line: Line, currency: str) -> dict[str, Any]:
    real = line.kind in ("goods", "gift card")
    return {
        "title": "Trinkgeld" if line.kind == "tip" else f"Title {line.product % 3}",  # products share titles
        "quantity": line.ordered,
        "currentQuantity": line.kept,
        "isGiftCard": line.kind == "gift card",
        "sku": f"sku-{line.product}" if line.kind == "deleted" else None,
        "originalUnitPriceSet": bag(line.cents, currency),
        "product": {"id": f"gid://shopify/Product/{line.product}"} if real else None,
    }


def bag(cents: int, currency: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": f"{cents // 100}.{cents % 100:02d}", "currencyCode": currency}}


@st.composite
def lines(draw: st.DrawFn) -> tuple[Line, ...]:
    kinds = draw(st.lists(st.sampled_from(["goods", "goods", "deleted", "gift card"]), min_size=1, max_size=4))
    kinds += ["tip"] if draw(st.booleans()) else []
    found = []
    for kind in kinds:
        ordered = 1 if kind == "tip" else draw(st.integers(1, 6))
        kept = ordered - draw(st.integers(0, ordered))
        found.append(Line(draw(st.integers(1, 6)), ordered, kept, draw(st.integers(1, 9_999)), kind))
    return tuple(found)


@st.composite
def shops(draw: st.DrawFn) -> tuple[list[Sold], datetime, str, int, int | None]:
    """Orders, newest first; now; the shop's time zone; how many a page has; the page that fails, if one does."""
    zone = draw(st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Pacific/Kiritimati", "Asia/Kathmandu"]))
    # In the week of a change of clocks, on either side of the ocean, or any other.
    day = draw(st.sampled_from(["2026-03-09", "2026-03-30", "2026-10-26", "2026-11-02", "2026-11-28"]))
    now = datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(minutes=draw(st.integers(0, 24 * 60)))
    ages = sorted(draw(st.lists(st.integers(0, 9 * 24 * 60), max_size=24, unique=True)))
    sold = [
        Sold(
            number=1000 + place,
            at=now - timedelta(minutes=age),
            currency=draw(st.sampled_from(["USD", "USD", "EUR"])),
            lines=draw(lines()),
            more_lines=draw(st.integers(0, 9)) == 0,
            test=draw(st.integers(0, 3)) == 0,
            cancelled=draw(st.integers(0, 3)) == 0,
            customer=draw(
                st.none() | st.tuples(st.integers(1, 5), st.just(0)).map(lambda who: (who[0], who[0] % 3 + 1))
            ),
            refunded_cents=draw(st.sampled_from([0, 0, 250, 10**9])),
        )
        for place, age in enumerate(ages)
    ]
    return sold, now, zone, draw(st.integers(3, 8)), draw(st.none() | st.integers(2, 4))


def serve(sold: list[Sold], size: int, failing: int | None) -> Shop:
    def page(body: dict[str, Any]) -> httpx.Response:
        start = int(body["variables"].get("after") or 0)
        if failing is not None and start // size + 1 == failing:
            return answer(b"<html>", 503)
        end = start + size
        cursor = str(end) if end < len(sold) else None
        return ok({"orders": orders(*[order.node() for order in sold[start:end]], cursor=cursor)})

    return Shop(page)


def money(rows: list[dict[str, Any]], name: str) -> dict[str, int]:
    found = {row["currency"]: Decimal(row.get(name, row["amount"])) * 100 for row in rows}
    return {currency: int(amount) for currency, amount in found.items()}


def sums(found: list[Sold], what: str) -> dict[str, int]:
    expected: Counter[str] = Counter()
    for order in found:
        expected[order.currency] += getattr(order, what)
    return dict(expected)


def units(found: list[Sold]) -> Counter[str]:
    """By product; a deleted one is known by its title."""
    expected: Counter[str] = Counter()
    for order in found:
        for line in order.goods:
            expected[f"product {line.product}" if line.kind == "goods" else f"title {line.product % 3}"] += line.kept
    return expected


@settings(max_examples=EXAMPLES, deadline=None)
@given(shop=shops())
def test_a_week(shop: tuple[list[Sold], datetime, str, int, int | None]) -> None:
    sold, now, zone, size, failing = shop
    found = fetch(serve(sold, size, failing).client(), "week_orders", scopes=None, now=now, time_zone=zone).data
    today = now.astimezone(ZoneInfo(zone)).date()
    days = [today - timedelta(days=ago) for ago in range(6, -1, -1)]
    pages = -(-len(sold) // size) or 1
    partly = failing is not None and failing <= pages
    read = sold[: size * ((failing or 0) - 1)] if partly else sold[: size * WEEK_PAGES]
    week = [order for order in read if order.at.astimezone(ZoneInfo(zone)).date() in days]
    real = [order for order in week if order.counts]
    assert found["truncated"] == partly
    assert found["orders_counted"] == len(real)
    assert found["test_orders"] == sum(order.test for order in week)
    assert found["cancelled_orders"] == sum(order.cancelled and not order.test for order in week)
    assert money(found["totals"], "amount") == sums(real, "cents")
    assert money(found["totals"], "current_amount") == sums(real, "current_cents")
    if not partly:
        assert [row["date"] for row in found["by_day"]] == [day.isoformat() for day in days]
    for row in found["by_day"]:
        of_day = [order for order in real if order.at.astimezone(ZoneInfo(zone)).date().isoformat() == row["date"]]
        assert row["orders"] == len(of_day)
        assert money(row["totals"], "amount") == sums(of_day, "cents")
        assert money(row["totals"], "current_amount") == sums(of_day, "current_cents")
    assert [row["quantity"] for row in found["top_items"]] == [number for _, number in units(real).most_common(10)]
    people = {order.customer[0]: order.customer[1] for order in real if order.customer is not None}
    assert found["customers"] == {
        "first_time": sum(lifetime == 1 for lifetime in people.values()),
        "returning": sum(lifetime > 1 for lifetime in people.values()),
        "guest_orders": sum(order.customer is None for order in real),
    }
    assert [row["items"] for row in found["orders"]] == [sum(line.kept for line in order.goods) for order in week]


@settings(max_examples=EXAMPLES, deadline=None)
@given(shop=shops())
def test_the_latest(shop: tuple[list[Sold], datetime, str, int, int | None]) -> None:
    sold, now, _, size, failing = shop
    found = fetch(serve(sold, size, failing).client(), "recent_orders", scopes=None, now=now)
    read: list[Sold] = []
    pages = 0
    while pages < RECENT_PAGES and len(read) < len(sold) and sum(order.counts for order in read) < LATEST:
        if failing is not None and pages + 1 == failing:
            break
        pages, read = pages + 1, sold[: (pages + 1) * size]
    latest = [order for order in read if order.counts][:LATEST]
    shown = [row for row in found.data["orders"] if not row["test"] and not row["cancelled"]]
    is_whole = len(latest) == LATEST or len(read) == len(sold)
    dropped = len(latest) - len(shown)
    if parts_missing := [entry["part"] for entry in found.missing if entry["part"] == "orders"]:
        latest = latest[: len(shown)]  # the last ones did not fit in
        assert dropped or len(found.data["orders"]) < len(read)
    assert [row["name"] for row in shown] == [f"#{order.number}" for order in latest]
    assert found.data["orders_read"] == len(read)
    assert found.data["test_orders"] == sum(order.test for order in read)
    assert found.data["more"] or len(read) == len(sold)
    assert [entry["part"] for entry in found.missing] == [*([] if is_whole else ["orders.older"]), *parts_missing]
    for row, order in zip(shown, latest, strict=True):
        assert row["total"] == {"amount": f"{order.cents / 100:.2f}", "currency": order.currency}
        now_worth = row.get("current_total", row["total"])
        assert now_worth == {"amount": f"{order.current_cents / 100:.2f}", "currency": order.currency}
        assert row.get("more_items", False) == order.more_lines
        kinds = [
            "tip" if line.kind == "tip" else "gift_card" if line.kind == "gift card" else None for line in order.lines
        ]
        assert [item.get("kind") for item in row["items"]] == kinds
        assert [item.get("current_quantity", item["quantity"]) for item in row["items"]] == [
            line.kept for line in order.lines
        ]
    result = {"success": True, "data_type": "recent_orders", "data": found.data, "missing": found.missing}
    total = calculate(asked(rows="orders", metric="sum", of="current_total"), [result])
    if parts_missing:
        assert total["error_code"] == "tool.partial_data"
    else:
        expected = sums(latest, "current_cents")
        assert {row["currency"]: int(Decimal(row["value"]) * 100) for row in total["data"]["results"]} == expected
    sold_most = calculate(asked(rows="items", metric="sum", of="current_quantity"), [result])
    names = {row["name"] for row in found.data["orders"]}
    if parts_missing or any(order.more_lines for order in read if f"#{order.number}" in names):
        assert sold_most["error_code"] == "tool.partial_data"
    elif latest and any(line.kind in ("goods", "deleted") for order in latest for line in order.lines):
        [figure] = sold_most["data"]["results"]
        assert int(figure["value"]) == sum(units(latest).values())


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    numbers=st.dictionaries(st.sampled_from(list(ALIASES)), st.integers(0, 12_000), max_size=4),
    complete=st.booleans(),
)
def test_counts(numbers: dict[str, int], complete: bool) -> None:
    """An alias without a number was refused."""
    shown = {
        alias: {"count": min(number, 10_000), "precision": "AT_LEAST" if number >= 10_000 else "EXACT"}
        for alias, number in numbers.items()
    }
    refused = [denied([alias], "read_orders") for alias in ALIASES if alias not in numbers]
    scopes = ["read_orders", "read_customers", *(["read_all_orders"] if complete else [])]
    shop = Shop(ok({alias: shown.get(alias) for alias in ALIASES}, errors=refused))
    if not numbers:
        with pytest.raises(ShopifyError):
            fetch(shop.client(), "counts", scopes=scopes, now=datetime(2026, 11, 28, tzinfo=UTC))
        return
    found = fetch(shop.client(), "counts", scopes=scopes, now=datetime(2026, 11, 28, tzinfo=UTC))
    for alias, part in ALIASES.items():
        assert found.data[part] == (min(numbers[alias], 10_000) if alias in numbers else None)
        assert (part in found.data["at_least"]) == (numbers.get(alias, 0) >= 10_000)
        assert (part in {entry["part"] for entry in found.missing}) == (alias not in numbers)
    window = found.data_window or {}
    assert window["orders_from"] == (None if complete else "2026-09-29T00:00:00Z")


@dataclass(frozen=True)
class Stocked:
    """A product of a made-up shop."""

    number: int
    status: str
    gift_card: bool
    stock: int | None
    cents: int

    def node(self) -> dict[str, Any]:
        price = bag(self.cents, "USD")["shopMoney"]
        return {
            "id": f"gid://shopify/Product/{self.number}",
            "title": f"Title {self.number % 3}",
            "description": "x",
            "status": self.status,
            "isGiftCard": self.gift_card,
            "totalInventory": self.stock or 0,
            "tracksInventory": self.stock is not None,
            "priceRangeV2": {"minVariantPrice": price, "maxVariantPrice": price},
            "featuredMedia": None,
        }


stocked = st.lists(
    st.builds(
        Stocked,
        st.integers(1, 99),
        st.sampled_from(["ACTIVE", "ACTIVE", "ACTIVE", "ARCHIVED"]),
        st.integers(0, 5).map(lambda number: number == 0),
        st.none() | st.integers(-3, 500),
        st.integers(0, 99_999),
    ),
    max_size=7,
    unique_by=lambda product: product.number,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(shop=shops(), products=stocked, more=st.booleans())
def test_an_overview(
    shop: tuple[list[Sold], datetime, str, int, int | None], products: list[Stocked], more: bool
) -> None:
    sold, now, zone, _, _ = shop
    node = {"name": "X", "myshopifyDomain": SHOP, "currencyCode": "USD", "ianaTimezone": zone}
    read = sold[:20]
    body = {
        "shop": node,
        "orders": orders(*[order.node() for order in read], cursor="c" if len(sold) > 20 else None),
        "products": {"nodes": [product.node() for product in products], "pageInfo": {"hasNextPage": more}},
    }
    fetched = fetch(Shop(ok(body)).client(), "overview", scopes=None, now=now)
    found = fetched.data
    sellable = [product for product in products if product.status == "ACTIVE" and not product.gift_card]
    assert [(row["id"], row["inventory"], row["price"]["min"]["amount"]) for row in found["best_stocked_products"]] == [
        (f"gid://shopify/Product/{product.number}", product.stock, f"{product.cents / 100:.2f}")
        for product in sellable[:5]
    ]
    assert found["more"]["best_stocked_products"] == (more or len(sellable) > 5)
    latest = [order for order in read if order.counts][:LATEST]
    shown = [row for row in found["recent_orders"] if not row["test"] and not row["cancelled"]]
    if any(entry["part"] == "recent_orders" for entry in fetched.missing):  # long orders: the last do not fit in
        assert found["more"]["recent_orders"]
        assert 0 < len(shown) <= len(latest)
        latest = latest[: len(shown)]
    assert [row["name"] for row in shown] == [f"#{order.number}" for order in latest]
    for row, order in zip(shown, latest, strict=True):
        assert row["total"] == {"amount": f"{order.cents / 100:.2f}", "currency": order.currency}
        assert row.get("current_total", row["total"])["amount"] == f"{order.current_cents / 100:.2f}"
    assert found["more"]["recent_orders"] or len(found["recent_orders"]) == len(sold)


def in_report(sold: list[Sold], zone: str, first: date, last: date) -> dict[str, int]:
    """In cents. A tenth was off, a fifth came on top as tax; what was refunded went back two days later."""
    found: Counter[str] = Counter()
    for order in sold:
        if order.test:
            continue
        day = order.at.astimezone(ZoneInfo(zone)).date()
        goods = order.cents - 490
        if first <= day <= last:
            found["orders"] += 1
            found["gross_sales"] += goods
            found["discounts"] += goods // 10
            found["taxes"] += goods // 5
            found["shipping_charges"] += 490
        if first <= day + timedelta(days=2) <= last:
            found["returns"] += min(order.refunded_cents, goods)
    found["net_sales"] = found["gross_sales"] - found["discounts"] - found["returns"]
    found["total_sales"] = found["net_sales"] + found["taxes"] + found["shipping_charges"]
    return dict(found)


@settings(max_examples=EXAMPLES, deadline=None)
@given(shop=shops(), sign=st.sampled_from(["-", ""]), of=st.sampled_from(["today", "yesterday", "last_7_days"]))
def test_sales(shop: tuple[list[Sold], datetime, str, int, int | None], sign: str, of: str) -> None:
    sold, now, zone, _, _ = shop

    def reported(text: str) -> dict[str, Any]:
        *_, since, _, until = text.split()
        cents = in_report(sold, zone, date.fromisoformat(since), date.fromisoformat(until))
        amounts = {name: f"{cents.get(name, 0) / 100:.2f}" for name in AMOUNTS}
        taken = {"discounts": f"{sign}{amounts['discounts']}", "sales_reversals": f"{sign}{amounts.pop('returns')}"}
        return report(**{**amounts, **taken}, orders=str(cents.get("orders", 0)), average_order_value=None)

    def page(body: dict[str, Any]) -> httpx.Response:
        reports = {name: reported(body["variables"][name]) for name in ("current", "previous")}
        return ok({"shop": {"currencyCode": "USD", "ianaTimezone": zone}, **reports})

    found = fetch(Shop(page).client(), "sales", scopes=["read_reports"], now=now, time_zone=zone, period=of)
    today = now.astimezone(ZoneInfo(zone)).date()
    length = 7 if of == "last_7_days" else 1
    last = today if of == "today" else today - timedelta(days=1)
    for name, end in (("current", last), ("previous", last - timedelta(days=length))):
        expected = in_report(sold, zone, end - timedelta(days=length - 1), end)
        shown = found.data[name]
        assert shown["orders"] == expected.get("orders", 0)
        assert {what: int(Decimal(shown[what]["amount"]) * 100) for what in AMOUNTS} == {
            what: expected.get(what, 0) for what in AMOUNTS
        }
    result = {"success": True, "data_type": "sales", "data": found.data, "missing": found.missing}
    change = MetricsArguments(data_type="sales", rows="periods", metric="difference", of="net_sales")
    [figure] = calculate(change, [result])["data"]["results"]
    expected = {
        name: in_report(sold, zone, *(date.fromisoformat(found.data[name][day]) for day in ("from", "to")))["net_sales"]
        for name in ("current", "previous")
    }
    assert int(Decimal(figure["value"]) * 100) == expected["current"] - expected["previous"]


def asked(**arguments: Any) -> MetricsArguments:
    return MetricsArguments(data_type="recent_orders", **arguments)
