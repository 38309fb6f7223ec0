"""The schema and the resolver of every field: who may read it, and how it is answered from a shop's records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from graphql import GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema, build_schema

from shopify.development_store.filters import CUSTOMERS, PRODUCTS, Resource, Search, compile_search
from shopify.development_store.pagination import BY_NUMBER, Page, Paging, SortKey, page_of
from shopify.development_store.records import (
    LineItemRecord,
    OrderRecord,
    ProductRecord,
    decimal_text,
    gid,
    in_currency,
    timestamp,
)
from shopify.development_store.responses import field_error
from shopify.development_store.shop import ORDER_SORTS, PLANS, Shop
from shopify.development_store.shopifyql import answer_shopifyql

PRUNED = Path(__file__).parent / "admin.graphql"
EXTRA = Path(__file__).parent / "extra.graphql"

SCOPES_PAGE = "https://shopify.dev/api/usage/access-scopes"
PROTECTED_PAGE = "https://shopify.dev/docs/apps/launch/protected-customer-data"

DEFAULT_LIMIT = 10_000
"""Counts stop here unless the query says `limit: null` or another number."""

PRODUCT_SORTS = {
    "ID": BY_NUMBER,
    "CREATED_AT": SortKey(lambda product: product.created_at, time=True),
    "UPDATED_AT": SortKey(lambda product: product.created_at, time=True),
    "TITLE": SortKey(lambda product: product.title),
    "INVENTORY_TOTAL": SortKey(lambda product: product.inventory),
}


@dataclass
class Viewer:
    """The context of a request: a shop as one access token sees it. Collects the searches for `extensions.search`."""

    shop: Shop
    granted: tuple[str, ...]
    """The scopes as they were granted: what `accessScopes` shows."""
    protected_customer_data: bool = True
    show_searches: bool = False
    searches: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes in effect: writing implies reading (https://shopify.dev/docs/api/usage/access-scopes)."""
        implied = (scope.replace("write_", "read_", 1) for scope in self.granted if scope.startswith("write_"))
        return frozenset((*self.granted, *implied))

    @property
    def window_from(self) -> int | None:
        """Unix seconds of the oldest visible order; None with `read_all_orders`."""
        return self.shop.window_from("read_all_orders" in self.scopes)


Resolver = Callable[..., Any]
Info: TypeAlias = "GraphQLResolveInfo[Viewer]"


def _require(info: Info, scope: str) -> Viewer:
    """The viewer, if it holds the scope that the field needs; raises ACCESS_DENIED."""
    viewer: Viewer = info.context
    if scope not in viewer.scopes:
        needed = f"`{scope}` access scope."
        raise field_error(
            f"Access denied for {info.field_name} field. Required access: {needed}",
            "ACCESS_DENIED",
            documentation=SCOPES_PAGE,
            requiredAccess=needed,
        )
    return viewer


# The root: lists, counts, the shop and the app's own scopes.


def _orders(_root: Any, info: Info, **arguments: Any) -> Page:
    viewer = _require(info, "read_orders")
    name = arguments.get("sortKey") or "PROCESSED_AT"
    sort = _sort(ORDER_SORTS, name)
    found = viewer.shop.orders(arguments.get("query"), viewer.window_from, name)
    _note_search(info, arguments, found.search)
    return _page(found.orders, sort, arguments, searched=found.search is not None)


def _orders_count(_root: Any, info: Info, **arguments: Any) -> dict[str, Any]:
    viewer = _require(info, "read_orders")
    # A count always comes from the search index, so it lags behind a write like a search does.
    found = viewer.shop.orders(arguments.get("query"), viewer.window_from, indexed=True)
    _note_search(info, arguments, found.search)
    return _count(len(found.orders), arguments)


def _customers_count(_root: Any, info: Info, **arguments: Any) -> dict[str, Any]:
    customers = _require(info, "read_customers").shop.contents.customers
    search = _search(info, arguments, CUSTOMERS)
    matching = len(customers) if search is None else sum(map(search.matches, customers))
    return _count(matching, arguments)


def _products(_root: Any, info: Info, **arguments: Any) -> Page:
    viewer = _require(info, "read_products")
    sort = _sort(PRODUCT_SORTS, arguments.get("sortKey") or "ID")
    search = _search(info, arguments, PRODUCTS)
    found = [product for product in viewer.shop.contents.products if search is None or search.matches(product)]
    found.sort(key=sort.key)
    return _page(found, sort, arguments, searched=search is not None)


