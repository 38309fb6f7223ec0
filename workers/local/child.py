"""One child process of the supervisor: runs in its own session; its output is read without blocking."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from workers.local import parent_death
from workers.local.procfile import Process

REFUSED = 2  # exit code of a process that cannot start because of its settings, database or workflows
_LONGEST_LINE = 256 * 1024


class Child:
    """A running process. Call `lines()` to read its output whenever `pipe` is readable."""

    def __init__(self, process: Process, environ: Mapping[str, str], folder: Path) -> None:
        wrapper = [sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid())]
        self._popen = subprocess.Popen(  # noqa: S603 - a line of the Procfile
            [*wrapper, "/bin/sh", "-c", process.command],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's Ctrl-C must reach only the supervisor
        )
        assert self._popen.stdout is not None
        self._begin(process, self._popen.stdout.fileno())

    def _begin(self, process: Process, pipe: int) -> None:
        """Initialise for a process that was just started and writes to `pipe`."""
        self.process, self.pipe = process, pipe
        self.started_at = time.monotonic()
        self.ready = False
        self.closed = False  # it has closed its output
        self._rest = b""
        os.set_blocking(pipe, False)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def lines(self) -> Iterator[str]:
        """All complete lines received so far; also detects the `ready` line."""
        while True:
            try:
                data = os.read(self.pipe, 65536)
            except BlockingIOError:
                return
            *whole, self._rest = (self._rest + data).split(b"\n")
            if self._rest and (not data or len(self._rest) > _LONGEST_LINE):
                whole, self._rest = [*whole, self._rest], b""
            for raw in whole:
                line = raw.decode(errors="replace").rstrip()
                self.ready = self.ready or says_ready(line)
                yield line
            if not data:
                self.closed = True
                return

    def has_ended(self) -> bool:
        """Whether it ended. Leaves it unreaped, so that its process group id cannot be reused yet."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def reap(self) -> int:
        """Reap an ended child and kill what it left running; returns its exit code, negative for a signal."""
        self.signal(signal.SIGKILL)
        assert self._popen.stdout is not None
        self._popen.stdout.close()
        return self._popen.wait()


def says_ready(line: str) -> bool:
    """Whether this is the JSON log line of `logs.ready`: the process now takes work."""
    if not line.startswith("{") or "ready" not in line:
        return False
    try:
        return bool(json.loads(line).get("event") == "ready")
    except ValueError:
        return False


def how_it_ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
