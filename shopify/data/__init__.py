"""The four kinds of store data CJ talks about. Raw figures; what they mean is for the agent to say."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from shopify.data.access import Access, access
from shopify.data.counts import counts
from shopify.data.fetched import Fetched
from shopify.data.overview import overview
from shopify.data.recent import recent_orders
from shopify.data.week_orders import week_orders
from shopify.scopes import Scopes

if TYPE_CHECKING:
    from shopify.client import ShopifyClient

__all__ = ["DATA_TYPES", "Access", "Fetched", "access", "fetch"]

DATA_TYPES = ("counts", "recent_orders", "overview", "week_orders")


def fetch(
    client: "ShopifyClient",
    data_type: str,
    *,
    scopes: Collection[str] | None,
    now: datetime,
    deadline: float | None = None,
    time_zone: str | None = None,
) -> Fetched:
    """Read one kind of data, whole or with its `missing` parts named; the shapes are described at each function.

    `scopes` are those granted to the token, None if not known. `now` must be aware. `deadline` is of
    `time.monotonic()`. `time_zone` is the shop's, if known; it saves week_orders a request. Raises ShopifyError if
    nothing useful can be had, ValueError for a data type that is not one of DATA_TYPES.
    """
    if now.tzinfo is None:
        raise ValueError("now has no time zone")
    granted = Scopes.of(scopes)
    match data_type:
        case "counts":
            return counts(client, granted, now, deadline)
        case "recent_orders":
            return recent_orders(client, granted, now, deadline)
        case "overview":
            return overview(client, granted, now, deadline)
        case "week_orders":
            return week_orders(client, granted, now, deadline, time_zone)
    raise ValueError(f"unknown data type {data_type!r}; use {', '.join(DATA_TYPES)}")
