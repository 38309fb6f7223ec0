"""Who asks: the app's view of one shop during one request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shopify.development_store.filters import Search
from shopify.development_store.shop import Shop


@dataclass
class Viewer:
    """A shop as one access token sees it. Collects what the searches of the request warn about."""

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

    def note(self, path: list[str | int], query: str, search: Search | None) -> None:
        """Remember a search for `extensions.search`: when something was ignored, or always if asked to."""
        if search is None or not (search.warnings or self.show_searches):
            return
        entry = {"path": path, "query": query, "parsed": search.parsed}
        self.searches.append({**entry, "warnings": list(search.warnings)} if search.warnings else entry)
