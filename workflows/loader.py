"""Loads workflows from files, and reports all problems in all files in one run.

load_folder()               the shipped workflows; a worker does this when it starts
load_folder(path)           those of a folder: every *.yaml in it
load_text(text, file=...)   a single one
load_again(text, file=...)  the text that a turn started with
check_paths(paths)          the problems of files and folders, for `cj workflows check`
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from workflows.actions import ProcessMessage, Transition
from workflows.check import ModelProblem, check, check_circles, check_models, check_silence, check_way_on
from workflows.check.openings import check_openings
from workflows.check.rules import context_kinds
from workflows.check.sections import check_sections
from workflows.definition import ALREADY_AUTHENTICATED, RuleSection, WorkflowDefinition
from workflows.errors import InvalidExpression, InvalidWorkflows
from workflows.expression.evaluate import compiled
from workflows.problems import Problem
from workflows.source import MAX_BYTES, Document
from workflows.workflow import Rule, TransitionRule, Workflow, WorkflowSet
from workflows.yaml_reader import line_and_col

SHIPPED = Path(__file__).parent
_NAME_LINE = re.compile(rb"^name:[ \t]*[\"']?([a-z][a-z0-9_]*)", re.MULTILINE)  # in files that are not parsed


def load_folder(path: Path | str | None = None) -> WorkflowSet:
    """All workflows of a folder, by default the shipped ones. Raises InvalidWorkflows with all errors."""
    workflows, problems = _check(_read_folder(SHIPPED if path is None else Path(path)))
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise InvalidWorkflows(errors)
    return WorkflowSet(workflows, warnings=problems)


def load_text(text: str, *, file: str = "workflow.yaml") -> Workflow:
    """A single workflow; the targets of its transitions are not checked. Raises InvalidWorkflows."""
    document = Document(file, text)
    definition = check(document, None)
    if definition is None:
        raise InvalidWorkflows(sorted(document.problems, key=lambda problem: problem.place))
    return _compiled(document, definition)


def load_again(text: str, *, file: str) -> Workflow:
    """A text that was checked before, such as the one a turn started with. Raises InvalidWorkflows if this version of
    the code does not support it."""
    document = Document(file, text)
    definition = check_sections(document) if document.root is not None else None
    if definition is None:
        raise InvalidWorkflows(document.problems)
    try:
        return _compiled(document, definition)
    except InvalidExpression as error:
        raise InvalidWorkflows([Problem(file, 1, 1, error.message)]) from None


def check_paths(paths: Iterable[Path | str], model_problem: ModelProblem | None = None) -> list[Problem]:
    """All problems of some files and folders, in order; by default of the shipped folder.

    `model_problem` returns what is wrong with a model's name, or None; without it models are not checked.

    A folder is checked as a worker would load it. A single file may transition to the workflows beside it and to the
    shipped ones, so that a copy can be checked before it is moved to its folder.
    """
    found = _paths(paths)
    files = dict.fromkeys(path for path in found if not path.is_dir())
    problems = _check([_read(path) for path in files], _around(files), model_problem)[1]
    for folder in found:
        if folder.is_dir():
            problems += _check(_read_folder(folder), model_problem=model_problem)[1]
    return sorted(set(problems), key=lambda problem: problem.place)


def count_files(paths: Iterable[Path | str]) -> int:
    """How many files `check_paths` reads."""
    return len({file for path in _paths(paths) for file in (_yaml_files(path) if path.is_dir() else [path])})


def _paths(paths: Iterable[Path | str]) -> list[Path]:
    return [Path(path) for path in paths] or [SHIPPED]


def _yaml_files(folder: Path) -> list[Path]:
    """A folder's *.yaml and *.yml files, without editors' backup and lock files."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if path.suffix in (".yaml", ".yml") and path.name[0] not in ".~")


def _read_folder(folder: Path) -> list[Document]:
    if not folder.is_dir():
        return [_refused(folder, "there is no such folder")]
    paths = _yaml_files(folder)
    if not paths:
        return [_refused(folder, "there is no workflow (*.yaml) in this folder")]
    yml = "a workflow file is named *.yaml: rename it to {}.yaml"
    return [_read(path) if path.suffix == ".yaml" else _refused(path, yml.format(path.stem)) for path in paths]


