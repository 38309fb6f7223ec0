"""The report of a failed scenario: where, what was expected, and the timed log of what happened."""

import json
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from workers.scenario.match import LogEntry, Place
from workers.scenario.read import Passage
from workers.workflow.event_conversation import NO_RULE

TEXT_WIDTH = 100
#: Lines of the workers' log that are shown.
WORKER_LINES = 20


def failure_report(
    file: str,
    passage: Passage,
    why: str,
    entries: Iterable[LogEntry],
    *,
    matched: Collection[int] = (),
    after: Place = (0.0, -1),
    differs: Mapping[int, str] = MappingProxyType({}),
    worker_lines: Sequence[str] = (),
) -> str:
    """The report. `passage`: the step as in the file; `matched`: numbers of the entries that earlier steps matched;
    `after`: the place in the log up to which it is matched; `differs`: why entries do not match, by their number;
    `worker_lines`: see `complaints`.
    """
    source = textwrap.dedent(passage.text).splitlines()
    width = len(str(passage.line + len(source) - 1))
    lines = [f"{file}:{passage.line}: {why}"]
    lines += [f"  {number:>{width}} | {line}".rstrip() for number, line in enumerate(source, start=passage.line)]
    lines += ["", "  what happened (* = matched by an earlier step, > = not matched, from here on):"]
    is_marked = False
    for entry in entries:
        mark = "*" if entry.number in matched else " "
        if not is_marked and entry.place > after:
            mark, is_marked = ">", True
        head = f"  {mark} {entry.at:8.3f} s  {entry.kind:15} "
        indent = " " * len(head)
        first, *more = textwrap.wrap(entry.text, TEXT_WIDTH) or [""]
        lines += [f"{head}{first}", *(f"{indent}{line}" for line in more)]
        if entry.number in differs:
            lines.append(f"{indent}^ {differs[entry.number]}")
    if not is_marked:
        lines.append("  >            (nothing more)")
    if worker_lines:
        lines += ["", "  what the workers complained about:", *(f"    {line}" for line in worker_lines)]
    return "\n".join(lines)


def complaints(lines: Iterable[str]) -> tuple[str, ...]:
    """The latest of the workers' log lines about a problem or why no rule took an event, in readable form."""
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
