"""Counts: whole, bounded, or with the part that was refused named."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shopify.data.dispatch import fetch
from shopify.data.fetched import Fetched
from shopify.errors import AccessDenied, BadAnswer, ProtectedData, ShopifyError, Unauthorized, not_permitted
from tests.shopify_answers import Shop, answer, denied, not_approved, ok

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def count(number: Any, precision: str = "EXACT") -> dict[str, Any]:
    return {"count": number, "precision": precision}


WHOLE = {"customers": count(178), "orders": count(120), "openOrders": count(9), "unfulfilledOrders": count(4)}


def fetched(*answers: Any, scopes: list[str] | None = None) -> Fetched:
    return fetch(Shop(*answers).client(), "counts", scopes=scopes, now=NOW)


def test_whole() -> None:
    found = fetched(ok(WHOLE), scopes=["read_orders", "read_customers", "read_all_orders"])
    assert found.data == {
        "customers": 178,
        "orders": 120,
        "open_orders": 9,
        "unfulfilled_orders": 4,
        "at_least": [],
    }
    assert found.missing == []
    assert found.data_window == {"orders_from": None, "complete_history": True}


def test_a_number_shopify_stopped_counting_at_is_at_least() -> None:
    found = fetched(ok({**WHOLE, "customers": count(10000, "AT_LEAST"), "orders": count(10000, "AT_LEAST")}))
    assert found.data["orders"] == 10000
    assert found.data["at_least"] == ["customers", "orders"]


def test_a_new_store_has_zeros_and_nothing_missing() -> None:
    found = fetched(ok({alias: count(0) for alias in WHOLE}))
    assert [found.data[part] for part in ("customers", "orders", "open_orders", "unfulfilled_orders")] == [0] * 4
    assert found.missing == []


def test_a_missing_scope_takes_its_own_number_only() -> None:
    found = fetched(ok({**WHOLE, "customers": None}, errors=[denied(["customers"], "read_customers")]))
    assert found.data["customers"] is None
    assert found.data["orders"] == 120
    assert found.missing == [
        {
            "part": "customers",
            "reason": not_permitted(["customers"]),
            "code": "shopify.access_denied",
            "permissions": ["customers"],
        }
    ]


def test_missing_parts_have_the_names_of_the_data() -> None:
    nulls = {"orders": None, "openOrders": None, "unfulfilledOrders": None}
    errors = [denied([alias], "read_orders") for alias in nulls]
    found = fetched(ok({**WHOLE, **nulls}, errors=errors))
    assert [entry["part"] for entry in found.missing] == ["orders", "open_orders", "unfulfilled_orders"]
    assert {entry["part"] for entry in found.missing} < set(found.data)


def test_protected_customers_take_their_number_only() -> None:
    found = fetched(ok({**WHOLE, "customers": None}, errors=[not_approved(["customers"])]))
    assert [(entry["part"], entry["code"]) for entry in found.missing] == [("customers", ProtectedData.code)]


def test_nothing_at_all_is_an_error() -> None:
    errors = [denied([alias], "read_orders") for alias in WHOLE]
    with pytest.raises(AccessDenied):
        fetched(ok(dict.fromkeys(WHOLE), errors=errors))


def test_nothing_and_no_reason_is_an_error() -> None:
    with pytest.raises(BadAnswer):
        fetched(ok({}))


@pytest.mark.parametrize("raw", [None, 7, "7", [], {}, count(None), count("many"), count(-1), count(1.5), count(True)])
def test_a_number_that_is_none_is_missing(raw: object) -> None:
    found = fetched(ok({**WHOLE, "orders": raw}))
    assert found.data["orders"] is None
    assert [(entry["part"], entry["code"]) for entry in found.missing] == [("orders", "shopify.bad_answer")]
    assert found.data["customers"] == 178


def test_an_error_for_all_is_raised() -> None:
    with pytest.raises(Unauthorized):
        fetched(answer({"errors": "[API] Invalid API key or access token"}, 401))


def test_counts_are_asked_for_whatever_the_stored_scopes_say() -> None:
    shop = Shop(ok(WHOLE))
    assert fetch(shop.client(), "counts", scopes=[], now=NOW).missing == []
    assert len(shop.requests) == 1


def test_an_unknown_data_type_is_answered_with_the_list() -> None:
    with pytest.raises(ValueError, match="use counts, recent_orders, overview, week_orders"):
        fetch(Shop(ok({})).client(), "orders", scopes=None, now=NOW)


def test_a_naive_now_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        fetch(Shop(ok({})).client(), "counts", scopes=None, now=NOW.replace(tzinfo=None))


@pytest.mark.parametrize("data_type", ["counts", "recent_orders", "overview", "week_orders"])
def test_every_data_type_raises_what_the_shop_says(data_type: str) -> None:
    with pytest.raises(ShopifyError) as caught:
        fetch(Shop(answer({"errors": "Unavailable Shop"}, 402)).client(), data_type, scopes=None, now=NOW)
    assert caught.value.reason == "frozen"
