"""Static checks of expressions: unknown fields, comparisons that can never hold.

    condition_errors(parse("provder == 'shopify'"), {"provider": "string"})
    -> [InvalidExpression("unknown field 'provder', did you mean 'provider'?", 0, 7)]

A kind is the type of a JSON value as the event catalog names it: "string", "boolean", "number", "list", "object", a map
of fields, or None for any. `Choice` narrows a text or a list to its possible values.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workflows.errors import InvalidExpression
from workflows.expression import parse
from workflows.problems import Severity
from workflows.suggest import closest, did_you_mean, meant_boolean, or_one_of

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
_NULLS = frozenset({"none", "nil", "undefined", "nothing", "empty"})
_UNKNOWN: Any = object()  # the kind of a field that does not exist
_SCALARS = ("string", "boolean", "number")


@dataclass(frozen=True, slots=True)
class Choice:
    """A text that is one of `values`, or a list of them. `noun`: what messages call one, such as "workflow"."""

    kind: str
    values: Collection[str]
    noun: str
    is_own: bool = False
    """Whether the workflows set it: conversations may still have another value that an earlier version set."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A text, or a list of texts. `wrong` says why a text is impossible; None if it is possible."""

    kind: str
    wrong: Callable[[str], str | None]


def condition_errors(
    tree: parse.Node, fields: Fields, elsewhere: Mapping[str, str] | None = None
) -> list[InvalidExpression]:
    """Everything wrong with a condition. `elsewhere`: advice on names that are unknown here."""
    checker = _Checker(fields, elsewhere or {})
    checker.truth(tree)
    return checker.found


def value_errors(
    tree: parse.Node, fields: Fields, elsewhere: Mapping[str, str] | None = None
) -> list[InvalidExpression]:
    """Everything wrong with the expression of a template. `elsewhere` as above."""
    checker = _Checker(fields, elsewhere or {})
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
    if isinstance(kind, Choice | Shaped):
        return kind.kind
    return "object" if isinstance(kind, Mapping) else kind


