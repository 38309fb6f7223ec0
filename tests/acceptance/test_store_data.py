"""Store data through the real workers, requested as agents do: correct, shared, cached, stale only as a last resort."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import redis

from tests.acceptance.conftest import Someone
from tests.rows import at_once, execute
from tests.stack import Stack
from tests.tool_calls import ToolCalls
from tests.waiting import wait_until

EVERYTHING = ("read_customers", "read_orders", "read_products", "read_all_orders")


@pytest.fixture(scope="module")
def calls(stack: Stack) -> Iterator[ToolCalls]:
    with ToolCalls(stack) as calls:
        yield calls


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(stack.redis_url, decode_responses=True) as client:
        yield client


def key(client: redis.Redis, kind: str, someone: Someone, data_type: str) -> str:
    """The one there is, whichever the connection."""
    [found] = client.keys(f"cj:{kind}:{someone.merchant_id}:*:{data_type}")
    return str(found)


def grow_old(client: redis.Redis, someone: Someone, data_type: str) -> None:
    """Expire the cached data."""
    assert client.delete(key(client, "fresh", someone, data_type)) == 1


# One fetch for all


def test_eight_who_ask_at_once_are_one_request(stack: Stack, calls: ToolCalls, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    stack.store.fault(someone.shop_domain, "latency", seconds=0.5, times=1)
    results = at_once(lambda _: calls.ask(someone.merchant_id, "counts"), range(8))
    customers = stack.store.truth(someone.shop_domain)["customers"]
    assert [result["data"]["customers"] for result in results] == [customers] * 8
    assert len(stack.store.requests(someone.shop_domain)) == 1


def test_eight_who_ask_at_once_are_told_of_the_same_trouble(stack: Stack, calls: ToolCalls, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    stack.store.fault(someone.shop_domain, "latency", seconds=0.5, times=1)
    stack.store.fault(someone.shop_domain, "frozen", times=2)  # the first is looked at again
    results = at_once(lambda _: calls.ask(someone.merchant_id, "counts"), range(8))
    assert {result["error_code"] for result in results} == {"shopify.store_unavailable"}
    assert len(stack.store.requests(someone.shop_domain)) == 2


def test_a_second_read_is_from_the_cache(stack: Stack, calls: ToolCalls, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    first, second = (calls.ask(someone.merchant_id, "overview") for _ in range(2))
    assert (first["cached"], second["cached"]) == (False, True)
    assert {**second, "cached": False} == first
    assert len(stack.store.requests(someone.shop_domain)) == 1


# Old data


@pytest.mark.parametrize(
    ("kind", "details", "code"),
    [
        ("status", {"status": 503}, "shopify.unavailable"),
        ("dropped", {}, "shopify.unavailable"),
        ("throttled", {"seconds": 30}, "shopify.throttled"),
        ("too_many_requests", {"seconds": 60}, "shopify.throttled"),
        ("html", {}, "shopify.bad_answer"),
        ("max_cost_exceeded", {}, "shopify.max_cost_exceeded"),
        ("ignored_search", {}, "shopify.bad_document"),
    ],
)
def test_without_newer_data_the_old_is_given_and_why(
    stack: Stack,
    calls: ToolCalls,
    client: redis.Redis,
    someone: Someone,
    kind: str,
    details: dict[str, Any],
    code: str,
) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    before = calls.ask(someone.merchant_id, "counts")
    grow_old(client, someone, "counts")
    stack.store.fault(someone.shop_domain, kind, **details)
    old = calls.ask(someone.merchant_id, "counts")
    assert (old["success"], old["cached"], old["as_of"], old["data"]) == (True, True, before["as_of"], before["data"])
    assert old["stale"]["code"] == code
    assert old["stale"]["reason"].endswith(".")
    assert ("retry_after" in old["stale"]) == (code == "shopify.throttled")
    stack.store.clear_faults(someone.shop_domain)
    for remembered in client.scan_iter(f"cj:failed:{someone.merchant_id}:*"):  # as if its seconds had gone by
        client.delete(remembered)
    fresh = calls.ask(someone.merchant_id, "counts")
    assert (fresh["cached"], "stale" in fresh) == (False, False)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unauthorized", "shopify.unauthorized"),
        ("frozen", "shopify.store_unavailable"),
        ("redirect", "shopify.store_unavailable"),
    ],
)
def test_a_store_that_is_no_longer_ours_is_not_talked_about(
    stack: Stack, calls: ToolCalls, client: redis.Redis, someone: Someone, kind: str, code: str
) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    calls.ask(someone.merchant_id, "counts")
    grow_old(client, someone, "counts")
    stack.store.fault(someone.shop_domain, kind)
    assert calls.ask(someone.merchant_id, "counts")["error_code"] == code


def test_old_data_is_told_as_old_to_the_merchant(stack: Stack, client: redis.Redis, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
    stack.gateway.wait_for_ends(someone.conversation_id)
    with ToolCalls(stack) as calls:
        week = calls.ask(someone.merchant_id, "week_orders")["data"]
    grow_old(client, someone, "week_orders")
    stack.store.fault(someone.shop_domain, "status", status=502)
    elsewhere = f"{someone.conversation_id}_later"  # where the week was not told yet
    stack.say(someone.merchant_id, elsewhere, "How is the week going?")
    stack.gateway.wait_for_ends(elsewhere)
    words = stack.gateway.texts(elsewhere)[-1]
    assert words.startswith("Shopify does not answer at the moment. This is what I saw on ")
    assert f"In the last seven days there were {week['orders_counted']} orders" in words


@pytest.mark.parametrize("end", ["reconnect", "uninstall"])
def test_a_new_connection_and_an_uninstalled_app_forget_everything(
    stack: Stack, calls: ToolCalls, client: redis.Redis, someone: Someone, end: str
) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    calls.ask(someone.merchant_id, "counts")
    old = key(client, "data", someone, "counts")
    grow_old(client, someone, "counts")
    if end == "uninstall":
        ids = {"merchant_id": someone.merchant_id, "shop_domain": someone.shop_domain}
        stack.publish("app_uninstalled", ids)
    else:
        stack.connect(someone.shop_domain, someone.merchant_id, token="shpat_" + "a" * 32)
        stack.store.fault(someone.shop_domain, "status", status=503)
        stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
    wait_until(lambda: client.exists(old) == 0, what="the old data to go")
    answer = calls.ask(someone.merchant_id, "counts")
    wanted = "shopify.not_connected" if end == "uninstall" else "shopify.unavailable"
    assert answer["error_code"] == wanted


@pytest.mark.parametrize("content", ["", "{", "[1]", "pickle", None])
def test_damaged_and_foreign_content_is_fetched_anew(
    stack: Stack, calls: ToolCalls, client: redis.Redis, someone: Someone, content: str | None
) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    calls.ask(someone.merchant_id, "counts")
    kept = key(client, "data", someone, "counts")
    client.delete(kept)
    if content is None:
        client.rpush(kept, "a list")
    else:
        client.set(kept, content)
    again = calls.ask(someone.merchant_id, "counts")
    assert (again["success"], again["cached"]) == (True, False)
    assert calls.ask(someone.merchant_id, "counts")["cached"]


def test_incomplete_data_is_asked_for_again_soon(
    stack: Stack, calls: ToolCalls, client: redis.Redis, someone: Someone
) -> None:
    """A week whose second page failed."""
    stack.connect(someone.shop_domain, someone.merchant_id, size="huge")
    stack.store.fault(someone.shop_domain, "status", status=503, operation="WeekOrders", skip=1)
    week = calls.ask(someone.merchant_id, "week_orders")
    assert week["data"]["truncated"]
    assert [part["code"] for part in week["missing"]][:1] == ["shopify.unavailable"]
    assert 0 < int(str(client.ttl(key(client, "fresh", someone, "week_orders")))) <= 30


# The rate limit


def test_an_empty_bucket_is_waited_for_exactly_and_then_known(
    stack: Stack, calls: ToolCalls, client: redis.Redis, someone: Someone
) -> None:
    """Another client spends the app's points: after one refusal our workers know."""
    stack.connect(someone.shop_domain, someone.merchant_id)
    emptied = time.time()  # from then on points come back, however long the first request takes to arrive
    stack.store.bucket(someone.shop_domain).set(0)
    answer = calls.ask(someone.merchant_id, "counts")
    assert answer["success"]
    first, second = stack.store.requests(someone.shop_domain)
    assert (first["code"], second["code"]) == ("THROTTLED", None)
    assert second["received_at"] - emptied >= 0.39
    calls.ask(someone.merchant_id, "recent_orders")
    assert [request["code"] for request in stack.store.requests(someone.shop_domain)].count("THROTTLED") == 1


