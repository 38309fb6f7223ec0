"""The Procfile: one line `kind: command` per kind of process; each kind may run many times."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

PROCFILE = Path(__file__).parents[2] / "Procfile"
_LINE = re.compile(r"([a-z][a-z0-9_-]*):\s*(\S.*)")


class ProcfileError(Exception):
    """The Procfile cannot be read, or lacks a requested kind of process."""


@dataclass(frozen=True)
class Process:
    """One process to run: `name` is unique, `command` is a line for /bin/sh."""

    name: str
    command: str

    @property
    def kind(self) -> str:
        """The kind in the name: `agent` for `agent.2`."""
        return self.name.partition(".")[0]


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
    """The processes to start: each kind once, or `only` some kinds; `counts` sets the number per kind."""
    counts = counts or {}
    for kind in (*only, *counts):
        if kind not in commands:
            raise ProcfileError(f"no process kind {kind!r} in the Procfile; it has {', '.join(commands)}")
    return tuple(
        Process(kind if counts.get(kind, 1) == 1 else f"{kind}.{number}", command)
        for kind, command in commands.items()
        if not only or kind in only
        for number in range(1, counts.get(kind, 1) + 1)
    )
