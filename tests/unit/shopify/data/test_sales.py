"""Sales from the merchant's own reports: which days are asked for, and what is made of an answer."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shopify.data.dispatch import fetch
from shopify.data.fetched import Fetched
from shopify.errors import AccessDenied, BadAnswer, BadDocument, ProtectedData, ShopifyError
from tests.shopify_answers import Shop, denied, not_approved, ok, report, shop_access

NOW = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)  # in New York it is still the 27th
ZONE = "America/New_York"
SCOPES = ["read_reports"]


def asked(*answers: Any, scopes: list[str] | None = SCOPES, zone: str | None = ZONE, **which: Any) -> Fetched:
    return fetch(Shop(*answers).client(), "sales", scopes=scopes, now=NOW, time_zone=zone, **which)


def table(current: Any = None, previous: Any = None, zone: str = ZONE) -> dict[str, Any]:
    shop = {"currencyCode": "EUR", "ianaTimezone": zone}
    return {"shop": shop, "current": current or report(), "previous": previous or report()}


def eur(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


def test_figures_are_the_reports_own_and_what_is_taken_away_has_no_minus() -> None:
    found = asked(ok(table()), period="last_7_days")
    assert found.missing == []
    assert found.data_window is None
    assert found.data == {
        "period": "last_7_days",
        "compare_to": "previous_period",
        "time_zone": ZONE,
        "currency": "EUR",
        "current": found.data["previous"] | {"from": "2026-11-20", "to": "2026-11-26"},
        "previous": {
            "from": "2026-11-13",
            "to": "2026-11-19",
            "so_far": False,
            "total_sales": eur("117.00"),
            "net_sales": eur("85.00"),
            "gross_sales": eur("100.00"),
            "discounts": eur("10.00"),
            "returns": eur("5.00"),
            "taxes": eur("22.00"),
            "shipping_charges": eur("10.00"),
            "average_order_value": eur("45.00"),
            "orders": 2,
        },
    }


@pytest.mark.parametrize(
    ("period", "compare_to", "current", "previous"),
    [
        ("today", "previous_period", "2026-11-27 2026-11-27", "2026-11-26 2026-11-26"),
        ("yesterday", "previous_year", "2026-11-26 2026-11-26", "2025-11-26 2025-11-26"),
        ("last_7_days", "previous_period", "2026-11-20 2026-11-26", "2026-11-13 2026-11-19"),
        ("last_60_days", "previous_period", "2026-09-28 2026-11-26", "2026-07-30 2026-09-27"),
        ("last_90_days", "none", "2026-08-29 2026-11-26", None),
        ("this_month", "previous_period", "2026-11-01 2026-11-27", "2026-10-01 2026-10-27"),
        ("last_month", "previous_period", "2026-10-01 2026-10-31", "2026-09-01 2026-09-30"),
        ("last_month", "previous_year", "2026-10-01 2026-10-31", "2025-10-01 2025-10-31"),
        ("this_year", "previous_period", "2026-01-01 2026-11-27", "2025-01-01 2025-11-27"),
        ("last_year", "previous_period", "2025-01-01 2025-12-31", "2024-01-01 2024-12-31"),
        ("last_12_months", "previous_period", "2025-11-01 2026-10-31", "2024-11-01 2025-10-31"),
    ],
)
def test_days_by_the_shops_calendar(period: str, compare_to: str, current: str, previous: str | None) -> None:
    shop = Shop(ok(table()))
    found = fetch(
        shop.client(), "sales", scopes=SCOPES, now=NOW, time_zone=ZONE, period=period, compare_to=compare_to
    ).data
    shown = {name: f"{found[name]['from']} {found[name]['to']}" for name in ("current", "previous") if name in found}
    assert shown == {"current": current} | ({"previous": previous} if previous else {})
    assert found["current"]["so_far"] == period.startswith(("today", "this"))
    [variables] = shop.variables
    assert variables["compare"] == (previous is not None)
    first, last = current.split()
    assert variables["current"] == (
        "FROM sales SHOW total_sales, net_sales, gross_sales, discounts, sales_reversals, taxes, shipping_charges,"
        f" orders, average_order_value SINCE {first} UNTIL {last}"
    )


def test_a_leap_day_is_part_of_its_month() -> None:
    at = datetime(2025, 3, 3, tzinfo=UTC)
    found = fetch(
        Shop(ok(table(zone="UTC"))).client(),
        "sales",
        scopes=SCOPES,
        now=at,
        time_zone="UTC",
        period="last_month",
        compare_to="previous_year",
    ).data
    assert (found["previous"]["from"], found["previous"]["to"]) == ("2024-02-01", "2024-02-29")


@pytest.mark.parametrize(
    ("version", "column", "warnings"),
    [("2026-01", " returns,", False), ("2026-04", " sales_reversals,", False), ("2026-10", " sales_reversals,", True)],
)
def test_each_api_version_is_asked_in_its_own_words(version: str, column: str, warnings: bool) -> None:
    returns: dict[str, Any] = {"returns": "-5.0", "sales_reversals": ...} if version == "2026-01" else {}
    shop = Shop(ok(table(report(**returns), report(**returns))))
    found = fetch(shop.client(api_version=version), "sales", scopes=SCOPES, now=NOW, time_zone=ZONE)
    assert found.data["current"]["returns"] == eur("5.00")
    [body] = shop.asked
    assert ("parseWarnings" in body["query"]) == warnings
    assert column in body["variables"]["current"]


@pytest.mark.parametrize("said", [{"errors": ["Column 'x' not found."]}, {"warnings": ["'x' is deprecated."]}])
@pytest.mark.parametrize("which", ["current", "previous"])
def test_what_shopify_did_not_understand_is_an_error(said: dict[str, Any], which: str) -> None:
    with pytest.raises(BadDocument, match=r"did not understand our ShopifyQL: \".*'x'"):
        asked(ok(table() | {which: report(**said)}))


def test_without_the_permission_nothing_is_asked() -> None:
    shop = Shop(ok({}))
    with pytest.raises(AccessDenied) as refused:
        fetch(shop.client(), "sales", scopes=["read_orders"], now=NOW, time_zone=None)
    assert refused.value.merchant.startswith("I may not read your sales reports: ")
    assert shop.requests == []


BOTH = "`read_reports` access scope. Also: Level 2 access to Customer data including name, address, phone, and email"
LIVE = {
    "message": f"Access denied for shopifyqlQuery field. Required access: {BOTH} fields. Please refer to protected "
    "customer data [requirements](https://shopify.dev/docs/apps/launch/protected-customer-data).",
    "path": ["current"],
    "extensions": {"code": "ACCESS_DENIED", "requiredAccess": BOTH},
}


@pytest.mark.parametrize("entry", [denied(["current"], "read_reports"), not_approved(["current"]), LIVE])
def test_a_refusal_is_of_what_is_not_granted(entry: dict[str, Any]) -> None:
    """Shopify's words name the permission and the approval, whichever is missing."""
    nothing = ok({"shop": table()["shop"], "current": None, "previous": None}, errors=[entry])
    with pytest.raises(ProtectedData, match=r"^test\.myshopify"):
        asked(nothing)
    with pytest.raises(AccessDenied) as refused:
        asked(nothing, scopes=None)
    assert refused.value.scopes == ("read_reports",)


