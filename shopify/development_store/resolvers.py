"""The schema and the resolver of every field: who may read it, and how it is answered from a shop's records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

from graphql import GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema, build_schema

from shopify.development_store.pagination import Page, Sort, page_of, refuse
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
from shopify.development_store.search import CUSTOMERS, PRODUCTS, matcher
from shopify.development_store.shop import PLANS, Shop
from shopify.development_store.shopifyql import answer_shopifyql

SCHEMA = (Path(__file__).parent / "admin.graphql", Path(__file__).parent / "edges.graphql")

SCOPES_PAGE = "https://shopify.dev/api/usage/access-scopes"
PROTECTED_PAGE = "https://shopify.dev/docs/apps/launch/protected-customer-data"

_BY_AGE: Sort = attrgetter("created_at")
_BY_NUMBER: Sort = attrgetter("number")
ORDER_SORTS: Mapping[str, Sort] = {"CREATED_AT": _BY_AGE, "PROCESSED_AT": _BY_AGE, "ID": _BY_NUMBER}
PRODUCT_SORTS: Mapping[str, Sort] = {"ID": _BY_NUMBER, "INVENTORY_TOTAL": attrgetter("inventory")}


@dataclass(frozen=True)
class Viewer:
    """The context of a request: a shop as one access token sees it."""

    shop: Shop
    granted: tuple[str, ...]
    """The scopes as they were granted: what `accessScopes` shows."""
    protected_customer_data: bool = True

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
    sort = _sort(ORDER_SORTS, arguments["sortKey"])
    # Records are sorted by age, and so are their ids.
    return page_of(viewer.shop.orders(arguments.get("query"), viewer.window_from), sort, arguments)


def _orders_count(_root: Any, info: Info, **arguments: Any) -> dict[str, Any]:
    viewer = _require(info, "read_orders")
    refuse(arguments, "savedSearchId")
    # A count always comes from the search index, so it lags behind a write like a search does.
    found = viewer.shop.orders(arguments.get("query"), viewer.window_from, indexed=True)
    return _count(len(found), arguments)


def _customers_count(_root: Any, info: Info, **arguments: Any) -> dict[str, Any]:
    customers = _require(info, "read_customers").shop.contents.customers
    matches = matcher(arguments.get("query"), CUSTOMERS)
    return _count(len(customers) if matches is None else sum(map(matches, customers)), arguments)


def _products(_root: Any, info: Info, **arguments: Any) -> Page:
    viewer = _require(info, "read_products")
    sort = _sort(PRODUCT_SORTS, arguments["sortKey"])
    matches = matcher(arguments.get("query"), PRODUCTS)
    found = [product for product in viewer.shop.contents.products if matches is None or matches(product)]
    return page_of(sorted(found, key=lambda product: (sort(product), product.number)), sort, arguments)


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


def _sort(sorts: Mapping[str, Sort], name: str) -> Sort:
    if name not in sorts:
        raise field_error(f"The development store has no sort key {name}.", "NOT_IMPLEMENTED")
    return sorts[name]


def _count(matching: int, arguments: Mapping[str, Any]) -> dict[str, Any]:
    limit = arguments.get("limit")
    if limit is None or matching < limit:
        return {"count": matching, "precision": "EXACT"}
    return {"count": limit, "precision": "AT_LEAST"}


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
    return page_of(order.lines, _BY_NUMBER, arguments)


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


def _page_info(page: Page, _info: Info) -> dict[str, Any]:
    return {"hasNextPage": page.has_next, "endCursor": page.cursors[-1] if page.cursors else None}


def _edges(page: Page, _info: Info) -> list[dict[str, Any]]:
    return [{"cursor": cursor, "node": record} for cursor, record in zip(page.cursors, page.nodes, strict=True)]


_CONNECTION: Mapping[str, Resolver] = {"edges": _edges, "pageInfo": _page_info}

RESOLVERS: Mapping[str, Mapping[str, Resolver]] = {
    "QueryRoot": {
        "currentAppInstallation": _installation,
        "customersCount": _customers_count,
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
        "cancelledAt": lambda order, _info: _time_or_null(order.cancelled_at),
        "displayFinancialStatus": lambda order, _info: order.financial_status,
        "displayFulfillmentStatus": lambda order, _info: order.fulfillment_status,
        "totalPriceSet": lambda order, _info: order.total,
        "currentTotalPriceSet": lambda order, _info: order.current_total,
        "totalTipReceivedSet": lambda order, _info: order.tip,
        "customer": _customer,
        "lineItems": _line_items,
    },
    "LineItem": {
        "currentQuantity": lambda line, _info: line.current_quantity,
        "isGiftCard": lambda line, _info: line.is_gift_card,
        "originalUnitPriceSet": lambda line, _info: line.unit_price,
        "product": _line_product,
    },
    "MoneyBag": {
        "shopMoney": lambda money, _info: _amount(money.amount, money.currency),
    },
    "Customer": {
        "id": lambda customer, _info: gid("Customer", customer.number),
        "displayName": lambda customer, _info: customer.display_name,
        # An UnsignedInt64 travels as a string.
        "numberOfOrders": lambda customer, _info: str(customer.orders),
    },
    "Product": {
        "id": lambda product, _info: gid("Product", product.number),
        "description": _description,
        "isGiftCard": lambda _product, _info: False,
        "totalInventory": lambda product, _info: product.inventory,
        "tracksInventory": lambda product, _info: product.tracked,
        "priceRangeV2": _price_range,
        "featuredMedia": _featured_media,
    },
}
"""The resolver of each field that is not just a key or an attribute with the same name on its parent."""


@cache
def executable_schema() -> GraphQLSchema:
    """Shopify's schema, pruned, with these resolvers; built on first use."""
    schema = build_schema("".join(path.read_text("utf-8") for path in SCHEMA))
    for type_name, fields in RESOLVERS.items():
        owner = schema.type_map[type_name]
        assert isinstance(owner, GraphQLObjectType)
        for field_name, resolve in fields.items():
            owner.fields[field_name].resolve = resolve
    return schema
