"""A process that dies at a failpoint when it is told to, and is then for the supervisor to start again:
`python -m tests.chaos.killable FOLDER NAME MODULE [ARGS…]`.
"""

import sys
from pathlib import Path

from workers.failpoints import listen
from workers.local.procfile import Process
from workers.scenario.fork_server import Killer, run_as_main, run_through


def killable(process: Process, folder: Path) -> str:
    """The command of a Procfile's process, run through this module."""
    return run_through(__name__, process, folder)


def main() -> None:
    """Run what the command line names."""
    folder, kind, module, *arguments = sys.argv[1:]
    listen(Killer(Path(folder)).listener(kind))
    run_as_main(module, arguments)


if __name__ == "__main__":
    main()
