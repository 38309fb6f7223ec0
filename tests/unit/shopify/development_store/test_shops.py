"""Shops as an app sees them, and the store that holds them."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shopify.development_store.generation import DAY
from shopify.development_store.shop import InvalidShop, Shop, ShopSettings
from shopify.development_store.store import BUILT_IN, Store, UnknownShop
from shopify.development_store.tokens import token_for

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
SHOP = "corner.myshopify.com"


def test_the_built_in_shops_are_there_from_the_start() -> None:
    store = Store(now=NOW)
    assert store.domains == sorted(BUILT_IN)
    assert [store.truth(f"dev-{size}.myshopify.com")["orders_all_time"] for size in ("new", "tiny", "huge")] == [
        0,
        7,
        12_000,
    ]
    assert store.truth("test.myshopify.com")["orders_all_time"] == 120
    assert all(store.tokens.find(domain, token_for(domain)) for domain in BUILT_IN)


def test_an_unknown_shop_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownShop, match=r"no shop nowhere\.myshopify\.com .*dev-huge\.myshopify\.com"):
        Store().truth("nowhere.myshopify.com")


def test_without_read_all_orders_only_sixty_days_exist() -> None:
    shop = Shop(ShopSettings(shop_domain=SHOP, size="medium"), now=NOW)
    window_from = shop.window_from(complete=False)
    assert window_from == int((NOW - timedelta(days=60)).timestamp())
    some, everything = shop.truth(complete_history=False), shop.truth(complete_history=True)
    assert 0 < some["orders"] < everything["orders"] == 120
    assert some["open_orders"] <= everything["open_orders"]
    assert some["customers"] == everything["customers"]
    oldest = shop.orders(None, window_from)[0]
    assert oldest.created_at >= window_from


def test_truth_counts_what_the_lists_show() -> None:
    shop = Shop(ShopSettings(shop_domain=SHOP, size="large"), now=NOW)
    truth = shop.truth(complete_history=False)
    visible = shop.orders(None, shop.window_from(complete=False))
    still_open = [o for o in visible if o.cancelled_at is None and o.closed_at is None]
    assert truth["open_orders"] == len(still_open)
    assert truth["unfulfilled_orders"] == sum(order.fulfillment_status != "FULFILLED" for order in still_open)
    assert 0 < truth["unfulfilled_orders"] < truth["open_orders"] < truth["orders"]
    assert truth["latest_orders"][0] == "#2500"
    assert truth["orders_last_7_days"] == sum(o.created_at >= truth["now"] - 7 * DAY for o in visible)


def test_a_new_order_is_listed_at_once_and_searched_later() -> None:
    shop = Shop(ShopSettings(shop_domain=SHOP, size="tiny"), now=NOW)
    placed = shop.place_order(lag_seconds=3_600)
    window_from = shop.window_from(complete=False)
    assert placed.name == "#1008"
    assert shop.orders(None, window_from)[-1] is placed
    assert placed not in shop.orders(None, window_from, indexed=True)
    assert placed not in shop.orders("status:open", window_from)
    at_once = shop.place_order()
    assert at_once in shop.orders("status:open", window_from)


def test_the_first_order_of_a_new_shop() -> None:
    shop = Shop(ShopSettings(shop_domain=SHOP, size="new"), now=NOW)
    assert shop.truth(complete_history=False)["orders"] == 0
    assert shop.place_order().name == "#1001"
    assert shop.truth(complete_history=False)["orders"] == 1


def test_a_search_is_not_repeated_for_the_same_question() -> None:
    shop = Shop(ShopSettings(shop_domain=SHOP, size="medium"), now=NOW)
    assert shop.orders("status:open", None) is shop.orders("status:open", None)
    before = shop.orders("status:open", None)
    shop.place_order()
    assert len(shop.orders("status:open", None)) == len(before) + 1


def test_a_shop_is_registered_anew_with_another_token() -> None:
    store = Store(now=NOW)
    store.open_shop(ShopSettings(shop_domain=SHOP, size="tiny", token="old"))
    store.bucket(SHOP).set(500)
    store.open_shop(ShopSettings(shop_domain=SHOP, size="new", token="young", scopes=["write_orders"]))
    assert store.tokens.find(SHOP, "old") is None
    assert store.tokens.find(SHOP, "young") is not None
    assert store.bucket(SHOP).level().available == 2_000
    assert store.truth(SHOP)["orders"] == 0


@pytest.mark.parametrize(
    ("plan", "rate", "maximum"),
    [("basic", 100, 2_000), ("advanced", 200, 4_000), ("plus", 1_000, 20_000), ("enterprise", 2_000, 40_000)],
)
def test_the_bucket_depends_on_the_plan(plan: str, rate: int, maximum: int) -> None:
    store = Store()
    store.open_shop(ShopSettings(shop_domain=SHOP, plan=plan))
    level = store.bucket(SHOP).level()
    assert (level.restore_rate, level.maximum, level.available) == (rate, maximum, maximum)


def test_reset_leaves_the_first_day() -> None:
    store = Store(now=NOW)
    store.open_shop(ShopSettings(shop_domain=SHOP, token="secret"))
    store.open_shop(ShopSettings(shop_domain="test.myshopify.com", size="new", token="other"))
    store.reset()
    assert store.domains == sorted(BUILT_IN)
    assert store.tokens.find(SHOP, "secret") is None
    assert store.truth("test.myshopify.com")["orders_all_time"] == 120


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shop_domain": "example.com"}, "shop_domain must be NAME.myshopify.com"),
        ({"shop_domain": "a/b.myshopify.com"}, "shop_domain must be NAME.myshopify.com"),
        ({"size": "gigantic"}, "size must be one of new, tiny, medium, large, huge"),
        ({"currency": "XXX"}, "currency must be one of USD, EUR"),
        ({"former_currency": "DEM"}, "currency must be one of"),
        ({"plan": "free"}, "plan must be one of basic"),
        ({"time_zone": "Mars/Olympus"}, "time_zone must be an IANA name"),
    ],
)
def test_a_shop_that_cannot_be_is_refused_in_plain_words(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidShop, match=message):
        ShopSettings(**{"shop_domain": SHOP, **settings})


def test_many_threads_may_look_at_once() -> None:
    shop = Shop(ShopSettings(shop_domain=SHOP, size="large"), now=NOW)
    seen: list[int] = []
    start = threading.Barrier(6)

    def look() -> None:
        start.wait()
        shop.place_order()
        seen.append(id(shop.contents))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1
    assert len(shop.contents.orders) == 1_506
    assert len({order.number for order in shop.contents.orders}) == 1_506
