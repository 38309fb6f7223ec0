"""Problems in YAML files, as text and as JSON.

    render(problem)    file:line:col, what is wrong, and the source line with carets under the position
    human(problems)    all of them like that, then a count
as_json(problems)  a list of objects
"""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
_MAX_SHOWN = 140  # columns; only a part of a longer source line is shown


@dataclass(frozen=True, slots=True)
class Problem:
    """`line` and `col` count from 1, in characters; the problem covers `width` characters from there."""

    file: str
    line: int
    col: int
    message: str
    severity: Severity = "error"
    source_line: str = ""
    width: int = 1

    @property
    def place(self) -> tuple[str, int, int, str]:
        """The sort key of problems."""
        return (self.file, self.line, self.col, self.message)

    def __str__(self) -> str:
        kind = "warning: " if self.severity == "warning" else ""
        return f"{self.file}:{self.line}:{self.col}: {kind}{self.message}"


def render(problem: Problem) -> str:
    """The problem, then its source line with carets under the place."""
    if not problem.source_line.strip():
        return str(problem)
    line, start = _window(problem.source_line, problem.col - 1)
    number, caret = str(problem.line), "^" * max(1, _columns(line[start : start + problem.width]))
    gutter = " " * len(number)
    marked = f"  {gutter} | {' ' * _columns(line[:start])}{caret}"
    return "\n".join((str(problem), f"  {gutter} |", f"  {number} | {line.rstrip()}", marked))


def human(problems: Sequence[Problem], *, files: int | None = None) -> str:
    """Every problem with its source line, then the counts. `files`: how many files were checked."""
    return "\n\n".join([*(render(problem) for problem in problems), summary(problems, files=files)])


def summary(problems: Sequence[Problem], *, files: int | None = None) -> str:
    """ "2 errors and 1 warning in 3 files"."""
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    counts = [_count(errors, "error")] if errors or not warnings else []
    counts += [_count(warnings, "warning")] if warnings else []
    return " and ".join(counts) + ("" if files is None else f" in {_count(files, 'file')}")


def exit_code(problems: Sequence[Problem]) -> int:
    """1 if there is an error, 0 if there are only warnings."""
    return int(any(problem.severity == "error" for problem in problems))


def as_json(problems: Sequence[Problem]) -> str:
    """A JSON list. Lines and columns count from 1; `end_col` is the column after the last marked character."""
    shown = [
        {
            "file": problem.file,
            "line": problem.line,
            "col": problem.col,
            "end_col": problem.col + problem.width,
            "severity": problem.severity,
            "message": problem.message,
            "source_line": problem.source_line,
        }
        for problem in problems
    ]
    return json.dumps(shown, ensure_ascii=False, indent=2)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _window(line: str, start: int) -> tuple[str, int]:
    """Cut a long line around the position, and blank out characters that a terminal would not show in one cell."""
    line = "".join(c if c.isprintable() else " " for c in line)
    if len(line) <= _MAX_SHOWN:
        return line, start
    begin = max(0, min(start - _MAX_SHOWN // 3, len(line) - _MAX_SHOWN))
    head, tail = ("…" if begin else ""), ("…" if begin + _MAX_SHOWN < len(line) else "")
    return head + line[begin : begin + _MAX_SHOWN] + tail, start - begin + len(head)


def _columns(text: str) -> int:
    """Terminal cells of a text: wide characters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)
