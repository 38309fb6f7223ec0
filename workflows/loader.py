"""From files to workflows: all that is wrong with all of them is found in one run.

load_folder()               the shipped workflows; a worker does this at its start
load_folder(path)           those of a folder: every *.yaml in it
load_text(text, file=...)   one by itself, such as the text a turn began with
check_paths(paths)          the problems of files and folders, for people
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflows import check as checker
from workflows.actions import ProcessMessage, Transition
from workflows.check import check, check_circles
from workflows.definition import Definition
from workflows.errors import InvalidWorkflows
from workflows.expression import evaluate as expression
from workflows.problem import Problem
from workflows.source import MAX_BYTES, Document
from workflows.vocabulary import ALREADY_AUTHENTICATED
from workflows.workflow import Rule, TransitionRule, Workflow, WorkflowSet

__all__ = ["SHIPPED", "Workflow", "WorkflowSet", "check_paths", "count_files", "load_folder", "load_text"]

SHIPPED = Path(__file__).parent
_NAME_LINE = re.compile(r"^name:[ \t]*[\"']?([a-z][a-z0-9_]*)", re.MULTILINE)  # of files that are not read as YAML


def load_folder(path: Path | str | None = None) -> WorkflowSet:
    """Every workflow of a folder; None for the shipped ones. Raises InvalidWorkflows with all that is wrong."""
    folder = SHIPPED if path is None else Path(path)
    reading = _read_folder(folder)
    problems = _checked(reading)
    if any(problem.severity == "error" for problem in problems):
        raise InvalidWorkflows([problem for problem in problems if problem.severity == "error"])
    loaded = [_built(document, definition) for document, definition in reading.complete()]
    return WorkflowSet(loaded, warnings=problems)


def load_text(text: str, *, file: str = "workflow.yaml") -> Workflow:
    """One workflow by itself; where its transitions lead is not looked up. Raises InvalidWorkflows."""
    document = Document(file, text)
    definition = check(document, None)
    if definition is None:
        raise InvalidWorkflows(sorted(document.problems, key=lambda problem: problem.place))
    return _built(document, definition)


def check_paths(paths: Iterable[Path | str]) -> list[Problem]:
    """Every problem of some files and folders, in order; nothing given means the shipped folder.

    A folder is checked as a worker would load it. A single file may lead to the workflows that lie beside it and to
    the shipped ones, so that a copy can be checked before it is moved to its folder.
    """
    problems: list[Problem] = []
    files: list[Path] = []
    for path in [Path(path) for path in paths] or [SHIPPED]:
        if path.is_dir():
            problems += _checked(_read_folder(path))
        else:
            files.append(path)
    if files:
        problems += _checked(_read_files(files), _names_around(files))
    return sorted(set(problems), key=lambda problem: problem.place)


def count_files(paths: Iterable[Path | str]) -> int:
    """How many files `check_paths` reads."""
    found = [_yaml_files(path) if path.is_dir() else [path] for path in [Path(path) for path in paths] or [SHIPPED]]
    return len({file for files in found for file in files})


@dataclass(slots=True)
class _Reading:
    """Documents that are checked together, and what was wrong before there was a document."""

    documents: list[Document]
    problems: list[Problem]
    definitions: list[Definition | None]

    def complete(self) -> list[tuple[Document, Definition]]:
        pairs = zip(self.documents, self.definitions, strict=True)
        return [(document, definition) for document, definition in pairs if definition is not None]


def _read_folder(folder: Path) -> _Reading:
    if not folder.is_dir():
        return _Reading([], [Problem(str(folder), 1, 1, "there is no such folder")], [])
    files = _yaml_files(folder)
    reading = _read_files([path for path in files if path.suffix == ".yaml"])
    for path in files:
        if path.suffix == ".yml":
            message = f"a workflow file is named *.yaml: rename it to {path.stem}.yaml"
            reading.problems.append(Problem(str(path), 1, 1, message))
    if not files:
        reading.problems.append(Problem(str(folder), 1, 1, "there is no workflow (*.yaml) in this folder"))
    return reading


def _yaml_files(folder: Path) -> list[Path]:
    """The workflows of a folder, also those with the wrong ending; not what an editor leaves beside them."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if path.suffix in (".yaml", ".yml") and path.name[0] not in ".~")


