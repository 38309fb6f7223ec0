"""The week as the shop's clock counts it, and orders added up over it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopify.data.orders import Order, read_orders
from shopify.data.scalars import Problems
from shopify.data.week import Week, summary
from tests.shopify_answers import bag, item, order

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WEEK = Week.until(NOW, BERLIN)


def read(*nodes: dict[str, Any], customers_complete: bool = True) -> list[Order]:
    return read_orders({"nodes": list(nodes)}, Problems(), customers_complete=customers_complete)


def summed(*nodes: dict[str, Any], truncated: bool = False, customers_complete: bool = True) -> dict[str, Any]:
    found = read(*nodes, customers_complete=customers_complete)
    return summary(WEEK, found, truncated=truncated, customers_complete=customers_complete, title_limit=200)


def test_the_week_starts_at_the_shops_midnight_six_days_ago() -> None:
    assert WEEK.start.isoformat() == "2026-11-16T00:00:00+01:00"
    assert WEEK.filter == "created_at:>='2026-11-15T23:00:00Z'"
    assert WEEK.days == [date(2026, 11, day) for day in range(16, 23)]


@pytest.mark.parametrize(
    ("zone", "first", "start"),
    [
        ("UTC", date(2026, 11, 16), "2026-11-16T00:00:00Z"),
        ("Pacific/Kiritimati", date(2026, 11, 17), "2026-11-16T10:00:00Z"),
        ("Pacific/Pago_Pago", date(2026, 11, 16), "2026-11-16T11:00:00Z"),
        ("Asia/Kolkata", date(2026, 11, 16), "2026-11-15T18:30:00Z"),
    ],
)
def test_it_is_the_shops_calendar_that_counts(zone: str, first: date, start: str) -> None:
    week = Week.until(NOW, ZoneInfo(zone))
    assert week.days[0] == first
    assert week.filter == f"created_at:>='{start}'"


def test_a_change_of_clocks_in_the_week_moves_no_midnight() -> None:
    week = Week.until(datetime(2026, 10, 27, 12, 0, tzinfo=UTC), BERLIN)  # summer time ended on the 25th
    assert week.start.isoformat() == "2026-10-21T00:00:00+02:00"
    assert week.end.isoformat() == "2026-10-27T13:00:00+01:00"
    assert len(week.days) == 7


@given(
    now=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_a_week_always_has_seven_days(now: datetime, zone: str) -> None:
    week = Week.until(now, ZoneInfo(zone))
    assert len(week.days) == 7
    assert timedelta(days=6) - timedelta(hours=1) <= now - week.start <= timedelta(days=7, hours=1)


def test_an_empty_week() -> None:
    data = summed()
    assert data["totals"] == data["top_items"] == data["orders"] == []
    assert [day["orders"] for day in data["by_day"]] == [0] * 7
    assert data["orders_counted"] == data["orders_not_shown"] == 0
    assert data["customers"] == {"first_time": 0, "returning": 0, "guest_orders": 0}
    assert "covered_from" not in data


def test_days_are_the_shops_days() -> None:
    late = order(createdAt="2026-11-20T23:30:00Z")  # half past midnight of the 21st in Berlin
    data = summed(late)
    assert {day["date"]: day["orders"] for day in data["by_day"]}["2026-11-21"] == 1
    assert data["orders"][0]["created_at"] == "2026-11-21T00:30+01:00"


def test_totals_are_exact_per_currency() -> None:
    data = summed(
        *[order(n, totalPriceSet=bag("0.1"), currentTotalPriceSet=bag("0.1")) for n in range(3)],
        order(4, totalPriceSet=bag("500", "JPY"), currentTotalPriceSet=bag("500", "JPY")),
    )
    assert data["totals"] == [
        {"amount": "0.30", "currency": "EUR", "orders": 3},
        {"amount": "500", "currency": "JPY", "orders": 1},
    ]
    day = next(day for day in data["by_day"] if day["date"] == "2026-11-21")
    assert day == {
        "date": "2026-11-21",
        "orders": 4,
        "totals": [{"amount": "0.30", "currency": "EUR"}, {"amount": "500", "currency": "JPY"}],
    }


def test_refunds_show_beside_what_was_ordered() -> None:
    data = summed(order(1, currentTotalPriceSet=bag("15.0")), order(2))
    assert data["totals"] == [{"amount": "110.00", "currency": "EUR", "orders": 2, "current_amount": "70.00"}]


def test_test_and_cancelled_orders_are_counted_apart() -> None:
    data = summed(
        order(1),
        order(2, test=True),
        order(3, cancelledAt="2026-11-21T10:00:00Z"),
        order(4, test=True, cancelledAt="2026-11-21T10:00:00Z"),
    )
    assert (data["orders_counted"], data["test_orders"], data["cancelled_orders"]) == (1, 2, 1)
    assert data["totals"] == [{"amount": "55.00", "currency": "EUR", "orders": 1}]
    assert sum(day["orders"] for day in data["by_day"]) == 1
    assert data["top_items"] == [{"title": "Teapot", "quantity": 2, "orders": 1}]
    assert [[flag for flag in ("test", "cancelled") if flag in shown] for shown in data["orders"]] == [
        [],
        ["test"],
        ["cancelled"],
        ["test", "cancelled"],
    ]


def test_top_items_go_by_product_then_title() -> None:
    def lines(*found: dict[str, Any]) -> dict[str, Any]:
        return {"nodes": list(found), "pageInfo": {}}

    data = summed(
        order(1, lineItems=lines(item("Teapot, new name", 1, 1), item("Cup", 5, 2), item("Gone", 1, None))),
        order(2, lineItems=lines(item("Teapot", 3, 1), item("Teapot", 3, 1), item("Gone", 1, None))),
    )
    assert data["top_items"] == [
        {"title": "Teapot, new name", "quantity": 7, "orders": 2},
        {"title": "Cup", "quantity": 5, "orders": 1},
        {"title": "Gone", "quantity": 2, "orders": 2},
    ]


def test_at_most_ten_top_items() -> None:
    lines = {"nodes": [item(f"Item {n}", n, n) for n in range(1, 15)], "pageInfo": {}}
    top = summed(order(lineItems=lines))["top_items"]
    assert [entry["quantity"] for entry in top] == list(range(14, 4, -1))


def customer(number: int, orders: Any) -> dict[str, Any]:
    return {"id": f"gid://shopify/Customer/{number}", "numberOfOrders": orders}


def test_customers_are_people_not_orders() -> None:
    data = summed(
        order(1, customer=customer(1, "1")),
        order(2, customer=customer(2, "7")),
        order(3, customer=customer(2, "7")),
        order(4, customer=None),
        order(5, customer=customer(3, "many")),
    )
    assert data["customers"] == {"first_time": 1, "returning": 1, "guest_orders": 1}
    assert [shown.get("customer_orders") for shown in data["orders"]] == [1, 7, 7, None, None]


def test_customers_that_may_not_be_read_are_not_zero() -> None:
    assert "customers" not in summed(order(customer=None), customers_complete=False)


def test_a_compact_order() -> None:
    assert summed(order())["orders"] == [
        {
            "name": "#1001",
            "created_at": "2026-11-21T10:30+01:00",
            "amount": "55.00",
            "currency": "EUR",
            "financial_status": "PAID",
            "fulfillment_status": "UNFULFILLED",
            "items": 2,
            "customer_orders": 13,
        }
    ]


def test_an_order_without_a_readable_amount_still_counts() -> None:
    data = summed(order(totalPriceSet=bag("NaN")))
    assert data["orders_counted"] == 1
    assert data["totals"] == []
    assert data["orders"][0]["amount"] is None


def test_at_most_fifty_orders_are_shown() -> None:
    data = summed(*[order(n) for n in range(53)])
    assert (len(data["orders"]), data["orders_not_shown"], data["orders_counted"]) == (50, 3, 53)


def test_what_was_not_reached_is_not_zero() -> None:
    data = summed(order(1), order(2, createdAt="2026-11-20T08:00:00Z"), truncated=True)
    assert data["truncated"] is True
    assert data["covered_from"] == "2026-11-20T09:00+01:00"
    assert [day["date"] for day in data["by_day"]] == ["2026-11-20", "2026-11-21", "2026-11-22"]
