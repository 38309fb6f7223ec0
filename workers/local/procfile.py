"""The Procfile: one line per kind of process, `kind: command`, each runnable many times."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

PROCFILE = Path(__file__).parents[2] / "Procfile"
_LINE = re.compile(r"([a-z][a-z0-9_-]*):\s*(\S.*)")


class ProcfileError(Exception):
    """The Procfile cannot be read, or it has no such kind of process."""


@dataclass(frozen=True)
class Process:
    """One process to run: `name` is unique, `command` is a line for /bin/sh."""

    name: str
    command: str


def read(path: Path = PROCFILE) -> dict[str, str]:
    """Kind → command, in the file's order. Raises ProcfileError."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        raise ProcfileError(f"no Procfile at {path}: run `cj` from a checkout") from None
    commands: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.rstrip())
        if match is None or match[1] in commands:
            raise ProcfileError(f"{path}:{number}: expected `kind: command` with a new kind, found {line!r}")
        commands[match[1]] = match[2]
    return commands


def processes(
    commands: Mapping[str, str], *, only: Collection[str] = (), counts: Mapping[str, int] | None = None
) -> tuple[Process, ...]:
    """The processes to start: every kind once, or `only` some; `counts` asks for more of a kind."""
    counts = counts or {}
    for kind in (*only, *counts):
        if kind not in commands:
            raise ProcfileError(f"no process kind {kind!r} in the Procfile; there are {', '.join(commands)}")
    return tuple(
        Process(kind if counts.get(kind, 1) == 1 else f"{kind}.{number}", command)
        for kind, command in commands.items()
        if not only or kind in only
        for number in range(1, counts.get(kind, 1) + 1)
    )