def _read_files(files: Sequence[Path]) -> _Reading:
    reading = _Reading([], [], [])
    for path in dict.fromkeys(files):
        text = _read(path)
        if isinstance(text, Problem):
            reading.problems.append(text)
        else:
            reading.documents.append(Document(str(path), text))
    return reading


def _read(path: Path) -> str | Problem:
    """A file's text. One byte more than allowed is enough to see that it is too long."""
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
        return Problem(str(path), line, col, "this is not UTF-8: save the file with that encoding")


def _names_around(files: Iterable[Path]) -> set[str]:
    """Workflows that single files may lead to although they are not checked with them."""
    folders = {SHIPPED, *(path.parent for path in files)}
    texts = (_read(path) for folder in folders for path in _yaml_files(folder) if path.suffix == ".yaml")
    found = (_NAME_LINE.search(text) for text in texts if isinstance(text, str))
    return {name[1] for name in found if name}


def _names(documents: Iterable[Document]) -> dict[str, Document]:
    """The documents by workflow name; the first of a name counts."""
    found: dict[str, Document] = {}
    for document in documents:
        name = document.data.get("name") if isinstance(document.data, dict) else None
        if isinstance(name, str):
            found.setdefault(name, document)
    return found


def _checked(reading: _Reading, further: Iterable[str] = ()) -> list[Problem]:
    """Check the documents, alone and against each other; all problems in order."""
    by_name = _names(reading.documents)
    names = {*by_name, *further}
    reading.definitions = [check(document, names) for document in reading.documents]
    for document in reading.documents:
        name = document.data.get("name") if isinstance(document.data, dict) else None
        first = by_name.get(name) if isinstance(name, str) else None
        if first is not None and first is not document:
            place = f"{first.file}:{first.line_of(('name',))}"
            document.at(("name",), f"workflow {name!r} is defined already, in {place}: give this one another name")
    definitions = {definition.name: definition for _, definition in reading.complete()}
    check_circles(by_name, {name: each for name, each in definitions.items() if name in by_name})
    problems = [*reading.problems, *(problem for document in reading.documents for problem in document.problems)]
    return sorted(problems, key=lambda problem: problem.place)


def _built(document: Document, definition: Definition) -> Workflow:
    behavior = definition.behavior
    begins = behavior.initial_action if behavior.initiator == "cj" else None
    already = behavior.transitions.get(ALREADY_AUTHENTICATED)
    return Workflow(
        name=definition.name,
        text=document.text,
        definition=definition,
        rules=_rules(document, definition),
        transitions=_transitions(document, definition),
        already_authenticated=(
            Transition(already.target_workflow, already.message, ALREADY_AUTHENTICATED) if already else None
        ),
        initial_action=(
            ProcessMessage(begins.message, begins.sender, begins.cleanup_trigger, begins.metadata) if begins else None
        ),
    )


def _rules(document: Document, definition: Definition) -> Mapping[str, tuple[Rule, ...]]:
    compiled: dict[str, tuple[Rule, ...]] = {}
    for event, rules in definition.system_events.items():
        path = ("system_events", event)
        alone = isinstance(document.data["system_events"][event], dict)
        compiled[event] = tuple(
            Rule(
                index,
                document.line_of(path if alone else (*path, index)),
                expression.condition(rule.condition),
                tuple(action.compiled() for action in rule.actions),
            )
            for index, rule in enumerate(rules)
        )
    return compiled


def _transitions(document: Document, definition: Definition) -> tuple[TransitionRule, ...]:
    messages = {name: each.message for name, each in definition.behavior.transitions.items()}
    return tuple(
        TransitionRule(
            document.line_of(("behavior", "transitions", way.name)),
            way.condition,
            Transition(way.target, messages[way.name], way.name),
        )
        for way in checker.exits(definition)
    )
