"""The folder `.cj/`: what a `cj up` or a demo keeps on disk.

    lock         held while it runs: one owner at a time
    run.json     its processes' environment, so that `cj publish` in another terminal finds the servers
    token_keys   created once; opens the sealed tokens in the embedded Postgres
    postgres/    valkey/    the embedded servers' data

Only its owner can read it.
"""

import errno
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from workers.settings import VARIABLES, environment, without_libpq

FOLDER = ".cj"
#: Seconds after which a failed run's folder may be removed, if nothing owns it.
STALE = 60.0


class HomeInUse(Exception):
    """Another `cj up` is running in this folder."""


class HomeNotWritable(Exception):
    """The folder cannot be created or written: a read-only disk, or another user's folder."""


class Home:
    """One such folder, created when first needed."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or Path.cwd() / FOLDER).absolute()
        self._state = self.folder / "run.json"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Own the folder until the block ends. Raises HomeInUse, HomeNotWritable."""
        make_private(self.folder)
        with (self.folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeInUse(f"another `cj up` is running in {self.folder.parent}; stop it first") from None
            try:
                yield
            finally:
                self._state.unlink(missing_ok=True)

    def is_owned(self) -> bool:
        """Whether the folder has an owner now. The kernel releases the lock when its owner dies."""
        try:
            with (self.folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no such folder, or no permission to enter it
            return False
        return False

    def token_keys(self) -> str:
        """The keys that seal tokens here, created by the first call."""
        path = self.folder / "token_keys"
        if not path.exists():
            from storage.vault import new_key_text

            _write_private(path, new_key_text())
        return path.read_text().strip()

    def announce(self, environ: Mapping[str, str]) -> None:
        """Publish the settings of the processes here to other terminals."""
        settings = {name: environ[name] for name in VARIABLES if environ.get(name)}
        _write_private(self._state, json.dumps(settings, indent=1))

    def announced(self) -> dict[str, str]:
        """The settings of the processes running here; empty if there are none."""
        if not self.is_owned():
            return {}
        try:
            settings: dict[str, str] = json.loads(self._state.read_text())
        except (FileNotFoundError, ValueError):  # not announced yet
            return {}
        return settings


def environment_here() -> dict[str, str]:
    """This process's environment, completed from the `cj up` running in this folder."""
    own = environment()
    if not own.get("DATABASE_URL"):
        own = without_libpq(own)
    return {**own, **{name: value for name, value in Home().announced().items() if not own.get(name)}}


@contextmanager
def temporary_home(name: str) -> Iterator[Home]:
    """A temporary home for one run; if the run fails, it is kept until a later run of that name.

    Raises HomeNotWritable.
    """
    place = Home().folder / name
    make_private(place.parent)
    make_private(place)
    for former in place.iterdir():
        if former.stat().st_mtime < time.time() - STALE and not Home(former).is_owned():
            shutil.rmtree(former, ignore_errors=True)
    home = Home(Path(tempfile.mkdtemp(dir=place)))
    try:
        with home.owned():
            yield home
    except Exception:
        raise
    except BaseException:  # interrupted: nothing to investigate
        shutil.rmtree(home.folder, ignore_errors=True)
        raise
    shutil.rmtree(home.folder, ignore_errors=True)


def make_private(folder: Path) -> None:
    """Create a folder that only its owner can use, unless it exists. Raises HomeNotWritable."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise HomeNotWritable(
            f"cannot write to {folder} ({error.strerror}), where the servers' data is kept: "
            "run this in a writable folder of your own"
        ) from None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, atomically."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    draft.replace(path)
