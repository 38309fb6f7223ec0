"""Orders: the shop's latest ones, and how any order is read from Shopify and shown, in full or compact.

Sold units are current units, without refunded or removed ones, and without lines that are not products (`Item.kind`).
README.md says which figure of the admin each one equals.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal
from itertools import combinations
from typing import Any, TypeVar

from shopify.client import ShopifyClient
from shopify.data.fetched import Fetched, counted, cut_short, fitting
from shopify.data.query import CUSTOMER, ITEM_PRODUCT, ORDERS, DataQuery, Scopes
from shopify.data.scalars import (
    Money,
    Problems,
    decimal_text,
    identifier,
    integer,
    moment,
    money,
    nodes,
    page,
    utc_text,
    word,
)
from shopify.errors import ACCESS_LOST, ShopifyError
from shopify.text import clean

NAME_CHARACTERS = 40
SKU_CHARACTERS = 40
LATEST = 10
"""How many orders recent_orders lists, not counting test and cancelled ones."""
MOST_PASSED_OVER = 10
"""How many test and cancelled orders among them are listed, too."""
MOST_PAGES = 4
TOTAL_SECONDS = 8.0
"""If the caller sets no deadline."""
SECONDS_FOR_A_PAGE = 1.0
"""With less than this left, no further page is begun."""
NO_TITLE = "(no title)"
TIPS = frozenset({"tip"})
PRODUCT, TIP, GIFT_CARD = "product", "tip", "gift_card"

AnOrder = TypeVar("AnOrder", "Order", "_Found")


@dataclass(frozen=True)
class Customer:
    """A customer. `orders` counts all orders this customer ever made."""

    id: str | None
    name: str | None
    orders: int | None


@dataclass(frozen=True)
class Item:
    """One line of an order; `product` is None if the product was deleted, never was one, or may not be read.

    `quantity` is as ordered, `current_quantity` without units that were refunded or removed.
    """

    title: str
    quantity: int
    sku: str | None
    unit_price: Money | None
    product: str | None
    current_quantity: int
    kind: str = PRODUCT
    """product, tip or gift_card: the last two are money, not goods."""

    @property
    def key(self) -> str:
        """Identifies the product: two may have the same title. A deleted product is known by its title only."""
        return self.product or self.title


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

    @property
    def is_real(self) -> bool:
        """Whether it counts: neither a test nor cancelled."""
        return not self.test and not self.cancelled

    @property
    def sold(self) -> list[Item]:
        """The lines that are goods and have current units."""
        return [item for item in self.items if item.kind == PRODUCT and item.current_quantity]


def fetch_recent_orders(client: ShopifyClient, scopes: Scopes, now: datetime, deadline: float | None) -> Fetched:
    """`{orders: [...], more, orders_read, test_orders, cancelled_orders, time_zone?}`: the newest ten, newest first,
    and the test and cancelled ones among them, which do not count among the ten; `more` says whether the shop has
    older ones.

    `orders_read` is how many were looked at. An order: `{id, name, created_at, test, cancelled, financial_status,
    fulfillment_status, total, items}`, with `current_total` if refunds or edits changed it; `customer` is null for a
    guest and absent if not readable; `more_items` is true if it has more lines than are listed. An item: `{title,
    quantity}`, with `current_quantity` if units were refunded or removed, `kind` if it is a tip or a gift card, and
    `product` if two products have its title.
    """
    ends = time.monotonic() + TOTAL_SECONDS if deadline is None else deadline
    query = DataQuery(client, "recent_orders", scopes, (CUSTOMER, ITEM_PRODUCT), needs=ORDERS)
    found, more, stopped = _read(query, ends)
    # Orders after the ten are only counted.
    listed = [_order(one.node, query.problems, one.customers_complete, "orders") for one in latest(found)]

    def render(title_limit: int) -> dict[str, Any]:
        return {
            "orders": shown_orders(listed, title_limit),
            "more": more or len(listed) < len(found),
            "orders_read": len(found),
            "test_orders": sum(one.test for one in found),
            "cancelled_orders": sum(one.cancelled and not one.test for one in found),
            **({"time_zone": query.time_zone} if query.time_zone else {}),
        }

    data, dropped = fitting(render, "orders")
    missing = query.missing
    if stopped is not None:
        missing.append(stopped)
    if dropped:
        data["more"] = True
        missing.append(cut_short("orders", f"{dropped} of the latest orders did not fit in."))
    return Fetched(data, missing, query.data_window(now), query.told)


class _Found:
    """An order as Shopify returns it."""

    def __init__(self, node: Mapping[str, Any], *, customers_complete: bool) -> None:
        self.node, self.customers_complete = node, customers_complete
        self.id = identifier(node.get("id"))
        self.test, self.cancelled = _is_test(node), _is_cancelled(node)
        self.is_real = not self.test and not self.cancelled


def _is_test(node: Mapping[str, Any]) -> bool:
    return node.get("test") is True


def _is_cancelled(node: Mapping[str, Any]) -> bool:
    return node.get("cancelledAt") is not None


def _read(query: DataQuery, ends: float) -> tuple[list[_Found], bool, dict[str, Any] | None]:
    """The newest orders until ten of them count; whether there are older ones; an entry for `missing` if it ended
    early."""
    orders: list[_Found] = []
    cursor: str | None = None
    why = ""
    for number in range(MOST_PAGES):
        if number and ends - time.monotonic() < SECONDS_FOR_A_PAGE:
            why = ": there was no time for more"
            break
        try:
            connection = query.run_for("orders", {"after": cursor} if cursor else None, deadline=ends)
        except ShopifyError as error:
            if not orders or isinstance(error, ACCESS_LOST):
                raise
            reason = f"I looked at the newest {counted(len(orders), 'order')} only. {error.merchant}"
            return orders, True, {"part": "orders.older", "reason": reason, "code": error.code}
        known = {order.id for order in orders if order.id}
        complete = query.complete(CUSTOMER)
        found = [_Found(node, customers_complete=complete) for node in nodes(connection, query.problems, "orders")]
        orders += [order for order in found if order.id not in known]
        before, (more, cursor) = cursor, page(connection)
        if not more or sum(order.is_real for order in orders) >= LATEST:
            return orders, more, None
        if cursor is None or cursor == before:
            break
    reason = f"I looked at the newest {counted(len(orders), 'order')} only{why}."
    return orders, True, cut_short("orders.older", reason)


def latest(orders: Sequence[AnOrder]) -> list[AnOrder]:
    """The newest ten that count, and up to MOST_PASSED_OVER of those between them that do not."""
    listed: list[AnOrder] = []
    counts = passed_over = 0
    for order in orders:
        if counts == LATEST:
            break
        counts, passed_over = counts + order.is_real, passed_over + (not order.is_real)
        if order.is_real or passed_over <= MOST_PASSED_OVER:
            listed.append(order)
    return listed


def read_orders(
    connection: object, problems: Problems, *, customers_complete: bool, part: str = "orders"
) -> list[Order]:
    """The orders of a connection. Unreadable values are None and noted in `problems` under `part`."""
    return [_order(node, problems, customers_complete, part) for node in nodes(connection, problems, part)]


def _order(node: Mapping[str, Any], problems: Problems, customers_complete: bool, part: str) -> Order:
    created = moment(node.get("createdAt"))
    if created is None:
        problems.note(f"{part}.created_at")
    customer = _customer(node, problems, part)
    current = node.get("currentTotalPriceSet")
    total = money(node.get("totalPriceSet"), problems, f"{part}.total")
    current_total = money(current, problems, f"{part}.current_total") if current is not None else None
    tips = node.get("totalTipReceivedSet")
    tips = money(tips, problems, f"{part}.tips") if tips is not None else None
    is_void = total is not None and current_total is not None and total.amount > 0 == current_total.amount
    lines = node.get("lineItems")
    return Order(
        id=identifier(node.get("id")),
        name=clean(node.get("name"), NAME_CHARACTERS),
        created_at=created,
        cancelled_at=moment(node.get("cancelledAt")),
        cancelled=_is_cancelled(node),
        test=_is_test(node),
        financial_status=word(node.get("displayFinancialStatus")),
        fulfillment_status=word(node.get("displayFulfillmentStatus")),
        total=total,
        current_total=current_total,
        customer=customer,
        guest=False if customer is not None else (node.get("customer", ...) is None and customers_complete) or None,
        items=_with_tips(
            [_item(line, problems, part, is_void) for line in nodes(lines, problems, f"{part}.items")], tips
        ),
        more_items=page(lines)[0],
    )


def _customer(node: Mapping[str, Any], problems: Problems, part: str) -> Customer | None:
    raw = node.get("customer")
    if raw is None:
        return None
    if not isinstance(raw, dict):
        problems.note(f"{part}.customer")
        return None
    orders = integer(raw.get("numberOfOrders"))
    if orders is None:
        problems.note(f"{part}.customer.orders")
    return Customer(identifier(raw.get("id")), clean(raw.get("displayName"), 100), orders)


def _item(line: Mapping[str, Any], problems: Problems, part: str, is_void: bool) -> Item:
    quantity, title = integer(line.get("quantity")), clean(line.get("title"))
    if quantity is None or title is None:
        problems.note(f"{part}.items")
    price, product, current = line.get("originalUnitPriceSet"), line.get("product"), line.get("currentQuantity")
    unit_price = money(price, problems, f"{part}.items.unit_price") if price is not None else None
    kept = integer(current)
    if kept is None:
        # An order whose current total is zero has no units left.
        kept = 0 if is_void else quantity or 0
        if current is not None:
            problems.note(f"{part}.items.current_quantity")
    return Item(
        title=title or NO_TITLE,
        quantity=quantity or 0,
        sku=clean(line.get("sku"), SKU_CHARACTERS),
        unit_price=unit_price,
        product=identifier(product.get("id")) if isinstance(product, dict) else None,
        current_quantity=kept,
        kind=GIFT_CARD if line.get("isGiftCard") is True else PRODUCT,
    )


def _with_tips(items: Sequence[Item], tips: Money | None) -> tuple[Item, ...]:
    """Mark tips: lines without a product, with arbitrary titles. They are recognised by their sum, the order's tips. If
    several sets of lines fit, the smallest, and of those the last: tips are added at the end."""
    if (tips is None or not tips.amount) and not any(item.title.casefold() in TIPS for item in items):
        return tuple(items)
    unsure = [item for item in items if item.kind == PRODUCT and item.product is None and item.sku is None]
    found = [item for item in unsure if item.title.casefold() in TIPS]
    others = [
        item for item in reversed(unsure) if not any(item is tip for tip in found) and item.unit_price is not None
    ]
    given = tips.amount if tips is not None else Decimal(0)
    left = given - sum(map(_worth, found))
    if left < 0:  # what is called a tip is none
        left = given
    fewest = (each for size in range(1, len(others) + 1) for each in combinations(others, size)) if left > 0 else ()
    found += next((each for each in fewest if sum(map(_worth, each)) == left), ())
    chosen = {id(item) for item in found}
    return tuple(replace(item, kind=TIP) if id(item) in chosen else item for item in items)


def _worth(item: Item) -> Decimal:
    return item.unit_price.amount * item.quantity if item.unit_price is not None else Decimal(0)


def shown_orders(orders: Sequence[Order], title_limit: int) -> list[dict[str, Any]]:
    """Orders in full; items name their product if two products have the same title."""
    ambiguous = shared_titles(item for order in orders for item in order.items)
    return [shown(order, title_limit, ambiguous) for order in orders]


def shared_titles(items: Iterable[Item]) -> frozenset[str]:
    """The titles of more than one product."""
    keys: dict[str, set[str]] = {}
    for item in items:
        keys.setdefault(item.title, set()).add(item.key)
    return frozenset(title for title, found in keys.items() if len(found) > 1)


def shown(order: Order, title_limit: int, ambiguous: Collection[str] = ()) -> dict[str, Any]:
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
        customer = order.customer
        data["customer"] = customer and {"id": customer.id, "name": customer.name, "orders": customer.orders}
    data["items"] = [_item_shown(item, title_limit, item.title in ambiguous) for item in order.items]
    if order.more_items:
        data["more_items"] = True
    return data


def _item_shown(item: Item, title_limit: int, is_ambiguous: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"title": clean(item.title, title_limit), "quantity": item.quantity}
    if item.current_quantity != item.quantity:
        data["current_quantity"] = item.current_quantity
    if item.kind != PRODUCT:
        data["kind"] = item.kind
    if is_ambiguous and item.product is not None:
        data["product"] = item.product
    if item.sku is not None:
        data["sku"] = item.sku
    if item.unit_price is not None:
        data["unit_price"] = item.unit_price.shown()
    return data


def compact(order: Order, zone: tzinfo) -> dict[str, Any]:
    """One order in about 200 bytes, its time in the shop's zone; `current_amount` only if refunds or edits changed the
    amount, flags only if true. `items`: current units of goods in the lines that were read."""
    at = order.created_at.astimezone(zone).isoformat(timespec="minutes") if order.created_at else None
    data: dict[str, Any] = {
        "name": order.name,
        "created_at": at,
        **(order.total.shown() if order.total else {"amount": None}),
        "financial_status": order.financial_status,
        "fulfillment_status": order.fulfillment_status,
        "items": sum(item.current_quantity for item in order.sold),
    }
    if order.current_total is not None and order.current_total != order.total:
        data["current_amount"] = decimal_text(order.current_total.amount, order.current_total.currency)
    if order.customer is not None and order.customer.orders is not None:
        data["customer_orders"] = order.customer.orders
    return data | {flag: True for flag in ("test", "cancelled", "more_items") if getattr(order, flag)}
