"""JSON as accepted from outside: bounded, and limited to what Postgres' jsonb can store.

`loads` takes bytes. Size, depth and the number of keys are checked before parsing, so no input can make the parser
recurse deeply or use much memory. `check` applies the same rules to a value that was parsed elsewhere.

Also refused, though valid JSON for some parsers: NaN and Infinity, numbers too large for a double, integers with over
40 digits, duplicate keys, NUL and lone surrogates in texts and keys, and a byte order mark.
jsonb's limits: https://www.postgresql.org/docs/current/datatype-json.html
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TypedDict

from events.errors import InvalidEvent, plain_key, quoted

MAX_BYTES = 65_536
MAX_DEPTH = 20
MAX_KEYS = 200
MAX_DIGITS = 40


class Limits(TypedDict, total=False):
    """What `loads` and `check` accept at most; absent ones are an event's."""

    max_bytes: int
    max_depth: int
    max_keys: int


# Possessive, and an unterminated string extends to the end: one pass, whatever the input.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_OPENING = b"[{"
#: The escapes of NUL and of half a character, which may be part of a whole one: UTF-8 and a parser allow no others.
_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def loads(
    raw: bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    max_keys: int = MAX_KEYS,
    storable: bool = True,
) -> Any:
    """The value in `raw`. Raises InvalidEvent, and nothing else.

    Unless `storable`, texts may be what jsonb cannot store: the caller must `check` what it keeps.
    """
    if len(raw) > max_bytes:
        raise InvalidEvent("event.too_large", f"{len(raw)} bytes, limit {max_bytes}")
    text = _decode(raw)
    _check_shape(raw, max_depth, max_keys)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _not_json(len(text[: error.pos].encode())) from None
    if storable and _UNSTORABLE.search(raw):  # the rest of what `_check_values` refuses was refused above
        _check_values(value, max_depth, max_keys)
    return value


def check(value: object, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, max_keys: int = MAX_KEYS) -> None:
    """Apply the rules of `loads` to an already parsed `value`. Raises InvalidEvent."""
    _check_values(value, max_depth, max_keys)
    size = len(dumps(value))
    if size > max_bytes:
        raise InvalidEvent("event.too_large", f"{size} bytes, limit {max_bytes}")


def dumps(value: object, *, sort_keys: bool = False) -> bytes:
    """`value` as compact UTF-8 JSON; with `sort_keys` in the canonical form for hashing."""
    return _ENCODERS[sort_keys].encode(value).encode()


def _decode(raw: bytes) -> str:
    if not raw.strip():
        raise InvalidEvent("event.not_json", "not valid UTF-8 JSON at byte 0: empty")
    if raw.startswith(_BYTE_ORDER_MARKS):
        raise InvalidEvent("event.not_json", "not valid UTF-8 JSON at byte 0: a byte order mark")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _not_json(error.start) from None


def _not_json(position: int) -> InvalidEvent:
    return InvalidEvent("event.not_json", f"not valid UTF-8 JSON at byte {position}")


def _check_shape(raw: bytes, max_depth: int, max_keys: int) -> None:
    """Depth and number of keys, counted by the punctuation outside strings: exact for everything a parser accepts."""
    if raw.count(b":") <= max_keys and raw.count(b"[") + raw.count(b"{") <= max_depth:
        return
    punctuation = _STRING.sub(b"", raw)
    keys = punctuation.count(b":")
    if keys > max_keys:
        raise InvalidEvent("event.too_many_keys", f"{keys} keys, limit {max_keys}")
    depth = 0
    for bracket in punctuation.translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        if depth > max_depth:
            raise _too_deep(max_depth)


def _too_deep(max_depth: int) -> InvalidEvent:
    return InvalidEvent("event.too_deep", f"more than {max_depth} levels of lists and objects")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InvalidEvent("event.bad_value", f"duplicate key {quoted(key)}")
            seen.add(key)
    return found


def _integer(text: str) -> int:
    digits = len(text.lstrip("-"))
    if digits > MAX_DIGITS:
        raise _bad_number(digits)
    return int(text)


def _bad_number(digits: int) -> InvalidEvent:
    return InvalidEvent("event.bad_number", f"an integer of {digits} digits, limit {MAX_DIGITS}")


def _double(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise InvalidEvent("event.bad_value", f"{quoted(text)} is too large for a number")
    return value


def _constant(text: str) -> NoReturn:
    raise InvalidEvent("event.bad_value", f"{text} is not JSON")


# Made once: `json.loads` and `json.dumps` would make one for each call.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_double, parse_constant=_constant
)
_ENCODERS = {
    is_sorted: json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=is_sorted)
    for is_sorted in (False, True)
}


_Path = tuple[str | int, ...]


def _check_values(value: object, max_depth: int, max_keys: int) -> None:
    """Walk without recursion, in document order, so that the first fault is reported."""
    keys = 0
    waiting: list[tuple[object, _Path]] = [(value, ())]
    while waiting:
        item, path = waiting.pop()
        if isinstance(item, dict | list) and len(path) >= max_depth:
            raise _too_deep(max_depth)
        if isinstance(item, dict):
            keys += len(item)
            if keys > max_keys:
                raise InvalidEvent("event.too_many_keys", f"more than {max_keys} keys")
            for key in item:
                _check_key(key, path)
            waiting.extend(reversed([(child, (*path, key)) for key, child in item.items()]))
        elif isinstance(item, list):
            waiting.extend(reversed([(child, (*path, index)) for index, child in enumerate(item)]))
        else:
            _check_scalar(item, path)


def _check_key(key: object, path: _Path) -> None:
    if not isinstance(key, str):
        raise InvalidEvent("event.bad_value", f"{_name(path)} has a key that is not text: {quoted(key)}")
    fault = _fault_of_text(key)
    if fault:
        raise InvalidEvent("event.bad_value", f"{_name(path)} has the key {quoted(key)}, which {fault}")


def _check_scalar(item: object, path: _Path) -> None:
    if isinstance(item, str):
        fault = _fault_of_text(item)
        if fault:
            raise InvalidEvent("event.bad_value", f"{_name(path)} {fault}")
    elif isinstance(item, float):
        if not math.isfinite(item):
            raise InvalidEvent("event.bad_value", f"{_name(path)} is not a finite number")
    elif isinstance(item, int):
        if abs(item) >= 10**MAX_DIGITS:
            raise InvalidEvent("event.bad_number", f"{_name(path)} has more than {MAX_DIGITS} digits")
    elif item is not None:
        raise InvalidEvent("event.bad_value", f"{_name(path)} is {quoted(item)}, which JSON does not have")


def _fault_of_text(text: str) -> str | None:
    if "\0" in text:
        return "contains NUL"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "contains half of a character (a lone surrogate)"
    return None


def _name(path: _Path) -> str:
    if not path:
        return "the value"
    return "".join(_steps(path))


def _steps(path: _Path) -> Iterator[str]:
    for position, step in enumerate(path):
        if isinstance(step, int):
            yield f"[{step}]"
        else:
            yield f".{plain_key(step)}" if position else plain_key(step)