def test_a_bucket_empty_for_long_is_not_waited_for(
    stack: Stack, calls: ToolCalls, client: redis.Redis, someone: Someone
) -> None:
    """Points return only after the deadline: nobody waits, Shopify is not asked, and the result says so."""
    stack.connect(someone.shop_domain, someone.merchant_id, maximum_available=1000, restore_rate=1)
    stack.store.bucket(someone.shop_domain).set(0)
    first = calls.ask(someone.merchant_id, "counts")
    asked = len(stack.store.requests(someone.shop_domain))
    second = calls.ask(someone.merchant_id, "counts")
    for answer in (first, second):
        assert answer["error_code"] == "shopify.throttled"
        assert 30 < answer["retry_after"] <= 43
    assert len(stack.store.requests(someone.shop_domain)) == asked


# What is known of the shop


def test_permissions_and_time_zone_are_asked_for_once(
    stack: Stack, calls: ToolCalls, client: redis.Redis, someone: Someone
) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id, time_zone="Asia/Tokyo", currency="JPY")
    for _ in range(3):
        week = calls.ask(someone.merchant_id, "week_orders")
        assert week["data"]["time_zone"] == "Asia/Tokyo"
        grow_old(client, someone, "week_orders")
    operations = [request["operation"] for request in stack.store.requests(someone.shop_domain)]
    assert operations == ["Access", "WeekOrders", "WeekOrders", "WeekOrders"]
    [(scopes, config)] = stack.rows(
        "select scopes, config from merchant_integrations where merchant_id = :id", id=someone.merchant_id
    )
    assert scopes == ["read_customers", "read_orders", "read_products"]
    assert {name: config["shop"][name] for name in ("time_zone", "currency")} == {
        "time_zone": "Asia/Tokyo",
        "currency": "JPY",
    }


