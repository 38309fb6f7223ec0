"""Whom a privacy request is about, and where that person is mentioned."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.mentions import Needles, Person

ANNA = Person("m", "207119551", ("299938",), "anna.o@example.com", "+49 170 1234567")
NEEDLES = Needles(ANNA, {"#1001", "Anna Öztürk", "Anna", "Öztürk", "Bo Li"})


@pytest.mark.parametrize(
    "text",
    [
        "gid://shopify/Order/299938",
        "see gid://shopify/Customer/207119551.",
        "#1001 came",
        "ANNA bought it",
        "Anna's mug",
        "or O\u0308ztu\u0308rk",
        "bo li",
        "mail ANNA.O@EXAMPLE.COM now",
        "call 0170/123 45 67",
        "call +491701234567",
        "line one\nAnna",
        'she said "Anna"',
        "tab\tAnna",
    ],
)
def test_a_mention_is_found_however_it_is_written(text: str) -> None:
    assert NEEDLES.are_in(text)
    assert NEEDLES.are_in({"a": [1, {"b": text}]})


@pytest.mark.parametrize(
    "text",
    ["gid://shopify/Order/2999381", "#10011", "1001", "Bananas",
     "Annabel", "Bo", "banna.o@example.com", "0170 76543", ""],
)  # fmt: skip
def test_somebody_else_is_not(text: str) -> None:
    assert not NEEDLES.are_in(text)


def test_fetched_data_tells_the_names() -> None:
    order = {"id": "gid://shopify/Order/299938", "name": "#7", "customer": {"id": "x", "name": "Ann Lee"}}
    data = {"data": {"orders": [order, {**order, "id": "gid://shopify/Order/1"}]}}
    assert Needles(ANNA).names_in(data) == {"#7", "Ann Lee", "Ann", "Lee"}
    by_mail = {"id": "gid://shopify/Order/1", "name": "#8", "customer": {"name": "Cy", "email": "Anna.O@example.com"}}
    assert Needles(Person("m", email="anna.o@example.com")).names_in([by_mail]) == {"#8", "Cy", "Anna.O@example.com"}


def test_nobody_is_named_by_nothing() -> None:
    assert not Needles(Person("m")).are_in({"id": None, "text": "Anna 0170 1234567"})


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_the_quick_look_never_misses_what_the_exact_one_finds(value: Any) -> None:
    for around in (value, [value, "Anna Öztürk"], {"x": value, "y": f'"\\\n{json.dumps("Anna")}'}):
        exact = any(NEEDLES._are_in_text(text) for text in _texts(around))
        assert NEEDLES.are_in(around) == exact


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []
