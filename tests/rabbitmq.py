"""A real RabbitMQ for tests, with data and ports of its own: Debian's `rabbitmq-server`, run as a child.

    with RabbitMQ(folder) as broker:
        …                    # BROKER_URL = broker.url

Where it is not installed, what needs it fails and says so.
"""

import base64
import hashlib
import json
import shutil
import socket
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from kombu import Connection

from events import queues
from tests import servers
from workers.local.embedded_server import EmbeddedServer, EmbeddedServerError

#: Debian's /usr/sbin/rabbitmq-server changes to another user; the script behind it runs as whoever starts it.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class RabbitMQ(EmbeddedServer):
    """One node on loopback; started again, it has the same ports and data."""

    name = "rabbitmq"
    stop_signal = "SIGTERM"

    def __init__(self, folder: Path, *, permissions: Mapping[str, tuple[str, str, str]] | None = None) -> None:
        """`permissions`: further users, whose passwords are their names, with configure, write and read."""
        super().__init__(folder)
        self._permissions = permissions or {}
        self._names = _Names(self.folder / "names")
        self._port, self._distribution_port = _free_port(), _free_port()

    @property
    def url(self) -> str:
        return self.url_of("guest")

    def url_of(self, user: str) -> str:
        """How a user connects."""
        return f"amqp://{user}:{user}@127.0.0.1:{self._port}//"

    @classmethod
    def running(cls, folder: Path) -> str | None:
        return None  # its folder is a test's own

    def start(self) -> str:
        if not SERVER.exists():
            raise EmbeddedServerError(f"RabbitMQ is not installed ({SERVER}): apt-get install rabbitmq-server")
        self._prepare()
        self._names.start()
        config = self.folder / "rabbitmq.conf"
        definitions = self.folder / "definitions.json"
        definitions.write_text(json.dumps(_definitions({"guest": (".*", ".*", ".*"), **self._permissions})))
        lines = [f"listeners.tcp.1 = 127.0.0.1:{self._port}", "disk_free_limit.absolute = 50MB"]
        lines += [f"load_definitions = {definitions}"] if self._permissions else []
        config.write_text("\n".join([*lines, ""]))
        variables = {
            "HOME": self.folder,  # the cookie lies there
            "NOTIFY_SOCKET": self.folder / "nobody",  # set: the script becomes the server instead of its parent
            "RABBITMQ_NODENAME": f"cj{self._port}@localhost",
            "RABBITMQ_CONFIG_FILE": config,
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.folder / "plugins",
            "RABBITMQ_MNESIA_BASE": self.folder / "data",
            "RABBITMQ_LOG_BASE": self.folder / "log",
            "RABBITMQ_PID_FILE": self.folder / "pid",
            "RABBITMQ_DIST_PORT": self._distribution_port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": self._names.port,
            # Beside tests, on few cores: do not spin while idle.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
        }
        self._launch(["env", *(f"{name}={value}" for name, value in variables.items()), str(SERVER)], self._answers)
        return self.url

    def stop(self) -> None:
        super().stop()
        self._names.stop()

    def kill(self) -> None:
        """End it at once by SIGKILL.

        RabbitMQ 3.10 writes its list of quorum queues to the disk up to a second after it has said that a queue is
        declared, and a queue missing there has no leader ever after; so wait for `has_saved` first.
        """
        servers.kill(self)

    def has_saved(self, names: Collection[str]) -> bool:
        """Whether these quorum queues would be there again after a kill."""
        listed = b"".join(path.read_bytes() for path in (self.folder / "data").rglob("quorum/**/names.dets"))
        return all(f"%2F_{name}".encode() in listed for name in names)

    def _answers(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=0)
                # A quorum queue, because those come up last.
                ready = queues.plain_queue("ready")(connection.channel())
                ready.declare()
                ready.delete()
        except Exception:  # noqa: BLE001 - not yet, in whatever way
            return False
        return True


def _definitions(permissions: Mapping[str, tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "vhosts": [{"name": "/"}],
        "users": [{"name": user, "password_hash": _password_hash(user), "tags": ""} for user in permissions],
        "permissions": [
            {"user": user, "vhost": "/", "configure": configure, "write": write, "read": read}
            for user, (configure, write, read) in permissions.items()
        ],
    }


def _password_hash(password: str) -> str:
    """https://www.rabbitmq.com/docs/passwords#computing-password-hash"""
    salt = b"salt"
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


class _Names(EmbeddedServer):
    """epmd, which Erlang's nodes look each other up with; as a child, or RabbitMQ would leave one behind."""

    name = "epmd"
    stop_signal = "SIGTERM"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = _free_port()

    @classmethod
    def running(cls, folder: Path) -> str | None:
        return None

    def start(self) -> str:
        self._prepare()
        self._launch([shutil.which("epmd") or "epmd", "-port", str(self.port), "-address", "127.0.0.1"], self._answers)
        return ""

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
