"""A process that can be killed at a named point: `python -m workers.scenario.killable FOLDER NAME MODULE [ARGS…]`.

Runs MODULE as `python -m MODULE ARGS…` would. Whenever the process reaches a failpoint for which there
is a file FOLDER/NAME@POINT, it removes the file and ends by SIGKILL, as a machine that loses power would.
"""

import os
import re
import runpy
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from workers.failpoints import listen
from workers.local.procfile import Process

_COMMITS = ("before_commit", "after_commit")
#: The points that each kind of process reaches.
POINTS: Mapping[str, tuple[str, ...]] = {
    "intake": (*(f"T1.{at}" for at in _COMMITS), "T1.after_hint", *(f"T5.{at}" for at in _COMMITS)),
    "workflow": (*(f"handle.{at}" for at in _COMMITS), "handle.after_hints"),
    "agent": (
        *(f"claim.{at}" for at in _COMMITS),
        *("model.before", "model.after", "tools.before", "tools.after"),
        *(f"{step}.{at}" for step in ("step", "results", "end") for at in _COMMITS),
        *("publish.before", "publish.after_push", "publish.before_commit"),
    ),
    "shopify": ("fetch.before", "fetch.after"),
}
#: Reached by the Shopify worker where a token expires, which no scenario's does.
RENEWAL_POINTS = tuple(f"renewal.{at}" for at in _COMMITS)

_PROGRAM = re.compile(r"exec (?:python -m )?(?P<module>[\w.]+)")


def killable(process: Process, folder: Path) -> str:
    """The command of a Procfile's process, run through this module; any other command as it is."""
    return through(__name__, process, folder)


def through(module: str, process: Process, folder: Path) -> str:
    """The command, run through a module that is told FOLDER and KIND first."""
    kind = process.name.partition(".")[0]
    started = f"exec python -m {module} '{folder}' {kind} \\g<module>"
    return _PROGRAM.sub(started, process.command, count=1) if kind in POINTS else process.command


class Killer:
    """Orders to die, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def order(self, kind: str, point: str) -> None:
        """Have the next process of the kind that reaches the point die there."""
        (self.folder / _name(kind, point)).touch()

    def is_pending(self, kind: str, point: str) -> bool:
        """Whether no process has died of this order yet."""
        return (self.folder / _name(kind, point)).exists()

    def withdraw(self) -> None:
        """Nobody has to die any more."""
        for order in self.folder.glob("*@*"):
            order.unlink(missing_ok=True)


def _name(kind: str, point: str) -> str:
    return f"{kind}@{point}"


def _dying(folder: Path, kind: str) -> Callable[[str], None]:
    def reached(point: str) -> None:
        try:
            (folder / _name(kind, point)).unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    return reached


def run(folder: Path, kind: str, module: str, arguments: Sequence[str]) -> None:
    """Run the module with a listener at its points."""
    listen(_dying(folder, kind))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Run what the command line names."""
    folder, kind, module, *arguments = sys.argv[1:]
    run(Path(folder), kind, module, arguments)


if __name__ == "__main__":
    main()
