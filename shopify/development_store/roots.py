"""The root fields of the schema: lists, counts, the shop and the app's own scopes."""

from collections.abc import Mapping
from typing import Any

from shopify.development_store.filters import Search, SearchRefused, compile_search
from shopify.development_store.gate import BY_NUMBER, Info, Resolver, page, refused, require
from shopify.development_store.pagination import Page, SortKey
from shopify.development_store.records import Order, gid, timestamp
from shopify.development_store.search_fields import CUSTOMERS, PRODUCTS, Resource
from shopify.development_store.shop import BY_AGE, PLAN_NAMES, Shop
from shopify.development_store.viewer import Viewer

DEFAULT_LIMIT = 10_000
"""Counts stop here unless the query says `limit: null` or another number."""

ORDER_SORTS = {
    "CREATED_AT": BY_AGE,
    "PROCESSED_AT": BY_AGE,
    "ID": BY_NUMBER,
    "ORDER_NUMBER": BY_NUMBER,
    "UPDATED_AT": SortKey(lambda order: order.updated_at, time=True),
    "TOTAL_PRICE": SortKey(lambda order: int(order.total.amount * 100)),
    "CURRENT_TOTAL_PRICE": SortKey(lambda order: int(order.current_total.amount * 100)),
    "CUSTOMER_NAME": SortKey(lambda order: order.customer.display_name if order.customer else ""),
    "FINANCIAL_STATUS": SortKey(lambda order: order.financial_status),
    "FULFILLMENT_STATUS": SortKey(lambda order: order.fulfillment_status),
    "TOTAL_ITEMS_QUANTITY": SortKey(lambda order: sum(line.quantity for line in order.lines)),
}
_AS_OLD = ("CREATED_AT", "PROCESSED_AT", "ID", "ORDER_NUMBER")

PRODUCT_SORTS = {
    "ID": BY_NUMBER,
    "CREATED_AT": SortKey(lambda product: product.created_at, time=True),
    "UPDATED_AT": SortKey(lambda product: product.created_at, time=True),
    "TITLE": SortKey(lambda product: product.title),
    "INVENTORY_TOTAL": SortKey(lambda product: product.inventory),
}


def _orders(_root: Any, info: Info, **arguments: Any) -> Page:
    viewer = require(info, "read_orders")
    name = arguments.get("sortKey") or "PROCESSED_AT"
    sort = _sort(ORDER_SORTS, name)
    query = arguments.get("query")
    try:
        found = viewer.shop.orders(query, viewer.window_from, sort, "" if name in _AS_OLD else name)
    except SearchRefused as bad:
        raise refused(str(bad), bad.code) from None
    viewer.note(info.path.as_list(), query or "", found.search)
    return page(found.orders, sort, arguments, searched=found.search is not None)


def _orders_count(_root: Any, info: Info, **arguments: Any) -> dict[str, Any]:
    viewer = require(info, "read_orders")
    query = arguments.get("query")
    try:
        # A count always comes from the search index, so it lags behind a write like a search does.
        found = viewer.shop.orders(query, viewer.window_from, indexed=True)
    except SearchRefused as bad:
        raise refused(str(bad), bad.code) from None
    viewer.note(info.path.as_list(), query or "", found.search)
    return _count(len(found.orders), arguments)


def _customers_count(_root: Any, info: Info, **arguments: Any) -> dict[str, Any]:
    viewer = require(info, "read_customers")
    customers = viewer.shop.contents.customers
    search = _searched(viewer, info, arguments, CUSTOMERS)
    matching = len(customers) if search is None else sum(map(search.matches, customers))
    return _count(matching, arguments)


def _products(_root: Any, info: Info, **arguments: Any) -> Page:
    viewer = require(info, "read_products")
    sort = _sort(PRODUCT_SORTS, arguments.get("sortKey") or "ID")
    search = _searched(viewer, info, arguments, PRODUCTS)
    found = [product for product in viewer.shop.contents.products if search is None or search.matches(product)]
    found.sort(key=sort.key)
    return page(found, sort, arguments, searched=search is not None)


def _order(_root: Any, info: Info, **arguments: Any) -> Order | None:
    viewer = require(info, "read_orders")
    kind, _, number = arguments["id"].removeprefix("gid://shopify/").partition("/")
    if kind != "Order" or not (number.isascii() and number.isdecimal()):
        raise refused(f"Invalid id: {arguments['id']}", "RESOURCE_NOT_FOUND")
    visible = viewer.shop.orders(None, viewer.window_from).orders
    return next((order for order in visible if order.number == int(number)), None)


def _shop(_root: Any, info: Info) -> dict[str, Any]:
    shop: Shop = info.context.shop
    return {
        "id": gid("Shop", shop.contents.products[0].number // 100),
        "name": shop.name,
        "myshopifyDomain": shop.domain,
        "currencyCode": shop.settings.currency,
        "ianaTimezone": shop.time_zone,
        "createdAt": timestamp(shop.contents.created_at),
        "plan": {
            "publicDisplayName": PLAN_NAMES[shop.settings.plan],
            "partnerDevelopment": False,
        },
        "primaryDomain": {"host": shop.domain, "url": f"https://{shop.domain}"},
    }


def _installation(_root: Any, info: Info) -> dict[str, Any]:
    return {"accessScopes": [{"handle": scope} for scope in info.context.granted]}


def _sort(sorts: Mapping[str, SortKey], name: str) -> SortKey:
    if name not in sorts:
        raise refused(f"The development store has no sort key {name}.", "NOT_IMPLEMENTED")
    return sorts[name]


def _count(matching: int, arguments: Mapping[str, Any]) -> dict[str, Any]:
    if arguments.get("savedSearchId"):
        raise refused("The development store has no saved searches.", "NOT_IMPLEMENTED")
    limit = arguments.get("limit", DEFAULT_LIMIT)
    if limit is None or matching < limit:
        return {"count": matching, "precision": "EXACT"}
    return {"count": limit, "precision": "AT_LEAST"}


def _searched(viewer: Viewer, info: Info, arguments: Mapping[str, Any], resource: Resource) -> Search | None:
    query = arguments.get("query")
    if not query:
        return None
    try:
        search = compile_search(query, resource, time_zone=viewer.shop.time_zone, now=viewer.shop.now)
    except SearchRefused as bad:
        raise refused(str(bad), bad.code) from None
    viewer.note(info.path.as_list(), query, search)
    return search


ROOTS: Mapping[str, Resolver] = {
    "currentAppInstallation": _installation,
    "customersCount": _customers_count,
    "order": _order,
    "orders": _orders,
    "ordersCount": _orders_count,
    "products": _products,
    "shop": _shop,
}
"""The resolver of each root field."""
