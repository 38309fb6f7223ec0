"""The shop's latest orders."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from shopify.data.fetched import Fetched, cut_short, fitting
from shopify.data.orders import read_orders, shown
from shopify.data.query import CUSTOMER, ITEM_PRODUCT, Gate, not_granted
from shopify.data.scalars import Problems, page
from shopify.errors import BadAnswer
from shopify.scopes import ORDERS, Scopes

if TYPE_CHECKING:
    from shopify.client import ShopifyClient


def recent_orders(client: "ShopifyClient", scopes: Scopes, now: datetime, deadline: float | None) -> Fetched:
    """`{orders: [...], more}`: the newest ten, newest first; `more` says whether the shop has older ones.

    An order: `{id, name, created_at, test, cancelled, financial_status, fulfillment_status, total, items}`, with
    `current_total` if refunds or edits changed it, `customer` null for a guest and absent if not readable.
    """
    if not scopes.allow(ORDERS):
        raise not_granted(client.shop_domain, ORDERS)
    gate, problems = Gate(client, "recent_orders", scopes, (CUSTOMER, ITEM_PRODUCT)), Problems()
    connection = gate.ask(deadline=deadline).data.get("orders")
    if connection is None:
        raise BadAnswer(f"{client.shop_domain}: no orders in the answer", reason="shape")
    orders = read_orders(connection, problems, customers_complete=gate.complete(CUSTOMER))
    more = page(connection)[0]

    def render(title_limit: int) -> dict[str, Any]:
        return {"orders": [shown(order, title_limit) for order in orders], "more": more}

    data, dropped = fitting(render, "orders")
    missing = gate.missing + problems.missing()
    if dropped:
        data["more"] = True
        missing.append(cut_short("orders", f"{dropped} of the latest orders did not fit in."))
    return Fetched(data, missing, scopes.data_window(now))
