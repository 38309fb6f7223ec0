"""Cursor paging."""

import base64
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from shopify.development_store.pagination import Page, page_of


@dataclass(frozen=True)
class Record:
    number: int
    value: int


def by_value(record: Record) -> int:
    return record.value


def records(*values: int) -> list[Record]:
    return sorted((Record(n, value) for n, value in enumerate(values, 1)), key=lambda r: (r.value, r.number))


def page(found: list[Record], **arguments: Any) -> Page:
    return page_of(found, by_value, arguments)


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(1, 7), st.booleans())
def test_walking_shows_every_record_once(values: list[int], size: int, reverse: bool) -> None:
    found = records(*values)
    seen: list[Record] = []
    after, has_next = None, True
    while has_next:
        shown = page(found, first=size, after=after, reverse=reverse)
        seen += shown.nodes
        after, has_next = shown.end_cursor, shown.has_next
    assert seen == (found[::-1] if reverse else found)


def test_a_page_is_the_same_after_others_were_added_or_removed() -> None:
    found = records(10, 20, 30, 40)
    first = page(found, first=2, reverse=True)
    more = [*found, Record(5, 50), Record(6, 60)]
    without = [record for record in found if record not in first.nodes]
    for now in (more, without):
        second = page(now, first=2, after=first.end_cursor, reverse=True)
        assert [record.value for record in second.nodes] == [20, 10]


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        ({}, "you must provide one of first or last", "BAD_REQUEST"),
        ({"first": 251}, "first cannot exceed 250", "BAD_REQUEST"),
        ({"first": -1}, "first cannot be negative", "BAD_REQUEST"),
        ({"first": 1, "after": "rubbish"}, "Invalid cursor for current pagination sort.", "BAD_REQUEST"),
        ({"first": 1, "after": "é"}, "Invalid cursor for current pagination sort.", "BAD_REQUEST"),
        (
            {"first": 1, "after": base64.b64encode(b"{}").decode()},
            "Invalid cursor for current pagination sort.",
            "BAD_REQUEST",
        ),
        ({"last": 1}, "The development store has no argument `last`.", "NOT_IMPLEMENTED"),
        ({"first": 1, "before": "x"}, "The development store has no argument `before`.", "NOT_IMPLEMENTED"),
    ],
)
def test_what_makes_no_sense_or_is_missing_is_refused(arguments: dict[str, Any], message: str, code: str) -> None:
    with pytest.raises(GraphQLError, match=message) as refused:
        page(records(1, 2), **arguments)
    assert refused.value.extensions == {"code": code}


def test_nothing_is_a_page_too() -> None:
    assert page(records(1), first=0) == Page([], has_next=True, end_cursor=None)
    assert page([], first=10) == Page([], has_next=False, end_cursor=None)
