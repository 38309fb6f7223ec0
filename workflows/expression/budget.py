"""JSON values at run time: compared, searched, copied and turned into text, in bounded time.

Strangers write the events. Whatever they hold, one expression looks at no more than about `BUDGET` items or some
hundred kilobytes of text; then it gives up (`BudgetExceeded`, caught where evaluation began) instead of holding up a
worker. A value that is not JSON (none comes from an event) counts as null.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

BUDGET = 1500  # units of 0.1 µs to 0.4 µs for one expression or template
MAX_TEXT = 16_000  # characters that one template may fill in
MAX_DEPTH = 32

JSON_TYPES = frozenset({str, int, float, bool, type(None), list, dict})
Budget = list[int]  # one number that counts down; a list, because closures share it


class BudgetExceeded(Exception):
    """An expression would look at more than it may. Never leaves this package."""


def spend(budget: Budget, units: int) -> None:
    """Take `units` from what is left; raises BudgetExceeded if that is not enough."""
    budget[0] -= units
    if budget[0] < 0:
        raise BudgetExceeded


def json_value(value: Any) -> Any:
    """The value if it is JSON; other mappings and tuples become plain dicts and lists; anything else is null."""
    if type(value) in JSON_TYPES:
        return value
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else None


def same(a: Any, b: Any, budget: Budget, depth: int = 0) -> bool:
    """JSON equality: 1 equals 1.0, but true is not 1 and null equals only null."""
    kind = type(a)
    if kind is bool or type(b) is bool or a is None or b is None:
        return a is b
    if kind is str:
        if len(a) > 2000:
            spend(budget, len(a) >> 9)
        return type(b) is str and bool(a == b)
    if kind in (int, float):
        return type(b) in (int, float) and bool(a == b)
    if depth > MAX_DEPTH:
        raise BudgetExceeded
    if kind is list and type(b) is list and len(a) == len(b):
        spend(budget, len(a) + 2)
        return all(same(x, y, budget, depth + 1) for x, y in zip(a, b, strict=True))
    if kind is dict and type(b) is dict and len(a) == len(b):
        spend(budget, len(a) + 2)
        return all(key in b and same(value, b[key], budget, depth + 1) for key, value in a.items())
    return False


def ordered(a: Any, b: Any) -> bool:
    """Whether two values have an order: two numbers or two texts do, nothing else does."""
    kind, other = type(a), type(b)
    return (kind is str and other is str) or (kind in (int, float) and other in (int, float))


def contains(item: Any, container: Any, budget: Budget) -> bool:
    """Whether `item` is an item of a list, a part of a text or a key of a map."""
    kind = type(container)
    if kind is str:
        return type(item) is str and _part_of(item, container, budget)
    if kind is list:
        spend(budget, 1)
        for other in container:
            spend(budget, 1)
            if same(item, other, budget):
                return True
        return False
    return kind is dict and type(item) is str and item in container


def _part_of(part: str, text: str, budget: Budget) -> bool:
    """Substring search, paid for in advance; the worst case is len(part) x len(text) comparisons of characters."""
    cost = len(text) >> 9
    if part and len(part) * len(text) > 20_000:
        cost += text.count(part[-1]) * len(part) >> 8
    spend(budget, cost)
    return part in text


def as_text(value: Any, budget: Budget) -> str:
    """A value inside a text: text as it is, null as nothing, anything else as JSON (`true`, `2.5`, `["a"]`)."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    try:
        return json.dumps(plain(value, budget), ensure_ascii=False)
    except ValueError:  # an integer too long for Python to print
        raise BudgetExceeded from None


def plain(value: Any, budget: Budget, depth: int = 0) -> Any:
    """A copy that shares nothing with the event and holds only JSON."""
    value = json_value(value)
    if type(value) not in (list, dict):
        return None if type(value) is float and not math.isfinite(value) else value
    if depth > MAX_DEPTH:
        raise BudgetExceeded
    spend(budget, 2 * len(value) + 1)
    if type(value) is list:
        return [plain(item, budget, depth + 1) for item in value]
    return {key: plain(item, budget, depth + 1) for key, item in value.items() if type(key) is str}


def preview(value: Any, limit: int = 60) -> str:
    """A JSON value for people, cut to `limit` characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
