"""Every field of the schema, answered from a shop's records."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from graphql import GraphQLError, GraphQLResolveInfo

from shopify.development_store.filters import Search, SearchRefused, compile_search
from shopify.development_store.pages import BadPaging, Page, Paging, SortKey, page_of
from shopify.development_store.records import LineItem, Order, Product, decimal_text, gid, in_currency, timestamp
from shopify.development_store.search_fields import CUSTOMERS, PRODUCTS, Resource
from shopify.development_store.shop import BY_AGE, PLAN_NAMES, Shop
from shopify.development_store.viewer import Viewer

Resolver = Callable[..., Any]
Info: TypeAlias = "GraphQLResolveInfo[Viewer]"

SCOPES_PAGE = "https://shopify.dev/api/usage/access-scopes"
PROTECTED_PAGE = "https://shopify.dev/docs/apps/launch/protected-customer-data"

DEFAULT_LIMIT = 10_000
"""Counts stop here unless the query says `limit: null` or another number."""

_BY_NUMBER = SortKey(lambda record: str(record.number))

ORDER_SORTS = {
    "CREATED_AT": BY_AGE,
    "PROCESSED_AT": BY_AGE,
    "ID": _BY_NUMBER,
    "ORDER_NUMBER": _BY_NUMBER,
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
    "ID": _BY_NUMBER,
    "CREATED_AT": SortKey(lambda product: product.created_at, time=True),
    "UPDATED_AT": SortKey(lambda product: product.created_at, time=True),
    "TITLE": SortKey(lambda product: product.title),
    "INVENTORY_TOTAL": SortKey(lambda product: product.inventory),
}


def refused(message: str, code: str, **more: Any) -> GraphQLError:
    """An error with Shopify's extensions; the executor adds locations and path."""
    return GraphQLError(message, extensions={"code": code, **more})


def _require(info: Info, scope: str) -> Viewer:
    viewer: Viewer = info.context
    if scope not in viewer.scopes:
        needed = f"`{scope}` access scope."
        raise refused(
            f"Access denied for {info.field_name} field. Required access: {needed}",
            "ACCESS_DENIED",
            documentation=SCOPES_PAGE,
            requiredAccess=needed,
        )
    return viewer


def _page(records: Sequence[Any], sort: SortKey, arguments: Mapping[str, Any], *, searched: bool = False) -> Page:
    paging = Paging(
        first=arguments.get("first"),
        last=arguments.get("last"),
        after=arguments.get("after"),
        before=arguments.get("before"),
        reverse=bool(arguments.get("reverse")),
    )
    try:
        return page_of(records, sort, paging, searched=searched)
    except BadPaging as bad:
        raise refused(str(bad), "BAD_REQUEST") from None


def _sort(sorts: Mapping[str, SortKey], name: str) -> SortKey:
    if name not in sorts:
        raise refused(f"The development store has no sort key {name}.", "NOT_IMPLEMENTED")
    return sorts[name]


def _orders(_root: Any, info: Info, **arguments: Any) -> Page:
    viewer = _require(info, "read_orders")
    name = arguments.get("sortKey") or "PROCESSED_AT"
    sort = _sort(ORDER_SORTS, name)
    query = arguments.get("query")
    try:
        found = viewer.shop.orders(query, viewer.window_from, sort, "" if name in _AS_OLD else name)
    except SearchRefused as bad:
        raise refused(str(bad), bad.code) from None
    viewer.note(info.path.as_list(), query or "", found.search)
    return _page(found.orders, sort, arguments, searched=found.search is not None)


def _orders_count(_root: Any, info: Info, **arguments: Any) -> dict[str, Any]:
    viewer = _require(info, "read_orders")
    query = arguments.get("query")
    try:
        # A count always comes from the search index, so it lags behind a write like a search does.
        found = viewer.shop.orders(query, viewer.window_from, indexed=True)
    except SearchRefused as bad:
        raise refused(str(bad), bad.code) from None
    viewer.note(info.path.as_list(), query or "", found.search)
    return _count(len(found.orders), arguments)


def _customers_count(_root: Any, info: Info, **arguments: Any) -> dict[str, Any]:
    viewer = _require(info, "read_customers")
    customers = viewer.shop.contents.customers
    search = _searched(viewer, info, arguments, CUSTOMERS)
    matching = len(customers) if search is None else sum(map(search.matches, customers))
    return _count(matching, arguments)


def _count(matching: int, arguments: Mapping[str, Any]) -> dict[str, Any]:
    limit = arguments.get("limit", DEFAULT_LIMIT)
    if limit is None or matching < limit:
        return {"count": matching, "precision": "EXACT"}
    return {"count": limit, "precision": "AT_LEAST"}


