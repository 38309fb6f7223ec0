"""What can go wrong with workflows.

    WorkflowError                  code workflows.error
    ├── InvalidWorkflows           code workflows.invalid: the YAML has errors; .problems has every one of them
    ├── UnknownWorkflow            code workflows.unknown: no workflow of that name is loaded
    └── InvalidExpression          code workflows.expression: a text that is no expression; only while a file is checked

Nothing else leaves this package: an expression that cannot be worked out at run time is false or null.
"""

from collections.abc import Iterable, Sequence

from workflows.problem import Problem, render
from workflows.suggest import or_one_of


class WorkflowError(Exception):
    """Something is wrong with a workflow. `str()` is a sentence for the operator."""

    code = "workflows.error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidWorkflows(WorkflowError):
    """Workflow files that must not be used; `str()` shows every problem with its source line and a caret."""

    code = "workflows.invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n\n".join(render(problem) for problem in self.problems))


class UnknownWorkflow(WorkflowError):
    """A workflow was asked for that is not loaded."""

    code = "workflows.unknown"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no workflow is named {name!r}{or_one_of(name, known)}")
        self.name = name


class InvalidExpression(WorkflowError):
    """A text that is not in the language; `start` and `end` are offsets into that text."""

    code = "workflows.expression"

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start = start
        self.end = max(end, start + 1)
