"""Real servers for tests: one Postgres and one Valkey per test process, fresh data per test."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg2
from psycopg2 import sql

from workers.local.embedded import EmbeddedPostgres
from workers.local.embedded_server import EmbeddedServer

TEMPLATE = "template_migrated"
#: Where files are memory: a new database takes 20 ms there, and up to half a second on a busy disk.
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 2 * 1024**3
_numbers = count(1)


@contextmanager
def fast_folder() -> Iterator[Path]:
    """A folder that is gone afterwards, in memory where there is enough of it."""
    in_memory = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED
    with tempfile.TemporaryDirectory(prefix="cj-test-", dir=MEMORY if in_memory else None) as folder:
        yield Path(folder)


def crash(server: EmbeddedServer) -> None:
    """Cut Postgres' clients off; the next start recovers from the log."""
    _end(server, signal.SIGQUIT)


def kill(server: EmbeddedServer) -> None:
    """End a server at once."""
    _end(server, signal.SIGKILL)


def pause(server: EmbeddedServer) -> None:
    """Make a server hang: new connections wait (Postgres' existing ones continue)."""
    os.kill(pid(server), signal.SIGSTOP)


def resume(server: EmbeddedServer) -> None:
    """Let a paused server go on."""
    os.kill(pid(server), signal.SIGCONT)


def pid(server: EmbeddedServer) -> int:
    """The process id of a server that runs."""
    assert server.pid is not None
    return server.pid


def _end(server: EmbeddedServer, number: signal.Signals) -> None:
    os.kill(pid(server), number)
    server.stop()


class PostgresForTests(EmbeddedPostgres):
    """An embedded Postgres that hands out databases which already stand at the migration head."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        # fsync protects against power cuts only; a crash of the server loses nothing without it.
        super().__init__(folder, durable=durable, settings={"max_connections": "200"})
        self._migrated = False

    def execute(self, statement: sql.Composable, database: str = "postgres") -> None:
        """Run one statement outside of any transaction."""
        connection = psycopg2.connect(self.url_of(database))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    @contextmanager
    def empty_database(self, *, template: str = "template1") -> Iterator[str]:
        """The URL of a new database, dropped afterwards."""
        name = f"test_{next(_numbers)}"
        self.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield self.url_of(name)
        finally:
            self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def migrated_database(self) -> Iterator[str]:
        """The URL of a new database at the migration head, dropped afterwards."""
        if not self._migrated:
            from workers.operations import migrations  # not for the many tests that need no database

            self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
            migrations.upgrade(self.url_of(TEMPLATE))
            self._migrated = True
        with self.empty_database(template=TEMPLATE) as url:
            yield url
