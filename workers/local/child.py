"""One child process of the supervisor: started in its own session, its lines read without waiting."""

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

REFUSED = 2  # exit code of a process whose settings, database or workflows do not let it start
_LONGEST_LINE = 256 * 1024


class Child:
    """A running process. Its output is read by `lines()` whenever `pipe` is readable."""

    def __init__(self, process: Process, environ: Mapping[str, str], folder: Path) -> None:
        self.process = process
        self.started_at = time.monotonic()
        self.ready = False
        self.silent = False  # it has closed its output
        self._rest = b""
        tie = [sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid())]
        self._popen = subprocess.Popen(  # noqa: S603 - a line of the Procfile
            [*tie, "/bin/sh", "-c", process.command],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's Ctrl-C is for the supervisor alone
        )
        assert self._popen.stdout is not None
        self.pipe = self._popen.stdout.fileno()
        os.set_blocking(self.pipe, False)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def lines(self) -> Iterator[str]:
        """Whatever whole lines have come; also notices the line that says `ready`."""
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
                self.silent = True
                return

    def has_ended(self) -> bool:
        """Without collecting its exit code, so that its process group cannot become another's meanwhile."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def reap(self) -> int:
        """Collect an ended child: its exit code, negative for a signal. What it left running is killed."""
        self.signal(signal.SIGKILL)
        assert self._popen.stdout is not None
        self._popen.stdout.close()
        return self._popen.wait()


def says_ready(line: str) -> bool:
    """Is this the JSON log line by which a process says that it takes work (`logs.ready`)?"""
    if not line.startswith("{") or "ready" not in line:
        return False
    try:
        return bool(json.loads(line).get("event") == "ready")
    except ValueError:
        return False


def how_it_ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
