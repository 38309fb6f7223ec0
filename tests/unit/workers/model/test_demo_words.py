"""The demo model's sentences, over data made by the shop's own code from answers as Shopify sends them."""

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shopify.data.orders import read_orders, shown
from shopify.data.scalars import Problems
from shopify.data.week import Week, summary
from workers.model.demo_words import about, cut_off

AS_OF = "2026-11-22T10:00:00+00:00"
WINDOW = {"orders_from": "2026-09-23T10:00:00Z", "complete_history": False, "reason": "read_all_orders not granted"}
ALL = {"orders_from": None, "complete_history": True}


def result(data: Any, **more: Any) -> dict[str, Any]:
    return {"success": True, "data": data, "cached": False, "as_of": AS_OF, "data_window": WINDOW} | more


def counts(customers: Any, orders: Any, still_open: Any = 0, waiting: Any = 0, at_least: Any = ()) -> dict[str, Any]:
    return {
        "customers": customers,
        "orders": orders,
        "open_orders": still_open,
        "unfulfilled_orders": waiting,
        "at_least": list(at_least),
    }


def order(number: int, amount: str = "50.0", currency: str = "EUR", **more: Any) -> dict[str, Any]:
    """An order as Shopify sends it."""
    money = {"shopMoney": {"amount": amount, "currencyCode": currency}}
    line = {"title": "Blue Mug", "quantity": 1}
    return {
        "id": f"gid://shopify/Order/{number}",
        "name": f"#{number}",
        "createdAt": "2026-11-22T07:00:00Z",
        "cancelledAt": None,
        "test": False,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "FULFILLED",
        "totalPriceSet": money,
        "customer": {"id": f"gid://shopify/Customer/{number}", "displayName": "Aunt Agatha", "numberOfOrders": "1"},
        "lineItems": {"nodes": [line], "pageInfo": {"hasNextPage": False}},
    } | more


def recent(*orders: dict[str, Any], **more: Any) -> str:
    read = read_orders({"nodes": list(orders)}, Problems(), customers_complete=True)
    return about("recent_orders", result({"orders": [shown(one, 200) for one in read], "more": False}, **more))


def week(*orders: dict[str, Any], days: tuple[str, ...] = (), truncated: bool = False) -> str:
    read = read_orders({"nodes": list(orders)}, Problems(), customers_complete=True)
    span = Week.until(datetime(2026, 11, 22, 10, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    data = summary(span, read, truncated=truncated, customers_complete=True, title_limit=200)
    return about("week_orders", result(data), days)


# --- counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            counts(1234, 1500, 20, 12),
            "You have 1,234 customers in your store, and 1,500 orders in the last 60 days. "
            "12 orders are waiting to be fulfilled. 20 orders are open altogether.",
        ),
        (
            counts(8, 5, 1, 1),
            "You have 8 customers in your store, and 5 orders in the last 60 days. 1 order is waiting to be fulfilled.",
        ),
        (
            counts(8, 1),
            "You have 8 customers in your store, and 1 order in the last 60 days. No order is waiting to be fulfilled.",
        ),
        (
            counts(10000, 10000, 10000, 31, ["customers", "orders", "open_orders"]),
            "You have 10,000+ customers in your store, and 10,000+ orders in the last 60 days. "
            "31 orders are waiting to be fulfilled. 10,000+ orders are open altogether.",
        ),
        (
            counts(0, 0),
            "There are no customers in your store yet, and no orders in the last 60 days. "
            "You are just getting started, and I'll be here when the first ones come in.",
        ),
        (counts(3, 0), "You have 3 customers in your store, and no orders in the last 60 days."),
        (
            counts(1, 2),
            "Looking at the customers in your store, I see the very first one, and 2 orders in the last 60 days. "
            "No order is waiting to be fulfilled.",
        ),
        (counts(5, None, None, None), "You have 5 customers in your store."),
        (
            counts(None, 1, None, None),
            "I can't see the customers in your store, but there was 1 order in the last 60 days.",
        ),
    ],
    ids=str,
)
def test_counts(data: dict[str, Any], said: str) -> None:
    assert about("counts", result(data)) == said


