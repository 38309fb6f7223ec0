"""What a person reads when a scenario fails: where, what was expected, and the timed log of what happened."""

import json
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.scenario.log import Entry
from workers.scenario.reading import Passage
from workers.workflow.handler import NO_RULE

TEXT_WIDTH = 100
#: Lines of the workers' log that are shown.
WORKER_LINES = 20


@dataclass(frozen=True)
class Failure:
    """A scenario that did not go as expected."""

    file: str
    passage: Passage
    """The step as it stands in the file."""
    why: str
    entries: tuple[Entry, ...] = ()
    matched: frozenset[int] = frozenset()
    """Numbers of the entries that earlier steps expected."""
    after: tuple[float, float] = (0.0, -1)
    """The place in the log up to which things are matched."""
    differs: Mapping[int, str] = field(default_factory=dict)
    worker_lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The whole report."""
        yield f"{self.file}:{self.passage.line}: {self.why}"
        yield from _source(self.passage.line, self.passage.text)
        yield ""
        yield from _what_happened(self.entries, self.matched, self.after, self.differs)
        if self.worker_lines:
            yield ""
            yield "  what the workers complained about:"
            yield from (f"    {line}" for line in self.worker_lines)


def _source(first: int, source: str) -> Iterator[str]:
    lines = textwrap.dedent(source).splitlines()
    width = len(str(first + len(lines) - 1))
    for number, line in enumerate(lines, start=first):
        yield f"  {number:>{width}} | {line}".rstrip()


def _what_happened(
    entries: Iterable[Entry], matched: Collection[int], after: tuple[float, float], differs: Mapping[int, str]
) -> Iterator[str]:
    yield "  what happened (* = matched by an earlier step, > = not matched, from here on):"
    pointed = False
    for entry in entries:
        mark = "*" if entry.number in matched else " "
        if not pointed and entry.place > after:
            mark, pointed = ">", True
        head = f"  {mark} {entry.at:8.3f} s  {entry.kind:15} "
        room = " " * len(head)
        text = textwrap.wrap(entry.text, TEXT_WIDTH) or [""]
        yield f"{head}{text[0]}"
        yield from (f"{room}{line}" for line in text[1:])
        if entry.number in differs:
            yield f"{room}^ {differs[entry.number]}"
    if not pointed:
        yield "  >            (nothing more)"


def complaints(lines: Iterable[str]) -> tuple[str, ...]:
    """Of the workers' log lines the latest that tell of trouble or why no rule took an event, as people read them."""
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
