"""Orders: the shop's latest ones, and how any order is read from Shopify and shown, in full or compact."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, tzinfo
from typing import Any

from shopify.client import ShopifyClient
from shopify.data.fetched import Fetched, cut_short, fitting
from shopify.data.query import CUSTOMER, ITEM_PRODUCT, ORDERS, DataQuery, Scopes
from shopify.data.scalars import (
    Money,
    Problems,
    identifier,
    integer,
    moment,
    money,
    nodes,
    page,
    utc_text,
    word,
)
from shopify.text import clean

NAME_CHARACTERS = 40
SKU_CHARACTERS = 40


@dataclass(frozen=True)
class Customer:
    """Who ordered. `orders` counts all orders this customer ever made, however long ago."""

    id: str | None
    name: str | None
    orders: int | None


@dataclass(frozen=True)
class Item:
    """One line of an order; `product` is None if the product was deleted or may not be read."""

    title: str
    quantity: int
    sku: str | None
    unit_price: Money | None
    product: str | None


@dataclass(frozen=True)
class Order:
    """`guest` is None if it is not known whether there is a customer."""

    id: str | None
    name: str | None
    created_at: datetime | None
    cancelled_at: datetime | None
    cancelled: bool
    test: bool
    financial_status: str | None
    fulfillment_status: str | None
    total: Money | None
    current_total: Money | None
    customer: Customer | None
    guest: bool | None
    items: tuple[Item, ...]
    more_items: bool


def fetch_recent_orders(client: ShopifyClient, scopes: Scopes, now: datetime, deadline: float | None) -> Fetched:
    """`{orders: [...], more}`: the newest ten, newest first; `more` says whether the shop has older ones.

    An order: `{id, name, created_at, test, cancelled, financial_status, fulfillment_status, total, items}`, with
    `current_total` if refunds or edits changed it; `customer` is null for a guest and absent if not readable.
    """
    query = DataQuery(client, "recent_orders", scopes, (CUSTOMER, ITEM_PRODUCT), needs=ORDERS)
    connection = query.run_for("orders", deadline=deadline)
    orders = read_orders(connection, query.problems, customers_complete=query.complete(CUSTOMER))
    more = page(connection)[0]

    def render(title_limit: int) -> dict[str, Any]:
        return {"orders": [shown(order, title_limit) for order in orders], "more": more}

    data, dropped = fitting(render, "orders")
    missing = query.missing
    if dropped:
        data["more"] = True
        missing.append(cut_short("orders", f"{dropped} of the latest orders did not fit in."))
    return Fetched(data, missing, scopes.data_window(now))


def read_orders(
    connection: object, problems: Problems, *, customers_complete: bool, part: str = "orders"
) -> list[Order]:
    """The orders of a connection. What cannot be read is left None and counted in `problems` under `part`."""
    return [_order(node, problems, customers_complete, part) for node in nodes(connection, problems, part)]


def _order(node: Mapping[str, Any], problems: Problems, customers_complete: bool, part: str) -> Order:
    created = moment(node.get("createdAt"))
    if created is None:
        problems.note(f"{part}.created_at")
    customer = _customer(node, problems, part)
    current = node.get("currentTotalPriceSet")
    lines = node.get("lineItems")
    return Order(
        id=identifier(node.get("id")),
        name=clean(node.get("name"), NAME_CHARACTERS),
        created_at=created,
        cancelled_at=moment(node.get("cancelledAt")),
        cancelled=node.get("cancelledAt") is not None,
        test=node.get("test") is True,
        financial_status=word(node.get("displayFinancialStatus")),
        fulfillment_status=word(node.get("displayFulfillmentStatus")),
        total=money(node.get("totalPriceSet"), problems, f"{part}.total"),
        current_total=money(current, problems, f"{part}.current_total") if current is not None else None,
        customer=customer,
        guest=False if customer is not None else (node.get("customer", ...) is None and customers_complete) or None,
        items=tuple(_item(line, problems, part) for line in nodes(lines, problems, f"{part}.items")),
        more_items=page(lines)[0],
    )


def _customer(node: Mapping[str, Any], problems: Problems, part: str) -> Customer | None:
    raw = node.get("customer")
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        problems.note(f"{part}.customer")
        return None
    orders = integer(raw.get("numberOfOrders"))
    if orders is None:
        problems.note(f"{part}.customer.orders")
    return Customer(identifier(raw.get("id")), clean(raw.get("displayName"), 100), orders)


def _item(line: Mapping[str, Any], problems: Problems, part: str) -> Item:
    quantity, title = integer(line.get("quantity")), clean(line.get("title"))
    if quantity is None or title is None:
        problems.note(f"{part}.items")
    price, product = line.get("originalUnitPriceSet"), line.get("product")
    return Item(
        title=title or "(no title)",
        quantity=quantity or 0,
        sku=clean(line.get("sku"), SKU_CHARACTERS),
        unit_price=money(price, problems, f"{part}.items.unit_price") if price is not None else None,
        product=identifier(product.get("id")) if isinstance(product, Mapping) else None,
    )


def shown(order: Order, title_limit: int) -> dict[str, Any]:
    """One order in full, as a model and workflows see it. `customer` is null for a guest, absent if unknown."""
    data: dict[str, Any] = {
        "id": order.id,
        "name": order.name,
        "created_at": utc_text(order.created_at),
        "test": order.test,
        "cancelled": order.cancelled,
        "financial_status": order.financial_status,
        "fulfillment_status": order.fulfillment_status,
        "total": order.total.shown() if order.total else None,
    }
    if order.cancelled_at is not None:
        data["cancelled_at"] = utc_text(order.cancelled_at)
    if order.current_total is not None and order.current_total != order.total:
        data["current_total"] = order.current_total.shown()
    if order.customer is not None or order.guest:
        data["customer"] = asdict(order.customer) if order.customer else None
    data["items"] = [_item_shown(item, title_limit) for item in order.items]
    if order.more_items:
        data["more_items"] = True
    return data


def _item_shown(item: Item, title_limit: int) -> dict[str, Any]:
    data: dict[str, Any] = {"title": clean(item.title, title_limit), "quantity": item.quantity}
    if item.sku is not None:
        data["sku"] = item.sku
    if item.unit_price is not None:
        data["unit_price"] = item.unit_price.shown()
    return data


def compact(order: Order, zone: tzinfo) -> dict[str, Any]:
    """One order in about 200 bytes, its time in the shop's zone; `test` and `cancelled` only where true."""
    at = order.created_at.astimezone(zone).isoformat(timespec="minutes") if order.created_at else None
    data: dict[str, Any] = {
        "name": order.name,
        "created_at": at,
        **(order.total.shown() if order.total else {"amount": None}),
        "financial_status": order.financial_status,
        "fulfillment_status": order.fulfillment_status,
        "items": sum(item.quantity for item in order.items),
    }
    if order.customer is not None and order.customer.orders is not None:
        data["customer_orders"] = order.customer.orders
    return data | {flag: True for flag in ("test", "cancelled") if getattr(order, flag)}
