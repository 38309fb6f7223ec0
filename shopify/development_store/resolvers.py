"""Every field below the root, answered from a shop's records."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shopify.development_store.gate import BY_NUMBER, Info, Resolver, page, refused, require
from shopify.development_store.pagination import Page
from shopify.development_store.records import LineItem, Order, Product, decimal_text, gid, in_currency, timestamp
from shopify.development_store.roots import ROOTS

PROTECTED_PAGE = "https://shopify.dev/docs/apps/launch/protected-customer-data"


def _customer(order: Order, info: Info) -> Any:
    viewer = require(info, "read_customers")
    if order.customer is not None and not viewer.protected_customer_data:
        raise refused(
            f"This app is not approved to access the Customer object. See {PROTECTED_PAGE} for more details.",
            "ACCESS_DENIED",
            documentation=PROTECTED_PAGE,
        )
    return order.customer


def _line_items(order: Order, info: Info, **arguments: Any) -> Page:
    return page(order.lines, BY_NUMBER, arguments)


def _line_product(line: LineItem, info: Info) -> Product | None:
    require(info, "read_products")
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
    "QueryRoot": ROOTS,
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
