"""Texts with `{{ expression }}` in them.

    Template.parse("{{shop_domain}}").value({...})             the field itself, with its JSON type
    Template.parse("Hello {{ name or 'there' }}").text({...})  text; what is filled in is never read again

Data is copied in, never interpreted: a shop named `{{x}}`, `1e5` or `null` stays exactly that text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.errors import InvalidExpression
from workflows.expression import evaluate as expression
from workflows.expression.json_values import EFFORT, MAX_TEXT, Effort, TooMuch, as_text

MAX_EXPRESSIONS = 50
_SINGLE_BRACES = re.compile(r"(?<!\{)\{\s*([A-Za-z_][\w.]*)\s*\}(?!\})", re.ASCII)
_HALF_BRACES = re.compile(r"(?<!\{)\{\s*[A-Za-z_][\w.]*\s*\}\}", re.ASCII)
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Slot:
    """One `{{ }}`: `start` is where its expression begins in the text of the template."""

    start: int
    value: expression.Value


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text. `parts` alternates between plain text and slots as they were written."""

    source: str
    parts: tuple[str | Slot, ...]

    @staticmethod
    def parse(source: str) -> "Template":
        """Compile a text; raises InvalidExpression with offsets into `source`."""
        template, faults = Template.read(source)
        if faults:
            raise faults[0]
        return template

    @staticmethod
    def read(source: str) -> "tuple[Template, list[InvalidExpression]]":
        """Compile what can be compiled of a text, and everything that is wrong with the rest."""
        if len(source) > MAX_TEXT:
            return Template("", ()), [InvalidExpression(f"longer than {MAX_TEXT} characters", 0, 1)]
        parts: list[str | Slot] = []
        faults: list[InvalidExpression] = []
        for start, end, inside in _pieces(source):
            try:
                parts.append(_slot(source, start, end) if inside else _text(source, start, end))
            except InvalidExpression as fault:
                faults.append(fault)
        if sum(isinstance(part, Slot) for part in parts) > MAX_EXPRESSIONS:
            faults.append(InvalidExpression(f"more than {MAX_EXPRESSIONS} {{{{ }}}} in one text", 0, 1))
        return Template(source, tuple(part for part in parts if part != "")), faults

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The expressions in it, in order."""
        return tuple(part for part in self.parts if isinstance(part, Slot))

    @property
    def alone(self) -> expression.Value | None:
        """The expression if the whole text is one `{{ }}`: its value then keeps its JSON type."""
        rest = [part for part in self.parts if isinstance(part, Slot) or part.strip()]
        return rest[0].value if len(rest) == 1 and isinstance(rest[0], Slot) else None

    def value(self, data: Mapping[str, Any], effort: Effort | None = None) -> Any:
        """The field itself if the text is one `{{ }}`, else the text."""
        alone = self.alone
        return alone.of(data, effort) if alone is not None else self.text(data, effort)

    def text(self, data: Mapping[str, Any], effort: Effort | None = None) -> str:
        """The text with everything filled in; what takes too long to find is left out. Cut at MAX_TEXT."""
        effort = [EFFORT] if effort is None else effort
        filled: list[str] = []
        length = 0
        for part in self.parts:
            filled.append(part if isinstance(part, str) else _filled(part, data, effort))
            length += len(filled[-1])
            if length > MAX_TEXT:
                return "".join(filled)[: MAX_TEXT - 1] + "…"
        return "".join(filled)


def compile_tree(tree: Any) -> Any:
    """Compile every text inside lists and maps; what is no text, or has no `{{ }}`, stays what it is."""
    if isinstance(tree, str):
        template = Template.parse(tree)
        return template if template.slots else tree
    if isinstance(tree, list):
        return [compile_tree(item) for item in tree]
    if isinstance(tree, dict):
        return {key: compile_tree(item) for key, item in tree.items()}
    return tree


def fill_tree(tree: Any, data: Mapping[str, Any], effort: Effort) -> Any:
    """Give a compiled tree its values: plain JSON that nobody else holds."""
    if isinstance(tree, Template):
        return tree.value(data, effort)
    if isinstance(tree, list):
        return [fill_tree(item, data, effort) for item in tree]
    if isinstance(tree, dict):
        return {key: fill_tree(item, data, effort) for key, item in tree.items()}
    return tree


def single_braces(source: str) -> list[tuple[int, int, str]]:
    """Every `{name}` outside `{{ }}`: text as it stands, but perhaps meant as a template."""
    return [(found.start(), found.end(), found[1]) for found in _SINGLE_BRACES.finditer(source)]


def _pieces(source: str) -> Iterator[tuple[int, int, bool]]:
    """The texts outside and the texts inside `{{ }}`, by turns; what is inside and never ends reaches to the end."""
    at = 0
    while (start := source.find("{{", at)) >= 0:
        yield at, start, False
        end = _end(source, start + 2)
        yield start + 2, end, True
        at = min(end + 2, len(source))
    yield at, len(source), False


def _end(source: str, start: int) -> int:
    """Where the `}}` for the expression at `start` stands; texts in quotes are stepped over."""
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
        return Slot(start, expression.value(inside))
    except InvalidExpression as fault:
        raise InvalidExpression(fault.message, fault.start + start, fault.end + start) from None


def _filled(slot: Slot, data: Mapping[str, Any], effort: Effort) -> str:
    try:
        return as_text(slot.value.run(data, effort), effort)
    except TooMuch:
        return ""
