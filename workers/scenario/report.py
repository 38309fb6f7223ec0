"""What a person reads when a scenario fails: where, what was expected, and the timed log of what happened."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.scenario.match import LogEntry, Place
from workers.scenario.read import Passage
from workers.workflow.handler import NO_RULE

TEXT_WIDTH = 100
#: Lines of the workers' log that are shown.
WORKER_LINES = 20


@dataclass(frozen=True)
class FailureReport:
    """A scenario that did not go as expected."""

    file: str
    passage: Passage
    """The step as it stands in the file."""
    why: str
    entries: tuple[LogEntry, ...] = ()
    matched: frozenset[int] = frozenset()
    """Numbers of the entries that earlier steps expected."""
    after: Place = (0.0, -1)
    """The place in the log up to which things are matched."""
    differs: Mapping[int, str] = field(default_factory=dict)
    """Why entries are not what was expected, by their number."""
    worker_lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.file}:{self.passage.line}: {self.why}"
        source = textwrap.dedent(self.passage.text).splitlines()
        width = len(str(self.passage.line + len(source) - 1))
        for number, line in enumerate(source, start=self.passage.line):
            yield f"  {number:>{width}} | {line}".rstrip()
        yield ""
        yield "  what happened (* = matched by an earlier step, > = not matched, from here on):"
        yield from self._what_happened()
        if self.worker_lines:
            yield ""
            yield "  what the workers complained about:"
            for line in self.worker_lines:
                yield f"    {line}"

    def _what_happened(self) -> Iterator[str]:
        is_marked = False
        for entry in self.entries:
            mark = "*" if entry.number in self.matched else " "
            if not is_marked and entry.place > self.after:
                mark, is_marked = ">", True
            head = f"  {mark} {entry.at:8.3f} s  {entry.kind:15} "
            indent = " " * len(head)
            first, *more = textwrap.wrap(entry.text, TEXT_WIDTH) or [""]
            yield f"{head}{first}"
            yield from (f"{indent}{line}" for line in more)
            if entry.number in self.differs:
                yield f"{indent}^ {self.differs[entry.number]}"
        if not is_marked:
            yield "  >            (nothing more)"


def complaints(lines: Iterable[str]) -> tuple[str, ...]:
    """The latest of the workers' log lines that tell of a problem or why no rule took an event, as people read them."""
    told = [line for line in map(_complaint, lines) if line is not None]
    return tuple(told[-WORKER_LINES:])


def _complaint(line: str) -> str | None:
    """`kind: {json}` → `kind: warning event refused error_code=…`; a line that is not JSON is shown as it is."""
    kind, _, text = line.partition(": ")
    try:
        entry: Any = json.loads(text)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    if entry.get("level") not in ("warning", "error", "critical") and entry.get("event") != NO_RULE:
        return None
    if entry.get("logger") == "py.warnings":
        return None
    hidden = ("level", "event", "time", "kind", "logger", "exception")
    details = " ".join(f"{key}={value}" for key, value in entry.items() if key not in hidden)
    last = str(entry.get("exception", "")).strip().splitlines()[-1:]
    return " ".join(filter(None, [f"{kind}:", entry["level"], str(entry.get("event", "")), details, *last]))
