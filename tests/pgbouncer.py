"""A real PgBouncer in front of the tests' Postgres: Debian's `pgbouncer`, run as a child.

    with PgBouncer(folder, database_url) as pool:
        …                    # DATABASE_URL = pool.url

Every transaction gets whichever server connection is free, unless another `mode` is named. Where it is not installed,
what needs it fails and says so.
"""

import os
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2

from workers.local.embedded import SUPERUSER, free_port, service_user
from workers.local.embedded_server import EmbeddedServer, EmbeddedServerError

SERVER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"


class PgBouncer(EmbeddedServer):
    """One pool of two server connections, on loopback."""

    name = "pgbouncer"
    stop_signal = "SIGTERM"

    def __init__(self, folder: Path, database_url: str, *, mode: str = "transaction") -> None:
        super().__init__(folder)
        parts = urlsplit(database_url)
        self._database, self._sockets = parts.path.strip("/"), parse_qs(parts.query)["host"][0]
        self._port, self._mode = free_port(), mode

    @property
    def url(self) -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self._port}/{self._database}"

    @classmethod
    def running(cls, folder: Path) -> str | None:
        return None  # its folder is a test's own

    def start(self) -> str:
        if not os.access(SERVER, os.X_OK):
            raise EmbeddedServerError(f"PgBouncer is not installed ({SERVER}): apt-get install pgbouncer")
        self._prepare()
        self.folder.chmod(0o755)  # it refuses root, and must read its settings
        (self.folder / "users").write_text(f'"{SUPERUSER}" ""\n')
        (self.folder / "pgbouncer.ini").write_text(f"""\
[databases]
* = host={self._sockets} pool_size=2
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self._port}
unix_socket_dir =
auth_type = trust
auth_file = {self.folder / "users"}
pool_mode = {self._mode}
""")
        self._launch([SERVER, str(self.folder / "pgbouncer.ini")], self._answers, user=service_user())
        return self.url

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True