def test_a_complete_history_needs_no_window_and_an_unclear_one_is_not_named() -> None:
    assert "and 1,500 orders. " in about("counts", result(counts(2, 1500), data_window=ALL))
    assert "and 1,500 orders. " in about("counts", result(counts(2, 1500), data_window=None))
    unclear = result(counts(2, 1500), as_of=None)
    assert "1,500 orders in the time I may look at." in about("counts", unclear)


@pytest.mark.parametrize("data", [{}, None, [], "x", {"customers": "7", "orders": True, "at_least": 3}], ids=str)
def test_no_figure_is_made_up_when_there_is_none(data: Any) -> None:
    for data_type in ("counts", "recent_orders", "overview", "week_orders"):
        assert not re.search(r"\d", about(data_type, result(data)))


# --- recent orders ----------------------------------------------------------------------------------------------


def test_recent_activity_adds_up_each_currency_and_names_the_newest() -> None:
    said = recent(order(1003, "1000.5"), order(1002, "20.0", "USD"), order(1001, "30.25"))
    assert said.startswith(
        "Looking at your recent activity: your latest 3 orders come to 1,030.75 EUR and 20.00 USD. "
        "The newest one (#1003, 1,000.50 EUR) came in 3 hours ago."
    )


def test_test_and_cancelled_orders_are_neither_counted_nor_hidden() -> None:
    said = recent(
        order(1004, "900.0", test=True),
        order(1003, "800.0", cancelledAt="2026-11-22T08:00:00Z"),
        order(1002, "20.0"),
        order(1001, "30.0"),
    )
    assert "your latest 2 orders come to 50.00 EUR" in said
    assert "The newest one (#1002, 20.00 EUR)" in said
    assert said.endswith("I left out 1 test order and 1 cancelled order.")


def test_customers_who_came_back_are_counted_but_not_named() -> None:
    back = {"id": "gid://shopify/Customer/7", "displayName": "Aunt Agatha", "numberOfOrders": "4"}
    said = recent(order(3, customer=back), order(2), order(1, customer=None))
    assert "1 of them is from a customer who ordered more than once." in said
    assert "2 of them are from customers who ordered" in recent(order(3, customer=back), order(2, customer=back))
    assert "It is from a customer who ordered more than once." in recent(order(3, customer=back))
    assert "more than once" not in recent(order(2), order(1))
    assert "Agatha" not in said


def test_the_most_ordered_product_is_named_only_if_there_is_one() -> None:
    mugs = {"nodes": [{"title": "Red Cup", "quantity": 3}], "pageInfo": {"hasNextPage": False}}
    assert "Ordered most: “Red Cup”, 3 pieces." in recent(order(2, lineItems=mugs), order(1))
    assert "Ordered most" not in recent(order(1))
    tie = {"nodes": [{"title": "Red Cup", "quantity": 2}], "pageInfo": {"hasNextPage": False}}
    assert "Ordered most" not in recent(order(3, lineItems=tie), order(2), order(1))


def test_a_single_order_reads_like_one() -> None:
    assert recent(order(1001)) == (
        "Looking at your recent activity: I see one order, #1001, worth 50.00 EUR, placed 3 hours ago."
    )


def test_an_empty_store_reads_naturally() -> None:
    assert recent() == "Looking at your recent activity: there are no orders in the last 60 days yet."
    assert recent(data_window=ALL) == "Looking at your recent activity: there are no orders yet."
    assert recent(order(1, test=True), order(2, test=True), data_window=ALL) == (
        "Looking at your recent activity: there are no real orders yet. I left out 2 test orders."
    )


