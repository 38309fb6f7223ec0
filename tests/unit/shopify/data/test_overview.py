"""The overview: shop, products and orders, each also without the others."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shopify.data.dispatch import fetch
from shopify.data.fetched import LARGEST_BYTES, Fetched
from shopify.errors import BadAnswer
from tests.shopify_answers import SHOP, Shop, answer, denied, item, not_approved, ok, order, orders

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NULL = {"data": None}


def shop_node(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Teapots",
        "myshopifyDomain": SHOP,
        "currencyCode": "EUR",
        "ianaTimezone": "Europe/Berlin",
        "createdAt": "2020-01-01T00:00:00Z",
        "plan": {"publicDisplayName": "Basic", "partnerDevelopment": True},
        "primaryDomain": {"host": "teapots.example", "url": "https://teapots.example"},
    } | changes


def price(amount: str) -> dict[str, str]:
    return {"amount": amount, "currencyCode": "EUR"}


def product(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"gid://shopify/Product/{number}",
        "title": "Teapot",
        "description": "Round.",
        "status": "ACTIVE",
        "totalInventory": 40,
        "tracksInventory": True,
        "priceRangeV2": {"minVariantPrice": price("20.0"), "maxVariantPrice": price("25.0")},
        "featuredMedia": {"preview": {"image": {"url": "https://cdn.shopify.com/teapot.png"}}},
    } | changes


def whole(**changes: Any) -> dict[str, Any]:
    return {"shop": shop_node(), "orders": {"nodes": [order()]}, "products": {"nodes": [product()]}} | changes


def fetched(*answers: Any, scopes: list[str] | None = None) -> Fetched:
    return fetch(Shop(*answers).client(), "overview", scopes=scopes, now=NOW)


def first_product(**changes: Any) -> dict[str, Any]:
    return dict(fetched(ok(whole(products={"nodes": [product(**changes)]}))).data["best_stocked_products"][0])


def parts(found: Fetched) -> list[str]:
    return [entry["part"] for entry in found.missing]


def test_whole() -> None:
    found = fetched(ok(whole()))
    assert found.data["shop"] == {
        "name": "Teapots",
        "domain": SHOP,
        "website": "teapots.example",
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "created_at": "2020-01-01T00:00:00Z",
        "plan": "Basic",
        "development_store": True,
    }
    assert found.data["best_stocked_products"] == [
        {
            "id": "gid://shopify/Product/1",
            "title": "Teapot",
            "description": "Round.",
            "status": "ACTIVE",
            "inventory": 40,
            "price": {"min": {"amount": "20.00", "currency": "EUR"}, "max": {"amount": "25.00", "currency": "EUR"}},
            "image_url": "https://cdn.shopify.com/teapot.png",
        }
    ]
    assert [shown["name"] for shown in found.data["recent_orders"]] == ["#1001"]
    assert found.missing == []
    assert found.data_window is not None


def test_a_new_store() -> None:
    found = fetched(ok(whole(orders={"nodes": []}, products={"nodes": []})))
    assert found.data["best_stocked_products"] == found.data["recent_orders"] == []
    assert found.missing == []


def test_only_what_was_granted_is_asked_for() -> None:
    shop = Shop(ok({"shop": shop_node()}))
    found = fetch(shop.client(), "overview", scopes=[], now=NOW)
    assert shop.variables == [{"withOrders": False, "withProducts": False, "withCustomers": False}]
    assert found.data["shop"]["name"] == "Teapots"
    assert found.data["recent_orders"] == []
    assert parts(found) == ["recent_orders", "best_stocked_products", "customers"]
    assert {entry["code"] for entry in found.missing} == {"shopify.access_denied"}
    assert found.data_window is None, "there are no orders in it"


def test_refused_orders_and_products_leave_the_shop() -> None:
    shop = Shop(
        answer(NULL | {"errors": [denied(["orders"], "read_orders")]}),
        answer(NULL | {"errors": [denied(["products"], "read_products")]}),
        ok({"shop": shop_node()}),
    )
    found = fetch(shop.client(), "overview", scopes=None, now=NOW)
    assert found.data["shop"]["name"] == "Teapots"
    assert parts(found) == ["recent_orders", "best_stocked_products"]
    assert shop.variables[-1] == {"withOrders": False, "withProducts": False, "withCustomers": True}


def test_a_product_that_is_refused_in_an_order_closes_the_list_of_products_too() -> None:
    refusal = denied(["orders", "nodes", 0, "lineItems", "nodes", 0, "product"], "read_products")
    shop = Shop(answer({**NULL, "errors": [refusal]}), ok({"shop": shop_node(), "orders": orders(order())}))
    found = fetch(shop.client(), "overview", scopes=None, now=NOW)
    assert [variables["withProducts"] for variables in shop.variables] == [True, False]
    assert [(entry["part"], entry["code"]) for entry in found.missing] == [
        ("best_stocked_products", "shopify.access_denied")
    ]


def test_whether_a_list_is_whole_is_said() -> None:
    draft, card = product(2, status="DRAFT"), product(3, isGiftCard=True)
    products = {"nodes": [draft, product(1), card], "pageInfo": {"hasNextPage": True}}
    found = fetch(
        Shop(ok({"shop": shop_node(), "orders": orders(order()), "products": products})).client(),
        "overview",
        scopes=None,
        now=NOW,
    ).data
    assert found["more"] == {"best_stocked_products": True, "recent_orders": False}
    assert [each["id"] for each in found["best_stocked_products"]] == ["gid://shopify/Product/1"]


def test_orders_protected_as_a_whole_leave_the_rest() -> None:
    shop = Shop(
        answer(NULL | {"errors": [not_approved(["orders"], "Order")]}),
        ok({"shop": shop_node(), "products": {"nodes": [product()]}}),
    )
    found = fetch(shop.client(), "overview", scopes=None, now=NOW)
    assert len(found.data["best_stocked_products"]) == 1
    assert [(entry["part"], entry["code"]) for entry in found.missing] == [("recent_orders", "shopify.protected_data")]


def test_refused_customers_leave_the_orders() -> None:
    errors = [not_approved(["orders", "nodes", 0, "customer"])]
    found = fetched(ok(whole(orders={"nodes": [order(customer=None)]}), errors=errors))
    assert "customer" not in found.data["recent_orders"][0]
    assert parts(found) == ["customers"]


def test_untracked_inventory_is_not_zero() -> None:
    assert first_product(tracksInventory=False, totalInventory=0)["inventory"] is None


@pytest.mark.parametrize("title", ["", "\u200b", None])
def test_a_title_that_cannot_be_seen_is_named(title: str | None) -> None:
    assert first_product(title=title)["title"] == "(no title)"


def test_oversold_inventory_is_negative() -> None:
    assert first_product(totalInventory=-3)["inventory"] == -3


@pytest.mark.parametrize(
    "media",
    [None, {}, {"preview": None}, {"preview": {"image": None}}, "x", {"preview": {"image": {"url": "javascript:x"}}}]
    + [{"preview": {"image": {"url": url}}} for url in ("http://x/y.png", "https://x y", "https://" + "x" * 600, 7)],
)
def test_an_image_is_an_https_url_or_nothing(media: object) -> None:
    assert first_product(featuredMedia=media)["image_url"] is None


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"priceRangeV2": None}, "best_stocked_products.price"),
        (
            {"priceRangeV2": {"minVariantPrice": price("NaN"), "maxVariantPrice": price("1")}},
            "best_stocked_products.price",
        ),
        ({"totalInventory": "40"}, "best_stocked_products.inventory"),
        ({"totalInventory": True}, "best_stocked_products.inventory"),
    ],
)
def test_a_value_of_the_wrong_kind_is_missing_and_nothing_else(changes: dict[str, Any], part: str) -> None:
    found = fetched(ok(whole(products={"nodes": [product(**changes)]})))
    assert parts(found) == [part]
    assert found.data["best_stocked_products"][0]["title"] == "Teapot"


@pytest.mark.parametrize("name", ["products", "orders"])
def test_a_list_that_is_none_is_missing(name: str) -> None:
    found = fetched(ok(whole(**{name: None})))
    assert parts(found) == [{"products": "best_stocked_products", "orders": "recent_orders"}[name]]
    assert found.data["shop"]["name"] == "Teapots"


@pytest.mark.parametrize("raw", [None, [], "x"])
def test_no_shop_is_an_error(raw: object) -> None:
    with pytest.raises(BadAnswer):
        fetched(ok(whole(shop=raw)))


def test_a_shop_of_wrong_kinds_is_nulls() -> None:
    odd = dict.fromkeys(shop_node(), 7)
    assert fetched(ok(whole(shop=odd))).data["shop"] == {
        **dict.fromkeys(["name", "domain", "website", "currency", "time_zone", "created_at", "plan"]),
        "development_store": False,
    }


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", "x" * 100, "Europe"])
def test_a_time_zone_nobody_knows_is_null(zone: str) -> None:
    assert fetched(ok(whole(shop=shop_node(ianaTimezone=zone)))).data["shop"]["time_zone"] is None


def test_a_huge_overview_still_fits() -> None:
    title = "\U0001f375" * 300
    lines = {"nodes": [item(title=title, sku=title) for _ in range(5)]}
    found = fetched(
        ok(
            whole(
                orders={"nodes": [order(n, lineItems=lines) for n in range(10)]},
                products={"nodes": [product(n, title=title, description=title) for n in range(5)]},
            )
        )
    )
    assert len(json.dumps(found.data)) <= LARGEST_BYTES
    assert len(found.data["best_stocked_products"]) == 5
    assert found.missing[-1]["code"] == "shopify.truncated"


def test_orders_as_such_are_as_in_recent_orders() -> None:
    same = order()
    overview = fetched(ok(whole(orders=orders(same)))).data["recent_orders"]
    recent = fetch(Shop(ok({"orders": orders(same)})).client(), "recent_orders", scopes=None, now=NOW)
    assert overview == recent.data["orders"]
