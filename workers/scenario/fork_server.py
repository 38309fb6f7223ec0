"""A worker process that is back at once: `python -m workers.scenario.fork_server FOLDER NAME MODULE [ARGS…]`.

A worker imports for seconds before it takes work (litellm alone needs two or more). Here that is done once, by a
process that then only forks: its child runs MODULE as `python -m MODULE ARGS…` would, and can be killed at the points
of `killable`. When it is killed the next child begins where the imports ended; when it ends in any other way the
server ends as it did.

FOLDER/NAME.pid holds the child's process id while it takes work.
"""

import gc
import importlib
import logging
import os
import signal
import sys
from pathlib import Path

from workers import tether
from workers.procfile import Process
from workers.scenario import killable, pace

#: What `celery worker` imports late.
_OF_CELERY = ("celery.bin.worker", "celery.apps.worker", "celery.concurrency.thread", "kombu.transport.redis")


def command(process: Process, folder: Path) -> str:
    """The command of a Procfile's process, run from a fork server; any other command as it is."""
    return killable.through(__name__, process, folder)


def pid_of(folder: Path, name: str) -> int | None:
    """The process id of the child that takes work; None while there is none."""
    try:
        return int(_pid_file(folder, name).read_text())
    except FileNotFoundError:
        return None


def _pid_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.pid"


class _Announcing(logging.Handler):
    """Notes the process id when the worker says that it is ready."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        written = self._file.with_suffix(".new")
        written.write_text(str(os.getpid()))
        written.rename(self._file)


def _import(module: str, name: str) -> None:
    if module == "celery":
        from workers import celery as application

        for late in (*_OF_CELERY, *application.TASK_MODULES):
            importlib.import_module(late)
    else:
        importlib.import_module(module)
        del sys.modules[module]  # it is to run as __main__
    if name == "agent":
        from workers import model_call

        model_call.load()
    gc.collect()
    gc.freeze()


def _serve(file: Path) -> None:
    """Fork until a child ends by itself; returns in every child."""
    server = os.getpid()
    while (pid := os.fork()) != 0:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        file.unlink(missing_ok=True)
        if status != -signal.SIGKILL:
            sys.exit(status)
        sys.stdout.write(f"process {pid} was killed\n")
        sys.stdout.flush()
    tether.tie(server)


def main() -> None:
    """Import, then serve."""
    folder, name, module, *arguments = sys.argv[1:]
    _import(module, name)
    file = _pid_file(Path(folder), name)
    asked_to_end = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the child is asked, too, and decides when
    _serve(file)
    signal.signal(signal.SIGTERM, asked_to_end)
    pace.apply()
    logging.getLogger("workers.ready").addHandler(_Announcing(file))
    killable.run(Path(folder), name, module, arguments)


if __name__ == "__main__":
    main()
