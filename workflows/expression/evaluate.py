"""Conditions and the expressions of templates, compiled once into closures.

    condition("provider == 'shopify' and success == true").holds({"provider": "shopify", "success": True})

The language has literals, fields, comparisons, `and`, `or`, `not` and lists (grammar in syntax.py, the page for
people in README.md). No calls, no arithmetic, no patterns, no Python attributes: a dot is a key. Absent is null.
Evaluating never raises: a condition that cannot be worked out within its effort is false, a value null.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.expression import parse as syntax
from workflows.expression.json_values import (
    EFFORT,
    JSON_TYPES,
    Effort,
    TooMuch,
    contains,
    json_value,
    ordered,
    plain,
    same,
)

Data = Mapping[str, Any]
Run = Callable[[Data, Effort], Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A yes-or-no question about the data."""

    source: str
    tree: syntax.Node
    run: Run

    def holds(self, data: Data) -> bool:
        """True if the data answers yes; false also when the answer would take too long to find."""
        try:
            return bool(self.run(data, [EFFORT]))
        except TooMuch:
            return False


@dataclass(frozen=True, slots=True)
class Value:
    """Something copied from the data."""

    source: str
    tree: syntax.Node
    run: Run

    def of(self, data: Data, effort: Effort | None = None) -> Any:
        """The JSON value, with nothing in common with `data`; null when it would take too long to find."""
        effort = [EFFORT] if effort is None else effort
        try:
            return plain(self.run(data, effort), effort)
        except TooMuch:
            return None


def condition(source: str) -> Condition:
    """Compile a condition; raises InvalidExpression. Fields and kinds are the business of kinds.py."""
    tree = syntax.parse(source)
    return Condition(source, tree, compile_node(tree))


def value(source: str) -> Value:
    """Compile the expression of a template; raises InvalidExpression."""
    tree = syntax.parse(source)
    return Value(source, tree, compile_node(tree))


def compile_node(node: syntax.Node) -> Run:
    """Turn a tree into one closure. Values between closures are always of the seven JSON types."""
    match node:
        case syntax.Literal():
            literal = node.value
            return lambda data, effort: literal
        case syntax.ListOf():
            if all(isinstance(item, syntax.Literal) for item in node.items):
                literals = [item.value for item in node.items if isinstance(item, syntax.Literal)]
                return lambda data, effort: literals
            items = [compile_node(item) for item in node.items]
            return lambda data, effort: [item(data, effort) for item in items]
        case syntax.Field():
            return _name(node.path[0]) if len(node.path) == 1 else _path(node.path)
        case syntax.Not():
            operand = compile_node(node.operand)
            return lambda data, effort: not operand(data, effort)
        case syntax.Logic():
            return _logic(node.word, [compile_node(part) for part in node.parts])
        case syntax.Compare():
            return _compare(node)


def _name(name: str | int) -> Run:
    def run(data: Data, effort: Effort) -> Any:
        found = data.get(name)  # type: ignore[arg-type]
        return found if type(found) in JSON_TYPES else json_value(found)

    return run


def _path(path: tuple[str | int, ...]) -> Run:
    first, rest = _name(path[0]), path[1:]

    def run(data: Data, effort: Effort) -> Any:
        found = first(data, effort)
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
    if len(parts) == 2:
        a, b = parts
        if word == "or":
            return lambda data, effort: a(data, effort) or b(data, effort)
        return lambda data, effort: a(data, effort) and b(data, effort)
    stop = word == "or"

    def run(data: Data, effort: Effort) -> Any:
        found: Any = None
        for part in parts:
            found = part(data, effort)
            if bool(found) is stop:
                break
        return found

    return run


def _compare(node: syntax.Compare) -> Run:
    left, op = compile_node(node.left), node.op
    if isinstance(node.right, syntax.Literal) and op in ("==", "!="):
        return _equals_literal(left, node.right.value, op)
    right = compile_node(node.right)
    if op == "==":
        return lambda data, effort: same(left(data, effort), right(data, effort), effort)
    if op == "!=":
        return lambda data, effort: not same(left(data, effort), right(data, effort), effort)
    if op == "in":
        return lambda data, effort: contains(left(data, effort), right(data, effort), effort)
    if op == "not in":
        return lambda data, effort: not contains(left(data, effort), right(data, effort), effort)
    return _order(op, left, right)


def _equals_literal(left: Run, literal: Any, op: str) -> Run:
    """The comparison nearly every condition is made of, without the general case's detours."""
    if type(literal) in (int, float):
        if op == "==":
            return lambda data, effort: same(left(data, effort), literal, effort)
        return lambda data, effort: not same(left(data, effort), literal, effort)
    if type(literal) is str:
        if op == "==":
            return lambda data, effort: left(data, effort) == literal
        return lambda data, effort: left(data, effort) != literal
    if op == "==":
        return lambda data, effort: left(data, effort) is literal
    return lambda data, effort: left(data, effort) is not literal


def _order(op: str, left: Run, right: Run) -> Run:
    test = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[op]

    def run(data: Data, effort: Effort) -> bool:
        a, b = left(data, effort), right(data, effort)
        return ordered(a, b) and bool(test(a, b))

    return run