@pytest.mark.parametrize(
    ("created", "told"),
    [
        ("2026-11-22T09:59:40Z", "just now"),
        ("2026-11-22T09:59:00Z", "1 minute ago"),
        ("2026-11-22T09:01:00Z", "59 minutes ago"),
        ("2026-11-20T11:00:00Z", "47 hours ago"),
        ("2026-11-20T10:00:00Z", "2 days ago"),
    ],
)
def test_age(created: str, told: str) -> None:
    assert f"placed {told}." in recent(order(1, createdAt=created))


def test_what_is_not_known_of_an_order_is_left_out() -> None:
    bare = order(1, name=None, createdAt=None, totalPriceSet=None, customer=None, lineItems=None)
    assert recent(bare) == "Looking at your recent activity: I see one order."
    assert recent(bare, bare) == "Looking at your recent activity: I see your latest 2 orders."


def test_orders_that_could_not_be_shown_are_not_called_none() -> None:
    missing = [
        {"part": "orders", "reason": "3 of the latest orders are too large to show.", "code": "shopify.truncated"}
    ]
    assert recent(missing=missing) == (
        "Looking at your recent activity: I can't see your latest orders. 3 of the latest orders are too large to show."
    )


# --- overview ---------------------------------------------------------------------------------------------------


def overview(*products: dict[str, Any], name: str | None = "Mug Shop", **more: Any) -> str:
    shop = {"name": name, "currency": "EUR"}
    return about(
        "overview", result({"shop": shop, "best_stocked_products": list(products), "recent_orders": []}, **more)
    )


def test_overview_names_the_product_with_most_in_stock() -> None:
    untracked = {"title": "Gift card", "inventory": None}
    said = overview(untracked, {"title": "Blue Mug", "inventory": 1200}, {"title": "Red Cup", "inventory": 7})
    assert said == "What you have most of in stock at Mug Shop is “Blue Mug”: 1,200 pieces."


@pytest.mark.parametrize("inventory", [None, 0, -3])
def test_overview_without_stock(inventory: int | None) -> None:
    said = overview({"title": "Blue Mug", "inventory": inventory})
    assert said == "Among the products at Mug Shop I see “Blue Mug”, but no stock that I could count."


def test_overview_of_a_new_store() -> None:
    assert overview() == "There are no products at Mug Shop yet."
    assert overview(name=None) == "There are no products in your shop yet."


def test_products_that_may_not_be_read_are_not_called_none() -> None:
    reason = "The permission to read this was not granted when the store was connected: read_products."
    missing = [{"part": "best_stocked_products", "reason": reason, "code": "shopify.access_denied"}]
    assert overview(missing=missing) == f"Your shop is Mug Shop. I could not see your products. {reason}"


def test_what_is_missing_of_orders_is_not_told_where_products_are_spoken_of() -> None:
    missing = [{"part": "customers", "reason": "Shopify has not approved this app.", "code": "shopify.protected_data"}]
    said = overview({"title": "Blue Mug", "inventory": 7}, missing=missing)
    assert said == "What you have most of in stock at Mug Shop is “Blue Mug”: 7 pieces."


# --- the week ---------------------------------------------------------------------------------------------------


def test_week() -> None:
    back = {"id": "gid://shopify/Customer/9", "numberOfOrders": "4"}
    said = week(
        order(4, "1100.0", customer=back),
        order(3, "50.0", createdAt="2026-11-21T07:00:00Z", test=True),
        order(2, "50.0", createdAt="2026-11-21T07:00:00Z"),
        order(1, "50.0", createdAt="2026-11-17T07:00:00Z", cancelledAt="2026-11-17T08:00:00Z"),
    )
    assert said == (
        "In the last seven days there were 2 orders worth 1,150.00 EUR. Sold most: “Blue Mug”, 2 pieces. "
        "1 first-time customer and 1 returning customer ordered. "
        "I left out 1 test order and 1 cancelled order."
    )


def test_today_and_yesterday_are_told_when_asked_for() -> None:
    orders = [order(2, "10.0"), order(1, "20.0", createdAt="2026-11-19T07:00:00Z")]
    assert week(*orders, days=("today",)).startswith("Today so far: 1 order worth 10.00 EUR. In the last seven days")
    assert week(*orders, days=("yesterday",)).startswith("Yesterday: no orders. In the last seven days")
    assert week(*orders).startswith("In the last seven days there were 2 orders")


