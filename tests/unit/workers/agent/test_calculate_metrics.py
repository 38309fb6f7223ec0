"""Exact figures over what a turn has fetched, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest

from workers.agent.calculate_metrics import MetricsArguments, calculate


def order(total: str, currency: str = "USD", **more: Any) -> dict[str, Any]:
    return {
        "name": "#1",
        "created_at": "2026-11-28T03:00:00Z",
        "test": False,
        "cancelled": False,
        "financial_status": "PAID",
        "fulfillment_status": "UNFULFILLED",
        "total": {"amount": total, "currency": currency},
        "customer": {"id": "gid://shopify/Customer/1", "name": "A", "orders": 1},
        "items": [],
    } | more


def recent(*orders: dict[str, Any], **more: Any) -> dict[str, Any]:
    data = {"orders": list(orders), "more": True}
    return {"success": True, "data_type": "recent_orders", "data": data, "as_of": "2026-11-28T12:00:00+00:00"} | more


def ask(source: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    asked = MetricsArguments(**{"data_type": source["data_type"], "rows": "orders", **arguments})
    return calculate(asked, [source])


def figures(source: dict[str, Any], **arguments: Any) -> list[dict[str, Any]]:
    result = ask(source, **arguments)
    assert result["success"], result
    found: list[dict[str, Any]] = result["data"]["results"]
    return found


SIX = recent(
    order("10.10"),
    order("20.20", current_total={"amount": "5.20", "currency": "USD"}, financial_status="PARTIALLY_REFUNDED"),
    order("30.00", customer=None),
    order("40.00", customer={"id": "gid://shopify/Customer/2", "name": "B", "orders": 3}),
    order("999.00", test=True),
    order("500.00", cancelled=True),
)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ({"metric": "sum", "of": "total"}, "100.30"),
        ({"metric": "sum", "of": "current_total"}, "85.30"),
        ({"metric": "average", "of": "total"}, "25.075"),
        ({"metric": "median", "of": "total"}, "25.10"),
        ({"metric": "minimum", "of": "total"}, "10.10"),
        ({"metric": "maximum", "of": "total"}, "40.00"),
        ({"metric": "count"}, "4"),
        ({"metric": "count", "where": "returning"}, "1"),
        ({"metric": "count", "where": "test"}, "1"),
        ({"metric": "sum", "of": "total", "where": "cancelled"}, "500.00"),
        ({"metric": "share", "where": "guest"}, "25.0"),
        ({"metric": "share", "of": "total", "where": "guest"}, "29.9"),
    ],
)
def test_one_figure(arguments: dict[str, Any], value: str) -> None:
    assert [figure["value"] for figure in figures(SIX, **arguments)] == [value]


def test_the_result_says_what_was_computed_over_what() -> None:
    data = ask(SIX, metric="sum", of="total", where="first_time")["data"]
    assert data == {
        "metric": "sum",
        "of": "total",
        "where": "first_time",
        "over": {
            "data_type": "recent_orders",
            "rows": "orders",
            "number": 2,
            "as_of": "2026-11-28T12:00:00+00:00",
            "left_out": 4,
        },
        "results": [{"value": "30.30", "currency": "USD"}],
    }


def test_currencies_are_never_added_together() -> None:
    both = recent(order("10.00"), order("20.00", "EUR"), order("1200", "JPY"))
    assert figures(both, metric="sum", of="total") == [
        {"value": "10.00", "currency": "USD"},
        {"value": "20.00", "currency": "EUR"},
        {"value": "1200", "currency": "JPY"},
    ]


def test_groups_are_compared_in_each_currency() -> None:
    due = {"financial_status": "PENDING"}
    both = recent(
        *(order("10.00"), order("20.00", "EUR")),
        *(order("4.00", **due), order("8.00", "EUR", **due), order("9", "JPY", **due)),
    )
    compared = {"group_by": "financial_status", "group": "PAID", "other_group": "PENDING"}
    assert figures(both, metric="difference", of="total", **compared) == [
        {"value": "6.00", "currency": "USD"},
        {"value": "12.00", "currency": "EUR"},
        {"value": "-9", "currency": "JPY"},
    ]
    assert figures(both, metric="percent_change", of="total", **compared) == [
        {"value": "150.0", "unit": "%", "currency": "USD"},
        {"value": "150.0", "unit": "%", "currency": "EUR"},
        {"value": "-100.0", "unit": "%", "currency": "JPY"},
    ]
    turned = {**compared, "group": "PENDING", "other_group": "PAID"}
    assert [one["currency"] for one in figures(both, metric="percent_change", of="total", **turned)] == ["USD", "EUR"]


def test_groups_compared() -> None:
    kinds = {"group_by": "customer_kind", "group": "returning", "other_group": "first_time"}
    assert figures(SIX, metric="difference", of="total", **kinds) == [{"value": "9.70", "currency": "USD"}]
    assert figures(SIX, metric="percent_change", of="total", **kinds) == [{"value": "32.0", "unit": "%"}]
    unknown = ask(SIX, metric="difference", of="total", **{**kinds, "group": "robots"})
    assert "the groups are: first_time, guest, returning" in unknown["error"]


LINES = [
    {"title": "Mug", "quantity": 3, "current_quantity": 1, "unit_price": {"amount": "9.90", "currency": "USD"}},
    {"title": "Pot", "quantity": 2, "unit_price": {"amount": "30.00", "currency": "USD"}},
    {"title": "Tip", "quantity": 9, "kind": "tip", "unit_price": {"amount": "1.00", "currency": "USD"}},
]


def test_top_products_by_units_that_stand_and_by_amount() -> None:
    sold = recent(order("100.00", items=LINES), order("30.00", items=LINES[1:2]))
    by = {"rows": "items", "metric": "top", "group_by": "product"}
    assert [(f["product"], f["value"]) for f in figures(sold, of="current_quantity", **by)] == [
        ("Pot", "4"),
        ("Mug", "1"),
    ]
    assert [(f["product"], f["value"]) for f in figures(sold, of="total", top=1, **by)] == [("Pot", "120.00")]


WEEK = {
    "success": True,
    "data_type": "week_orders",
    "as_of": "2026-11-28T12:00:00+00:00",
    "data": {
        "time_zone": "Europe/Berlin",
        "truncated": False,
        "orders_not_shown": 0,
        "orders": [],
        "by_day": [
            {"date": "2026-11-27", "orders": 2, "totals": [{"amount": "50.00", "currency": "EUR"}]},
            {
                "date": "2026-11-28",
                "orders": 3,
                "totals": [{"amount": "70.00", "currency": "EUR", "current_amount": "10.00"}],
            },
        ],
    },
}


def test_days() -> None:
    days = {"rows": "days", "group_by": "day", "group": "2026-11-28", "other_group": "2026-11-27"}
    assert figures(WEEK, metric="percent_change", of="total", **days) == [{"value": "40.0", "unit": "%"}]
    assert figures(WEEK, metric="difference", of="orders", **days) == [{"value": "1"}]
    assert figures(WEEK, rows="days", metric="per_day", of="current_total") == [
        {"value": "30.00", "currency": "EUR", "days": 2}
    ]


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        (recent(order("1.00", more_items=True)), {"rows": "items", "metric": "sum", "of": "quantity"}),
        (recent(order("1.00"), missing=[{"part": "orders"}]), {"metric": "count"}),
        (recent(order("1.00"), missing=[{"part": "orders.total"}]), {"metric": "sum", "of": "total"}),
        (recent(order("1.00"), missing=[{"part": "customers"}]), {"metric": "count", "where": "guest"}),
        (recent(order("1.00"), shortened=True), {"metric": "count"}),
        ({**WEEK, "data": {**WEEK["data"], "truncated": True}}, {"rows": "days", "metric": "sum", "of": "total"}),  # type: ignore[dict-item]
        ({**WEEK, "data": {**WEEK["data"], "orders_not_shown": 3}}, {"metric": "count"}),  # type: ignore[dict-item]
    ],
)
def test_a_part_is_not_taken_for_the_whole(source: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert ask(source, **arguments)["error_code"] == "tool.partial_data"


@pytest.mark.parametrize(
    "arguments",
    [
        {"metric": "sum"},
        {"metric": "sum", "of": "inventory"},
        {"metric": "top", "of": "total"},
        {"metric": "per_day", "of": "total"},
        {"rows": "days", "metric": "count"},
        {"metric": "sum", "of": "total", "group_by": "product"},
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(arguments: dict[str, Any]) -> None:
    result = ask(SIX, **arguments)
    assert result["error_code"] == "tool.bad_arguments"
    assert len(result["error"]) > 10


def test_thousands_of_cents_add_up_exactly() -> None:
    cents = recent(*[order("0.10") for _ in range(1000)])
    [figure] = figures(cents, metric="sum", of="total")
    assert Decimal(figure["value"]) == 100


def sales(current: dict[str, Any], previous: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    days = {"from": "2026-11-01", "to": "2026-11-07"}
    data = {"current": days | current} | ({"previous": days | previous} if previous is not None else {})
    return {"success": True, "data_type": "sales", "data": data} | more


def eur(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


BOTH = sales({"net_sales": eur("150.00"), "orders": 3, "taxes": None}, {"net_sales": eur("120.00"), "orders": 4})


def test_two_periods_are_compared() -> None:
    compared = {"rows": "periods", "metric": "percent_change"}
    result = ask(BOTH, **compared, of="net_sales")["data"]
    assert result["results"] == [{"value": "25.0", "unit": "%"}]
    assert result["over"]["previous"] == {"from": "2026-11-01", "to": "2026-11-07"}
    assert figures(BOTH, **compared, of="orders") == [{"value": "-25.0", "unit": "%"}]
    assert figures(BOTH, rows="periods", metric="difference", of="net_sales") == [{"value": "30.00", "currency": "EUR"}]


def test_a_period_has_an_average_day() -> None:
    assert figures(BOTH, rows="periods", metric="per_day", of="orders") == [
        {"period": "current", "value": "0.43", "days": 7}
    ]
    assert figures(BOTH, rows="periods", metric="per_day", of="net_sales", group="previous") == [
        {"period": "previous", "value": "17.14", "currency": "EUR", "days": 7}
    ]


@pytest.mark.parametrize(
    ("source", "arguments", "says"),
    [
        (BOTH, {"metric": "per_day", "of": "orders", "group": "yesterday"}, "the groups are: current, previous"),
        (BOTH, {"metric": "sum", "of": "net_sales"}, "use difference, percent_change or per_day"),
        (BOTH, {"metric": "difference", "of": "taxes"}, "no taxes"),
        (sales({"taxes": eur("1")}, {"taxes": None}), {"metric": "difference", "of": "taxes"}, "no taxes"),
        (sales({"orders": 1}, None), {"metric": "difference", "of": "orders"}, "the groups are: current"),
        (BOTH, {"metric": "difference", "of": "inventory"}, "periods have no inventory"),
        # From -100 to 50 is a rise; divided, it would be one of -150 %.
        (
            sales({"net_sales": eur("50.00")}, {"net_sales": eur("-100.00")}),
            {"metric": "percent_change", "of": "net_sales"},
            "0 or less",
        ),
        (
            BOTH | {"missing": [{"part": "previous.orders", "reason": "x", "code": "y"}]},
            {"metric": "difference", "of": "orders"},
            "is not whole (previous.orders)",
        ),
    ],
)
def test_what_of_periods_is_refused(source: dict[str, Any], arguments: dict[str, Any], says: str) -> None:
    result = ask(source, rows="periods", **arguments)
    assert not result["success"]
    assert says in result["error"]
