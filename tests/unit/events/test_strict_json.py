import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Unpack

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from events import strict_json
from events.errors import InvalidEvent


def refused(raw: bytes, **limits: Unpack[strict_json.Limits]) -> str:
    with pytest.raises(InvalidEvent) as caught:
        strict_json.loads(raw, **limits)
    return f"{caught.value.code}: {caught.value}"


def verdict(action: Callable[[], object]) -> str | None:
    """The code of the refusal, or None. Any other error is the test's failure."""
    try:
        action()
    except InvalidEvent as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", "event.not_json: not valid UTF-8 JSON at byte 0: empty"),
        (b" \r\n\t", "event.not_json: not valid UTF-8 JSON at byte 0: empty"),
        (b"\xff\xfe{\x00}\x00", "event.not_json: not valid UTF-8 JSON at byte 0: a byte order mark"),
        (b"\xef\xbb\xbf{}", "event.not_json: not valid UTF-8 JSON at byte 0: a byte order mark"),
        (b"\x00", "event.not_json: not valid UTF-8 JSON at byte 0"),
        (b'{"a":"\xff"}', "event.not_json: not valid UTF-8 JSON at byte 6"),
        # A lone surrogate written as UTF-8 bytes is not UTF-8.
        (b'{"a":"\xed\xa0\x80"}', "event.not_json: not valid UTF-8 JSON at byte 6"),
        # The position is one of bytes, not of characters.
        ('{"ä€":nope}'.encode(), "event.not_json: not valid UTF-8 JSON at byte 9"),
        (b"{'a':1}", "event.not_json: not valid UTF-8 JSON at byte 1"),
        (b'{"a":1;}', "event.not_json: not valid UTF-8 JSON at byte 6"),
        (b'{"a":1} {"b":2}', "event.not_json: not valid UTF-8 JSON at byte 8"),
        (b'{"a":"', "event.not_json: not valid UTF-8 JSON at byte 5"),
        (b'{"a":"\n"}', "event.not_json: not valid UTF-8 JSON at byte 6"),
        (b'{"a":"\x00"}', "event.not_json: not valid UTF-8 JSON at byte 6"),
        (b'{"a":01}', "event.not_json: not valid UTF-8 JSON at byte 6"),
        (b"hello", "event.not_json: not valid UTF-8 JSON at byte 0"),
        (b'{"a":NaN}', "event.bad_value: NaN is not JSON"),
        (b'{"a":Infinity}', "event.bad_value: Infinity is not JSON"),
        (b'{"a":-Infinity}', "event.bad_value: -Infinity is not JSON"),
        (b'{"a":1e400}', 'event.bad_value: "1e400" is too large for a number'),
        (b'{"a":-1e400}', 'event.bad_value: "-1e400" is too large for a number'),
        (b'{"a":' + b"9" * 5000 + b"}", "event.bad_number: an integer of 5000 digits, limit 40"),
        (b'{"a":-' + b"9" * 41 + b"}", "event.bad_number: an integer of 41 digits, limit 40"),
        (
            b'{"data":{"shop_domain":"a\\u0000.myshopify.com"}}',
            "event.bad_value: data.shop_domain contains NUL",
        ),
        (
            b'{"data":[1,{"t":["x","\\ud800y"]}]}',
            "event.bad_value: data[1].t[1] contains half of a character (a lone surrogate)",
        ),
        (
            b'{"data":{"a\\u0000":1}}',
            'event.bad_value: data has the key "a\\u0000", which contains NUL',
        ),
        (
            b'{"\\udfff":1}',
            'event.bad_value: the value has the key "\\udfff", which contains half of a character (a lone surrogate)',
        ),
        (b'"\\u0000"', "event.bad_value: the value contains NUL"),
        # Of several faults the first one.
        (b'{"a":[{"b":"\\u0000"}],"c":"\\u0000"}', "event.bad_value: a[0].b contains NUL"),
        (b'["","\\u0000","\\u0000"]', "event.bad_value: [1] contains NUL"),
        (
            b'{"data":{"shop_domain":"a","shop_domain":"b"}}',
            'event.bad_value: duplicate key "shop_domain"',
        ),
        # The same key by another spelling.
        (b'{"a":1,"\\u0061":1}', 'event.bad_value: duplicate key "a"'),
        (b'{"data":{"odd key @":"\\u0000"}}', 'event.bad_value: data."odd key @" contains NUL'),
    ],
)
def test_refusals(raw: bytes, error: str) -> None:
    assert refused(raw) == error


