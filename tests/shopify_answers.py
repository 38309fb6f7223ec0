"""Answers of the Admin API as tests need them, in the words Shopify was recorded with, and a client that gets them."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
from pydantic import SecretStr

from shopify import API_VERSION
from shopify.client import ShopifyClient, warn_of_version

SHOP = "test.myshopify.com"
TOKEN = "shpat_" + "c0ffee" * 6
HEADERS = {
    "content-type": "application/json; charset=utf-8",
    "x-request-id": "3f1c2a7e-77aa-4c9b-9d0e-000000000001",
    "x-shopify-api-version": API_VERSION,
}
LIMITS = "https://shopify.dev/api/usage/rate-limits"


def ok(data: Any, *, available: float = 1900, errors: Sequence[Any] = (), **extensions: Any) -> httpx.Response:
    body: dict[str, Any] = {"data": data, "extensions": {**cost(40, 40, available), **extensions}}
    if errors:
        body["errors"] = list(errors)
    return answer(body)


def answer(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, headers={**HEADERS, **named}, content=content)


def cost(requested: float, actual: float | None, available: float, *, maximum: float = 2000, rate: float = 100) -> Any:
    status = {"maximumAvailable": maximum, "currentlyAvailable": available, "restoreRate": rate}
    return {"cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}}


def throttled(requested: float, available: float, *, rate: float = 100, maximum: float = 2000) -> httpx.Response:
    error = {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": LIMITS}}
    return answer({"errors": [error], "extensions": cost(requested, None, available, rate=rate, maximum=maximum)})


def denied(path: Sequence[str | int], scope: str) -> dict[str, Any]:
    """A field whose scope was not granted."""
    return {
        "message": f"Access denied for {path[-1]} field. Required access: `{scope}` access scope.",
        "locations": [{"line": 1, "column": 1}],
        "path": list(path),
        "extensions": {
            "code": "ACCESS_DENIED",
            "documentation": "https://shopify.dev/api/usage/access-scopes",
            "requiredAccess": f"`{scope}` access scope.",
        },
    }


def not_approved(path: Sequence[str | int], kind: str = "Customer") -> dict[str, Any]:
    """Protected customer data, for which the app was not approved."""
    return {
        "message": f"This app is not approved to access the {kind} object. "
        "See https://shopify.dev/docs/apps/launch/protected-customer-data for more details.",
        "path": list(path),
        "extensions": {"code": "ACCESS_DENIED"},
    }


INTERNAL_ERROR = {
    "message": "Internal error. Looks like something went wrong on our end.\nRequest ID: 3f1c (include this in support"
    " requests).",
    "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": "3f1c"},
}


class Shop:
    """A shop that gives these answers in turn (the last one for ever) and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception | Callable[[dict[str, Any]], httpx.Response]) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []
        warn_of_version.cache_clear()

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The bodies of the requests."""
        return [json.loads(request.content) for request in self.requests]

    @property
    def variables(self) -> list[Mapping[str, Any]]:
        return [body.get("variables", {}) for body in self.asked]

    def client(self, token: str = TOKEN, **details: Any) -> ShopifyClient:
        return ShopifyClient(
            SHOP,
            SecretStr(token),
            http=httpx.Client(transport=httpx.MockTransport(self._answer)),
            sleep=self.waits.append,
            **details,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        now = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(now, Exception):
            raise now
        return now if isinstance(now, httpx.Response) else now(json.loads(request.content))


def order(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A node of `orders`; a change to `...` leaves the field out."""
    node: dict[str, Any] = {
        "id": f"gid://shopify/Order/{number}",
        "name": f"#{1000 + number}",
        "createdAt": "2026-11-21T09:30:00Z",
        "cancelledAt": None,
        "test": False,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "totalPriceSet": bag("55.0"),
        "currentTotalPriceSet": bag("55.0"),
        "customer": {"id": f"gid://shopify/Customer/{number}", "displayName": "Ada Lovelace", "numberOfOrders": "13"},
        "lineItems": {"nodes": [item()], "pageInfo": {"hasNextPage": False}},
    }
    return {name: value for name, value in {**node, **changes}.items() if value is not ...}


def item(title: str = "Teapot", quantity: int = 2, product: int | None = 1, **changes: Any) -> dict[str, Any]:
    found = {"id": f"gid://shopify/Product/{product}"} if product is not None else None
    return {
        "title": title,
        "quantity": quantity,
        "sku": "T-1",
        "originalUnitPriceSet": bag("20.0"),
        "product": found,
    } | changes


def bag(amount: Any, currency: str = "EUR") -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": currency}}


def orders(*found: Any, cursor: str | None = None) -> dict[str, Any]:
    """The `orders` connection; with a cursor there is more."""
    return {"nodes": list(found), "pageInfo": {"hasNextPage": cursor is not None, "endCursor": cursor or "last"}}


def shop_access(*scopes: str, zone: str = "Europe/Berlin") -> dict[str, Any]:
    """The data of the `access` document."""
    return {
        "currentAppInstallation": {"accessScopes": [{"handle": scope} for scope in scopes]},
        "shop": {"currencyCode": "EUR", "ianaTimezone": zone},
    }


def report(*, errors: Sequence[str] = (), warnings: Sequence[str] = (), **changes: Any) -> dict[str, Any]:
    """The answer of `shopifyqlQuery`: a sales report of one row; a change to `...` leaves the column out."""
    row = {
        "total_sales": "117.0",
        "net_sales": "85.0",
        "gross_sales": "100.0",
        "discounts": "-10.0",
        "sales_reversals": "-5.0",
        "taxes": "22.0",
        "shipping_charges": "10.0",
        "average_order_value": "45.0",
        "orders": "2",
        **changes,
    }
    row = {name: value for name, value in row.items() if value is not ...}
    table = {"columns": [{"name": name} for name in row], "rows": [row]}
    return {"tableData": table, "parseErrors": list(errors), "parseWarnings": list(warnings)}
