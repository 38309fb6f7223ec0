"""One thing that is wrong in a workflow file, and where."""

import unicodedata
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
_WINDOW = 140  # longer source lines are shown in part


@dataclass(frozen=True, slots=True)
class Problem:
    """`line` and `col` count from 1, in characters; `width` characters from there are what is meant."""

    file: str
    line: int
    col: int
    message: str
    severity: Severity = "error"
    source_line: str = ""
    width: int = 1

    @property
    def place(self) -> tuple[str, int, int, str]:
        """The order in which problems are shown."""
        return (self.file, self.line, self.col, self.message)

    def __str__(self) -> str:
        kind = "warning: " if self.severity == "warning" else ""
        return f"{self.file}:{self.line}:{self.col}: {kind}{self.message}"


def render(problem: Problem) -> str:
    """Show a problem to a person: what, then the line it is in with a mark under the place."""
    if not problem.source_line.strip():
        return str(problem)
    line, start = _window(problem.source_line, problem.col - 1)
    marked = line[start : start + max(1, problem.width)]
    number, caret = str(problem.line), "^" * max(1, _columns(marked))
    gutter = " " * len(number)
    return "\n".join(
        (
            str(problem),
            f"  {gutter} |",
            f"  {number} | {line.rstrip()}",
            f"  {gutter} | {' ' * _columns(line[:start])}{caret}",
        )
    )


def _window(line: str, start: int) -> tuple[str, int]:
    """Cut a long line around the place, and replace what a terminal would not show as one cell."""
    line = "".join(c if c.isprintable() else " " for c in line)
    if len(line) <= _WINDOW:
        return line, start
    begin = max(0, min(start - _WINDOW // 3, len(line) - _WINDOW))
    head, tail = ("…" if begin else ""), ("…" if begin + _WINDOW < len(line) else "")
    return head + line[begin : begin + _WINDOW] + tail, start - begin + len(head)


def _columns(text: str) -> int:
    """Terminal cells of a text: wide characters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)
