"""Static checks of an expression, before any event arrives: unknown fields, comparisons that can never hold.

    condition_errors(parse("provder == 'shopify'"), {"provider": "string"})
    -> [InvalidExpression("unknown field 'provder', did you mean 'provider'?", 0, 7)]

A kind is the type of a JSON value as the event catalog names it: "string", "boolean", "number", "list", "object", a map
of further fields, or None for "could be anything". `Choice` narrows a text or a list to the values that it can hold.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.errors import InvalidExpression
from workflows.expression import parse
from workflows.suggest import closest, did_you_mean, or_one_of

Kind = Any  # str | Mapping[str, Kind] | Choice | None: recursive, and the catalog's is a plain Any too
Fields = Mapping[str, Kind]

WORDS = {
    "string": "text",
    "boolean": "true or false",
    "number": "a number",
    "list": "a list",
    "object": "a group of fields",
    "null": "null",
}
_SCALARS = ("string", "boolean", "number")


@dataclass(frozen=True, slots=True)
class Choice:
    """A text that is one of `values`, or a list of nothing but them. `noun`: what one is called, such as "workflow"."""

    kind: str
    values: Collection[str]
    noun: str


def condition_errors(
    tree: parse.Node, fields: Fields, elsewhere: Mapping[str, str] | None = None
) -> list[InvalidExpression]:
    """Everything wrong with a condition. `elsewhere`: for names unknown here, what to say about them."""
    checker = _Checker(fields, elsewhere or {})
    checker.truth(tree)
    return checker.found


def value_errors(tree: parse.Node, fields: Fields) -> list[InvalidExpression]:
    """Everything wrong with the expression of a template."""
    checker = _Checker(fields, {})
    checker.kind(tree)
    return checker.found


def kind_of(tree: parse.Node, fields: Fields) -> Kind:
    """The kind of an expression's value; None if it could be anything."""
    return _Checker(fields, {}).kind(tree)


def kind_of_value(value: object) -> str:
    """The kind of a JSON value."""
    if value is None:
        return "null"
    by_type = {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "object"}
    return by_type.get(type(value), "object")


def base(kind: Kind) -> str | None:
    """A kind without its details: one of the keys of WORDS, or None."""
    if isinstance(kind, Choice):
        return kind.kind
    return "object" if isinstance(kind, Mapping) else kind


