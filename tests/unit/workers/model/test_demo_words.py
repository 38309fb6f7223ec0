"""The demo model's sentences, over data made by the shop's own code from answers as Shopify sends them."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shopify.data.orders import read_orders, shown
from shopify.data.scalars import Problems
from shopify.data.week import Week, summary
from shopify.errors import not_permitted
from workers.model.demo_words import cut_off, seen, sentences, tell
from workers.shop.results import failed

AS_OF = "2026-11-22T10:00:00+00:00"
WINDOW = {
    "orders_from": "2026-09-23T10:00:00Z",
    "complete_history": False,
    "reason": "Shopify shows this app the orders of the last 60 days.",
}
ALL = {"orders_from": None, "complete_history": True}


def about(data_type: str, found: dict[str, Any], asked: str = "") -> str:
    return " ".join(sentences({data_type: found}, asked=asked))


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


def week(*orders: dict[str, Any], asked: str = "", truncated: bool = False) -> str:
    read = read_orders({"nodes": list(orders)}, Problems(), customers_complete=True)
    span = Week.until(datetime(2026, 11, 22, 10, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    data = summary(span, read, truncated=truncated, customers_complete=True, title_limit=200)
    return about("week_orders", result(data), asked)


# --- counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            counts(1234, 1500, 20, 12),
            "You have 1,234 customers in your store, and 1,500 orders in the last 60 days. "
            "12 orders are waiting to be fulfilled, out of 20 open orders.",
        ),
        (
            counts(8, 5, 1, 1),
            "You have 8 customers in your store, and 5 orders in the last 60 days. 1 order is waiting to be fulfilled.",
        ),
        (
            counts(8, 1),
            "You have 8 customers in your store, and 1 order in the last 60 days. "
            "No orders are waiting to be fulfilled.",
        ),
        (
            counts(10000, 10000, 10000, 31, ["customers", "orders", "open_orders"]),
            "You have 10,000+ customers in your store, and 10,000+ orders in the last 60 days. "
            "31 orders are waiting to be fulfilled, out of 10,000+ open orders.",
        ),
        (
            counts(0, 0),
            "You have no customers in your store yet, and no orders either. "
            "You are just getting started, and I'll be here when the first ones come in.",
        ),
        (counts(3, 0), "You have 3 customers in your store, and no orders in the last 60 days."),
        (
            counts(1, 2),
            "You have 1 customer in your store, and 2 orders in the last 60 days. "
            "No orders are waiting to be fulfilled.",
        ),
        (counts(5, None, None, None), "You have 5 customers in your store."),
        (counts(None, 1, None, None), "You have 1 order in the last 60 days."),
    ],
    ids=str,
)
def test_counts(data: dict[str, Any], said: str) -> None:
    assert about("counts", result(data)) == said


def test_a_complete_history_needs_no_window() -> None:
    assert "and 1,500 orders. " in about("counts", result(counts(2, 1500), data_window=ALL))
    assert "and 1,500 orders. " in about("counts", result(counts(2, 1500), data_window=None))


@pytest.mark.parametrize("data", [{}, None], ids=str)
def test_no_figure_is_made_up_when_there_is_none(data: Any) -> None:
    for data_type in ("counts", "recent_orders", "overview", "week_orders"):
        assert re.fullmatch(r"I could not see [^\d]+\.", about(data_type, result(data)))


# --- recent orders ----------------------------------------------------------------------------------------------


def test_recent_activity_adds_up_each_currency_and_names_the_newest() -> None:
    said = recent(order(1003, "1000.5"), order(1002, "20.0", "USD"), order(1001, "30.25"), order(1000, "7.0", "CHF"))
    assert said == (
        "Looking at your recent activity: your latest 4 orders come to €1,030.75, $20.00 and CHF 7.00. "
        "The newest (#1003) came in 3 hours ago."
    )


def test_test_and_cancelled_orders_are_neither_counted_nor_hidden() -> None:
    said = recent(
        order(1004, "900.0", test=True),
        order(1003, "800.0", cancelledAt="2026-11-22T08:00:00Z"),
        order(1002, "20.0"),
        order(1001, "30.0"),
    )
    assert "your latest 2 orders come to €50.00" in said
    assert "The newest (#1002) came in" in said
    assert said.endswith("I left out 1 test order and 1 cancelled order.")


def test_customers_who_came_back_are_counted_but_not_named() -> None:
    back = {"id": "gid://shopify/Customer/7", "displayName": "Aunt Agatha", "numberOfOrders": "4"}
    said = recent(order(3, customer=back), order(2), order(1, customer=None))
    assert "come to €150.00, 1 of them from a customer who ordered more than once." in said
    of_three = recent(order(3, customer=back), order(2, customer=back), order(1))
    assert ", 2 of them from customers who ordered more than once." in of_three
    assert ", all of them from customers who ordered" in recent(order(3, customer=back), order(2, customer=back))
    assert "comes to €50.00, from a customer who ordered more than once." in recent(order(3, customer=back))
    assert "more than once" not in recent(order(2), order(1))
    assert "Agatha" not in said


def test_a_single_order_reads_like_one() -> None:
    assert recent(order(1001)) == (
        "Looking at your recent activity: your latest order (#1001) comes to €50.00. It came in 3 hours ago."
    )


def test_an_empty_store_reads_naturally() -> None:
    assert recent() == "I see no recent activity in your store."
    assert recent(order(1, test=True), order(2, test=True)) == (
        "Your newest orders are all tests or cancelled. I left out 2 test orders."
    )


@pytest.mark.parametrize(
    ("created", "told"),
    [
        ("2026-11-22T10:00:01Z", "just now"),
        ("2026-11-22T09:59:40Z", "just now"),
        ("2026-11-22T09:59:00Z", "1 minute ago"),
        ("2026-11-22T09:01:00Z", "59 minutes ago"),
        ("2026-11-21T23:00:00Z", "11 hours ago"),
        ("2026-11-21T20:00:00Z", "yesterday"),
        ("2026-11-21T00:00:00Z", "yesterday"),
        ("2026-11-20T23:59:00Z", "on November 20"),
        ("2025-11-15T12:00:00Z", "on November 15, 2025"),
    ],
)
def test_age(created: str, told: str) -> None:
    assert f"It came in {told}." in recent(order(1, createdAt=created))


def test_what_is_not_known_of_an_order_is_left_out() -> None:
    bare = order(1, name=None, createdAt=None, totalPriceSet=None, customer=None, lineItems=None)
    activity = "Looking at your recent activity: your latest"
    assert recent(bare) == f"{activity} order comes to a total I cannot read."
    assert recent(bare, bare) == f"{activity} 2 orders come to a total I cannot read."


def test_orders_that_could_not_be_shown_are_not_called_none() -> None:
    reason = "3 of the latest orders did not fit in."
    missing = [{"part": "orders", "reason": reason, "code": "shopify.truncated"}]
    assert recent(missing=missing) == f"I could not see your orders. {reason}"
    assert recent(order(1001), missing=missing).endswith(f"It came in 3 hours ago. {reason}")


# --- overview ---------------------------------------------------------------------------------------------------


def overview(*products: dict[str, Any], name: str | None = "Mug Shop", **more: Any) -> str:
    shop = {"name": name, "currency": "EUR"}
    return about(
        "overview", result({"shop": shop, "best_stocked_products": list(products), "recent_orders": []}, **more)
    )


def test_overview_names_the_product_with_most_in_stock() -> None:
    untracked = {"title": "Gift card", "inventory": None}
    said = overview(untracked, {"title": "Blue Mug", "inventory": 1200}, {"title": "Red Cup", "inventory": 7})
    assert said == "Your best-stocked product at Mug Shop is “Blue Mug”, with 1,200 units."


@pytest.mark.parametrize("inventory", [None, 0, -3])
def test_overview_without_stock(inventory: int | None) -> None:
    said = overview({"title": "Blue Mug", "inventory": inventory})
    assert said == "I see products at Mug Shop, but no stock to count."


def test_overview_of_a_new_store() -> None:
    assert overview() == "There are no products at Mug Shop yet."
    assert overview(name=None) == "There are no products in your shop yet."


def test_products_that_may_not_be_read_are_not_called_none() -> None:
    assert overview(missing=[may_not("best_stocked_products", "products")]) == not_permitted(["products"])


def test_what_is_missing_of_orders_is_not_told_where_products_are_spoken_of() -> None:
    missing = [{"part": "customers", "reason": "Shopify has not approved this app.", "code": "shopify.protected_data"}]
    said = overview({"title": "Blue Mug", "inventory": 7}, missing=missing)
    assert said == "Your best-stocked product at Mug Shop is “Blue Mug”, with 7 units."


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
        "In the last seven days there were 2 orders worth €1,150.00. “Blue Mug” sold best: 2 units. "
        "Among the buyers was 1 returning customer. "
        "I left out 1 test order and 1 cancelled order."
    )


def test_days_are_told_when_asked_for() -> None:
    orders = [order(2, "10.0"), order(1, "20.0", createdAt="2026-11-19T07:00:00Z")]
    assert week(*orders, asked="orders today?") == "Today so far there has been 1 order worth €10.00."
    assert week(*orders, asked="and yesterday?") == "Yesterday there were no orders."
    assert week(*orders, asked="on thursday?") == "On Thursday, November 19, there was 1 order worth €20.00."
    assert "In the last seven days there were 2" in week(*orders, asked="how was the week, and yesterday?")
    assert week(*orders).startswith("In the last seven days there were 2 orders")


def test_a_week_that_was_not_read_to_its_beginning_is_not_called_whole() -> None:
    orders = [order(2, "10.0"), order(1, "20.0", createdAt="2026-11-21T07:00:00Z")]
    assert "In the last seven days there were at least 2 orders worth €30.00." in week(*orders, truncated=True)
    assert "Yesterday there was at least 1 order worth €20.00." in week(*orders, asked="yesterday", truncated=True)
    assert "Today so far there has been 1 order" in week(*orders, asked="today", truncated=True)


def test_after_refunds() -> None:
    refunded = {"shopMoney": {"amount": "40.0", "currencyCode": "EUR"}}
    assert "worth €60.00. After refunds and changes that is €50.00." in week(
        order(2, "50.0", currentTotalPriceSet=refunded), order(1, "10.0")
    )


def test_week_without_orders() -> None:
    assert week() == "In the last seven days there were no orders."


# --- what is missing --------------------------------------------------------------------------------------------


def may_not(part: str, permission: str) -> dict[str, Any]:
    """An entry of `missing` for what may not be read."""
    return {"part": part, "reason": "…", "code": "shopify.access_denied", "permissions": [permission]}


def test_what_may_not_be_read_is_said_once_and_together() -> None:
    partly = result(
        counts(5, None, None, None), missing=[may_not("orders", "orders"), may_not("open_orders", "orders")]
    )
    failed = {"success": False, "error_code": "shopify.access_denied", "error": "…", "permissions": ["products"]}
    assert tell({"counts": partly, "overview": failed}) == (
        "You have 5 customers in your store. I may not read your orders and products: my access to your store "
        "does not include them. Our team can ask for that; until then I go on without."
    )
    assert seen({"counts": partly}) == ["You have 5 customers in your store."]


def test_what_is_missing_is_named_with_its_reason_once() -> None:
    why = "Shopify has not approved this app."
    missing = [{"part": part, "reason": why, "code": "x"} for part in ("orders", "open_orders", "unfulfilled_orders")]
    assert about("counts", result(counts(5, None, None, None), missing=missing)) == (
        f"You have 5 customers in your store. I could not see your orders, your open orders or your "
        f"unfulfilled orders. {why}"
    )


def test_a_part_that_is_there_is_not_called_missing() -> None:
    read = read_orders({"nodes": [order(1)]}, Problems(), customers_complete=True)
    span = Week.until(datetime(2026, 11, 22, 10, tzinfo=UTC), ZoneInfo("UTC"))
    data = summary(span, read, truncated=True, customers_complete=True, title_limit=200)
    missing = [{"part": "orders", "reason": "Shopify does not answer at the moment.", "code": "shopify.unavailable"}]
    said = about("week_orders", result(data, missing=missing))
    assert "at least 1 order worth" in said
    assert said.endswith("Shopify does not answer at the moment.")
    assert "could not see" not in said


def test_the_same_failure_is_explained_once() -> None:
    failed = {"success": False, "error_code": "shopify.store_unavailable", "error": "Your store is frozen."}
    assert tell({"week_orders": failed, "overview": failed}) == (
        "I could not see the orders of the last seven days or your products. Your store is frozen."
    )
    gone = {"success": False, "error_code": "shopify.unauthorized", "error": "…"}
    assert tell({"week_orders": gone, "overview": gone}).count("reconnect") == 1


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("shopify.throttled", "Shopify asks us to slow down for a moment.", "I'll try again in a moment"),
        ("shopify.unauthorized", "unauthorized: …", "Please reconnect the store"),
        ("shopify.no_token", "Unable to access store data.", "a fault on our side"),
        ("shopify.not_connected", "No Shopify store is connected. Suggest …", "Shall we connect your store?"),
        ("shopify.unavailable", "Say so and go on.", "Shopify does not answer at the moment."),
        ("tool.no_answer", "Say so without a reason.", "The data cannot be read right now. I'll look again by myself"),
        ("shopify.store_unavailable", "Your store is frozen at Shopify.", "activity. Your store is frozen at Shopify."),
        ("tool.too_large", "The data is too large to show.", "I could not see your recent activity."),
        ("odd", None, "I could not see your recent activity."),
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
    assert about("counts", result(counts(12, 3), stale=None)).startswith("You have 12")


def test_after_refunds_and_edits_both_sums_are_told() -> None:
    refunded = order(1, "60.0", currentTotalPriceSet={"shopMoney": {"amount": "0.0", "currencyCode": "EUR"}})
    assert "2 orders come to €80.00. After refunds and changes that is €20.00." in recent(
        refunded, order(2, "20.0", currentTotalPriceSet={"shopMoney": {"amount": "20.0", "currencyCode": "EUR"}})
    )


def test_only_what_was_read_is_claimed() -> None:
    tests = {
        "orders": [
            shown(one, 200)
            for one in read_orders({"nodes": [order(1, test=True)]}, Problems(), customers_complete=True)
        ]
    }
    told = about(
        "recent_orders", result({**tests, "more": True, "orders_read": 80, "test_orders": 80, "cancelled_orders": 0})
    )
    assert told == "Your newest orders are all tests or cancelled. I left out 80 test orders."


def week_of(now: str, *orders: dict[str, Any], truncated: bool = False) -> dict[str, Any]:
    zone = ZoneInfo("America/New_York")
    read = read_orders({"nodes": list(orders)}, Problems(), customers_complete=True)
    span = Week.until(datetime.fromisoformat(now), zone)
    return summary(span, read, truncated=truncated, customers_complete=True, title_limit=200)


def test_days_are_named_from_the_shops_clock_when_they_are_told() -> None:
    sold = [order(n, createdAt="2026-11-27T22:00:00Z") for n in (1, 2)]
    found = {"week_orders": result(week_of("2026-11-28T04:50:00+00:00", *sold))}  # still the 27th there
    at_once, a_day_later = (datetime.fromisoformat(now) for now in ("2026-11-28T04:55+00:00", "2026-11-28T15:00+00:00"))
    assert "Today so far there have been 2 orders worth €100.00." in sentences(found, asked="today", now=at_once)
    later = " ".join(sentences(found, asked="today or yesterday", now=a_day_later))
    assert later.startswith("In the seven days up to November 27 there were 2 orders")


def test_what_sold_as_well_as_another_did_not_sell_best_alone() -> None:
    """The check would leave the sentence out, and with it the whole answer."""
    other: dict[str, Any] = {
        "lineItems": {"nodes": [{"title": "Red Mug", "quantity": 1}], "pageInfo": {"hasNextPage": False}}
    }
    third: dict[str, Any] = json.loads(json.dumps(other).replace("Red", "Green"))
    assert "sold best" not in week(order(1), order(2, **other)), "all sold as well"
    assert "“Blue Mug” sold best: 2 units." in week(order(1), order(2), order(3, **other))
    told = week(order(1), order(2), order(3, **other), order(4, **other), order(5, **third))
    assert "“Blue Mug” and “Red Mug” sold best: 2 units each." in told


def test_of_a_part_nothing_sold_best_of_all() -> None:
    told = about(
        "week_orders",
        result(week_of("2026-11-28T04:50:00+00:00", order(1, createdAt="2026-11-27T22:00:00Z"), truncated=True)),
    )
    assert "at least 1 order" in told
    assert "sold best of what I could count" in told


def test_sales_and_what_they_are_held_against() -> None:
    current = {
        "from": "2026-10-01",
        "to": "2026-10-31",
        "so_far": False,
        "orders": 34,
        "total_sales": {"amount": "1512.30", "currency": "EUR"},
        "net_sales": {"amount": "1400.00", "currency": "EUR"},
        "returns": {"amount": "50.00", "currency": "EUR"},
        "average_order_value": {"amount": "44.48", "currency": "EUR"},
    }
    previous = current | {
        "from": "2026-09-01",
        "to": "2026-09-30",
        "total_sales": {"amount": "900.00", "currency": "EUR"},
    }
    sales = {"success": True, "data_type": "sales", "data": {"current": current, "previous": previous}}
    total = "From October 1 to October 31, 2026 your total sales were €1,512.30, from 34 orders."
    before = "From September 1 to September 30, 2026 you made €900.00 in total sales."
    assert tell({"sales": sales}) == f"{total} {before}"
    assert about("sales", sales, asked="how was last month?") == (
        "From October 1 to October 31, 2026 your total sales were €1,512.30, from 34 orders. Net sales were €1,400.00"
        " after €50.00 of returns. An average order was worth €44.48. From September 1 to September 30, 2026 you"
        " made €900.00 in total sales."
    )
    today = {**dict.fromkeys(current), "from": "2026-11-28", "to": "2026-11-28", "so_far": True}
    words = tell({"sales": sales | {"data": {"current": today}}})
    assert words == "On November 28, 2026 your total sales so far are a figure I cannot read."


# --- what was said already --------------------------------------------------------------------------------------


def test_no_sentence_and_no_note_is_said_twice_in_one_answer() -> None:
    nodes = [order(3), order(2, test=True), order(1, cancelledAt="2026-11-22T08:00:00Z")]
    read = read_orders({"nodes": nodes}, Problems(), customers_complete=True)
    latest = {"recent_orders": result({"orders": [shown(one, 200) for one in read], "more": False})}
    said = " ".join(sentences(latest))
    assert "I left out 1 test order and 1 cancelled order." in said
    assert sentences(latest, said) == []
    of_the_week = {"orders_counted": 3, "test_orders": 1, "cancelled_orders": 2, "totals": [], "by_day": []}
    week = {"week_orders": result(of_the_week | {"to": AS_OF, "top_items": []})}
    assert "I left out 1 test order and 2 cancelled orders." in sentences(week)
    assert not any("left out" in sentence for sentence in sentences(week, said)), "of what, does not matter"
    assert sum("left out" in sentence for sentence in sentences(latest | week)) == 1


def test_a_reason_is_not_said_twice_in_one_answer_though_other_data_lacks_for_it_or_for_a_similar_one() -> None:
    counts = {"counts": failed(None, "tool.no_answer", "x")}
    said = " ".join(sentences(counts))
    assert said.endswith("The data cannot be read right now. I'll look again by myself and tell you then.")
    both = counts | {"overview": failed(None, "shopify.unavailable", "x")}
    for answer in (
        " ".join([said, *sentences({"overview": failed(None, "tool.no_answer", "x")}, said)]),
        " ".join(sentences(both)),
    ):
        told = re.split(r"(?<=[.!?])\s", answer)
        assert len(told) == len(set(told))
        assert sum(sentence.startswith("I could not see ") for sentence in told) == 2
