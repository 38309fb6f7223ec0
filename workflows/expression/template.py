"""Texts with `{{ expression }}` in them.

    Template.parse("{{shop_domain}}").value({...})             the field itself, with its JSON type
    Template.parse("Hello {{ name or 'there' }}").text({...})  text

Data is copied in, never interpreted: a shop named `{{x}}`, `1e5` or `null` keeps exactly that name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.errors import InvalidExpression
from workflows.expression.evaluate import BUDGET, MAX_TEXT, Budget, BudgetExceeded, Expression, as_text, compiled

MAX_EXPRESSIONS = 50
_INSIDE = r"\{\s*([A-Za-z_][\w.]*)(?:\s+or\s[^{}]*)?\s*\}"
_SINGLE_BRACES = re.compile(rf"(?<!\{{){_INSIDE}(?!\}})", re.ASCII)
_HALF_BRACES = re.compile(rf"(?<!\{{){_INSIDE}\}}", re.ASCII)
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Slot:
    """One `{{ }}`; `start` is where its expression begins in the template."""

    start: int
    value: Expression


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text: plain parts and slots, in order."""

    source: str
    parts: tuple[str | Slot, ...]

    @staticmethod
    def parse(source: str) -> "Template":
        """Compile a text; raises InvalidExpression with offsets into `source`."""
        template, errors = Template.read(source)
        if errors:
            raise errors[0]
        return template

    @staticmethod
    def read(source: str) -> "tuple[Template, list[InvalidExpression]]":
        """Compile a text as far as possible; also returns all errors."""
        if len(source) > MAX_TEXT:
            return Template("", ()), [InvalidExpression(f"longer than {MAX_TEXT} characters", 0, 1)]
        parts: list[str | Slot] = []
        errors: list[InvalidExpression] = []
        for start, end, inside in _pieces(source):
            try:
                parts.append(_slot(source, start, end) if inside else _text(source, start, end))
            except InvalidExpression as error:
                errors.append(error)
        if sum(isinstance(part, Slot) for part in parts) > MAX_EXPRESSIONS:
            errors.append(InvalidExpression(f"more than {MAX_EXPRESSIONS} {{{{ }}}} in one text", 0, 1))
        return Template(source, tuple(part for part in parts if part != "")), errors

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The expressions in it, in order."""
        return tuple(part for part in self.parts if isinstance(part, Slot))

    @property
    def alone(self) -> Expression | None:
        """The expression, if the whole text is one `{{ }}`: its value then keeps its JSON type."""
        rest = [part for part in self.parts if isinstance(part, Slot) or part.strip()]
        return rest[0].value if len(rest) == 1 and isinstance(rest[0], Slot) else None

    def value(self, data: Mapping[str, Any], budget: Budget | None = None) -> Any:
        """The field itself if the text is one `{{ }}`, else the text."""
        alone = self.alone
        return alone.of(data, budget) if alone is not None else self.text(data, budget)

    def text(self, data: Mapping[str, Any], budget: Budget | None = None) -> str:
        """The text with all values filled in, cut at MAX_TEXT; values that exceed the budget are left out."""
        budget = [BUDGET] if budget is None else budget
        filled: list[str] = []
        length = 0
        for part in self.parts:
            filled.append(part if isinstance(part, str) else _filled(part, data, budget))
            length += len(filled[-1])
            if length > MAX_TEXT:
                return "".join(filled)[: MAX_TEXT - 1] + "…"
        return "".join(filled)


def compile_tree(tree: Any) -> Any:
    """Compile every text inside lists and maps that has a `{{ }}`; everything else stays as it is."""
    if isinstance(tree, str):
        template = Template.parse(tree)
        return template if template.slots else tree
    if isinstance(tree, list):
        return [compile_tree(item) for item in tree]
    if isinstance(tree, dict):
        return {key: compile_tree(item) for key, item in tree.items()}
    return tree


def fill_tree(tree: Any, data: Mapping[str, Any], budget: Budget) -> Any:
    """Fill in a compiled tree: new plain JSON that shares nothing."""
    if isinstance(tree, Template):
        return tree.value(data, budget)
    if isinstance(tree, list):
        return [fill_tree(item, data, budget) for item in tree]
    if isinstance(tree, dict):
        return {key: fill_tree(item, data, budget) for key, item in tree.items()}
    return tree


def single_braces(source: str) -> list[tuple[int, int, str]]:
    """Every `{name}` outside `{{ }}`: plain text, but perhaps meant as a template."""
    return [(found.start(), found.end(), found[1]) for found in _SINGLE_BRACES.finditer(source)]


def stray_end(source: str) -> int:
    """Where a `}}` is that ends no `{{`; -1 if nowhere. Text with as many `{` as `}`, such as JSON, has none."""
    if source.count("{") >= source.count("}"):
        return -1
    found = (source.find("}}", start, end) for start, end, inside in _pieces(source) if not inside)
    return max(found, default=-1)


def _pieces(source: str) -> Iterator[tuple[int, int, bool]]:
    """Yields each piece: start, end, and whether it is inside `{{ }}`. An unclosed `{{` extends to the end."""
    at = 0
    while (start := source.find("{{", at)) >= 0:
        yield at, start, False
        end = _end(source, start + 2)
        yield start + 2, end, True
        at = min(end + 2, len(source))
    yield at, len(source), False


def _end(source: str, start: int) -> int:
    """Where the `}}` of the expression at `start` is; texts in quotes are skipped."""
    at = start
    while at < len(source):
        if source.startswith("}}", at):
            return at
        quoted = _QUOTED.match(source, at) if source[at] in "'\"" else None
        at = quoted.end() if quoted else at + 1
    near = source.find("}}", start)
    return near if near >= 0 else len(source)  # a quote may have swallowed it


def _text(source: str, start: int, end: int) -> str:
    half = _HALF_BRACES.search(source, start, end)
    if half:
        raise InvalidExpression("this '}}' has no '{{'", half.start(), half.end())
    return source[start:end]


def _slot(source: str, start: int, end: int) -> Slot:
    inside = source[start:end]
    if end == len(source):
        raise InvalidExpression("this '{{' has no '}}'", start - 2, start)
    if not inside.strip():
        raise InvalidExpression("nothing between {{ and }}", start - 2, end + 2)
    try:
        return Slot(start, compiled(inside))
    except InvalidExpression as error:
        raise InvalidExpression(error.message, error.start + start, error.end + start) from None


def _filled(slot: Slot, data: Mapping[str, Any], budget: Budget) -> str:
    try:
        return as_text(slot.value.run(data, budget), budget)
    except BudgetExceeded:
        return ""