class _Checker:
    def __init__(self, fields: Fields, elsewhere: Mapping[str, str]) -> None:
        self.fields = fields
        self.elsewhere = elsewhere
        self.found: list[InvalidExpression] = []

    def error(self, node: parse.Node, message: str) -> None:
        self.found.append(InvalidExpression(message, node.start, node.end))

    # The value of an operand.

    def kind(self, node: parse.Node) -> Kind:
        match node:
            case parse.Literal():
                return kind_of_value(node.value)
            case parse.Field():
                return self.field(node)
            case parse.ListOf():
                for item in node.items:
                    self.kind(item)
                return "list"
            case parse.Negation():
                self.truth(node.operand)
                return "boolean"
            case parse.Compare():
                self.compare(node)
                return "boolean"
            case parse.Logic():
                kinds = [base(self.kind(part)) for part in node.parts]
                known = {kind for kind in kinds if kind != "null"}
                return known.pop() if len(known) == 1 else None

    def field(self, node: parse.Field) -> Kind:
        kind: Kind = self.fields
        for part, (start, end) in zip(node.path, node.spans, strict=True):
            before, kind = kind, self.part(kind, part)
            if isinstance(kind, _Unknown):
                top = before is self.fields
                self.found.append(InvalidExpression(self.unknown(node, part, before, top), start, end))
                return None
        return kind

    def part(self, kind: Kind, part: str | int) -> Kind:
        if isinstance(kind, Mapping):
            return kind[part] if part in kind else _Unknown()
        if kind is None or kind == "object":
            return None
        if base(kind) == "list" and isinstance(part, int):
            return Choice("string", kind.values, kind.noun) if isinstance(kind, Choice) else None
        return _Unknown()

    def unknown(self, node: parse.Field, part: str | int, before: Kind, top: bool) -> str:
        if not isinstance(before, Mapping):
            advice = "; take one item with [0]" if base(before) == "list" else ""
            return f"this is {WORDS[base(before) or 'object']} and has no field {part!r}{advice}"
        name = str(part)
        options = [*before, *(("true", "false", "null") if top else ())]
        near = did_you_mean(name, options)
        if near or not top:
            return f"unknown field {name!r}{near or or_one_of(name, options)}"
        last = str(node.path[-1])
        if len(node.path) > 1 and last in before:
            return f"unknown field {name!r}; write just {last}"
        if name in self.elsewhere:
            return f"unknown field {name!r}; {self.elsewhere[name]}"
        return f"unknown field {name!r}{or_one_of(name, before)}"

    # Where the answer must be yes or no.

    def truth(self, node: parse.Node, before: parse.Node | None = None) -> None:
        match node:
            case parse.Logic():
                for previous, part in zip((None, *node.parts), node.parts, strict=False):
                    self.truth(part, previous)
            case parse.Negation():
                self.truth(node.operand)
            case _:
                kind = base(self.kind(node))
                if kind not in (None, "boolean"):
                    self.error(node, f"this is {WORDS[kind]}, not true or false{self.instead(node, kind, before)}")

    def instead(self, node: parse.Node, kind: str, before: parse.Node | None) -> str:
        """How to make a question of something that is not one."""
        if isinstance(node, parse.Literal) and isinstance(before, parse.Compare):
            left = before.left.name if isinstance(before.left, parse.Field) else "field"
            return f"; write the whole comparison again: {left} {before.op} {node.value!r}"
        if not isinstance(node, parse.Field):
            return "; write a comparison: field == …"
        advice = {"number": f"{node.name} > 0", "list": f"'…' in {node.name}"}.get(kind, f"{node.name} != null")
        return f"; write {advice}"

    # Comparisons.

    def compare(self, node: parse.Compare) -> None:
        before = len(self.found)
        left, right = self.side(node.left, node.right), self.side(node.right, node.left)
        if len(self.found) > before:
            return
        if not _reads_field(node):
            self.error(node, f"this compares two fixed values{self.quoted_field(node)}")
        elif _same_thing(node.left, node.right):
            self.error(node, "this compares a field with itself")
        elif node.op in ("in", "not in"):
            self.membership(node, left, right)
        elif node.op in ("==", "!="):
            self.equality(node, left, right)
        else:
            self.order(node, left, right)

    def side(self, node: parse.Node, other: parse.Node) -> Kind:
        """The kind of one side; a bare unknown word compared with a known field was probably meant as text."""
        if not (isinstance(node, parse.Field) and len(node.path) == 1 and node.path[0] not in self.fields):
            return self.kind(node)
        name, compared = str(node.path[0]), isinstance(other, parse.Field) and other.path[0] in self.fields
        typo = closest(name, [*self.fields, "true", "false", "null"], cutoff=0.8)
        if compared and typo is None and name not in self.elsewhere:
            self.error(node, f"unknown field {name!r}; put text in quotes: '{name}'")
            return None
        return self.kind(node)

    def quoted_field(self, node: parse.Compare) -> str:
        for side in (node.left, node.right):
            if not (isinstance(side, parse.Literal) and isinstance(side.value, str)):
                continue
            name = side.value.strip("{} ")
            if name in self.fields and name != side.value:
                return f"; a condition has no {{{{ }}}}: write {name}"
            if name in self.fields:
                return f"; write the field without quotes: {name}"
        return ", so the answer is always the same"

    def equality(self, node: parse.Compare, left: Kind, right: Kind) -> None:
        a, b = base(left), base(right)
        if a is None or b is None or "null" in (a, b):
            return
        if a != b:
            never = "never equal" if node.op == "==" else "always different"
            message = f"this compares {WORDS[a]} with {WORDS[b]}: {never}"
            self.error(_literal_side(node), message + _without_quotes(node, a, b))
            return
        for kind, other in ((left, node.right), (right, node.left)):
            if isinstance(kind, Choice) and kind.kind == "string":
                self.choice(kind, other)

    def order(self, node: parse.Compare, left: Kind, right: Kind) -> None:
        for kind, side in ((base(left), node.left), (base(right), node.right)):
            if kind not in (None, "number", "string"):
                self.error(side, f"this is {WORDS[kind]} and has no order: '{node.op}' is always false")
                return
        a, b = base(left), base(right)
        if a and b and a != b:
            message = f"this compares {WORDS[a]} with {WORDS[b]}: always false"
            self.error(_literal_side(node), message + _without_quotes(node, a, b))

    def membership(self, node: parse.Compare, item: Kind, container: Kind) -> None:
        kind, inside = base(container), base(item)
        if isinstance(node.right, parse.ListOf):
            for element in node.right.items:
                self.element(node, item, element)
        elif kind in ("boolean", "number", "null"):
            self.error(node.right, f"this is {WORDS[kind]}; 'in' looks inside a list or a text")
        elif kind in ("string", "object") and inside not in (None, "string"):
            self.error(node.left, f"this is {WORDS[inside]}; only text can be inside {WORDS[kind]}")
        elif isinstance(container, Choice) and container.kind == "list":
            self.choice(container, node.left)

    def element(self, node: parse.Compare, item: Kind, element: parse.Node) -> None:
        a, b = base(item), base(kind_of(element, self.fields))
        if a in _SCALARS and b in _SCALARS and a != b:
            self.error(element, f"this is {WORDS[b]}, but the left side is {WORDS[a]}: never equal")
        elif isinstance(item, Choice) and item.kind == "string":
            self.choice(item, element)

    def choice(self, kind: Choice, node: parse.Node) -> None:
        """A literal that a narrowed kind can never hold is a typo."""
        if isinstance(node, parse.Literal) and isinstance(node.value, str) and node.value not in kind.values:
            self.error(node, f"unknown {kind.noun} {node.value!r}{or_one_of(node.value, kind.values)}")


class _Unknown:
    """Marks a field that does not exist; None means that it could be anything."""


def _reads_field(node: parse.Node) -> bool:
    return isinstance(node, parse.Field) or any(_reads_field(child) for child in parse.children(node))


def _same_thing(left: parse.Node, right: parse.Node) -> bool:
    return isinstance(left, parse.Field) and isinstance(right, parse.Field) and left.path == right.path


def _literal_side(node: parse.Compare) -> parse.Node:
    return node.left if isinstance(node.left, parse.Literal) else node.right


def _without_quotes(node: parse.Compare, *kinds: str) -> str:
    """ "; write true without quotes", if that is the mistake."""
    side = _literal_side(node)
    if not (isinstance(side, parse.Literal) and isinstance(side.value, str)):
        return ""
    text, number = side.value.strip().lower(), side.value.strip().removeprefix("-").replace(".", "", 1)
    if ("boolean" in kinds and text in ("true", "false")) or ("number" in kinds and number.isdigit()):
        return f"; write {text} without quotes"
    if "boolean" in kinds and text in ("yes", "on", "no", "off"):
        return f"; write {'true' if text in ('yes', 'on') else 'false'}"
    return ""
