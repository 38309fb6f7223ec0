"""The headline numbers: customers, orders, open orders, orders to fulfil."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shopify.client import ShopifyClient
from shopify.data.fetched import Fetched
from shopify.data.query import DataQuery, Scopes
from shopify.data.scalars import integer
from shopify.errors import AccessDenied, BadAnswer

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
    query = DataQuery(client, "counts", scopes)
    response = query.run(deadline=deadline)
    explained = {entry["part"] for entry in query.missing}
    data: dict[str, Any] = {}
    at_least = []
    for alias, part in ALIASES.items():
        data[part], bounded = _count(response.data.get(alias))
        if bounded:
            at_least.append(part)
        if data[part] is None and alias not in explained:
            query.problems.note(part)
    if all(data[part] is None for part in ALIASES.values()):
        nothing = BadAnswer(f"{client.shop_domain}: no counts in the answer", reason="shape")
        refused = [error for error in response.errors if isinstance(error, AccessDenied)]
        if refused and len(refused) == len(response.errors):
            raise AccessDenied(str(refused[0]), scopes=tuple(scope for error in refused for scope in error.scopes))
        raise response.errors[0] if response.errors else nothing
    missing = [{**entry, "part": ALIASES.get(entry["part"], entry["part"])} for entry in query.missing]
    return Fetched({**data, "at_least": at_least}, missing, query.data_window(now), query.told)


def _count(raw: object) -> tuple[int | None, bool]:
    if not isinstance(raw, Mapping):
        return None, False
    number = integer(raw.get("count"))
    return number, number is not None and raw.get("precision") == "AT_LEAST"
