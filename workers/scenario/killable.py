"""A process that can be killed at a failpoint: `python -m workers.scenario.killable FOLDER NAME MODULE [ARGS…]`.

Runs MODULE as `python -m MODULE ARGS…` would. Whenever the process reaches a failpoint for which there is a file
FOLDER/NAME@FAILPOINT, it removes the file and kills itself with SIGKILL, as if the machine lost power.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from workers.failpoints import FAILPOINTS, listen
from workers.local.fork_server import run_as_main, run_through
from workers.local.procfile import Process


def killable(process: Process, folder: Path) -> str:
    """The command of a Procfile's process, run through this module; unchanged for a kind without failpoints."""
    return run_through(__name__, process, folder) if process.name.partition(".")[0] in FAILPOINTS else process.command


class Killer:
    """Orders to kill a process, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def order(self, kind: str, point: str) -> None:
        """Have the next process of the kind that reaches the failpoint die there."""
        self._file(kind, point).touch()

    def is_pending(self, kind: str, point: str) -> bool:
        """Whether the order was not carried out yet."""
        return self._file(kind, point).exists()

    def withdraw(self) -> None:
        """Cancel all orders."""
        for order in self.folder.glob("*@*"):
            order.unlink(missing_ok=True)

    def listener(self, kind: str) -> Callable[[str], None]:
        """A failpoint listener that kills this process, of that kind, when it is ordered."""

        def reached(point: str) -> None:
            try:
                self._file(kind, point).unlink()
            except FileNotFoundError:
                return
            os.kill(os.getpid(), signal.SIGKILL)

        return reached

    def _file(self, kind: str, point: str) -> Path:
        return self.folder / f"{kind}@{point}"


def main() -> None:
    """Run what the command line names."""
    folder, kind, module, *arguments = sys.argv[1:]
    listen(Killer(Path(folder)).listener(kind))
    run_as_main(module, arguments)


if __name__ == "__main__":
    main()
