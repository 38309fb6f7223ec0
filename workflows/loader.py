"""From files to workflows, with everything that is wrong in all of them found in one run.

load_folder()               the shipped workflows; a worker does this when it starts
load_folder(path)           those of a folder: every *.yaml in it
load_text(text, file=...)   one on its own, such as the text that a turn began with
check_paths(paths)          the problems of files and folders, for people
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflows.actions import ProcessMessage, Transition
from workflows.check import check, check_circles
from workflows.definition import ALREADY_AUTHENTICATED, WorkflowDefinition
from workflows.errors import InvalidWorkflows
from workflows.expression.evaluate import condition
from workflows.problems import Problem
from workflows.source import MAX_BYTES, Document
from workflows.workflow import Rule, TransitionRule, Workflow, WorkflowSet

__all__ = ["SHIPPED", "Workflow", "WorkflowSet", "check_paths", "count_files", "load_folder", "load_text"]

SHIPPED = Path(__file__).parent
_NAME_LINE = re.compile(r"^name:[ \t]*[\"']?([a-z][a-z0-9_]*)", re.MULTILINE)  # in files that are not parsed


def load_folder(path: Path | str | None = None) -> WorkflowSet:
    """Every workflow of a folder; None means the shipped ones. Raises InvalidWorkflows with every error."""
    workflows, problems = _check(_read_folder(SHIPPED if path is None else Path(path)))
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise InvalidWorkflows(errors)
    return WorkflowSet(workflows, warnings=problems)


def load_text(text: str, *, file: str = "workflow.yaml") -> Workflow:
    """One workflow on its own; the targets of its transitions are not looked up. Raises InvalidWorkflows."""
    document = Document(file, text)
    definition = check(document, None)
    if definition is None:
        raise InvalidWorkflows(sorted(document.problems, key=lambda problem: problem.place))
    return _compiled(document, definition)


def check_paths(paths: Iterable[Path | str]) -> list[Problem]:
    """Every problem of some files and folders, in order; no paths mean the shipped folder.

    A folder is checked as a worker would load it. A single file may lead to the workflows beside it and to the shipped
    ones, so that a copy can be checked before it is moved to its folder.
    """
    problems: list[Problem] = []
    files: list[Path] = []
    for path in _paths(paths):
        if path.is_dir():
            problems += _check(_read_folder(path))[1]
        else:
            files.append(path)
    if files:
        problems += _check(_read_files(files), _names_around(files))[1]
    return sorted(set(problems), key=lambda problem: problem.place)


def count_files(paths: Iterable[Path | str]) -> int:
    """How many files `check_paths` reads."""
    return len({file for path in _paths(paths) for file in (_yaml_files(path) if path.is_dir() else [path])})


def _paths(paths: Iterable[Path | str]) -> list[Path]:
    return [Path(path) for path in paths] or [SHIPPED]


@dataclass(slots=True)
class _Files:
    """Documents to be checked together, and the problems of files that could not be read."""

    documents: list[Document]
    problems: list[Problem]


def _read_folder(folder: Path) -> _Files:
    if not folder.is_dir():
        return _Files([], [Problem(str(folder), 1, 1, "there is no such folder")])
    paths = _yaml_files(folder)
    files = _read_files([path for path in paths if path.suffix == ".yaml"])
    for path in paths:
        if path.suffix == ".yml":
            message = f"a workflow file is named *.yaml: rename it to {path.stem}.yaml"
            files.problems.append(Problem(str(path), 1, 1, message))
    if not paths:
        files.problems.append(Problem(str(folder), 1, 1, "there is no workflow (*.yaml) in this folder"))
    return files


def _yaml_files(folder: Path) -> list[Path]:
    """The workflows of a folder, with either ending, without an editor's backups and locks."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if path.suffix in (".yaml", ".yml") and path.name[0] not in ".~")


def _read_files(paths: Sequence[Path]) -> _Files:
    files = _Files([], [])
    for path in dict.fromkeys(paths):
        text = _read(path)
        if isinstance(text, Problem):
            files.problems.append(text)
        else:
            files.documents.append(Document(str(path), text))
    return files