class _Checker:
    def __init__(self, fields: Fields, elsewhere: Mapping[str, str]) -> None:
        self.fields = fields
        self.elsewhere = elsewhere
        self.found: list[InvalidExpression] = []

    def error(self, node: parse.Node, message: str, severity: Severity = "error") -> None:
        self.found.append(InvalidExpression(message, node.start, node.end, severity))

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
            message = self.unknown(node, part, kind)
            if message:
                self.found.append(InvalidExpression(message, start, end))
                return None
            if isinstance(kind, Mapping):
                kind = kind[part]
            else:
                kind = replace(kind, kind="string") if isinstance(kind, Choice | Shaped) else None
        return kind

    def unknown(self, node: parse.Field, part: str | int, inside: Kind) -> str | None:
        """The message for a part of a field that does not exist; None if it does, or may."""
        kind = base(inside)
        if isinstance(inside, Mapping):
            return None if part in inside else f"unknown field {str(part)!r}{self.instead_of(node, str(part), inside)}"
        if kind in (None, "object") or (kind == "list" and isinstance(part, int)):
            return None
        return f"this is {WORDS[str(kind)]} and has no field {part!r}"

    def instead_of(self, node: parse.Field, name: str, fields: Fields) -> str:
        near, last = did_you_mean(name, [*fields, "true", "false", "null"]), node.path[-1]
        if name in self.elsewhere and len(node.path) == 1:
            return f"; {self.elsewhere[name]}"
        if name.lower() in _NULLS:
            return "; write null for what is missing"
        if near:
            return near
        if len(node.path) > 1 and last in fields:
            return f"; write just {last}"
        return f"; {self.elsewhere[name]}" if name in self.elsewhere else or_one_of(name, fields)

    def truth(self, node: parse.Node, before: parse.Node | None = None) -> None:
        """Check that a node is true or false. `before`: the operand before it, if `and` or `or` joins them."""
        match node:
            case parse.Logic():
                for previous, part in zip((None, *node.parts), node.parts, strict=False):
                    self.truth(part, previous)
            case parse.Negation():
                self.truth(node.operand)
            case _:
                kind = base(self.kind(node))
                if kind not in (None, "boolean"):
                    self.error(node, f"this is {WORDS[kind]}, not true or false; write {_question(node, kind, before)}")

    def compare(self, node: parse.Compare) -> None:
        before = len(self.found)
        left, right = self.side(node.left, node.right), self.side(node.right, node.left)
        if len(self.found) > before:
            return
        if not _reads_field(node):
            self.error(node, f"this compares two fixed values{self.quoted_field(node)}")
        elif node.op in ("in", "not in"):
            self.membership(node, left, right)
        elif node.op in ("==", "!="):
            self.equality(node, left, right)
        elif node.op == "says":
            self.saying(node, left, right)
        elif node.op in parse.AGES:
            if base(left) not in (None, "string"):
                self.error(
                    node.left, f"this is {WORDS[str(base(left))]}, not a time: '{node.op}' compares a time with an age"
                )
        else:
            self.order(node, left, right)

    def saying(self, node: parse.Compare, text: Kind, wanted: Kind) -> None:
        if base(text) not in (None, "string"):
            self.error(node.left, f"this is {WORDS[str(base(text))]}, not text: 'says' looks at what somebody wrote")
        if isinstance(node.right, parse.Field) and base(wanted) not in (None, "string", "list"):
            self.error(node.right, f"this is {WORDS[str(base(wanted))]}: 'says' needs a text or a list of texts")
        for choice in node.right.items if isinstance(node.right, parse.ListOf) else [node.right]:
            if isinstance(choice, parse.Literal) and type(choice.value) is not str:
                self.error(choice, f"this is {WORDS[kind_of_value(choice.value)]}: put it in quotes")
            elif isinstance(choice, parse.Literal) and not re.search(r"\w", str(choice.value)):
                self.error(choice, "there is no word in this: 'says' compares words")

    def side(self, node: parse.Node, other: parse.Node) -> Kind:
        """The kind of one side. A bare unknown word that is compared with a known field was probably meant as text."""
        known = self.fields.get(str(other.path[0]), _UNKNOWN) if isinstance(other, parse.Field) else _UNKNOWN
        bare = isinstance(node, parse.Field) and len(node.path) == 1 and node.path[0] not in self.fields
        if known is not _UNKNOWN and isinstance(node, parse.Field) and bare and str(node.path[0]).lower() not in _NULLS:
            name = str(node.path[0])
            meant = meant_boolean(name)
            if meant not in (None, name.lower()) and known == "boolean":
                self.error(node, f"unknown field {name!r}: write {meant}")
                return None
            cutoff = 0.7 if known == "boolean" else 0.8  # no other text can be meant
            typo = closest(name, [*self.fields, "true", "false", "null"], cutoff=cutoff)
            if typo is None and name not in self.elsewhere:
                self.error(node, f"unknown field {name!r}; put text in quotes: '{name}'")
                return None
        return self.kind(node)

    def quoted_field(self, node: parse.Compare) -> str:
        texts = [side.value for side in (node.left, node.right) if isinstance(side, parse.Literal)]
        names = [name for text in texts if (name := str(text).strip("{} ")) in self.fields]
        return f"; for the field write just {names[0]}" if names else ", so the answer is always the same"

    def equality(self, node: parse.Compare, left: Kind, right: Kind) -> None:
        a, b = base(left), base(right)
        if a and b and a != b and "null" not in (a, b):
            never = "never equal" if node.op == "==" else "always different"
            self.error(
                _fixed_side(node), f"this compares {WORDS[a]} with {WORDS[b]}: {never}{_without_quotes(node, a, b)}"
            )
        for kind, other in ((left, node.right), (right, node.left)):
            self.choice(kind, "string", other)

    def order(self, node: parse.Compare, left: Kind, right: Kind) -> None:
        a, b = base(left), base(right)
        ages = [side for side in (node.left, node.right) if isinstance(side, parse.Literal) and _is_age(side.value)]
        if ages:
            older = "older than" if (node.op[0] == ">") is (ages[0] is node.right) else "newer than"
            message = f"'{node.op}' compares texts letter by letter; for an age write {older} {ages[0].value!r}"
            self.error(ages[0], message)
            return
        named = isinstance(left, Shaped) or isinstance(right, Shaped)
        if named and (a, b) == ("string", "string"):
            self.error(node, f"'{node.op}' compares texts letter by letter, and these are names: write == or !=")
            return
        unordered = [side for kind, side in ((a, node.left), (b, node.right)) if kind not in (None, "number", "string")]
        if unordered or (a and b and a != b):
            message = f"'{node.op}' compares two numbers or two texts: this is always false"
            self.error(unordered[0] if unordered else _fixed_side(node), message + _without_quotes(node, a, b))

    def membership(self, node: parse.Compare, item: Kind, container: Kind) -> None:
        kind, inside = base(container), base(item)
        if isinstance(node.right, parse.ListOf):
            for element in node.right.items:
                self.element(item, element)
        elif kind in ("boolean", "number", "null"):
            self.error(node.right, f"this is {WORDS[kind]}; 'in' looks inside a list or a text")
        elif kind in ("string", "object") and inside not in (None, "string"):
            self.error(node.left, f"this is {WORDS[inside]}; only text can be inside {WORDS[kind]}")
        self.choice(container, "list", node.left)

    def element(self, item: Kind, element: parse.Node) -> None:
        a, b = base(item), base(kind_of(element, self.fields))
        if a in _SCALARS and b in _SCALARS and a != b:
            self.error(element, f"this is {WORDS[b]}, but the left side is {WORDS[a]}: never equal")
        self.choice(item, "string", element)

    def choice(self, kind: Kind, of: str, node: parse.Node) -> None:
        """Report a literal that is not among the possible values: it is a typo."""
        written = node.value if isinstance(node, parse.Literal) else None
        if isinstance(kind, Choice) and kind.kind == of and isinstance(written, str) and written not in kind.values:
            is_earlier = kind.is_own and closest(written, kind.values) is None
            message = f"unknown {kind.noun} {written!r}{or_one_of(written, kind.values)}"
            self.error(node, message, "warning" if is_earlier else "error")
        if isinstance(kind, Shaped) and kind.kind == of and isinstance(written, str) and (why := kind.wrong(written)):
            self.error(node, why)


