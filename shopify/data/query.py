"""A token's scopes, and a fetch's query: it asks only for what they allow, and continues without what is refused.

The GraphQL documents are beside the modules. `orders` and `products` are non-null root fields: if one is refused, the
whole response is lost. So each document has a switch for every field that may be refused.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from shopify import API_VERSION
from shopify.client import ShopifyClient
from shopify.data.fetched import missing_part
from shopify.data.scalars import Problems, moment, time_zone, utc_text
from shopify.errors import AccessDenied, BadAnswer, FieldPath, ProtectedData, ShopifyError
from shopify.response import GraphQLResponse
from shopify.text import clean
from shopify.transport import GraphQLDocument

ORDERS, CUSTOMERS, PRODUCTS, REPORTS = "read_orders", "read_customers", "read_products", "read_reports"
ALL_ORDERS = "read_all_orders"
ORDER_HISTORY = timedelta(days=60)
"""Without `read_all_orders` Shopify silently leaves out older orders, in lists and in counts
(https://shopify.dev/docs/api/usage/access-scopes#orders-permissions)."""

WINDOW = "Shopify shows this app the orders of the last 60 days."

FOLDER = Path(__file__).parent
NAMES = ("access", "counts", "overview", "recent_orders", "sales", "week_orders")
NEW_FIELDS: Mapping[str, str] = {"parseWarnings": "2026-10"}
"""Fields of the documents that older API versions lack, and the first version that has them."""


@cache
def load_document(name: str, api_version: str = API_VERSION) -> GraphQLDocument:
    """The parsed document of that name, without fields that the version lacks. Raises KeyError for a name not in
    NAMES."""
    if name not in NAMES:
        raise KeyError(f"no document {name!r}; there are {', '.join(NAMES)}")
    lines = (FOLDER / f"{name}.graphql").read_text(encoding="utf-8").splitlines(keepends=True)
    lacking = {field for field, since in NEW_FIELDS.items() if api_version < since}
    return GraphQLDocument.parse("".join(line for line in lines if line.strip() not in lacking))


@dataclass(frozen=True)
class Scopes:
    """The granted access scopes. `granted` is None if unknown; then everything is tried."""

    granted: frozenset[str] | None

    @classmethod
    def of(cls, granted: Collection[str] | None) -> "Scopes":
        """From any collection of scope handles."""
        return cls(None if granted is None else frozenset(granted))

    def allow(self, scope: str) -> bool:
        """Whether to try reading this. A write scope includes its read scope."""
        return self.granted is None or self._granted(scope)

    def data_window(self, now: datetime, created: datetime | None = None) -> dict[str, Any]:
        """How far back orders reach; returned with all data based on orders. If the shop was `created` later than that,
        `shop_opened` says since when it can have orders."""
        start = now - ORDER_HISTORY
        if self._granted(ALL_ORDERS):
            return {"orders_from": None, "complete_history": True}
        if created is not None and created >= start:
            return {"orders_from": None, "complete_history": True, "shop_opened": utc_text(created)}
        return {"orders_from": utc_text(start), "complete_history": False, "reason": WINDOW}

    def _granted(self, scope: str) -> bool:
        return bool({scope, scope.replace("read_", "write_", 1)} & (self.granted or frozenset()))


@dataclass(frozen=True)
class Access:
    """A shop's scopes and time zone as Shopify returned them. `time_zone`: an IANA name; None if this machine does not
    know it."""

    scopes: frozenset[str]
    currency: str | None
    time_zone: str | None


def fetch_access(client: ShopifyClient, *, deadline: float | None = None) -> Access:
    """Ask Shopify (3 points). Raises ShopifyError."""
    response = client.execute(load_document("access"), deadline=deadline)
    shop = response.data.get("shop")
    shop = shop if isinstance(shop, Mapping) else {}
    zone = time_zone(shop.get("ianaTimezone"))
    scopes = _handles(response.data.get("currentAppInstallation"))
    if scopes is None:
        raise BadAnswer(f"{client.shop_domain}: no list of access scopes in the answer", reason="shape")
    return Access(
        scopes=scopes,
        currency=clean(shop.get("currencyCode"), 5),
        time_zone=zone.key if zone is not None else None,
    )


def _handles(installation: Any) -> frozenset[str] | None:
    """The scopes that Shopify lists; None if it lists none."""
    granted = installation.get("accessScopes") if isinstance(installation, Mapping) else None
    if not isinstance(granted, list):
        return None
    handles = [clean(scope.get("handle"), 80) for scope in granted if isinstance(scope, Mapping)]
    return frozenset(handle for handle in handles if handle)


@dataclass(frozen=True)
class OptionalField:
    """A field that a document can omit: its switch (a variable), the field, the scope it needs."""

    name: str
    switch: str
    field: str
    scope: str
    reported: bool = True
    """Whether to report it as missing if it is absent."""


CUSTOMER = OptionalField("customers", "withCustomers", "customer", CUSTOMERS)
ITEM_PRODUCT = OptionalField("products", "withProducts", "product", PRODUCTS, reported=False)
LATEST_ORDERS = OptionalField("recent_orders", "withOrders", "orders", ORDERS)
BEST_STOCKED = OptionalField("best_stocked_products", "withProducts", "products", PRODUCTS)


class DataQuery:
    """A document, its optional fields that are requested, and what is missing and why."""

    def __init__(
        self,
        client: ShopifyClient,
        document: str,
        scopes: Scopes,
        optional: tuple[OptionalField, ...] = (),
        *,
        needs: str | None = None,
    ) -> None:
        """Raises AccessDenied if a scope that the document `needs` was not granted."""
        if needs is not None and not scopes.allow(needs):
            raise _not_granted(client.shop_domain, needs)
        self.problems = Problems()
        self.told: frozenset[str] | None = None
        """The scopes that Shopify returned with the data; None if it did not."""
        self._scopes = scopes
        self._shop: Mapping[str, Any] = {}
        self._client = client
        self._document = load_document(document, client.api_version)
        self._optional = optional
        self._left_out: dict[OptionalField, ShopifyError] = {
            field: _not_granted(client.shop_domain, field.scope) for field in optional if not scopes.allow(field.scope)
        }
        self._failed: dict[str, ShopifyError] = {}

    def asks_for(self, field: OptionalField) -> bool:
        """Whether the next request asks for this field."""
        return field not in self._left_out

    def complete(self, field: OptionalField) -> bool:
        """Whether nothing in this field was refused or failed so far."""
        return self.asks_for(field) and field.name not in self._failed

    @property
    def time_zone(self) -> str | None:
        """The shop's time zone, an IANA name, if it was requested and this machine knows it."""
        zone = time_zone(self._shop.get("ianaTimezone"))
        return zone.key if zone is not None else None

    def data_window(self, now: datetime) -> dict[str, Any]:
        """How far back the shop's orders reach."""
        return self._scopes.data_window(now, moment(self._shop.get("createdAt")))

    @property
    def missing(self) -> list[dict[str, Any]]:
        """The parts that were not requested, refused, failed, or unreadable."""
        left_out = {field.name: error for field, error in self._left_out.items() if field.reported}
        refused = [missing_part(name, error) for name, error in (self._failed | left_out).items()]
        return refused + self.problems.missing()

    def run(self, variables: Mapping[str, Any] | None = None, *, deadline: float | None = None) -> GraphQLResponse:
        """Send the query, and again for each optional field whose refusal left no data. Raises ShopifyError."""
        while True:
            switches = {field.switch: self.asks_for(field) for field in self._optional}
            try:
                response = self._client.execute(self._document, {**(variables or {}), **switches}, deadline=deadline)
            except (AccessDenied, ProtectedData) as refused:
                field = self._field_on(refused.path)
                if field is None or not self.asks_for(field):
                    raise
                shut = [other for other in self._optional if other.switch == field.switch]
                self._left_out |= {other: refused for other in shut if self.asks_for(other)}
                continue
            for error in response.errors:
                self._note(error)
            shop = response.data.get("shop")
            self._shop = shop if isinstance(shop, Mapping) else self._shop
            if (told := _handles(response.data.get("currentAppInstallation"))) is not None:
                self.told, self._scopes = told, Scopes(told)
            return response

    def run_for(self, name: str, variables: Mapping[str, Any] | None = None, *, deadline: float | None = None) -> Any:
        """Send the query; returns the value of one root field. Raises BadAnswer if there is none."""
        response = self.run(variables, deadline=deadline)
        if response.data.get(name) is None:
            text = f"{self._client.shop_domain}: no {name} in the answer"
            raise BadAnswer(text, reason="shape", request_id=response.request_id)
        return response.data[name]

    def _note(self, error: ShopifyError) -> None:
        """Record why a single field is null in an otherwise good response."""
        field = self._field_on(error.path)
        if field is None:
            self._failed.setdefault(".".join(step for step in error.path if isinstance(step, str)), error)
        elif field.reported:
            self._failed.setdefault(field.name, error)

    def _field_on(self, path: FieldPath) -> OptionalField | None:
        """The innermost optional field on a path."""
        for step in reversed(path):
            for field in self._optional:
                if field.field == step:
                    return field
        return None


def _not_granted(shop: str, scope: str) -> AccessDenied:
    """The error that Shopify would return."""
    return AccessDenied(f"{shop}: missing access scope: {scope}; reconnect with it", scopes=(scope,))
