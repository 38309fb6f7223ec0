"""Good answers with one thing wrong anywhere: there is data or one of our errors, never a surprise."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events.data_types import DATA_TYPES
from shopify.data.dispatch import fetch
from shopify.errors import ShopifyError
from tests.shopify_answers import SHOP, Shop, bag, item, ok, order, orders, report, shop_access

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PRODUCT = {
    "id": "gid://shopify/Product/1",
    "title": "Teapot",
    "description": "Round.",
    "status": "ACTIVE",
    "totalInventory": 40,
    "tracksInventory": True,
    "priceRangeV2": {"minVariantPrice": bag("1.0")["shopMoney"], "maxVariantPrice": bag("2.0")["shopMoney"]},
    "featuredMedia": {"preview": {"image": {"url": "https://cdn.shopify.com/teapot.png"}}},
}
SHOP_NODE = {
    "name": "Teapots",
    "myshopifyDomain": SHOP,
    "currencyCode": "EUR",
    "ianaTimezone": "Europe/Berlin",
    "createdAt": "2020-01-01T00:00:00Z",
    "plan": {"publicDisplayName": "Basic", "partnerDevelopment": True},
    "primaryDomain": {"host": "teapots.example"},
}
COUNT = {"count": 3, "precision": "EXACT"}
ORDERS = orders(order(1), order(2, lineItems={"nodes": [item(), item("Cup")], "pageInfo": {"hasNextPage": True}}))
GOOD: dict[str, dict[str, Any]] = {
    "counts": dict.fromkeys(("customers", "orders", "openOrders", "unfulfilledOrders"), COUNT),
    "recent_orders": {"orders": ORDERS},
    "overview": {"shop": SHOP_NODE, "orders": ORDERS, "products": {"nodes": [PRODUCT]}},
    "week_orders": {"orders": ORDERS},
    "sales": {"shop": SHOP_NODE, "current": report(), "previous": report(orders="0", average_order_value=None)},
}

odd: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.just([])
    | st.just({})
    | st.sampled_from(
        ["NaN", "1e400", "9" * 400, "\ud800", "gid://shopify/Order/x", "0000-00-00T00:00:00Z", [None], {"nodes": [[]]}]
    )
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, entry in inner for found in ((*path, key), *places(entry, (*path, key)))]


def spoiled(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    value = copy.deepcopy(value)
    target = value
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = by
    return value


@given(data=st.data(), data_type=st.sampled_from(DATA_TYPES))
def test_one_odd_value_never_surprises(data: st.DataObject, data_type: str) -> None:
    path, by = data.draw(st.sampled_from(places(GOOD[data_type]))), data.draw(odd)
    answer = spoiled(GOOD[data_type], path, by)
    try:
        found = fetch(Shop(ok(answer)).client(), data_type, scopes=None, now=NOW, time_zone="Europe/Berlin")
    except ShopifyError as error:
        assert error.merchant  # noqa: PT017 - either outcome is fine
    else:
        json.dumps([found.data, found.missing, found.data_window], allow_nan=False)


@given(data=st.data())
def test_one_odd_value_in_access_never_surprises(data: st.DataObject) -> None:
    good = shop_access("read_orders")
    answer = spoiled(good, data.draw(st.sampled_from(places(good))), data.draw(odd))
    shop = Shop(ok(answer), ok(GOOD["week_orders"]))
    try:
        fetch(shop.client(), "week_orders", scopes=None, now=NOW)
    except ShopifyError as error:
        assert error.merchant  # noqa: PT017 - either outcome is fine
