"""Cursor paging."""

import base64
import json
from dataclasses import dataclass

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from shopify.development_store.pagination import Page, Paging, SortKey, page_of


@dataclass(frozen=True)
class Record:
    number: int
    value: int


BY_VALUE = SortKey(lambda record: record.value)
BY_TIME = SortKey(lambda record: record.value, time=True)


def records(*values: int) -> list[Record]:
    return sorted((Record(n, value) for n, value in enumerate(values, 1)), key=BY_VALUE.key)


def walk(found: list[Record], *, size: int, reverse: bool, backwards: bool = False) -> list[list[Record]]:
    pages: list[list[Record]] = []
    cursor: str | None = None
    while True:
        paging = (
            Paging(last=size, before=cursor, reverse=reverse)
            if backwards
            else Paging(first=size, after=cursor, reverse=reverse)
        )
        page = page_of(found, BY_VALUE, paging)
        pages.append(list(page.nodes))
        if not (page.has_previous if backwards else page.has_next):
            return pages
        cursor = page.cursors[0] if backwards else page.cursors[-1]


@given(
    st.lists(st.integers(0, 5), max_size=20),
    st.integers(1, 7),
    st.booleans(),
)
def test_walking_shows_every_record_once_in_both_directions(values: list[int], size: int, reverse: bool) -> None:
    found = records(*values)
    expected = found[::-1] if reverse else found
    forwards = walk(found, size=size, reverse=reverse)
    assert [record for page in forwards for record in page] == expected
    backwards = walk(found, size=size, reverse=reverse, backwards=True)
    assert [record for page in reversed(backwards) for record in page] == expected


def test_a_page_knows_its_neighbours() -> None:
    found = records(10, 20, 30)
    first = page_of(found, BY_VALUE, Paging(first=1, reverse=True))
    assert ([r.value for r in first.nodes], first.has_next, first.has_previous) == ([30], True, False)
    second = page_of(found, BY_VALUE, Paging(first=1, after=first.cursors[0], reverse=True))
    assert ([r.value for r in second.nodes], second.has_next, second.has_previous) == ([20], True, True)
    last = page_of(found, BY_VALUE, Paging(first=1, after=second.cursors[0], reverse=True))
    assert ([r.value for r in last.nodes], last.has_next, last.has_previous) == ([10], False, True)


def test_a_page_is_the_same_after_others_were_added_or_removed() -> None:
    found = records(10, 20, 30, 40)
    first = page_of(found, BY_VALUE, Paging(first=2, reverse=True))
    more = sorted([*found, Record(5, 50), Record(6, 60)], key=BY_VALUE.key)
    second = page_of(more, BY_VALUE, Paging(first=2, after=first.cursors[-1], reverse=True))
    assert [record.value for record in second.nodes] == [20, 10]
    without = [record for record in found if record not in first.nodes]
    again = page_of(without, BY_VALUE, Paging(first=2, after=first.cursors[-1], reverse=True))
    assert [record.value for record in again.nodes] == [20, 10]


def decoded(page: Page) -> dict[str, object]:
    content: dict[str, object] = json.loads(base64.b64decode(page.cursors[0]))
    return content


def test_a_time_is_in_milliseconds_when_searched_and_text_when_not() -> None:
    found = [Record(8837991727410, 1782167640)]
    searched = page_of(found, BY_TIME, Paging(first=1), searched=True)
    assert searched.cursors == ["eyJsYXN0X2lkIjo4ODM3OTkxNzI3NDEwLCJsYXN0X3ZhbHVlIjoxNzgyMTY3NjQwMDAwfQ=="]
    plain = page_of(found, BY_TIME, Paging(first=1))
    assert decoded(plain) == {"last_id": 8837991727410, "last_value": "2026-06-22 22:34:00.000000"}
    for cursor in (*searched.cursors, *plain.cursors):
        assert page_of(found, BY_TIME, Paging(first=1, after=cursor)).nodes == []


@pytest.mark.parametrize(
    ("paging", "message"),
    [
        (Paging(), "you must provide one of first or last"),
        (Paging(first=1, last=1), "providing both first and last is not supported"),
        (Paging(first=251), "first cannot exceed 250"),
        (Paging(last=251), "last cannot exceed 250"),
        (Paging(first=-1), "first cannot be negative"),
        (Paging(first=1, after="rubbish"), "Invalid cursor for current pagination sort."),
        (Paging(first=1, after="é"), "Invalid cursor for current pagination sort."),
        (Paging(first=1, before=base64.b64encode(b"{}").decode()), "Invalid cursor for current pagination sort."),
        (
            Paging(first=1, after=base64.b64encode(b'{"last_id":1,"last_value":"a title"}').decode()),
            "Invalid cursor for current pagination sort.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(paging: Paging, message: str) -> None:
    with pytest.raises(GraphQLError, match=message) as refused:
        page_of(records(1, 2), BY_VALUE, paging)
    assert refused.value.extensions == {"code": "BAD_REQUEST"}


def test_nothing_is_a_page_too() -> None:
    empty = page_of(records(1), BY_VALUE, Paging(first=0))
    assert (empty.nodes, empty.cursors) == ([], [])
    assert page_of([], BY_VALUE, Paging(first=10)) == Page([], [], False, False)
