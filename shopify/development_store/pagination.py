"""Cursor pagination as Shopify does it: an opaque cursor names a position in the sort order, not a row number.

A cursor is base64 of `{"last_id": 1, "last_value": 2}`. The value of a time is in milliseconds when the list was
searched and "YYYY-MM-DD HH:MM:SS.ffffff" when it was not. Since a page continues after that value and id, it neither
repeats nor skips a record when others are added meanwhile.
"""

import base64
import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from graphql import GraphQLError

from shopify.development_store.responses import field_error

MAX_PAGE = 250

BAD_CURSOR = "Invalid cursor for current pagination sort."

Value = int | str
Key = tuple[Value, int]


@dataclass(frozen=True)
class SortKey:
    """How a list is ordered: the value of a record, ties broken by its id. `time` values are Unix seconds."""

    read: Callable[[Any], Value]
    time: bool = False

    def key(self, record: Any) -> Key:
        """The record's position in ascending order."""
        return self.read(record), record.number


BY_NUMBER = SortKey(lambda record: str(record.number))


@dataclass(frozen=True)
class Paging:
    """The paging arguments of a connection."""

    first: int | None = None
    last: int | None = None
    after: str | None = None
    before: str | None = None
    reverse: bool = False

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Those among the arguments of a field."""
        names = ("first", "last", "after", "before")
        return cls(**{name: arguments.get(name) for name in names}, reverse=bool(arguments.get("reverse")))

    def check(self) -> None:
        """Raise BAD_REQUEST for what Shopify refuses."""
        if self.first is None and self.last is None:
            raise _bad_request("you must provide one of first or last")
        if self.first is not None and self.last is not None:
            raise _bad_request("providing both first and last is not supported")
        name, size = ("last", self.last) if self.first is None else ("first", self.first)
        if size is not None and size > MAX_PAGE:
            raise _bad_request(f"{name} cannot exceed {MAX_PAGE}")
        if size is not None and size < 0:
            raise _bad_request(f"{name} cannot be negative")


@dataclass(frozen=True)
class Page:
    """A part of a list, in the order asked for, with one cursor for each record."""

    nodes: Sequence[Any]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool


def page_of(records: Sequence[Any], sort: SortKey, paging: Paging, *, searched: bool = False) -> Page:
    """The page of `records`, which are in ascending order of the sort key. Raises BAD_REQUEST."""
    paging.check()
    start, end = 0, len(records)
    # `after` cuts off what comes first in the order asked for; when that is descending, the end of the records.
    low, high = (paging.before, paging.after) if paging.reverse else (paging.after, paging.before)
    try:
        if low is not None:
            start = bisect_right(records, decode(low, sort), key=sort.key)
        if high is not None:
            end = max(start, bisect_left(records, decode(high, sort), key=sort.key))
    except TypeError:  # the cursor of a list sorted by numbers, used where names are sorted
        raise _bad_request(BAD_CURSOR) from None
    size = paging.first if paging.first is not None else paging.last
    from_start = (paging.first is not None) is not paging.reverse
    if size is not None and from_start:
        end = min(end, start + size)
    elif size is not None:
        start = max(start, end - size)
    found = records[start:end]
    more_after, more_before = end < len(records), start > 0
    if paging.reverse:
        found = found[::-1]
        more_after, more_before = more_before, more_after
    return Page(found, [encode(record, sort, searched) for record in found], more_after, more_before)


def encode(record: Any, sort: SortKey, searched: bool) -> str:
    """The cursor of a record."""
    value = sort.read(record)
    if sort.time and isinstance(value, int):
        moment = datetime.fromtimestamp(value, UTC)
        value = value * 1_000 if searched else moment.strftime("%Y-%m-%d %H:%M:%S.%f")
    text = json.dumps({"last_id": record.number, "last_value": value}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def decode(cursor: str, sort: SortKey) -> Key:
    """The position a cursor stands for. Raises BAD_REQUEST for one that does not belong to this order."""
    try:
        content = json.loads(base64.b64decode(cursor, validate=True))
        number, value = content["last_id"], content["last_value"]
        if sort.time:
            value = _seconds(value)
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise _bad_request(BAD_CURSOR) from None
    if not isinstance(number, int) or not isinstance(value, int | str):
        raise _bad_request(BAD_CURSOR)
    return value, number


def _bad_request(message: str) -> GraphQLError:
    return field_error(message, "BAD_REQUEST")


def _seconds(value: Any) -> int:
    if isinstance(value, int):
        return value // 1_000
    return int(datetime.strptime(value, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp())