def _read(path: Path) -> Document:
    try:
        return Document(str(path), _bytes(path).decode("utf-8"))
    except FileNotFoundError:
        return _refused(path, "there is no such file")
    except OSError as error:
        return _refused(path, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        raw = bytes(error.object)
        if len(raw) > MAX_BYTES:  # it may be cut in the middle of a character
            return Document(str(path), raw.decode("utf-8", "replace"))
        before = raw[: error.start].decode("utf-8")
        place = line_and_col(before, len(before))
        return _refused(path, "this is not UTF-8: save the file in that encoding", *place)


def _bytes(path: Path) -> bytes:
    """Reads a few bytes more than allowed, to detect files that are too long."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 4)


def _refused(path: Path, message: str, line: int = 1, col: int = 1) -> Document:
    return Document(str(path), "", refused=Problem(str(path), line, col, message))


def _around(files: Collection[Path]) -> list[Document]:
    """The files that would be loaded with single ones, which may transition to them and read what they set."""
    folders = dict.fromkeys([SHIPPED, *(path.parent for path in files)])
    known = {path.resolve() for path in files}
    return [_read(path) for folder in folders for path in _yaml_files(folder) if path.resolve() not in known]


def names_in(folder: Path) -> set[str]:
    """The names of the workflows in a folder, including invalid ones."""
    paths = (path for path in _yaml_files(folder) if path.suffix == ".yaml" and path.is_file())
    return {found[1].decode() for path in paths if (found := _NAME_LINE.search(_bytes(path)))}


def vocabulary(folder: Path) -> tuple[set[str], set[str]]:
    """The names of a folder's workflows and the context keys that they set, as far as they can be read."""
    return names_in(folder), set(context_kinds(*(document.data for document in _read_folder(folder))))


def _check(
    documents: Sequence[Document], beside: Collection[Document] = (), model_problem: ModelProblem | None = None
) -> tuple[list[Workflow], list[Problem]]:
    """Check documents one by one and against each other. Returns the valid workflows and all problems, in order.
    `beside`: documents that are not checked themselves."""
    first: dict[str, Document] = {}
    for document in documents:
        if name := _name_of(document):
            first.setdefault(name, document)
    beside = [other for other in beside if _name_of(other) not in first]
    names = {*first, *(found[1].decode() for other in beside if (found := _NAME_LINE.search(other.text.encode())))}
    workflows: list[Workflow] = []
    for document in documents:
        elsewhere = context_kinds(*(other.data for other in (*documents, *beside) if other is not document))
        definition = check(document, names, elsewhere)
        name = _name_of(document)
        other = first.get(name, document)
        if other is not document:
            place = f"{other.file}:{other.line_of(('name',))}"
            document.at(("name",), f"workflow {name!r} is already defined in {place}: give this one another name")
        elif definition is not None:
            workflows.append(_compiled(document, definition))
            if model_problem is not None:
                check_models(document, definition, model_problem)
    check_circles(first, {each.name: each.transitions for each in workflows})
    check_openings(first, {each.name: each for each in workflows}, are_all=not beside)
    for each in [] if any(document.has_errors for document in documents) else workflows:
        check_silence(first[each.name], each)
        check_way_on(first[each.name], each)
    problems = [problem for document in documents for problem in document.problems]
    return workflows, sorted(problems, key=lambda problem: problem.place)


def _name_of(document: Document) -> str:
    """The workflow's name, or "" if it cannot be read."""
    name = document.data.get("name") if isinstance(document.data, dict) else None
    return name if isinstance(name, str) else ""


def _compiled(document: Document, definition: WorkflowDefinition) -> Workflow:
    behavior = definition.behavior
    begins = behavior.initial_action if behavior.initiator == "cj" else None
    ways = {
        name: Transition(transition.target_workflow, transition.message, name)
        for name, transition in behavior.transitions.items()
    }
    return Workflow(
        name=definition.name,
        text=document.text,
        definition=definition,
        rules={event: tuple(_rules(document, event, rules)) for event, rules in definition.system_events.items()},
        transitions=tuple(
            TransitionRule(
                document.line_of(("behavior", "transitions", name)), compiled(transition.condition), ways[name]
            )
            for name, transition in behavior.transitions.items()
            if transition.condition is not None
        ),
        already_authenticated=ways.get(ALREADY_AUTHENTICATED),
        initial_action=(
            ProcessMessage(begins.message, begins.sender, begins.cleanup_trigger, begins.metadata) if begins else None
        ),
    )


def _rules(document: Document, event: str, rules: Sequence[RuleSection]) -> Iterator[Rule]:
    alone = isinstance(document.data["system_events"][event], dict)
    for index, rule in enumerate(rules):
        line = document.line_of(("system_events", event) if alone else ("system_events", event, index))
        yield Rule(index, line, compiled(rule.condition), tuple(action.compiled() for action in rule.actions))