def test_a_time_zone_that_is_not_known_or_has_changed() -> None:
    shop = Shop(ok(shop_access("read_reports", zone="Asia/Tokyo")), ok(table(zone="Asia/Tokyo")))
    found = fetch(shop.client(), "sales", scopes=None, now=NOW, time_zone=None, period="today").data
    assert (found["time_zone"], found["current"]["from"]) == ("Asia/Tokyo", "2026-11-28")
    moved = Shop(ok(table(zone="Asia/Tokyo")))
    found = fetch(moved.client(), "sales", scopes=SCOPES, now=NOW, time_zone=ZONE, period="today").data
    assert (found["time_zone"], found["current"]["from"]) == ("Asia/Tokyo", "2026-11-28")
    assert [variables["current"][-10:] for variables in moved.variables] == ["2026-11-27", "2026-11-28"]


def test_a_period_without_sales() -> None:
    columns: dict[str, Any] = dict.fromkeys(report()["tableData"]["rows"][0])
    empty = report() | {"tableData": {"columns": [], "rows": []}}
    found = asked(ok(table(report(**columns), empty)))
    for name in ("current", "previous"):
        figures = found.data[name]
        assert (figures["orders"], figures["total_sales"], figures["returns"]) == (0, eur("0.00"), eur("0.00"))
        assert figures["average_order_value"] is None
    assert found.missing == []


def test_rows_may_be_lists_and_numbers_numbers() -> None:
    row = {
        "orders": 2,
        "total_sales": 117,
        "net_sales": 85.5,
        "gross_sales": 100.5,
        "discounts": 10,
        "sales_reversals": 5,
        "taxes": 22,
        "shipping_charges": 9.5,
        "average_order_value": 45.25,
    }
    columns = [{"name": name} for name in row]
    current = {"tableData": {"columns": columns, "rows": [list(row.values())]}, "parseErrors": [], "parseWarnings": []}
    figures = asked(ok(table(current))).data["current"]
    assert (figures["orders"], figures["net_sales"], figures["discounts"]) == (2, eur("85.50"), eur("10.00"))


def test_figures_that_do_not_add_up_are_not_told() -> None:
    found = asked(ok(table(report(net_sales="90.0", orders="many", taxes=...))))
    figures = found.data["current"]
    assert (figures["discounts"], figures["returns"], figures["orders"], figures["taxes"]) == (None, None, None, None)
    assert figures["total_sales"] == eur("117.00")
    assert [entry["part"] for entry in found.missing] == ["current.net_sales", "current.orders", "current.taxes"]


@pytest.mark.parametrize(
    "current",
    [
        None,
        {"tableData": None, "parseErrors": [], "parseWarnings": []},
        {"tableData": {"columns": [], "rows": [{}, {}]}, "parseErrors": [], "parseWarnings": []},
        {"tableData": {"columns": [], "rows": [["1"]]}, "parseErrors": [], "parseWarnings": []},
    ],
)
def test_an_answer_without_one_row_is_none(current: Any) -> None:
    with pytest.raises(BadAnswer):
        asked(ok({"shop": table()["shop"], "current": current, "previous": report()}))


def test_what_nobody_may_ask_for() -> None:
    with pytest.raises(ValueError, match="unknown period 'FROM sales"):
        asked(ok(table()), period="FROM sales SHOW customer_email")
    with pytest.raises(ShopifyError):
        asked(ok({"shop": None, "current": report(), "previous": report()}))
