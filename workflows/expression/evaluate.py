"""Conditions and the expressions of templates, compiled once into closures.

    compiled("provider == 'shopify' and success == true").holds({"provider": "shopify", "success": True})

The grammar is in parse.py, the author's guide in README.md. There are no calls, no arithmetic, no patterns and no
Python attributes: a dot is a key. Missing values are null, and so is anything that is not JSON (events contain none).

Events are untrusted. Whatever they hold, one expression looks at no more than about `BUDGET` items or some hundred
kilobytes of text; then it gives up, and is false or null, instead of blocking a worker. Evaluating never raises.
"""

import json
import math
import operator
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workflows.expression import parse

BUDGET = 1500  # units of 0.1 µs to 0.4 µs for one expression or template
MAX_TEXT = 16_000  # characters that one template may fill in
MAX_DEPTH = 32

#: Their classes in Unicode (https://www.unicode.org/reports/tr44/#Canonical_Combining_Class_Values).
_VOWEL_POINTS = range(10, 37)
JSON_TYPES = frozenset({str, int, float, bool, type(None), list, dict})
Budget = list[int]  # the remaining budget; a list, because closures share it
Data = Mapping[str, Any]
Run = Callable[[Data, Budget], Any]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled condition, or a value to copy from the data."""

    source: str
    tree: parse.Node
    run: Run

    def holds(self, data: Data) -> bool:
        """Whether it is true for the data; also False if evaluation exceeds the budget."""
        try:
            return bool(self.run(data, [BUDGET]))
        except BudgetExceeded:
            return False

    def of(self, data: Data, budget: Budget | None = None) -> Any:
        """Its JSON value, sharing nothing with `data`; null if evaluation exceeds the budget."""
        budget = [BUDGET] if budget is None else budget
        try:
            return plain(self.run(data, budget), budget)
        except BudgetExceeded:
            return None


def compiled(source: str) -> Expression:
    """Compile an expression; raises InvalidExpression. Whether its fields exist is checked in kinds.py."""
    tree = parse.parse(source)
    return Expression(source, tree, compile_node(tree))


def compile_node(node: parse.Node) -> Run:
    """Turn a tree into one closure. Values passed between closures are always of the seven JSON types."""
    match node:
        case parse.Literal():
            literal = node.value
            return lambda data, budget: literal
        case parse.ListOf():
            items = [compile_node(item) for item in node.items]
            return lambda data, budget: [item(data, budget) for item in items]
        case parse.Field():
            return _name(node.path[0]) if len(node.path) == 1 else _path(node.path)
        case parse.Negation():
            operand = compile_node(node.operand)
            return lambda data, budget: not operand(data, budget)
        case parse.Logic():
            return _logic(node.word, [compile_node(part) for part in node.parts])
        case parse.Compare():
            return _compare(node)


def _name(name: str | int) -> Run:
    def run(data: Data, budget: Budget) -> Any:
        found = data.get(name)  # type: ignore[arg-type]
        return found if type(found) in JSON_TYPES else json_value(found)

    return run


def _path(path: tuple[str | int, ...]) -> Run:
    first, rest = _name(path[0]), path[1:]

    def run(data: Data, budget: Budget) -> Any:
        found = first(data, budget)
        for part in rest:
            found = json_value(_inside(found, part))
        return found

    return run


def _inside(container: Any, part: str | int) -> Any:
    if type(container) is dict:
        return container.get(part)
    if type(container) is list and type(part) is int and -len(container) <= part < len(container):
        return container[part]
    return None


def _logic(word: str, parts: list[Run]) -> Run:
    if len(parts) == 2:  # as in nearly every condition
        a, b = parts
        if word == "or":
            return lambda data, budget: a(data, budget) or b(data, budget)
        return lambda data, budget: a(data, budget) and b(data, budget)
    stop = word == "or"

    def run(data: Data, budget: Budget) -> Any:
        found: Any = None
        for part in parts:
            found = part(data, budget)
            if bool(found) is stop:
                break
        return found

    return run


def _compare(node: parse.Compare) -> Run:
    left, op = compile_node(node.left), node.op
    if isinstance(node.right, parse.Literal) and op == "==":  # fast path for the most common comparisons
        literal = node.right.value
        if type(literal) is str:
            return lambda data, budget: left(data, budget) == literal
        if literal is None or type(literal) is bool:
            return lambda data, budget: left(data, budget) is literal
    if op in parse.AGES and isinstance(node.right, parse.Literal):
        return _age(op, left, parse.seconds_of(str(node.right.value)) or 0)
    right = compile_node(node.right)
    if op == "==":
        return lambda data, budget: same(left(data, budget), right(data, budget), budget)
    if op == "!=":
        return lambda data, budget: not same(left(data, budget), right(data, budget), budget)
    if op == "in":
        return lambda data, budget: contains(left(data, budget), right(data, budget), budget)
    if op == "says":
        return lambda data, budget: says(left(data, budget), right(data, budget), budget)
    if op == "not in":
        return lambda data, budget: not contains(left(data, budget), right(data, budget), budget)
    return _order(op, left, right)


def says(text: Any, wanted: Any, budget: Budget) -> bool:
    """Whether a text equals `wanted`, or one of them, ignoring capitals, spaces and punctuation. False for texts longer
    than an expression can hold."""
    said = words_of(text, budget)
    choices = wanted if type(wanted) is list else [wanted]
    return bool(said) and any(words_of(choice, budget) == said for choice in choices)


def words_of(text: Any, budget: Budget) -> list[str]:
    """The words of a text in lower case, without punctuation; none if it is not a text or too long."""
    if type(text) is not str or len(text) > parse.MAX_LENGTH:
        return []
    spend(budget, 2 + len(text) // 4)
    if text.isascii():
        return re.findall(r"\w+", text.lower())
    text = unicodedata.normalize("NFKC", text.casefold())
    return "".join(_spelt(text)).split() if len(text) <= parse.MAX_LENGTH else []


def _spelt(text: str) -> Iterator[str]:
    """The letters and digits, with a space for anything else.

    A sign on a letter belongs to it: in Hindi or Thai it makes another word. The vowel points of Hebrew and Arabic,
    which most people leave out, make none."""
    is_word = False
    for char in text:
        if not is_word or unicodedata.combining(char) not in _VOWEL_POINTS:
            is_word = char.isalnum() or char == "_" or (is_word and unicodedata.category(char) in ("Mn", "Mc"))
            yield char if is_word else " "


def _order(op: str, left: Run, right: Run) -> Run:
    test = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[op]

    def run(data: Data, budget: Budget) -> bool:
        a, b = left(data, budget), right(data, budget)
        return ordered(a, b) and bool(test(a, b))

    return run


def _age(op: str, left: Run, seconds: int) -> Run:
    """How long before `now` a time was; False if either is not a time."""
    is_older = op == "older than"

    def run(data: Data, budget: Budget) -> bool:
        then, now = moment(left(data, budget)), moment(data.get("now"))
        if then is None or now is None:
            return False
        return ((now - then).total_seconds() > seconds) is is_older

    return run


def moment(value: Any) -> datetime | None:
    """Parses a time as in events and contexts, such as 2026-11-22T10:00:00Z; None for anything else."""
    if type(value) is not str or not 20 <= len(value) <= 40:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


# JSON values: compared, searched, copied and turned into text, in bounded time.


class BudgetExceeded(Exception):
    """An expression exceeds its budget. Never leaves this package."""


def spend(budget: Budget, units: int) -> None:
    """Take `units` from the remaining budget; raises BudgetExceeded if it is not enough."""
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
    """Whether two values can be ordered: two numbers or two texts."""
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
    """Substring search, charged to the budget in advance; the worst case is len(part) x len(text) comparisons."""
    cost = len(text) >> 9
    if part and len(part) * len(text) > 20_000:
        cost += text.count(part[-1]) * len(part) >> 8
    spend(budget, cost)
    return part in text


def as_text(value: Any, budget: Budget) -> str:
    """A value as text: text unchanged, null as "", anything else as JSON (`true`, `2.5`, `["a"]`)."""
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