def _read(path: Path) -> str | Problem:
    """A file's text, or why there is none. A few bytes more than allowed are enough to see that it is too long."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 4)
    except FileNotFoundError:
        return Problem(str(path), 1, 1, "there is no such file")
    except OSError as error:
        return Problem(str(path), 1, 1, f"cannot be read: {error.strerror}")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(raw) > MAX_BYTES:
            return raw.decode("utf-8", "replace")
        before = raw[: error.start].decode("utf-8", "replace")
        line, col = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return Problem(str(path), line, col, "this is not UTF-8: save the file in that encoding")


def _names_around(files: Iterable[Path]) -> set[str]:
    """Workflows that single files may lead to although they are not checked along with them."""
    folders = {SHIPPED, *(path.parent for path in files)}
    texts = (_read(path) for folder in folders for path in _yaml_files(folder) if path.suffix == ".yaml")
    found = (_NAME_LINE.search(text) for text in texts if isinstance(text, str))
    return {name[1] for name in found if name}


def _check(files: _Files, further: Iterable[str] = ()) -> tuple[list[Workflow], list[Problem]]:
    """Check documents one by one and against each other. Returns the sound workflows and all problems, in order."""
    first = _first_of_each_name(files.documents)
    names = {*first, *further}
    workflows: list[Workflow] = []
    for document in files.documents:
        definition = check(document, names)
        _check_name(document, first)
        if definition is not None:
            workflows.append(_compiled(document, definition))
    check_circles(first, {each.name: each.transitions for each in workflows})
    problems = [*files.problems, *(problem for document in files.documents for problem in document.problems)]
    return workflows, sorted(problems, key=lambda problem: problem.place)


def _name_of(document: Document) -> str | None:
    name = document.data.get("name") if isinstance(document.data, dict) else None
    return name if isinstance(name, str) else None


def _first_of_each_name(documents: Iterable[Document]) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for document in documents:
        name = _name_of(document)
        if name is not None:
            found.setdefault(name, document)
    return found


def _check_name(document: Document, first: Mapping[str, Document]) -> None:
    name = _name_of(document)
    if name is not None and first[name] is not document:
        place = f"{first[name].file}:{first[name].line_of(('name',))}"
        document.at(("name",), f"workflow {name!r} is already defined in {place}: give this one another name")


def _compiled(document: Document, definition: WorkflowDefinition) -> Workflow:
    behavior = definition.behavior
    begins = behavior.initial_action if behavior.initiator == "cj" else None
    already = behavior.transitions.get(ALREADY_AUTHENTICATED)
    return Workflow(
        name=definition.name,
        text=document.text,
        definition=definition,
        rules={event: _rules(document, event, definition) for event in definition.system_events},
        transitions=_transitions(document, definition),
        already_authenticated=(
            Transition(already.target_workflow, already.message, ALREADY_AUTHENTICATED) if already else None
        ),
        initial_action=(
            ProcessMessage(begins.message, begins.sender, begins.cleanup_trigger, begins.metadata) if begins else None
        ),
    )


def _rules(document: Document, event: str, definition: WorkflowDefinition) -> tuple[Rule, ...]:
    path = ("system_events", event)
    alone = isinstance(document.data["system_events"][event], dict)
    return tuple(
        Rule(
            index,
            document.line_of(path if alone else (*path, index)),
            condition(rule.condition),
            tuple(action.compiled() for action in rule.actions),
        )
        for index, rule in enumerate(definition.system_events[event])
    )


def _transitions(document: Document, definition: WorkflowDefinition) -> tuple[TransitionRule, ...]:
    return tuple(
        TransitionRule(
            document.line_of(("behavior", "transitions", name)),
            condition(transition.condition),
            Transition(transition.target_workflow, transition.message, name),
        )
        for name, transition in definition.behavior.transitions.items()
        if transition.condition is not None and name != ALREADY_AUTHENTICATED
    )
