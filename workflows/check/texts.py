"""Conditions and templates checked where they are, so that a problem has its column."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from workflows.actions import is_name
from workflows.check.reach import never_taken
from workflows.errors import InvalidExpression
from workflows.expression import evaluate
from workflows.expression.evaluate import Condition
from workflows.expression.kinds import Fields, Kind, condition_errors, kind_of, kind_of_value, value_errors
from workflows.expression.template import Template, single_braces
from workflows.problems import Severity
from workflows.source import Document, Path
from workflows.suggest import or_one_of


class TextChecker:
    """Adds problems with the texts of a document to it."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def conditions(self, noun: str, paths: Sequence[Path], fields: Fields, elsewhere: Mapping[str, str]) -> None:
        """The conditions of rules or transitions, in the order in which they are tried. `noun` is "rule", for one."""
        conditions = [self.condition(path, fields, elsewhere) for path in paths]
        for at, earlier in never_taken(conditions):
            self.never_taken(noun, paths[at], None if earlier is None else paths[earlier])

    def condition(self, path: Path, fields: Fields, elsewhere: Mapping[str, str]) -> Condition | None:
        """The condition of the rule or transition at `path`, compiled; None if it has errors."""
        path = (*path, "condition")
        written = self.document.find(path)
        source = "true" if written is None else written.data
        if not isinstance(source, str) or not source.strip():
            return None  # sections.py reports it
        try:
            condition = evaluate.condition(source)
            errors = condition_errors(condition.tree, fields, elsewhere)
        except InvalidExpression as error:
            errors = [error]
        for found in errors:
            self.document.within(path, found.start, found.end, found.message)
        return None if errors else condition

    def never_taken(self, noun: str, path: Path, earlier: Path | None) -> None:
        """A rule or transition that is never taken; `earlier` is the one that takes everything that it would."""
        here = self.document.find((*path, "condition"))
        place, key = ((*path, "condition"), False) if here else (path, isinstance(path[-1], str))
        if earlier is not None:
            line = self.document.line_of(earlier)
            message = f"this {noun} is never reached: the one on line {line} takes everything that it would take"
            self.document.at(place, message, key=key)
        elif here is not None and str(here.data).strip() == "false":
            self.document.at(place, f"this {noun} is switched off", severity="warning")
        else:
            self.document.at(place, "this can never be true")

    def templates(self, path: Path, tree: Any, fields: Fields | None, event: str) -> None:
        """Every template in a text, or in the texts of a map or list. `fields` None: the event is not known."""
        if isinstance(tree, dict | list):
            for key, inner in tree.items() if isinstance(tree, dict) else enumerate(tree):
                self.templates((*path, key), inner, fields, event)
        elif isinstance(tree, str):
            self.template(path, tree, fields, event)

    def template(self, path: Path, source: str, fields: Fields | None, event: str) -> None:
        template, errors = Template.read(source)
        for error in errors:
            self.document.within(path, error.start, error.end, error.message)
        if fields is None:
            return
        for slot in template.slots:
            for error in value_errors(slot.value.tree, fields):
                self.document.within(path, slot.start + error.start, slot.start + error.end, error.message)
        for start, end, name in single_braces(source):
            if name in fields:
                message = f"this is sent as is; {{{{{name}}}}} would fill in the field of {event}"
                self.document.within(path, start, end, message, severity="warning")

    def no_templates(self, path: Path, text: Any, why: str, *, severity: Severity = "error") -> None:
        """A template where nothing fills it in."""
        at = text.find("{{") if isinstance(text, str) else -1
        if at >= 0:
            end = text.find("}}", at)
            self.document.within(path, at, end + 2 if end > 0 else at + 2, why, severity=severity)

    def kind(self, value: Any, fields: Fields | None) -> Kind:
        """The kind of a value once its templates are filled in."""
        if not isinstance(value, str):
            return kind_of_value(value)
        try:
            template = Template.parse(value)
        except InvalidExpression:
            return None
        if template.alone is None:
            return "string"
        return None if fields is None else kind_of(template.alone.tree, fields)

    def target(self, path: Path, target: Any, workflow_names: Collection[str] | None) -> None:
        """The workflow that a transition leads to."""
        if not isinstance(target, str) or not is_name(target):
            return  # sections.py reports it
        if target == self.document.data.get("name"):
            self.document.at(path, "this leads back to the same workflow")
        elif workflow_names is not None and target not in workflow_names:
            self.document.at(path, f"unknown workflow {target!r}{or_one_of(target, workflow_names)}")


def map_of(value: Any) -> dict[str, Any]:
    """The value if it is a map, else an empty one: sections.py reports what is wrong with it."""
    return value if isinstance(value, dict) else {}


def items_of(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
