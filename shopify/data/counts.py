"""The headline numbers: customers, orders, open orders, orders to fulfil."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shopify.client import ShopifyClient
from shopify.data.fetched import Fetched
from shopify.data.query import DataQuery, Scopes
from shopify.data.scalars import Problems, integer
from shopify.errors import BadAnswer, ShopifyError

ALIASES: Mapping[str, str] = {
    "customers": "customers",
    "orders": "orders",
    "openOrders": "open_orders",
    "unfulfilledOrders": "unfulfilled_orders",
}


def fetch_counts(client: ShopifyClient, scopes: Scopes, now: datetime, deadline: float | None) -> Fetched:
    """`{customers, orders, open_orders, unfulfilled_orders, at_least}`: numbers, or null for one named in `missing`.

    `at_least` lists the numbers Shopify stopped counting at: 10000 there means "10,000+". Orders are those within the
    data window; `open_orders` and `unfulfilled_orders` equal the tabs "Open" and "Unfulfilled" of the Shopify admin.
    """
    query, problems = DataQuery(client, "counts", scopes), Problems()
    response = query.run(deadline=deadline)
    missing = [{**entry, "part": ALIASES.get(entry["part"], entry["part"])} for entry in query.missing]
    explained = {entry["part"] for entry in missing}
    data: dict[str, Any] = {}
    at_least = []
    for alias, part in ALIASES.items():
        data[part], bounded = _count(response.data.get(alias))
        if bounded:
            at_least.append(part)
        if data[part] is None and part not in explained:
            problems.note(part)
    if all(data[part] is None for part in ALIASES.values()):
        raise response.errors[0] if response.errors else _nothing(query.shop)
    return Fetched({**data, "at_least": at_least}, missing + problems.missing(), scopes.data_window(now))


def _count(raw: object) -> tuple[int | None, bool]:
    if not isinstance(raw, Mapping):
        return None, False
    number = integer(raw.get("count"))
    return number, number is not None and raw.get("precision") == "AT_LEAST"


def _nothing(shop: str) -> ShopifyError:
    return BadAnswer(f"{shop}: no counts in the answer", reason="shape")