def test_unknown_permissions_are_learnt_from_the_data(stack: Stack, calls: ToolCalls, someone: Someone) -> None:
    """The auth service named none; the store has more than 60 days of orders."""
    stack.connect(someone.shop_domain, someone.merchant_id, scopes=EVERYTHING)
    execute(
        stack.database, "UPDATE merchant_integrations SET scopes = '{}' WHERE merchant_id = :id", id=someone.merchant_id
    )
    counts = calls.ask(someone.merchant_id, "counts")
    assert (counts["data_window"]["orders_from"], counts["data_window"]["complete_history"]) == (None, True)
    operations = [request["operation"] for request in stack.store.requests(someone.shop_domain)]
    assert operations == ["Counts"]


# Stores of every kind


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("size", ["new", "tiny", "medium", "large", "huge"])
def test_counts_of_stores_of_every_size(
    stack: Stack, calls: ToolCalls, someone: Someone, size: str, complete: bool
) -> None:
    scopes = EVERYTHING if complete else EVERYTHING[:3]
    stack.connect(someone.shop_domain, someone.merchant_id, size=size, scopes=scopes)
    counts, truth = calls.ask(someone.merchant_id, "counts"), stack.store.truth(someone.shop_domain)
    shown = {name: min(truth[name], 10_000) for name in ("customers", "orders", "open_orders", "unfulfilled_orders")}
    assert {name: counts["data"][name] for name in shown} == shown
    assert ("orders" in counts["data"]["at_least"]) == (truth["orders"] > 10_000)
    assert counts["data_window"]["complete_history"] is (complete or size == "new"), "a young shop has no more"
    if not counts["data_window"]["complete_history"]:
        window = datetime.now(UTC) - datetime.fromisoformat(counts["data_window"]["orders_from"])
        assert round(window.total_seconds() / 86_400) == 60
    if size in ("medium", "large") and not complete:
        assert truth["orders"] < truth["orders_all_time"]


def test_yen_have_no_cents(stack: Stack, calls: ToolCalls, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id, size="large", currency="JPY")
    week = calls.ask(someone.merchant_id, "week_orders")["data"]
    assert [total["currency"] for total in week["totals"]] == ["JPY"]
    assert "." not in week["totals"][0]["amount"]
    assert Decimal(week["totals"][0]["amount"]) == sum(Decimal(day["amount"]) for day in amounts(week))


def amounts(week: dict[str, Any]) -> list[dict[str, Any]]:
    return [total for day in week["by_day"] for total in day["totals"]]


def test_amounts_of_two_currencies_stay_apart(stack: Stack, calls: ToolCalls) -> None:
    """A shop that changed its currency a month ago has orders in both."""
    teapots = Someone("teapots_9", "teapots-9.myshopify.com", "conv_teapots_9")
    stack.connect(teapots.shop_domain, teapots.merchant_id, size="tiny", currency="EUR", former_currency="USD")
    orders = calls.ask(teapots.merchant_id, "recent_orders")["data"]["orders"]
    known = {order.name: order.currency for order in contents(stack, teapots).orders}
    assert {order["name"]: order["total"]["currency"] for order in orders} == known
    assert set(known.values()) == {"EUR", "USD"}


def contents(stack: Stack, someone: Someone) -> Any:
    """The store's actual contents."""
    return stack.store.shop(someone.shop_domain).contents


def test_guests_tests_and_cancellations(stack: Stack, calls: ToolCalls, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id, size="medium")
    stack.store.place_order(someone.shop_domain)  # a guest's
    orders = calls.ask(someone.merchant_id, "recent_orders")["data"]["orders"]
    known = {order.name: order for order in contents(stack, someone).orders}
    assert orders[0]["customer"] is None
    assert any(order["customer"] for order in orders)
    for order in orders:
        truth = known[order["name"]]
        assert (order["test"], order["cancelled"]) == (truth.test, truth.cancelled_at is not None)
        assert (order["customer"] is None) == (truth.customer is None)


def test_products_that_were_deleted_are_known_by_their_titles(stack: Stack, calls: ToolCalls) -> None:
    teapots = Someone("teapots", "teapots-2.myshopify.com", "conv_teapots")  # two of its latest orders have such items
    stack.connect(teapots.shop_domain, teapots.merchant_id, size="medium")
    orders = calls.ask(teapots.merchant_id, "recent_orders")["data"]["orders"]
    lines = [line for order in contents(stack, teapots).orders[-10:] for line in order.lines]
    gone = {line.title for line in lines if line.product is None}
    assert len(gone) == 2
    assert gone <= {item["title"] for order in orders for item in order["items"]}
