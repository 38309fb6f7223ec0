"""What can go wrong with workflows.

    WorkflowError                  code workflows.error
    ├── InvalidWorkflows           code workflows.invalid: the YAML has errors, all of them in .problems
    ├── UnknownWorkflow            code workflows.unknown: no workflow of that name is loaded
    └── InvalidExpression          code workflows.expression: raised, or collected, while a file is checked

This package raises nothing else. At run time an expression that cannot be evaluated is false or null.
"""

from collections.abc import Iterable, Sequence

from workflows.problems import Problem, Severity, render
from workflows.suggest import or_one_of

#: Characters that word processors, chats and web pages use for quotes and spaces.
CURLY_QUOTES = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb"
STRANGE_SPACES = "\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff"


def strange_space(char: str) -> str:
    """The message for a character that only looks like a space."""
    if char in "\u200b\u2060\ufeff":
        return f"there is an invisible character here (U+{ord(char):04X}): delete it"
    noun = {"\u00a0": "a no-break space"}.get(char, "an unusual space")
    return f"this is {noun} (U+{ord(char):04X}), which only looks like a space: type a space instead"


class WorkflowError(Exception):
    """Something is wrong with a workflow. `str()` is a sentence for the operator."""

    code = "workflows.error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidWorkflows(WorkflowError):
    """Workflow files with errors; `str()` shows every one with its source line and a caret."""

    code = "workflows.invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n\n".join(render(problem) for problem in self.problems))


class UnknownWorkflow(WorkflowError):
    """No workflow of this name is loaded."""

    code = "workflows.unknown"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no workflow is named {name!r}{or_one_of(name, known)}")
        self.name = name


class InvalidExpression(WorkflowError):
    """A text that is not an expression, or one that cannot mean what its author wants.

    `start` and `end` are offsets into that text.
    """

    code = "workflows.expression"

    def __init__(self, message: str, start: int, end: int, severity: Severity = "error") -> None:
        super().__init__(message)
        self.severity = severity
        self.start = start
        self.end = max(end, start + 1)
