"""A worker that dies when it is told to and is back at once:
`python -m workers.scenario.fork_server FOLDER NAME MODULE [ARGS…]`.

A worker imports for seconds before it takes work (litellm alone needs two or more). Here one process imports what a
worker of the kind NAME needs and then only forks: its child runs MODULE as `python -m MODULE ARGS…` would. When the
child is killed the next one begins where the imports ended; when it ends in any other way, or before it took work, the
server ends as it did. Before the fork there are no threads, sockets or pools.

FOLDER/NAME.pid holds the child's process id while it takes work. Whenever the child reaches a failpoint for which there
is a file FOLDER/NAME@FAILPOINT, it removes the file and ends by SIGKILL, as a machine that loses power would.
"""

import contextlib
import gc
import importlib
import logging
import os
import re
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from workers.failpoints import listen
from workers.local import parent_death
from workers.local.child import how_it_ended
from workers.local.procfile import Process

#: What `celery worker` imports late.
_OF_CELERY = ("celery.bin.worker", "celery.apps.worker", "celery.concurrency.thread", "kombu.transport.redis")
_INTAKE = "workers.intake.__main__"
_PROGRAM = re.compile(r"exec (?:python -m )?(?P<module>[\w.]+)")


class Killer:
    """Orders to die, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def order(self, kind: str, point: str) -> None:
        """Have the next process of the kind that reaches the failpoint die there."""
        self._file(kind, point).touch()

    def is_pending(self, kind: str, point: str) -> bool:
        """Whether no process has died of this order yet."""
        return self._file(kind, point).exists()

    def withdraw(self) -> None:
        """Nobody has to die any more."""
        for order in self.folder.glob("*@*"):
            order.unlink(missing_ok=True)

    def listener(self, kind: str) -> Callable[[str], None]:
        """Kills this process of that kind at the failpoints that are ordered."""

        def reached(point: str) -> None:
            try:
                self._file(kind, point).unlink()
            except FileNotFoundError:
                return
            os.kill(os.getpid(), signal.SIGKILL)

        return reached

    def _file(self, kind: str, point: str) -> Path:
        return self.folder / f"{kind}@{point}"


def run_through(module: str, process: Process, folder: Path) -> str:
    """The command of a Procfile's process, run through `python -m MODULE FOLDER NAME …`."""
    return _PROGRAM.sub(f"exec python -m {module} '{folder}' {process.kind} \\g<module>", process.command, count=1)


def forked(process: Process, folder: Path) -> str:
    """The command of a Procfile's process, run by a fork server."""
    return run_through(__name__, process, folder)


def pid_of(folder: Path, name: str) -> int | None:
    """The process id of the child that takes work; None while there is none."""
    try:
        pid = int(_pid_file(folder, name).read_text())
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pid


def run_as_main(module: str, arguments: list[str]) -> None:
    """What `python -m MODULE ARGS…` does, in this process."""
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _pid_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.pid"


class _PidWriter(logging.Handler):
    """Writes the process id when the worker says that it is ready."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        written = self._file.with_suffix(".new")
        written.write_text(str(os.getpid()))
        written.rename(self._file)


def _import_all(name: str) -> None:
    if name == "intake":
        importlib.import_module(_INTAKE)
        del sys.modules[_INTAKE]  # it is to run as __main__
    else:
        for late in (*_OF_CELERY, "workers.celery", "workers.tasks"):
            importlib.import_module(late)
    if name == "agent":
        from workers.model import litellm_call

        litellm_call.load()
    gc.collect()
    gc.freeze()


def _serve(file: Path) -> None:
    """Fork until a child ends by itself or before it took work, then end as it did; returns in every child.

    SIGTERM is for the child, which decides when it ends. A child gets it also when it comes just before the fork.
    """
    server, asked = os.getpid(), list[int]()
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    status = -signal.SIGKILL
    while status == -signal.SIGKILL and not asked:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid = os.fork()
        if pid == 0:
            parent_death.die_with_parent(server)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            return
        if asked or signal.SIGTERM in signal.sigpending():
            os.kill(pid, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if not file.exists():
            break
        file.unlink()
        sys.stdout.write(f"process {pid} {how_it_ended(status)}\n")
        sys.stdout.flush()
    _end_as(status)


def _end_as(status: int) -> None:
    if status < 0:
        with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def main() -> None:
    """Import, then serve."""
    folder, name, module, *arguments = sys.argv[1:]
    file = _pid_file(Path(folder), name)
    file.unlink(missing_ok=True)  # of a server that was killed
    _import_all(name)
    _serve(file)
    logging.getLogger("workers.ready").addHandler(_PidWriter(file))
    listen(Killer(file.parent).listener(name))
    run_as_main(module, arguments)


if __name__ == "__main__":
    main()
