"""A worker process that is back at once: `python -m workers.local.fork_server FOLDER NAME MODULE [ARGS…]`.

A worker imports for seconds before it takes work (litellm alone needs two or more). Here that is done once, by a
process that then only forks: its child runs MODULE as `python -m MODULE ARGS…` would, and can be killed at the points
of `killable`. When it is killed the next child begins where the imports ended; when it ends in any other way, or before
it took work, the server ends as it did.

FOLDER/NAME.pid holds the child's process id while it takes work.
"""

import contextlib
import gc
import importlib
import logging
import os
import signal
import sys
from pathlib import Path

from workers.local import parent_death
from workers.local.child import how_it_ended
from workers.local.procfile import Process
from workers.scenario import killable, pace

#: What `celery worker` imports late.
_OF_CELERY = ("celery.bin.worker", "celery.apps.worker", "celery.concurrency.thread", "kombu.transport.redis")


def command(process: Process, folder: Path) -> str:
    """The command of a Procfile's process, run from a fork server; any other command as it is."""
    return killable.through(__name__, process, folder)


def pid_of(folder: Path, name: str) -> int | None:
    """The process id of the child that takes work; None while there is none."""
    try:
        pid = int(_pid_file(folder, name).read_text())
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pid


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
        from workers.model import litellm_call

        litellm_call.load()
    gc.collect()
    gc.freeze()


def _serve(file: Path) -> None:
    """Fork until a child ends by itself or before it took work, then end as it did; returns in every child.

    SIGTERM is for the child, which decides when it ends. A child gets it also when it comes just before it is forked.
    """
    server, asked = os.getpid(), list[int]()
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    status = -signal.SIGKILL
    while status == -signal.SIGKILL and not asked:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid = os.fork()
        if pid == 0:
            parent_death.tie(server)
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
    _import(module, name)
    _serve(file)
    pace.apply()
    logging.getLogger("workers.ready").addHandler(_Announcing(file))
    killable.run(Path(folder), name, module, arguments)


if __name__ == "__main__":
    main()
