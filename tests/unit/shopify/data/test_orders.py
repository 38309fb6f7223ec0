"""The latest orders: guests, refunds, refusals, and values that are not what was promised."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shopify.data.dispatch import fetch
from shopify.data.fetched import LARGEST_BYTES, Fetched
from shopify.errors import AccessDenied, BadAnswer, ProtectedData, not_permitted
from tests.shopify_answers import Shop, answer, bag, denied, item, not_approved, ok, order, orders, throttled

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CUSTOMER_PATH: list[str | int] = ["orders", "nodes", 0, "customer"]


def fetched(*answers: Any, scopes: list[str] | None = None) -> Fetched:
    return fetch(Shop(*answers).client(), "recent_orders", scopes=scopes, now=NOW)


def first(**changes: Any) -> dict[str, Any]:
    return dict(fetched(ok({"orders": orders(order(**changes))})).data["orders"][0])


def parts(found: Fetched) -> list[str]:
    return [entry["part"] for entry in found.missing]


def test_an_order() -> None:
    found = fetched(ok({"orders": orders(order())}))
    assert found.data == {
        "orders": [
            {
                "id": "gid://shopify/Order/1",
                "name": "#1001",
                "created_at": "2026-11-21T09:30:00Z",
                "test": False,
                "cancelled": False,
                "financial_status": "PAID",
                "fulfillment_status": "UNFULFILLED",
                "total": {"amount": "55.00", "currency": "EUR"},
                "customer": {"id": "gid://shopify/Customer/1", "name": "Ada Lovelace", "orders": 13},
                "items": [
                    {
                        "title": "Teapot",
                        "quantity": 2,
                        "sku": "T-1",
                        "unit_price": {"amount": "20.00", "currency": "EUR"},
                    }
                ],
            }
        ],
        "more": False,
        "orders_read": 1,
        "test_orders": 0,
        "cancelled_orders": 0,
    }
    assert found.missing == []
    assert found.data_window is not None
    assert found.data_window["orders_from"] == "2026-09-23T12:00:00Z"


def test_a_new_store_has_no_orders() -> None:
    found = fetched(ok({"orders": orders()}))
    assert found.data == {"orders": [], "more": False, "orders_read": 0, "test_orders": 0, "cancelled_orders": 0}
    assert found.missing == []


def test_there_may_be_more() -> None:
    assert fetched(ok({"orders": orders(order(), cursor="abc")})).data["more"] is True


def test_tests_and_cancelled_orders_do_not_use_up_the_ten() -> None:
    tests = [order(n, test=True) for n in range(1, 16)]
    gone = [order(n, cancelledAt="2026-11-21T10:00:00Z") for n in range(16, 26)]
    real = [order(n) for n in range(26, 40)]
    shop = Shop(ok({"orders": orders(*tests, *gone[:5], cursor="c1")}), ok({"orders": orders(*gone[5:], *real)}))
    found = fetch(shop.client(), "recent_orders", scopes=None, now=NOW)
    assert [variables.get("after") for variables in shop.variables] == [None, "c1"]
    names = [each["name"] for each in found.data["orders"] if not each["test"] and not each["cancelled"]]
    assert names == [f"#{1000 + n}" for n in range(26, 36)]
    assert len(found.data["orders"]) == 20
    assert {key: value for key, value in found.data.items() if key != "orders"} == {
        "more": True,
        "orders_read": 39,
        "test_orders": 15,
        "cancelled_orders": 10,
    }
    assert found.missing == []


@pytest.mark.parametrize("trouble", [answer(b"<html>", 503), throttled(500, 0, rate=1), None])
def test_ten_that_could_not_be_found_are_not_claimed(trouble: Any) -> None:
    numbers = iter(range(10_000))

    def more_tests(_: dict[str, Any]) -> Any:
        number = next(numbers)
        return ok({"orders": orders(order(number, test=True), cursor=f"c{number}")})

    found = fetched(more_tests, trouble) if trouble else fetched(more_tests)
    assert found.data["more"] is True
    assert found.data["orders_read"] == (1 if trouble else 4)
    assert found.missing[0]["part"] == "orders.older"
    assert found.missing[0]["reason"].startswith("I looked at the newest")


def test_units_stand_without_what_was_refunded_or_removed() -> None:
    lines = [item(quantity=6, currentQuantity=0), item("Socks", 2, 2, currentQuantity=2), item("Hat", 3, 3)]
    shown = first(lineItems={"nodes": lines, "pageInfo": {}})["items"]
    assert [(each["quantity"], each.get("current_quantity")) for each in shown] == [(6, 0), (2, None), (3, None)]


def test_money_is_no_product() -> None:
    tip = item("Trinkgeld", 1, None, sku=None, originalUnitPriceSet=bag("4.5"))
    plain = item("Tip", 1, None, sku=None)
    engraving = item("Gravur", 1, None, sku=None)
    card = item("Gift card", 1, 5, isGiftCard=True)
    tipping_jar = item("Tip", 1, 6)
    lines = {"nodes": [tip, plain, engraving, card, tipping_jar], "pageInfo": {}}
    shown = first(lineItems=lines, totalTipReceivedSet=bag("4.50"))["items"]
    assert [each.get("kind") for each in shown] == ["tip", "tip", None, "gift_card", None]


@pytest.mark.parametrize(
    ("lines", "tips", "kinds"),
    [
        # Two tips in any words; a deleted product beside them stays one.
        ([("Merci", 1, "5.0"), ("Gravur", 1, "20.0"), ("Für euch", 1, "3.0")], "8.00", ["tip", None, "tip"]),
        ([("Tip", 1, "5.0"), ("Für euch", 1, "3.0")], "8.00", ["tip", "tip"]),
        ([("Merci", 2, "4.0")], "8.00", ["tip"]),
        # Either could be it: the last is, and only one of them.
        ([("Old mug", 1, "5.0"), ("Merci", 1, "5.0")], "5.00", [None, "tip"]),
        ([("Old mug", 1, "3.0"), ("Old cup", 1, "2.0"), ("Merci", 1, "5.0")], "5.00", [None, None, "tip"]),
        # Nothing fits (the tip is on a line that was not read), or there was none.
        ([("Old mug", 1, "3.0")], "5.00", [None]),
        ([("Old mug", 1, "3.0")], "0.00", [None]),
    ],
)
def test_tips_are_the_lines_that_come_to_the_orders_tips(
    lines: list[tuple[str, int, str]], tips: str, kinds: list[str | None]
) -> None:
    nodes = [item(title, units, None, sku=None, originalUnitPriceSet=bag(price)) for title, units, price in lines]
    shown = first(lineItems={"nodes": nodes, "pageInfo": {}}, totalTipReceivedSet=bag(tips))["items"]
    assert [each.get("kind") for each in shown] == kinds


def test_products_of_one_title_are_told_apart() -> None:
    lines = {"nodes": [item("Mug", 1, 1), item("Mug", 1, 2), item("Pot", 1, 3)], "pageInfo": {}}
    shown = first(lineItems=lines)["items"]
    assert [each.get("product") for each in shown] == ["gid://shopify/Product/1", "gid://shopify/Product/2", None]


def test_a_guest_has_no_customer() -> None:
    assert first(customer=None)["customer"] is None


def test_a_customer_that_cannot_be_read_is_no_guest() -> None:
    assert "customer" not in first(customer="Ada")
    assert "customer" not in first(customer=...)


def test_test_and_cancelled_orders_are_marked() -> None:
    shown = first(test=True, cancelledAt="2026-11-21T10:00:00Z")
    assert shown["test"] is True
    assert shown["cancelled"] is True
    assert shown["cancelled_at"] == "2026-11-21T10:00:00Z"


def test_a_refund_shows_what_is_left() -> None:
    assert first(currentTotalPriceSet=bag("40.0"))["current_total"] == {"amount": "40.00", "currency": "EUR"}
    assert "current_total" not in first()


def test_a_deleted_product_and_an_item_without_sku() -> None:
    shown = first(lineItems={"nodes": [item(product=None, sku=None)], "pageInfo": {"hasNextPage": True}})
    assert shown["items"] == [{"title": "Teapot", "quantity": 2, "unit_price": {"amount": "20.00", "currency": "EUR"}}]
    assert shown["more_items"] is True


def test_yen_have_no_cents() -> None:
    assert first(totalPriceSet=bag("1200.0", "JPY"), currentTotalPriceSet=bag("1200.0", "JPY"))["total"] == {
        "amount": "1200",
        "currency": "JPY",
    }


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"totalPriceSet": bag("NaN")}, "orders.total"),
        ({"totalPriceSet": None}, "orders.total"),
        ({"totalPriceSet": ...}, "orders.total"),
        ({"currentTotalPriceSet": bag([])}, "orders.current_total"),
        ({"createdAt": None}, "orders.created_at"),
        ({"createdAt": 17}, "orders.created_at"),
        ({"customer": "Ada"}, "orders.customer"),
        ({"customer": {"id": 1, "numberOfOrders": "many"}}, "orders.customer.orders"),
        ({"lineItems": None}, "orders.items"),
        ({"lineItems": {"nodes": None}}, "orders.items"),
        ({"lineItems": {"nodes": [None]}}, "orders.items"),
        ({"lineItems": {"nodes": [item(quantity="two")]}}, "orders.items"),  # type: ignore[arg-type]
        ({"lineItems": {"nodes": [item(originalUnitPriceSet=bag("x"))]}}, "orders.items.unit_price"),
    ],
)
def test_a_value_of_the_wrong_kind_is_missing_and_nothing_else(changes: dict[str, Any], part: str) -> None:
    found = fetched(ok({"orders": orders(order(**changes), order(2))}))
    assert parts(found) == [part]
    assert [shown["name"] for shown in found.data["orders"]] == ["#1001", "#1002"]
    json.dumps(found.data, allow_nan=False)


def test_an_order_that_is_none_is_left_out() -> None:
    found = fetched(ok({"orders": orders(None, order(2), "x")}))
    assert [shown["name"] for shown in found.data["orders"]] == ["#1002"]
    assert parts(found) == ["orders"]


@pytest.mark.parametrize("raw", [None, ...])
def test_no_orders_and_no_reason_is_an_error(raw: Any) -> None:
    with pytest.raises(BadAnswer):
        fetched(ok({} if raw is ... else {"orders": raw}))


def test_words_from_the_store_are_cleaned_and_capped() -> None:
    hidden = "Tea\U000e0069\U000e0067pot\u200b" + "x" * 300
    shown = first(name="#1\u202e001", lineItems={"nodes": [item(title=hidden)], "pageInfo": {}})
    assert shown["name"] == "#1001"
    assert shown["items"][0]["title"].startswith("Teapotxxx")
    assert len(shown["items"][0]["title"]) == 200


def test_protected_customers_that_cost_nothing_else_need_no_second_request() -> None:
    shop = Shop(ok({"orders": orders(order(customer=None))}, errors=[not_approved(CUSTOMER_PATH)]))
    found = fetch(shop.client(), "recent_orders", scopes=None, now=NOW)
    assert "customer" not in found.data["orders"][0], "not known is not the same as a guest"
    assert [(entry["part"], entry["code"]) for entry in found.missing] == [("customers", ProtectedData.code)]
    assert len(shop.requests) == 1


@pytest.mark.parametrize("refusal", [not_approved(CUSTOMER_PATH), denied(CUSTOMER_PATH, "read_customers")])
def test_a_refusal_that_leaves_nothing_is_answered_without_customers(refusal: dict[str, Any]) -> None:
    shop = Shop(answer({"data": None, "errors": [refusal]}), ok({"orders": orders(order(customer=...))}))
    found = fetch(shop.client(), "recent_orders", scopes=None, now=NOW)
    assert [variables["withCustomers"] for variables in shop.variables] == [True, False]
    assert "customer" not in found.data["orders"][0]
    assert parts(found) == ["customers"]
    assert "Customer" not in found.missing[0]["reason"], "a sentence for the merchant, not Shopify's"


def test_a_refusal_that_does_not_go_away_ends() -> None:
    shop = Shop(answer({"data": None, "errors": [not_approved(CUSTOMER_PATH)]}))
    with pytest.raises(ProtectedData):
        fetch(shop.client(), "recent_orders", scopes=None, now=NOW)
    assert len(shop.requests) == 2


def test_what_was_not_granted_is_not_asked_for() -> None:
    shop = Shop(ok({"orders": orders(order(customer=...))}))
    found = fetch(shop.client(), "recent_orders", scopes=["read_orders"], now=NOW)
    assert shop.variables == [{"withCustomers": False, "withProducts": False}]
    assert found.missing == [
        {
            "part": "customers",
            "reason": not_permitted(["customers"]),
            "code": "shopify.access_denied",
            "permissions": ["customers"],
        }
    ]


def test_unknown_scopes_ask_for_all() -> None:
    shop = Shop(ok({"orders": orders(order())}))
    fetch(shop.client(), "recent_orders", scopes=None, now=NOW)
    assert shop.variables == [{"withCustomers": True, "withProducts": True}]


def test_without_orders_nothing_is_asked() -> None:
    shop = Shop(ok({}))
    with pytest.raises(AccessDenied) as caught:
        fetch(shop.client(), "recent_orders", scopes=["read_customers"], now=NOW)
    assert caught.value.scopes == ("read_orders",)
    assert shop.requests == []


def test_one_field_that_fails_for_ever_is_named() -> None:
    failing = {"message": "Something went wrong", "path": ["orders", "nodes", 0, "cancelledAt"]}
    found = fetched(ok({"orders": orders(order())}, errors=[failing]))
    assert parts(found) == ["orders.nodes.cancelledAt"]
    assert len(found.data["orders"]) == 1


def test_ten_huge_orders_still_fit() -> None:
    title = "\U0001f375" * 300
    many = {"nodes": [item(title=title, sku=title) for _ in range(5)], "pageInfo": {}}
    huge = [
        order(n, lineItems=many, customer={"id": None, "displayName": title, "numberOfOrders": 1}) for n in range(10)
    ]
    found = fetched(ok({"orders": orders(*huge)}))
    assert len(json.dumps(found.data)) <= LARGEST_BYTES
    assert found.data["orders"]
    assert found.data["more"] is True
    assert found.missing[-1]["code"] == "shopify.truncated"


def test_ten_ordinary_orders_are_shown_whole() -> None:
    many = {"nodes": [item(title="A teapot of usual length, blue") for _ in range(5)], "pageInfo": {}}
    found = fetched(ok({"orders": orders(*[order(n, lineItems=many) for n in range(10)])}))
    assert len(found.data["orders"]) == 10
    assert found.data["orders"][0]["items"][0]["title"] == "A teapot of usual length, blue"
