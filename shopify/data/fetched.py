"""What a fetch returns: data, and what is missing and why."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shopify.errors import AccessDenied, ShopifyError

LARGEST_BYTES = 14 * 1024
"""Limit of a fetch's data as JSON with non-ASCII characters escaped. A model sees 16 KiB of a tool result."""
TITLE_LIMITS = (200, 80, 40)
TRUNCATED = "shopify.truncated"
MOST_ITEMS_SHOWN = 10
"""Of the products sold in a week."""


@dataclass(frozen=True)
class Fetched:
    """Plain JSON values. `missing` entries are `{part, reason, code, permissions?}`; merchants may be told `reason` and
    `permissions`, what may not be read (`shopify.errors.PERMISSIONS`).

    `data_window` is `{orders_from, complete_history, reason?, shop_opened?}` if the data is based on orders, else None.
    """

    data: dict[str, Any]
    missing: list[dict[str, Any]] = field(default_factory=list)
    data_window: dict[str, Any] | None = None
    scopes: frozenset[str] | None = None
    """The token's scopes as Shopify returned them with the data; None if it did not."""


def missing_part(part: str, error: ShopifyError) -> dict[str, Any]:
    """A `missing` entry for a part that Shopify did not deliver."""
    permissions = {"permissions": error.permissions} if isinstance(error, AccessDenied) and error.permissions else {}
    return {"part": part, "reason": error.merchant, "code": error.code, **permissions}


def cut_short(part: str, reason: str) -> dict[str, Any]:
    """A `missing` entry for a part of which Shopify has more than was read."""
    return {"part": part, "reason": reason, "code": TRUNCATED}


def counted(number: int, noun: str) -> str:
    """ "1 order", "1,000 orders"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def fitting(render: Callable[[int], dict[str, Any]], rows: str) -> tuple[dict[str, Any], int]:
    """The data cut to LARGEST_BYTES, and how many of its `rows` were dropped: first titles are shortened, then rows
    dropped.

    `render` makes the data with titles of at most the given number of characters.
    """
    data: dict[str, Any] = {}
    for limit in TITLE_LIMITS:
        data = render(limit)
        if _bytes(data) <= LARGEST_BYTES:
            return data, 0
    dropped = 0
    while data[rows] and _bytes(data) > LARGEST_BYTES:
        data[rows].pop()
        dropped += 1
    return data, dropped


def _bytes(data: dict[str, Any]) -> int:
    return len(json.dumps(data))
