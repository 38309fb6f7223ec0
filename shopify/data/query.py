"""Asks only for what may be read, and goes on without what turns out to be refused.

`orders` and `products` are non-null root fields: one that is refused takes the whole answer with it. So the documents
have a switch for each part that may be refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shopify.data.fetched import missing_part
from shopify.documents import load
from shopify.errors import AccessDenied, Path, ProtectedData, ShopifyError
from shopify.scopes import CUSTOMERS, ORDERS, PRODUCTS, Scopes

if TYPE_CHECKING:
    from shopify.client import ShopifyClient
    from shopify.response import Answer


@dataclass(frozen=True)
class Part:
    """What can be left out of a document: its switch (a variable), the field it governs, the scope it needs."""

    name: str
    switch: str
    field: str
    scope: str
    told: bool = True
    """Whether its absence shows in the data, and so is told."""


CUSTOMER = Part("customers", "withCustomers", "customer", CUSTOMERS)
ITEM_PRODUCT = Part("products", "withProducts", "product", PRODUCTS, told=False)
LATEST_ORDERS = Part("recent_orders", "withOrders", "orders", ORDERS)
BEST_STOCKED = Part("best_stocked_products", "withProducts", "products", PRODUCTS)


class Gate:
    """One document of one fetch: which of its parts are asked for, and what is missing and why."""

    def __init__(self, client: "ShopifyClient", document: str, scopes: Scopes, parts: tuple[Part, ...]) -> None:
        self._client = client
        self._document = load(document)
        self._parts = parts
        self._closed: dict[Part, ShopifyError] = {
            part: not_granted(client.shop_domain, part.scope) for part in parts if not scopes.allow(part.scope)
        }
        self._failed: dict[str, ShopifyError] = {}

    @property
    def shop(self) -> str:
        """The shop domain, for messages."""
        return self._client.shop_domain

    def complete(self, part: Part) -> bool:
        """Whether nothing of this part was refused or failed so far."""
        return part not in self._closed and part.name not in self._failed

    def asks(self, part: Part) -> bool:
        """Whether this part is asked for."""
        return part not in self._closed

    @property
    def missing(self) -> list[dict[str, Any]]:
        """The parts that were not asked for, refused, or failed."""
        told = {part.name: error for part, error in self._closed.items() if part.told}
        return [missing_part(name, error) for name, error in (self._failed | told).items()]

    def ask(self, variables: Mapping[str, Any] | None = None, *, deadline: float | None = None) -> "Answer":
        """Ask; once more for each part whose refusal left no answer. Raises ShopifyError."""
        while True:
            switches = {part.switch: self.asks(part) for part in self._parts}
            try:
                answer = self._client.execute(self._document, {**(variables or {}), **switches}, deadline=deadline)
            except (AccessDenied, ProtectedData) as refused:
                part = self._part(refused.path)
                if part is None or not self.asks(part):
                    raise
                self._closed[part] = refused
                continue
            for error in answer.errors:
                self._note(error)
            return answer

    def _note(self, error: ShopifyError) -> None:
        """A single field is null and this is why; the rest of the answer is good."""
        part = self._part(error.path)
        if part is None:
            self._failed.setdefault(".".join(step for step in error.path if isinstance(step, str)), error)
        elif part.told:
            self._failed.setdefault(part.name, error)

    def _part(self, path: Path) -> Part | None:
        """The innermost part that the path leads through."""
        for step in reversed(path):
            for part in self._parts:
                if part.field == step:
                    return part
        return None


def not_granted(shop: str, scope: str) -> AccessDenied:
    """What Shopify would say if it were asked."""
    return AccessDenied(f"{shop}: missing access scope: {scope}; reconnect with it", scopes=(scope,))
