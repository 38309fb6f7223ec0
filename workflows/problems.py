"""Problems told to a person, to a program, and to GitHub.

human(problems)    file:line:col, what is wrong, the source line with a mark; a count at the end
as_json(problems)  a list of objects
github(problems)   workflow commands, which GitHub shows at the lines of a pull request
"""

import json
from collections.abc import Sequence

from workflows.problem import Problem, render


def human(problems: Sequence[Problem], *, files: int | None = None) -> str:
    """Every problem with its source line, then how many there are. `files`: how many were checked."""
    return "\n\n".join([*(render(problem) for problem in problems), summary(problems, files=files)])


def summary(problems: Sequence[Problem], *, files: int | None = None) -> str:
    """ "2 errors and 1 warning in 3 files"."""
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    counts = [_count(errors, "error")] if errors or not warnings else []
    counts += [_count(warnings, "warning")] if warnings else []
    return " and ".join(counts) + ("" if files is None else f" in {_count(files, 'file')}")


def exit_code(problems: Sequence[Problem]) -> int:
    """1 if there is an error; warnings alone are 0."""
    return int(any(problem.severity == "error" for problem in problems))


def as_json(problems: Sequence[Problem]) -> str:
    """A JSON list; lines and columns count from 1, `end_col` is the column after the last marked character."""
    return json.dumps(
        [
            {
                "file": problem.file,
                "line": problem.line,
                "col": problem.col,
                "end_col": problem.col + max(1, problem.width),
                "severity": problem.severity,
                "message": problem.message,
                "source_line": problem.source_line,
            }
            for problem in problems
        ],
        ensure_ascii=False,
        indent=2,
    )


def github(problems: Sequence[Problem]) -> str:
    """One line per problem.

    https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
    """
    return "\n".join(_annotation(problem) for problem in problems)


def _annotation(problem: Problem) -> str:
    place = {
        "file": problem.file,
        "line": problem.line,
        "col": problem.col,
        "endColumn": problem.col + max(1, problem.width) - 1,
    }
    properties = ",".join(f"{key}={_property(str(value))}" for key, value in place.items())
    return f"::{problem.severity} {properties}::{_data(problem.message)}"


def _data(text: str) -> str:
    """What must not end a workflow command early.

    https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
