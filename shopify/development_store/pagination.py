"""Cursor pagination as Shopify does it: an opaque cursor names a position in the sort order, not a row number.

A cursor is base64 of `{"last_id": 1, "last_value": 2}`. Since a page continues after that value and id, it neither
repeats nor skips a record when others are added meanwhile.
"""

import base64
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from shopify.development_store.responses import field_error

MAX_PAGE = 250

Sort = Callable[[Any], int]
"""The value of a record by which a list is ordered; its id breaks ties."""


@dataclass(frozen=True)
class Page:
    """A part of a list, in the order asked for, with one cursor for each record."""

    nodes: Sequence[Any]
    cursors: Sequence[str]
    has_next: bool


def page_of(records: Sequence[Any], sort: Sort, arguments: Mapping[str, Any]) -> Page:
    """The page of `records` (in ascending order) for these arguments: `first`, `after`, `reverse`. Raises a field error
    for what Shopify refuses, and for paging backwards, which is not supported.
    """
    first, after, reverse = arguments.get("first"), arguments.get("after"), arguments.get("reverse")
    refuse(arguments, "last", "before", "savedSearchId")
    if first is None:
        raise _bad_request("you must provide one of first or last")
    if first > MAX_PAGE:
        raise _bad_request(f"first cannot exceed {MAX_PAGE}")
    if first < 0:
        raise _bad_request("first cannot be negative")

    def position(record: Any) -> tuple[int, int]:
        return sort(record), record.number

    start, end = 0, len(records)
    # `after` cuts off the start in the requested order; if that is descending, the end of the records.
    if after is not None and reverse:
        end = bisect_left(records, _position(after), key=position)
    elif after is not None:
        start = bisect_right(records, _position(after), key=position)
    nodes = records[max(end - first, 0) : end][::-1] if reverse else records[start : start + first]
    return Page(nodes, [_cursor(*position(record)) for record in nodes], end - start > first)


def refuse(arguments: Mapping[str, Any], *names: str) -> None:
    """Raise a field error if one of these unsupported arguments is given."""
    for name in names:
        if arguments.get(name) is not None:
            raise field_error(f"The development store has no argument `{name}`.", "NOT_IMPLEMENTED")


def _cursor(value: int, number: int) -> str:
    text = json.dumps({"last_id": number, "last_value": value}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def _position(cursor: str) -> tuple[int, int]:
    try:
        content = json.loads(base64.b64decode(cursor, validate=True))
        return int(content["last_value"]), int(content["last_id"])
    except (ValueError, KeyError, TypeError):
        raise _bad_request("Invalid cursor for current pagination sort.") from None


def _bad_request(message: str) -> GraphQLError:
    return field_error(message, "BAD_REQUEST")
