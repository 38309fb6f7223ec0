"""Reads any data type by its name."""

from collections.abc import Collection
from datetime import datetime

from events.data_types import DATA_TYPES, DEFAULT_COMPARISON, DEFAULT_PERIOD
from shopify.client import ShopifyClient
from shopify.data.counts import fetch_counts
from shopify.data.fetched import Fetched
from shopify.data.orders import fetch_recent_orders
from shopify.data.overview import fetch_overview
from shopify.data.query import Scopes
from shopify.data.sales import fetch_sales
from shopify.data.week import fetch_week_orders


def fetch(
    client: ShopifyClient,
    data_type: str,
    *,
    scopes: Collection[str] | None,
    now: datetime,
    deadline: float | None = None,
    time_zone: str | None = None,
    period: str = DEFAULT_PERIOD,
    compare_to: str = DEFAULT_COMPARISON,
) -> Fetched:
    """Read one data type, complete or with its `missing` parts named; each function documents its result.

    `scopes`: granted to the token, None if unknown. `now` must be timezone-aware. `deadline`: by `time.monotonic()`.
    `time_zone`: the shop's, if known; it saves week_orders and sales a request. `period` and `compare_to` are for
    sales. Raises ShopifyError if nothing useful can be read, ValueError for a data type, period or comparison that is
    not in `events.data_types`.
    """
    if now.tzinfo is None:
        raise ValueError("now has no time zone")
    granted = Scopes.of(scopes)
    match data_type:
        case "counts":
            return fetch_counts(client, granted, now, deadline)
        case "recent_orders":
            return fetch_recent_orders(client, granted, now, deadline)
        case "overview":
            return fetch_overview(client, granted, now, deadline)
        case "week_orders":
            return fetch_week_orders(client, granted, now, deadline, time_zone)
        case "sales":
            return fetch_sales(client, granted, now, deadline, time_zone, period=period, compare_to=compare_to)
    raise ValueError(f"unknown data type {data_type!r}; use {', '.join(DATA_TYPES)}")