def _products(_root: Any, info: Info, **arguments: Any) -> Page:
    viewer = _require(info, "read_products")
    sort = _sort(PRODUCT_SORTS, arguments.get("sortKey") or "ID")
    search = _searched(viewer, info, arguments, PRODUCTS)
    found = [product for product in viewer.shop.contents.products if search is None or search.matches(product)]
    found.sort(key=sort.key)
    return _page(found, sort, arguments, searched=search is not None)


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


def _order(_root: Any, info: Info, **arguments: Any) -> Order | None:
    viewer = _require(info, "read_orders")
    kind, _, number = arguments["id"].removeprefix("gid://shopify/").partition("/")
    if kind != "Order" or not (number.isascii() and number.isdecimal()):
        raise refused(f"Invalid id: {arguments['id']}", "RESOURCE_NOT_FOUND")
    visible = viewer.shop.orders(None, viewer.window_from).orders
    return next((order for order in visible if order.number == int(number)), None)


def _customer(order: Order, info: Info) -> Any:
    viewer = _require(info, "read_customers")
    if order.customer is not None and not viewer.protected_customer_data:
        raise refused(
            f"This app is not approved to access the Customer object. See {PROTECTED_PAGE} for more details.",
            "ACCESS_DENIED",
            documentation=PROTECTED_PAGE,
        )
    return order.customer


def _line_items(order: Order, info: Info, **arguments: Any) -> Page:
    return _page(order.lines, _BY_NUMBER, arguments)


def _line_product(line: LineItem, info: Info) -> Product | None:
    _require(info, "read_products")
    return line.product


def _price_range(product: Product, info: Info) -> dict[str, Any]:
    currency = info.context.shop.settings.currency
    low, high = (in_currency(dollars, currency) for dollars in (product.lowest_dollars, product.highest_dollars))
    return {"minVariantPrice": _amount(low, currency), "maxVariantPrice": _amount(high, currency)}


def _description(product: Product, _info: Info, **arguments: Any) -> str:
    longest = arguments.get("truncateAt")
    text = product.description
    return text if longest is None or len(text) <= longest else text[: max(0, longest - 3)] + "..."


def _featured_media(product: Product, _info: Info) -> dict[str, Any] | None:
    if product.image_url is None:
        return None
    return {"__typename": "MediaImage", "preview": {"image": {"url": product.image_url}}}


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


def _amount(amount: Decimal, currency: str) -> dict[str, str]:
    return {"amount": decimal_text(amount), "currencyCode": currency}


def _time_or_null(epoch: int | None) -> str | None:
    return None if epoch is None else timestamp(epoch)


def _edges(page: Page, _info: Info) -> list[dict[str, Any]]:
    return [{"cursor": cursor, "node": record} for cursor, record in zip(page.cursors, page.records, strict=True)]


def _page_info(page: Page, _info: Info) -> dict[str, Any]:
    return {
        "hasNextPage": page.has_next,
        "hasPreviousPage": page.has_previous,
        "startCursor": page.cursors[0] if page.cursors else None,
        "endCursor": page.cursors[-1] if page.cursors else None,
    }


_CONNECTION: Mapping[str, Resolver] = {
    "nodes": lambda page, _info: page.records,
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
    },
    "OrderConnection": _CONNECTION,
    "ProductConnection": _CONNECTION,
    "LineItemConnection": _CONNECTION,
    "Order": {
        "id": lambda order, _info: gid("Order", order.number),
        "name": lambda order, _info: order.name,
        "createdAt": lambda order, _info: timestamp(order.created_at),
        "processedAt": lambda order, _info: timestamp(order.created_at),
        "updatedAt": lambda order, _info: timestamp(order.updated_at),
        "cancelledAt": lambda order, _info: _time_or_null(order.cancelled_at),
        "closed": lambda order, _info: order.closed_at is not None,
        "closedAt": lambda order, _info: _time_or_null(order.closed_at),
        "test": lambda order, _info: order.test,
        "displayFinancialStatus": lambda order, _info: order.financial_status,
        "displayFulfillmentStatus": lambda order, _info: order.fulfillment_status,
        "presentmentCurrencyCode": lambda order, _info: order.presentment_currency,
        "totalPriceSet": lambda order, _info: order.total,
        "currentTotalPriceSet": lambda order, _info: order.current_total,
        "customer": _customer,
        "lineItems": _line_items,
    },
    "LineItem": {
        "id": lambda line, _info: gid("LineItem", line.number),
        "title": lambda line, _info: line.title,
        "quantity": lambda line, _info: line.quantity,
        "sku": lambda line, _info: line.sku,
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
        "title": lambda product, _info: product.title,
        "description": _description,
        "status": lambda product, _info: product.status,
        "totalInventory": lambda product, _info: product.inventory,
        "tracksInventory": lambda product, _info: product.tracked,
        "priceRangeV2": _price_range,
        "featuredMedia": _featured_media,
        "createdAt": lambda product, _info: timestamp(product.created_at),
    },
}
"""The resolver of each field whose name is not simply a key of its parent's dict."""