def test_a_week_that_was_not_read_to_its_beginning_is_not_called_whole() -> None:
    orders = [order(2, "10.0"), order(1, "20.0", createdAt="2026-11-21T07:00:00Z")]
    assert "In the last seven days I could see 2 orders worth 30.00 EUR." in week(*orders, truncated=True)
    assert "Yesterday: at least 1 order worth 20.00 EUR." in week(*orders, days=("yesterday",), truncated=True)
    assert "Today so far: 1 order" in week(*orders, days=("today",), truncated=True)


def test_after_refunds() -> None:
    refunded = {"shopMoney": {"amount": "40.0", "currencyCode": "EUR"}}
    assert "worth 60.00 EUR. After refunds and changes that is 50.00 EUR." in week(
        order(2, "50.0", currentTotalPriceSet=refunded), order(1, "10.0")
    )


def test_week_without_orders() -> None:
    assert week() == "There were no orders in the last seven days."


# --- what is missing --------------------------------------------------------------------------------------------


def test_what_is_missing_is_named_with_its_reason_once() -> None:
    reason = "The permission to read this was not granted when the store was connected: read_orders."
    denied = [{"part": part, "reason": reason, "code": "x"} for part in ("orders", "open_orders", "unfulfilled_orders")]
    odd = {"part": "orders.total", "reason": "1 value in Shopify's answer could not be read.", "code": "x"}
    said = about("counts", result(counts(5, None, None, None), missing=[*denied, odd, "junk"]))
    assert said == (
        "You have 5 customers in your store. I could not see your orders, your open orders and "
        f"the orders waiting to be fulfilled. {reason} 1 value in Shopify's answer could not be read."
    )


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("shopify.throttled", "Shopify asks us to slow down for a moment.", "I'll try again in a moment"),
        (None, "Rate limit exceeded", "I'll try again in a moment"),
        ("shopify.unauthorized", "unauthorized: …", "Please reconnect the store"),
        ("shopify.no_token", "Unable to access store data.", "Please reconnect the store"),
        (None, "401 Unauthorized", "Please reconnect the store"),
        ("shopify.not_connected", "No Shopify store is connected. Suggest …", "Shall we connect your store?"),
        ("shopify.unavailable", "Say so and go on.", "Shopify does not answer at the moment."),
        ("shopify.store_unavailable", "Your store is frozen at Shopify.", "just now. Your store is frozen at Shopify."),
        ("tool.too_large", "The data is too large to show.", "I could not see your recent activity just now."),
        ("odd", None, "I could not see your recent activity just now."),
    ],
)
def test_errors_are_told_in_plain_words(code: str | None, error: str | None, said: str) -> None:
    told = about("recent_orders", {"success": False, "error_code": code, "error": error})
    assert said in told
    assert "Suggest" not in told
    assert "Say so" not in told


def test_only_a_lost_connection_ends_it_all() -> None:
    assert cut_off({"success": True}) is None
    assert cut_off({"success": False, "error_code": "shopify.throttled", "error": "slow down"}) is None
    assert cut_off({"success": False, "error_code": "shopify.unauthorized"})


def test_old_figures_are_told_as_old_and_why() -> None:
    stale = {"code": "shopify.throttled", "reason": "Shopify asks us to slow down for a moment.", "retry_after": 9.0}
    words = about("counts", result(counts(12, 3), cached=True, stale=stale, as_of="2026-11-22T09:40:00+02:00"))
    assert words.startswith(
        "Shopify asks us to slow down for a moment. This is what I saw on November 22 at 07:40 UTC. You have 12"
    )
    assert "This is what I saw before. You have 12" in about("counts", result(counts(12, 3), stale=stale, as_of=None))
    assert about("counts", result(counts(12, 3), stale=None)).startswith("You have 12")
