"""JSON values at run time: compared, searched, copied and written as text, in bounded time.

An event is somebody else's text. Whatever it holds, one expression looks at no more than about `EFFORT` items or
some hundred kilobytes of text; then it gives up (`TooMuch`, caught where the expression was started) instead of
holding up a worker. A value that is not JSON (it cannot come from an event) counts as null.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

EFFORT = 1500  # units of 0.1 µs to 0.4 µs for one expression or template
MAX_TEXT = 16_000  # characters that one template may fill in
MAX_DEPTH = 32

JSON_TYPES = frozenset({str, int, float, bool, type(None), list, dict})
Effort = list[int]  # one number that goes down; a list because closures share it


class TooMuch(Exception):
    """An expression would look at more than it may. A signal inside this package, never seen outside."""


def spend(effort: Effort, units: int) -> None:
    """Take `units` from what is left; raises TooMuch when nothing is."""
    effort[0] -= units
    if effort[0] < 0:
        raise TooMuch


def json_value(value: Any) -> Any:
    """The value itself if it is JSON; lists and maps of other classes become plain ones; anything else is null."""
    if type(value) in JSON_TYPES:
        return value
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else None


def same(a: Any, b: Any, effort: Effort, depth: int = 0) -> bool:
    """JSON equality: 1 equals 1.0, but true is not 1 and null equals only null."""
    kind = type(a)
    if kind is bool or type(b) is bool or a is None or b is None:
        return a is b
    if kind is str:
        if len(a) > 2000:
            spend(effort, len(a) >> 9)
        return type(b) is str and bool(a == b)
    if kind in (int, float):
        return type(b) in (int, float) and bool(a == b)
    if depth > MAX_DEPTH:
        raise TooMuch
    if kind is list and type(b) is list and len(a) == len(b):
        spend(effort, len(a) + 2)
        return all(same(x, y, effort, depth + 1) for x, y in zip(a, b, strict=True))
    if kind is dict and type(b) is dict and len(a) == len(b):
        spend(effort, len(a) + 2)
        return all(key in b and same(value, b[key], effort, depth + 1) for key, value in a.items())
    return False


def ordered(a: Any, b: Any) -> bool:
    """Two numbers or two texts have an order; nothing else has."""
    kind, other = type(a), type(b)
    return (kind is str and other is str) or (kind in (int, float) and other in (int, float))


def contains(item: Any, container: Any, effort: Effort) -> bool:
    """An item of a list, a part of a text, a key of a map."""
    kind = type(container)
    if kind is str:
        return type(item) is str and _part_of(item, container, effort)
    if kind is list:
        spend(effort, 1)
        for other in container:
            spend(effort, 1)
            if same(item, other, effort):
                return True
        return False
    return kind is dict and type(item) is str and item in container


def _part_of(part: str, text: str, effort: Effort) -> bool:
    """Substring search, paid for before it runs: a worst case is part x text character comparisons."""
    cost = len(text) >> 9
    if part and len(part) * len(text) > 20_000:
        cost += text.count(part[-1]) * len(part) >> 8
    spend(effort, cost)
    return part in text


def as_text(value: Any, effort: Effort) -> str:
    """A value inside a text: text as it is, null as nothing, all else as JSON (`true`, `2.5`, `["a"]`)."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    try:
        return json.dumps(plain(value, effort), ensure_ascii=False)
    except ValueError:  # an integer too long for Python to print
        raise TooMuch from None


def plain(value: Any, effort: Effort, depth: int = 0) -> Any:
    """A copy that shares nothing with the event and holds nothing but JSON."""
    value = json_value(value)
    if type(value) not in (list, dict):
        return None if type(value) is float and not math.isfinite(value) else value
    if depth > MAX_DEPTH:
        raise TooMuch
    spend(effort, 2 * len(value) + 1)
    if type(value) is list:
        return [plain(item, effort, depth + 1) for item in value]
    return {key: plain(item, effort, depth + 1) for key, item in value.items() if type(key) is str}


def shown(value: Any, limit: int = 60) -> str:
    """A JSON value for people, cut to a length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
