"""What a fetch hands over: data, and beside it what is missing and why."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shopify.errors import ShopifyError

LARGEST_BYTES = 14 * 1024
"""Of one fetch's data as JSON with every non-ASCII character escaped; a model is shown 16 KiB of a tool result."""
TITLE_LIMITS = (200, 80, 40)
TRUNCATED = "shopify.truncated"


@dataclass(frozen=True)
class Fetched:
    """Plain JSON-able values. `missing` entries are `{part, reason, code}`; the reason may be told to the merchant.

    `data_window` is `{orders_from, complete_history, reason?}` where the data is made of orders, else None.
    """

    data: dict[str, Any]
    missing: list[dict[str, Any]] = field(default_factory=list)
    data_window: dict[str, Any] | None = None


def missing_part(part: str, error: ShopifyError) -> dict[str, Any]:
    """A part that Shopify did not give."""
    return {"part": part, "reason": error.merchant, "code": error.code}


def cut_short(part: str, reason: str) -> dict[str, Any]:
    """A part of which there is more at Shopify than was read."""
    return {"part": part, "reason": reason, "code": TRUNCATED}


def counted(number: int, noun: str) -> str:
    """ "1 order", "1,000 orders"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def fitting(render: Callable[[int], dict[str, Any]], rows: str) -> tuple[dict[str, Any], int]:
    """The data within LARGEST_BYTES and how many of its `rows` had to go for that: first titles shrink, then rows.

    `render` makes the data with titles of at most so many characters.
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
