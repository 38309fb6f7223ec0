"""JSON on its way into Postgres."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.sql import dump, storable, storable_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_whatever_it_is_postgres_takes_it(value: object) -> None:
    text = dump(value)
    text.encode()  # no lone surrogate is left
    assert "\x00" not in text
    assert "\\u0000" not in text
    json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@given(JSON)
def test_what_was_made_storable_stays_as_it_is(value: object) -> None:
    once = storable(value)
    assert storable(once) == once


def test_only_the_unstorable_is_replaced() -> None:
    value = {"a\x00": ["\ud800x", math.nan, math.inf, 1.5, True, None, "Grüße ☃ 🚀"], "n": 10**30}
    assert storable(value) == {
        "a\ufffd": ["\ufffdx", None, None, 1.5, True, None, "Grüße ☃ 🚀"],
        "n": 10**30,
    }


def test_tuples_are_lists() -> None:
    assert dump((1, (2,))) == "[1,[2]]"


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_what_is_no_json_is_an_error_of_the_programmer(value: object) -> None:
    with pytest.raises(TypeError, match="no JSON value"):
        dump(value)


def test_texts_are_cut() -> None:
    assert storable_text("a\x00bc", 3) == "a\ufffdb"
