"""Conditions and the expressions of templates, compiled once into closures.

    condition("provider == 'shopify' and success == true").holds({"provider": "shopify", "success": True})

The grammar is in parse.py, the author's guide in README.md. There are no calls, no arithmetic, no patterns and no
Python attributes: a dot is a key. What is absent is null. Evaluating never raises: what exceeds its budget is false or
null.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.expression import parse
from workflows.expression.budget import (
    BUDGET,
    JSON_TYPES,
    Budget,
    BudgetExceeded,
    contains,
    json_value,
    ordered,
    plain,
    same,
)

Data = Mapping[str, Any]
Run = Callable[[Data, Budget], Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A yes-or-no question about the data."""

    source: str
    tree: parse.Node
    run: Run

    def holds(self, data: Data) -> bool:
        """Whether the data answers yes; false also if the answer exceeds the budget."""
        try:
            return bool(self.run(data, [BUDGET]))
        except BudgetExceeded:
            return False


@dataclass(frozen=True, slots=True)
class Value:
    """Something to copy from the data."""

    source: str
    tree: parse.Node
    run: Run

    def of(self, data: Data, budget: Budget | None = None) -> Any:
        """The JSON value, sharing nothing with `data`; null if it exceeds the budget."""
        budget = [BUDGET] if budget is None else budget
        try:
            return plain(self.run(data, budget), budget)
        except BudgetExceeded:
            return None


def condition(source: str) -> Condition:
    """Compile a condition; raises InvalidExpression. Whether its fields exist is checked in kinds.py."""
    tree = parse.parse(source)
    return Condition(source, tree, compile_node(tree))


def value(source: str) -> Value:
    """Compile the expression of a template; raises InvalidExpression."""
    tree = parse.parse(source)
    return Value(source, tree, compile_node(tree))


def compile_node(node: parse.Node) -> Run:
    """Turn a tree into one closure. Values passed between closures are always of the seven JSON types."""
    match node:
        case parse.Literal():
            literal = node.value
            return lambda data, budget: literal
        case parse.ListOf():
            if all(isinstance(item, parse.Literal) for item in node.items):
                literals = [item.value for item in node.items if isinstance(item, parse.Literal)]
                return lambda data, budget: literals
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
    if len(parts) == 2:
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
    if isinstance(node.right, parse.Literal) and op in ("==", "!="):
        return _equals_literal(left, node.right.value, op)
    right = compile_node(node.right)
    if op == "==":
        return lambda data, budget: same(left(data, budget), right(data, budget), budget)
    if op == "!=":
        return lambda data, budget: not same(left(data, budget), right(data, budget), budget)
    if op == "in":
        return lambda data, budget: contains(left(data, budget), right(data, budget), budget)
    if op == "not in":
        return lambda data, budget: not contains(left(data, budget), right(data, budget), budget)
    return _order(op, left, right)


def _equals_literal(left: Run, literal: Any, op: str) -> Run:
    """The comparison that nearly every condition is made of, without the detours of the general case."""
    if type(literal) in (int, float):
        if op == "==":
            return lambda data, budget: same(left(data, budget), literal, budget)
        return lambda data, budget: not same(left(data, budget), literal, budget)
    if type(literal) is str:
        if op == "==":
            return lambda data, budget: left(data, budget) == literal
        return lambda data, budget: left(data, budget) != literal
    if op == "==":
        return lambda data, budget: left(data, budget) is literal
    return lambda data, budget: left(data, budget) is not literal


def _order(op: str, left: Run, right: Run) -> Run:
    test = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[op]

    def run(data: Data, budget: Budget) -> bool:
        a, b = left(data, budget), right(data, budget)
        return ordered(a, b) and bool(test(a, b))

    return run
