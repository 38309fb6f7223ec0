"""Scenarios read from files, with every mistake told by its place.

oauth.yaml:12:13: unknown expectation 'cj_mesage', did you mean 'cj_message'?
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from workers.scenario.language import Definition
from workers.scenario.meaning import check_meaning
from workers.scenario.read import check_structure
from workflows.problem import Problem, render
from workflows.yaml_marks import Document
from workflows.yaml_reader import line_and_col


class InvalidScenario(Exception):
    """A scenario cannot be run as it is written; `problems` are all that is wrong with it."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        super().__init__("\n".join(render(problem) for problem in self.problems))


@dataclass(frozen=True)
class Passage:
    """Some lines of the file, and the number of the first; lines count from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class Scenario:
    """A scenario and where its parts stand in its file."""

    file: str
    definition: Definition
    steps: tuple[Passage, ...]
    limits: Passage

    @property
    def name(self) -> str:
        """What the test is called."""
        return self.definition.name


def read(path: Path, *, file: str | None = None, workflows: Collection[str] | None = None) -> Scenario:
    """The scenario in a file, called `file` in messages. Raises InvalidScenario, OSError.

    `workflows` are the names of workflows that exist; None: not known.
    """
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        name = file or str(path)
        raise InvalidScenario([Problem(name, 1, 1, f"not UTF-8 text (byte {error.start})")]) from None
    return read_text(text, file=file or str(path), workflows=workflows)


def read_text(text: str, *, file: str, workflows: Collection[str] | None = None) -> Scenario:
    """The scenario in a text. Raises InvalidScenario."""
    document = Document(file, text)
    definition = check_structure(document) if document.root is not None else None
    if definition is not None:
        check_meaning(document, definition, workflows)
    errors = [problem for problem in document.problems if problem.severity == "error"]
    if errors or definition is None:
        raise InvalidScenario(errors)
    steps = tuple(_passage(document, ("steps", number)) for number in range(len(definition.steps)))
    return Scenario(file, definition, steps, _passage(document, ("limits",)))


def _passage(document: Document, path: tuple[str | int, ...]) -> Passage:
    node = document.node(path)
    if node is None:
        return Passage(1, "")
    first, _ = line_and_col(document.text, node.start)
    last, _ = line_and_col(document.text, max(node.end - 1, node.start))
    return Passage(first, "\n".join(document.line(number) for number in range(first, last + 1)))
