"""Reading a week page by page: where it ends, and what is said when it ends early."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from shopify.data.dispatch import fetch
from shopify.data.fetched import LARGEST_BYTES, Fetched
from shopify.data.week import SECONDS_FOR_A_PAGE
from shopify.errors import AccessDenied, BadAnswer, Temporary, Unauthorized
from tests.shopify_answers import Shop, answer, denied, item, not_approved, ok, order, orders, shop_access, throttled

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ALL = ["read_orders", "read_customers", "read_products", "read_all_orders"]


def fetched(
    shop: Shop, *, scopes: list[str] | None = ALL, time_zone: str | None = "Europe/Berlin", **more: Any
) -> Fetched:
    return fetch(shop.client(), "week_orders", scopes=scopes, now=NOW, time_zone=time_zone, **more)


def pages(count: int, size: int = 100) -> list[httpx.Response]:
    """So many full pages; all but the last have a next one."""
    return [
        ok({"orders": orders(*[order(p * size + n) for n in range(size)], cursor=f"c{p}" if p < count - 1 else None)})
        for p in range(count)
    ]


def endless(body: dict[str, Any]) -> httpx.Response:
    start = int((body["variables"]["after"] or "0").removeprefix("c"))
    return ok({"orders": orders(*[order(start + n) for n in range(100)], cursor=f"c{start + 100}")})


def parts(found: Fetched) -> list[tuple[str, str]]:
    return [(entry["part"], entry["code"]) for entry in found.missing]


def test_a_quiet_week() -> None:
    shop = Shop(ok({"orders": orders()}))
    found = fetched(shop)
    assert found.data["orders_counted"] == 0
    assert found.data["truncated"] is False
    assert found.missing == []
    assert found.data_window == {"orders_from": None, "complete_history": True}
    assert shop.variables == [
        {
            "query": "created_at:>='2026-11-15T23:00:00Z'",
            "first": 100,
            "after": None,
            "withCustomers": True,
            "withProducts": True,
        }
    ]


def test_pages_follow_the_cursor() -> None:
    shop = Shop(*pages(3))
    found = fetched(shop)
    assert [variables["after"] for variables in shop.variables] == [None, "c0", "c1"]
    assert found.data["orders_counted"] == 300
    assert found.data["truncated"] is False


def test_an_unknown_time_zone_is_asked_for() -> None:
    shop = Shop(ok(shop_access(*ALL, zone="Asia/Tokyo")), ok({"orders": orders()}))
    found = fetched(shop, time_zone=None)
    assert found.data["time_zone"] == "Asia/Tokyo"
    assert found.data["from"] == "2026-11-16T00:00+09:00"
    assert shop.variables[1]["query"] == "created_at:>='2026-11-15T15:00:00Z'"


def test_with_the_time_zone_come_unknown_scopes() -> None:
    shop = Shop(ok(shop_access("read_orders")), ok({"orders": orders(order(customer=...))}))
    found = fetched(shop, time_zone=None, scopes=None)
    assert shop.variables[1]["withCustomers"] is False
    assert parts(found) == [("customers", "shopify.access_denied")]
    assert found.data_window is not None
    assert found.data_window["reason"] == "Shopify shows this app the orders of the last 60 days."


def test_a_time_zone_nobody_knows_is_said() -> None:
    shop = Shop(ok(shop_access(*ALL, zone="Mars/Olympus")), ok({"orders": orders()}))
    found = fetched(shop, time_zone="Moon/Base")
    assert found.data["time_zone"] == "UTC"
    assert parts(found) == [("time_zone", "shopify.bad_answer")]


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_without_orders_there_is_no_week(zone: str | None) -> None:
    shop = Shop(ok(shop_access("read_products")))
    with pytest.raises(AccessDenied) as caught:
        fetched(shop, scopes=["read_products"], time_zone=zone)
    assert caught.value.scopes == ("read_orders",)
    assert len(shop.requests) == (1 if zone is None else 0)


def test_a_thousand_orders_are_enough() -> None:
    shop = Shop(endless)
    found = fetched(shop)
    assert len(shop.requests) == 10
    assert found.data["orders_counted"] == 1000
    assert found.data["truncated"] is True
    assert found.missing == [
        {
            "part": "orders",
            "reason": "Of the week only the newest 1,000 orders were read.",
            "code": "shopify.truncated",
        }
    ]


def test_a_cursor_that_never_ends_is_noticed() -> None:
    shop = Shop(ok({"orders": orders(order(1), cursor="same")}))
    found = fetched(shop)
    assert len(shop.requests) == 2
    assert found.data["orders_counted"] == 1, "an order that comes twice counts once"
    assert found.data["truncated"] is True
    assert "circles" in found.missing[0]["reason"]


@pytest.mark.parametrize("info", [{"hasNextPage": True, "endCursor": None}, {"hasNextPage": True}])
def test_more_without_a_cursor_ends(info: dict[str, Any]) -> None:
    shop = Shop(ok({"orders": {"nodes": [order()], "pageInfo": info}}))
    assert fetched(shop).data["truncated"] is True
    assert len(shop.requests) == 1


def test_no_page_is_begun_shortly_before_the_deadline() -> None:
    shop = Shop(endless)
    found = fetched(shop, deadline=time.monotonic() + SECONDS_FOR_A_PAGE - 0.1)
    assert len(shop.requests) == 1
    assert found.data["orders_counted"] == 100
    assert found.missing[0]["reason"] == "Of the week only the newest 100 orders could be read in time."


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (throttled(500, 100), "shopify.throttled"),
        (answer(b"<html>", 503), "shopify.unavailable"),
        (answer(b"{"), "shopify.bad_answer"),
        (ok({"orders": None}), "shopify.bad_answer"),
        (answer({"errors": [{"message": "Invalid cursor"}]}), "shopify.unavailable"),
        (answer({"errors": "Forbidden"}, 403), "shopify.forbidden"),
    ],
)
def test_trouble_after_the_first_page_leaves_what_was_read(trouble: httpx.Response, code: str) -> None:
    shop = Shop(pages(2)[0], trouble)
    found = fetched(shop)
    assert found.data["orders_counted"] == 100
    assert found.data["truncated"] is True
    assert parts(found) == [("orders", code)]


def test_trouble_with_the_first_page_is_raised() -> None:
    with pytest.raises(Temporary):
        fetched(Shop(answer(b"<html>", 503)))
    with pytest.raises(BadAnswer):
        fetched(Shop(ok({"orders": None})))


def test_a_token_revoked_on_the_way_is_raised() -> None:
    with pytest.raises(Unauthorized):
        fetched(Shop(pages(2)[0], answer({"errors": "no"}, 401)))


def test_customers_refused_on_the_way_are_left_out_of_the_rest() -> None:
    refusal = answer({"data": None, "errors": [not_approved(["orders", "nodes", 0, "customer"])]})
    shop = Shop(pages(2)[0], refusal, ok({"orders": orders(order(500, customer=...))}))
    found = fetched(shop)
    assert [variables["withCustomers"] for variables in shop.variables] == [True, True, False]
    assert found.data["orders_counted"] == 101
    assert "customers" not in found.data
    assert parts(found) == [("customers", "shopify.protected_data")]


def test_products_refused_are_not_missed() -> None:
    lines = {"nodes": [item(product=None)], "pageInfo": {}}
    refusal = denied(["orders", "nodes", 0, "lineItems", "nodes", 0, "product"], "read_products")
    found = fetched(Shop(ok({"orders": orders(order(lineItems=lines))}, errors=[refusal])))
    assert found.missing == []
    assert found.data["top_items"][0]["title"] == "Teapot"


def test_a_query_too_long_for_shopify_is_asked_for_smaller_pages() -> None:
    def impatient(body: dict[str, Any]) -> httpx.Response:
        if body["variables"]["first"] == 100:
            return answer({"errors": [{"message": "Timeout"}]})
        return ok({"orders": orders(order())})

    shop = Shop(impatient)
    assert fetched(shop).data["orders_counted"] == 1
    assert [variables["first"] for variables in shop.variables] == [100, 50]


def test_orders_outside_the_week_or_without_a_date_are_not_counted() -> None:
    found = fetched(
        Shop(ok({"orders": orders(order(1), order(2, createdAt="2026-11-01T00:00:00Z"), order(3, createdAt="soon"))}))
    )
    assert found.data["orders_counted"] == 1
    assert parts(found) == [("orders.created_at", "shopify.bad_answer")]


def test_items_beyond_the_tenth_are_said_to_be_missing() -> None:
    lines = {"nodes": [item()], "pageInfo": {"hasNextPage": True}}
    found = fetched(Shop(ok({"orders": orders(order(lineItems=lines))})))
    assert found.missing[0]["reason"] == "In 1 order only the first ten items were read."


def test_a_busy_week_of_odd_names_still_fits() -> None:
    odd = "\U0001f375" * 300
    lines = {"nodes": [item(odd, 1, n) for n in range(10)], "pageInfo": {}}
    many = [order(n, name=odd, lineItems=lines) for n in range(100)]
    found = fetched(Shop(ok({"orders": orders(*many)})))
    assert len(json.dumps(found.data)) <= LARGEST_BYTES
    assert len(found.data["orders"]) + found.data["orders_not_shown"] == 100


def test_an_ordinary_busy_week_shows_fifty_orders() -> None:
    found = fetched(Shop(endless))
    assert len(found.data["orders"]) == 50
    assert found.data["orders_not_shown"] == 950
    assert len(json.dumps(found.data)) <= LARGEST_BYTES