def _order(_root: Any, info: Info, **arguments: Any) -> OrderRecord | None:
    viewer = _require(info, "read_orders")
    kind, _, number = arguments["id"].removeprefix("gid://shopify/").partition("/")
    if kind != "Order" or not (number.isascii() and number.isdecimal()):
        raise field_error(f"Invalid id: {arguments['id']}", "RESOURCE_NOT_FOUND")
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
        "plan": {"publicDisplayName": PLANS[shop.settings.plan][0], "partnerDevelopment": False},
        "primaryDomain": {"host": shop.domain, "url": f"https://{shop.domain}"},
    }


def _installation(_root: Any, info: Info) -> dict[str, Any]:
    return {"accessScopes": [{"handle": scope} for scope in info.context.granted]}


def _shopifyql(_root: Any, info: Info, **arguments: Any) -> dict[str, Any]:
    viewer = _require(info, "read_reports")
    if not viewer.protected_customer_data:
        raise field_error(
            f"This app is not approved to access the shopifyqlQuery field. See {PROTECTED_PAGE} for more details.",
            "ACCESS_DENIED",
            documentation=PROTECTED_PAGE,
        )
    return answer_shopifyql(viewer.shop, arguments["query"])


def _sort(sorts: Mapping[str, SortKey], name: str) -> SortKey:
    if name not in sorts:
        raise field_error(f"The development store has no sort key {name}.", "NOT_IMPLEMENTED")
    return sorts[name]


def _search(info: Info, arguments: Mapping[str, Any], resource: Resource) -> Search | None:
    query, shop = arguments.get("query"), info.context.shop
    search = compile_search(query, resource, time_zone=shop.time_zone, now=shop.now) if query else None
    _note_search(info, arguments, search)
    return search


def _note_search(info: Info, arguments: Mapping[str, Any], search: Search | None) -> None:
    """Remember a search for `extensions.search`: when something was ignored, or always if asked to."""
    viewer: Viewer = info.context
    if search is None or not (search.warnings or viewer.show_searches):
        return
    entry = {"path": info.path.as_list(), "query": arguments["query"], "parsed": search.parsed}
    viewer.searches.append({**entry, "warnings": list(search.warnings)} if search.warnings else entry)