def _question(node: parse.Node, kind: str, before: parse.Node | None) -> str:
    """How to turn a value into a condition."""
    if isinstance(node, parse.Literal) and isinstance(before, parse.Compare) and isinstance(before.left, parse.Field):
        return f"the whole comparison again: {before.left.name} {before.op} {node.value!r}"
    if not isinstance(node, parse.Field):
        return "a comparison: field == …"
    return {"number": f"{node.name} > 0", "list": f"'…' in {node.name}"}.get(kind, f"{node.name} != null")


def _reads_field(node: parse.Node) -> bool:
    return isinstance(node, parse.Field) or any(_reads_field(child) for child in parse.children(node))


def _is_age(value: object) -> bool:
    return isinstance(value, str) and parse.seconds_of(value) is not None


def _fixed_side(node: parse.Compare) -> parse.Node:
    return node.left if isinstance(node.left, parse.Literal) else node.right


def _without_quotes(node: parse.Compare, *kinds: str | None) -> str:
    """ "; write true without quotes", if that is the mistake."""
    side = _fixed_side(node)
    if not (isinstance(side, parse.Literal) and isinstance(side.value, str)):
        return ""
    text = side.value.strip()
    if "number" in kinds and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return f"; write {text} without quotes"
    meant = meant_boolean(text) if "boolean" in kinds else None
    return f"; write {meant} without quotes" if meant else ""
