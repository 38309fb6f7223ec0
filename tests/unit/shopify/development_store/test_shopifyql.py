"""The sales report of a development shop against its orders."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shopify.development_store.shop import Shop, ShopSettings
from shopify.development_store.shopifyql import answer_shopifyql

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
ALL = "total_sales, net_sales, gross_sales, discounts, sales_reversals, taxes, shipping_charges, orders"


def shop(**settings: Any) -> Shop:
    return Shop(ShopSettings(shop_domain="corner.myshopify.com", **settings), now=NOW)


def row(of: Shop, since: str, until: str, columns: str = ALL) -> dict[str, Decimal | None]:
    found = answer_shopifyql(of, f"FROM sales SHOW {columns} SINCE {since} UNTIL {until}")
    [row] = found["tableData"]["rows"]
    return {name: None if value is None else Decimal(value) for name, value in row.items()}


def test_over_all_time_sales_are_what_the_orders_come_to_now() -> None:
    medium = shop(size="medium")
    figures = row(medium, "2020-01-01", "2026-11-23")
    real = [order for order in medium.contents.orders if not order.test]
    assert figures["orders"] == len(real) == 119
    assert figures["total_sales"] == sum(order.current_total.amount for order in real)
    gross = sum(line.unit_price.amount * line.quantity for order in real for line in order.lines)
    assert figures["gross_sales"] == gross
    assert figures["net_sales"] == gross + (figures["sales_reversals"] or 0)
    assert (figures["sales_reversals"] or 0) < 0


def test_a_return_counts_on_the_day_it_was_processed() -> None:
    medium = shop(size="medium", time_zone="UTC")
    late = next(
        order
        for order in medium.contents.orders
        if order.financial_status == "REFUNDED" and order.updated_at - order.created_at > 86_400 and not order.test
    )
    day = datetime.fromtimestamp(late.updated_at, UTC).date().isoformat()
    of_day = [
        order
        for order in medium.contents.orders
        if datetime.fromtimestamp(order.created_at, UTC).date().isoformat() == day
    ]
    figures = row(medium, day, day)
    assert figures["orders"] == len([order for order in of_day if not order.test])
    assert (figures["sales_reversals"] or 0) <= -sum(line.unit_price.amount * line.quantity for line in late.lines)


def test_average_order_value_and_other_currencies() -> None:
    yen = shop(size="medium", currency="JPY", former_currency="USD")
    figures = row(yen, "2020-01-01", "2026-11-23", "gross_sales, orders, average_order_value, total_sales")
    assert figures["gross_sales"]
    assert figures["orders"]
    assert figures["average_order_value"] == round(figures["gross_sales"] / figures["orders"])
    assert all(value == value.to_integral_value() for value in figures.values() if value is not None)
    assert row(shop(size="new"), "2026-11-01", "2026-11-22", "orders, average_order_value") == {
        "orders": 0,
        "average_order_value": None,
    }


@pytest.mark.parametrize(
    "query",
    [
        "",
        "SHOW orders",
        "FROM customers SHOW orders SINCE 2026-11-01 UNTIL 2026-11-22",
        "FROM sales SHOW orders GROUP BY customer_email SINCE 2026-11-01 UNTIL 2026-11-22",
        "FROM sales SHOW profit SINCE 2026-11-01 UNTIL 2026-11-22",
        "FROM sales SHOW orders SINCE 2026-11-31 UNTIL 2026-12-22",
    ],
)
def test_anything_else_is_not_understood(query: str) -> None:
    found = answer_shopifyql(shop(size="tiny"), query)
    assert found["tableData"] is None
    assert found["parseErrors"]


def test_the_former_name_of_returns_is_warned_of() -> None:
    found = answer_shopifyql(shop(size="tiny"), "FROM sales SHOW returns SINCE 2026-01-01 UNTIL 2026-11-22")
    assert found["tableData"]["rows"][0]["returns"].startswith(("-", "0"))
    assert found["parseWarnings"] == ["Column 'returns' is deprecated, use 'sales_reversals'."]