def _count(matching: int, arguments: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_saved_search(arguments)
    limit = arguments.get("limit", DEFAULT_LIMIT)
    if limit is None or matching < limit:
        return {"count": matching, "precision": "EXACT"}
    return {"count": limit, "precision": "AT_LEAST"}


def _page(records: Sequence[Any], sort: SortKey, arguments: Mapping[str, Any], *, searched: bool = False) -> Page:
    _refuse_saved_search(arguments)
    return page_of(records, sort, Paging.of(arguments), searched=searched)


def _refuse_saved_search(arguments: Mapping[str, Any]) -> None:
    if arguments.get("savedSearchId"):
        raise field_error("The development store has no saved searches.", "NOT_IMPLEMENTED")


# Below the root.


def _customer(order: OrderRecord, info: Info) -> Any:
    viewer = _require(info, "read_customers")
    if order.customer is not None and not viewer.protected_customer_data:
        raise field_error(
            f"This app is not approved to access the Customer object. See {PROTECTED_PAGE} for more details.",
            "ACCESS_DENIED",
            documentation=PROTECTED_PAGE,
        )
    return order.customer


def _line_items(order: OrderRecord, _info: Info, **arguments: Any) -> Page:
    return _page(order.lines, BY_NUMBER, arguments)


def _line_product(line: LineItemRecord, info: Info) -> ProductRecord | None:
    _require(info, "read_products")
    return line.product


def _price_range(product: ProductRecord, info: Info) -> dict[str, Any]:
    currency = info.context.shop.settings.currency
    low, high = (in_currency(dollars, currency) for dollars in (product.lowest_dollars, product.highest_dollars))
    return {"minVariantPrice": _amount(low, currency), "maxVariantPrice": _amount(high, currency)}


def _description(product: ProductRecord, _info: Info, **arguments: Any) -> str:
    longest = arguments.get("truncateAt")
    text = product.description
    return text if longest is None or len(text) <= longest else text[: max(0, longest - 3)] + "..."


def _featured_media(product: ProductRecord, _info: Info) -> dict[str, Any] | None:
    if product.image_url is None:
        return None
    return {"__typename": "MediaImage", "preview": {"image": {"url": product.image_url}}}


def _amount(amount: Decimal, currency: str) -> dict[str, str]:
    return {"amount": decimal_text(amount), "currencyCode": currency}


def _time_or_null(epoch: int | None) -> str | None:
    return None if epoch is None else timestamp(epoch)


def _edges(page: Page, _info: Info) -> list[dict[str, Any]]:
    return [{"cursor": cursor, "node": record} for cursor, record in zip(page.cursors, page.nodes, strict=True)]


def _page_info(page: Page, _info: Info) -> dict[str, Any]:
    return {
        "hasNextPage": page.has_next,
        "hasPreviousPage": page.has_previous,
        "startCursor": page.cursors[0] if page.cursors else None,
        "endCursor": page.cursors[-1] if page.cursors else None,
    }


_CONNECTION: Mapping[str, Resolver] = {
    "edges": _edges,
    "pageInfo": _page_info,
}

RESOLVERS: Mapping[str, Mapping[str, Resolver]] = {
    "QueryRoot": {
        "currentAppInstallation": _installation,
        "customersCount": _customers_count,
        "order": _order,
        "orders": _orders,
        "ordersCount": _orders_count,
        "products": _products,
        "shop": _shop,
        "shopifyqlQuery": _shopifyql,
    },
    "OrderConnection": _CONNECTION,
    "ProductConnection": _CONNECTION,
    "LineItemConnection": _CONNECTION,
    "Order": {
        "id": lambda order, _info: gid("Order", order.number),
        "createdAt": lambda order, _info: timestamp(order.created_at),
        "processedAt": lambda order, _info: timestamp(order.created_at),
        "updatedAt": lambda order, _info: timestamp(order.updated_at),
        "cancelledAt": lambda order, _info: _time_or_null(order.cancelled_at),
        "closed": lambda order, _info: order.closed_at is not None,
        "closedAt": lambda order, _info: _time_or_null(order.closed_at),
        "displayFinancialStatus": lambda order, _info: order.financial_status,
        "displayFulfillmentStatus": lambda order, _info: order.fulfillment_status,
        "presentmentCurrencyCode": lambda order, _info: order.presentment_currency,
        "totalPriceSet": lambda order, _info: order.total,
        "currentTotalPriceSet": lambda order, _info: order.current_total,
        "totalTipReceivedSet": lambda order, _info: order.tip,
        "customer": _customer,
        "lineItems": _line_items,
    },
    "LineItem": {
        "id": lambda line, _info: gid("LineItem", line.number),
        "currentQuantity": lambda line, _info: line.current_quantity,
        "isGiftCard": lambda line, _info: line.is_gift_card,
        "originalUnitPriceSet": lambda line, _info: line.unit_price,
        "product": _line_product,
    },
    "MoneyBag": {
        "shopMoney": lambda money, _info: _amount(money.amount, money.currency),
        "presentmentMoney": lambda money, _info: _amount(money.presentment_amount, money.presentment_currency),
    },
    "Customer": {
        "id": lambda customer, _info: gid("Customer", customer.number),
        "displayName": lambda customer, _info: customer.display_name,
        # An UnsignedInt64 travels as a string.
        "numberOfOrders": lambda customer, _info: str(customer.orders),
        "createdAt": lambda customer, _info: timestamp(customer.created_at),
    },
    "Product": {
        "id": lambda product, _info: gid("Product", product.number),
        "description": _description,
        "isGiftCard": lambda _product, _info: False,
        "totalInventory": lambda product, _info: product.inventory,
        "tracksInventory": lambda product, _info: product.tracked,
        "priceRangeV2": _price_range,
        "featuredMedia": _featured_media,
        "createdAt": lambda product, _info: timestamp(product.created_at),
    },
}
"""The resolver of each field that is not simply a key or an attribute of its parent, with the same name."""


@cache
def executable_schema() -> GraphQLSchema:
    """Shopify's own schema, pruned, with some more of its fields and our resolvers; made when it is first needed."""
    schema = build_schema(PRUNED.read_text("utf-8") + EXTRA.read_text("utf-8"))
    for type_name, fields in RESOLVERS.items():
        owner = schema.type_map[type_name]
        assert isinstance(owner, GraphQLObjectType)
        for field_name, resolve in fields.items():
            owner.fields[field_name].resolve = resolve
    return schema
