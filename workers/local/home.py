"""The folder `.cj/`: what one `cj up`, or one demo, keeps on disk.

    lock         held while it runs: one owner at a time
    run.json     the environment its processes got, so that `cj publish` in another terminal finds them
    token_keys   made once; sealed tokens in the embedded Postgres cannot be opened without it
    postgres/    valkey/    the embedded servers' data

All of it is readable by its owner only.
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

from workers.settings import VARIABLES, environment

FOLDER = ".cj"
#: Seconds after which the home of a failed run that nobody owns may be removed.
STALE = 60.0


class HomeInUse(Exception):
    """Another `cj up` runs in this folder."""


class HomeNotWritable(Exception):
    """The folder cannot be made or written: a read-only disk, or somebody else's folder."""


class Home:
    """One such folder; made when it is first needed."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or Path.cwd() / FOLDER).absolute()
        self._state = self.folder / "run.json"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Be the one owner until the block ends. Raises HomeInUse, HomeNotWritable."""
        make_private(self.folder)
        with (self.folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeInUse(f"another `cj up` runs in {self.folder.parent}; stop it first") from None
            try:
                yield
            finally:
                self._state.unlink(missing_ok=True)

    def is_owned(self) -> bool:
        """Does somebody own this folder now? The lock ends with its owner, however that ended."""
        try:
            with (self.folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no such folder, or none that we may enter
            return False
        return False

    def token_keys(self) -> str:
        """The keys that seal tokens here, made at the first call."""
        path = self.folder / "token_keys"
        if not path.exists():
            from storage.vault import new_key_text

            _write_private(path, new_key_text())
        return path.read_text().strip()

    def announce(self, environ: Mapping[str, str]) -> None:
        """Tell other terminals the settings that the processes here run with."""
        settings = {name: environ[name] for name in VARIABLES if environ.get(name)}
        _write_private(self._state, json.dumps(settings, indent=1))

    def announced(self) -> dict[str, str]:
        """The settings of what runs here; empty when nothing does."""
        if not self.is_owned():
            return {}
        try:
            settings: dict[str, str] = json.loads(self._state.read_text())
        except (FileNotFoundError, ValueError):  # not announced yet
            return {}
        return settings


def environment_here() -> dict[str, str]:
    """This process's environment; what it leaves open is taken from the `cj up` that runs in this folder."""
    own = environment()
    return {**own, **{name: value for name, value in Home().announced().items() if not own.get(name)}}


@contextmanager
def passing_home(name: str) -> Iterator[Home]:
    """A home of its own for one run; kept when the run fails, until a later run of that name.

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
    except BaseException:  # interrupted: there is nothing to find out
        shutil.rmtree(home.folder, ignore_errors=True)
        raise
    shutil.rmtree(home.folder, ignore_errors=True)


def make_private(folder: Path) -> None:
    """Make a folder for its owner alone, unless it is there. Raises HomeNotWritable."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise HomeNotWritable(
            f"cannot write to {folder} ({error.strerror}); it keeps the servers' data here: "
            "run this in a folder of yours, on a disk that can be written"
        ) from None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    draft.replace(path)