def test_limits_are_inclusive() -> None:
    at_limit = b'"' + b"x" * (65_536 - 2) + b'"'
    assert len(strict_json.loads(at_limit)) == 65_534
    assert refused(at_limit + b" ") == "event.too_large: 65537 bytes, limit 65536"

    assert strict_json.loads(b"[" * 20 + b"]" * 20)
    assert refused(b"[" * 21 + b"]" * 21) == "event.too_deep: more than 20 levels of lists and objects"

    keys = ",".join(f'"{number}":0' for number in range(199))
    assert len(strict_json.loads(f'{{"a":{{{keys}}}}}'.encode())["a"]) == 199
    assert refused(f'{{"a":{{{keys},"z":0}}}}'.encode()) == "event.too_many_keys: 201 keys, limit 200"

    assert strict_json.loads(b"9" * 40) == int("9" * 40)
    assert strict_json.loads(b"-" + b"9" * 40) == -int("9" * 40)


def test_punctuation_inside_strings_counts_for_nothing() -> None:
    hostile = {"t": '[[[[{{{{"\\' * 200 + ":" * 500}
    assert strict_json.loads(json.dumps(hostile).encode()) == hostile


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 65_000,
        b'{"a":' * 13_000,
        b"]" * 30_000 + b"[" * 30_000,
        b"[]" * 10 + b"[" * 60_000,
        b'"a"' + b"[" * 60_000,
        b'"' + b'\\"' * 32_000,
        b'"' * 65_001,
        b'["' + b"\\" * 65_001,
        b'["\\' + b'"[' * 30_000,
        b"{" * 3 + b'"' + b"[" * 60_000,
        b"1" * 65_000,
        b"0." + b"1" * 65_000,
        b"[" + b"1," * 32_000 + b"1]",
    ],
)
def test_hostile_bytes_are_answered_at_once(raw: bytes) -> None:
    started = time.perf_counter()
    verdict(lambda: strict_json.loads(raw))
    assert time.perf_counter() - started < 1.0


def test_what_is_accepted_is_what_json_says() -> None:
    value = {"a": [1, -2.5, 1e300, True, None, "\u20ac\U0001f600", ""], "": {}}
    assert strict_json.loads(json.dumps(value).encode()) == value


@settings(deadline=None)
@given(st.binary(max_size=300))
@example(b'{"a":' * 400)
def test_any_bytes_give_a_value_or_a_refusal(raw: bytes) -> None:
    assert (verdict(lambda: strict_json.loads(raw)) or "event.").startswith("event.")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=[]), max_size=5), inner, max_size=4)
    ),
    max_leaves=30,
)


@settings(deadline=None)
@given(json_values, st.binary(max_size=3), st.integers(0, 400))
def test_damaged_json_gives_a_value_or_a_refusal(value: Any, damage: bytes, position: int) -> None:
    raw = bytearray(json.dumps(value).encode())
    raw[position:position] = damage
    assert (verdict(lambda: strict_json.loads(bytes(raw))) or "event.").startswith("event.")


@settings(deadline=None)
@given(json_values)
def test_bytes_and_parsed_values_are_held_to_the_same_rules(value: Any) -> None:
    raw = json.dumps(value).encode()
    by_bytes = verdict(lambda: strict_json.loads(raw))
    assert (by_bytes is None) == (verdict(lambda: strict_json.check(value)) is None)
    if by_bytes is None:
        assert strict_json.loads(strict_json.dumps(value)) == value


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


endless: list[object] = []
endless.append(endless)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"a": "x" * 66_000}, "event.too_large: 66008 bytes, limit 65536"),
        ({"a": "ä" * 40_000}, "event.too_large: 80008 bytes, limit 65536"),
        (nested(21), "event.too_deep: more than 20 levels of lists and objects"),
        (nested(100_000), "event.too_deep: more than 20 levels of lists and objects"),
        (endless, "event.too_deep: more than 20 levels of lists and objects"),
        (dict.fromkeys(map(str, range(201)), 0), "event.too_many_keys: more than 200 keys"),
        ({"a": float("nan")}, "event.bad_value: a is not a finite number"),
        ({"a": 10**40}, "event.bad_number: a has more than 40 digits"),
        ({"a": "\0"}, "event.bad_value: a contains NUL"),
        ({1: 2}, "event.bad_value: the value has a key that is not text: 1"),
        ({"a": (1,)}, "event.bad_value: a is a tuple, which JSON does not have"),
        ({"a": b"x"}, "event.bad_value: a is a bytes, which JSON does not have"),
        # kombu's own JSON decoder makes such values of {"__type__": …}.
        ({"a": datetime(2026, 1, 1, tzinfo=UTC)}, "event.bad_value: a is a datetime, which JSON does not have"),
    ],
)
def test_refusals_of_parsed_values(value: object, error: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        strict_json.check(value)
    assert f"{caught.value.code}: {caught.value}" == error
