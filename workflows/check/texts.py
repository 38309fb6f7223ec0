"""The texts of a workflow file: conditions and templates checked in their place, to the column."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from workflows.actions import is_name
from workflows.errors import InvalidExpression
from workflows.expression import evaluate as expression
from workflows.expression.evaluate import Condition
from workflows.expression.kinds import Fields, Kind, condition_faults, kind_of, kind_of_value, value_faults
from workflows.expression.template import Template, single_braces
from workflows.problem import Severity
from workflows.source import Document
from workflows.suggest import or_one_of

Path = tuple[str | int, ...]


class TextChecker:
    """Notes in a document what is wrong with its texts."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def condition(self, path: Path, fields: Fields, elsewhere: Mapping[str, str]) -> Condition | None:
        """The condition of the rule or transition at `path`, compiled; None if there is something wrong with it."""
        path = (*path, "condition")
        written = self.document.find(path)
        source = "true" if written is None else written.data
        if not isinstance(source, str) or not source.strip():
            return None  # noted as a fault of structure
        try:
            condition = expression.condition(source)
        except InvalidExpression as fault:
            self.document.within(path, fault.start, fault.end, fault.message)
            return None
        faults = condition_faults(condition.tree, fields, elsewhere)
        for found in faults:
            self.document.within(path, found.start, found.end, found.message)
        return None if faults else condition

    def templates(self, path: Path, tree: Any, fields: Fields | None, event: str) -> None:
        """Every template in a text, or in the texts of a map or list. `fields` None: the event is not known."""
        if isinstance(tree, dict | list):
            for key, inner in tree.items() if isinstance(tree, dict) else enumerate(tree):
                self.templates((*path, key), inner, fields, event)
        elif isinstance(tree, str):
            self.template(path, tree, fields, event)

    def template(self, path: Path, source: str, fields: Fields | None, event: str) -> None:
        template, faults = Template.read(source)
        for fault in faults:
            self.document.within(path, fault.start, fault.end, fault.message)
        if fields is None:
            return
        for slot in template.slots:
            for found in value_faults(slot.value.tree, fields):
                self.document.within(path, slot.start + found.start, slot.start + found.end, found.message)
        for start, end, name in single_braces(source):
            if name in fields:
                message = f"this is sent as it stands; {{{{{name}}}}} would fill in the field of {event}"
                self.document.within(path, start, end, message, severity="warning")

    def no_templates(self, path: Path, text: Any, why: str, *, severity: Severity = "error") -> None:
        """A template where nothing fills it in."""
        at = text.find("{{") if isinstance(text, str) else -1
        if at >= 0:
            end = text.find("}}", at)
            self.document.within(path, at, end + 2 if end > 0 else at + 2, why, severity=severity)

    def kind(self, value: Any, fields: Fields | None) -> Kind:
        """What kind a value has once its templates are filled in."""
        if not isinstance(value, str):
            return kind_of_value(value)
        try:
            template = Template.parse(value)
        except InvalidExpression:
            return None
        if template.alone is None:
            return "string"
        return None if fields is None else kind_of(template.alone.tree, fields)


def check_target(document: Document, path: Path, target: Any, workflow_names: Collection[str] | None) -> None:
    """The workflow that a transition leads to."""
    if not isinstance(target, str) or not is_name(target):
        return  # noted as a fault of structure
    if target == document.data.get("name"):
        document.at(path, "this leads to the workflow that it leaves")
    elif workflow_names is not None and target not in workflow_names:
        document.at(path, f"unknown workflow {target!r}{or_one_of(target, workflow_names)}")


def note_never_taken(document: Document, noun: str, paths: Sequence[Path], at: int, earlier: int | None) -> None:
    """A rule or transition that reach.never_taken has found."""
    here = document.find((*paths[at], "condition"))
    path, key = ((*paths[at], "condition"), False) if here else (paths[at], isinstance(paths[at][-1], str))
    if earlier is None and here is not None and str(here.data).strip() == "false":
        document.at(path, f"this {noun} is switched off", severity="warning")
    elif earlier is None:
        document.at(path, "this can never be true")
    else:
        line = document.line_of(paths[earlier])
        before = f"the one on line {line} takes" if earlier == 0 else f"those before it, up to line {line}, take"
        document.at(path, f"this {noun} is never reached: {before} everything that it would take", key=key)


def map_of(value: Any) -> dict[str, Any]:
    """The value if it is a map, else an empty one: what is wrong with it is said elsewhere."""
    return value if isinstance(value, dict) else {}


def items_of(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
