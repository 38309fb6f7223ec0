"""A real Sentinel (the embedded Valkey is one, too) with a primary and a replica.

with WatchedValkeys(folder) as servers:
    Publisher(servers.url)
    kill(servers.primary)          # after a second the replica takes over
"""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from tests.guarded_valkey import valkey_binary
from tests.waiting import wait_until
from workers.local.embedded import free_port
from workers.local.embedded_server import EmbeddedServer

PASSWORD, SENTINELS_OWN = "passwordofservers", "passwordofsentinels"


class _Server(EmbeddedServer):
    stop_signal = "SIGTERM"

    def __init__(self, folder: Path, name: str, settings: str, *, password: str, options: str = "") -> None:
        self.name = name
        super().__init__(folder / name)
        self.port = free_port()
        self._settings, self._password, self._options = settings, password, options.split()

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @classmethod
    def running(cls, folder: Path) -> str | None:
        return None  # its folder is a test's own

    def start(self) -> str:
        self._prepare()
        file = self.folder / "server.conf"
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\nrequirepass {self._password}\ndir {self.folder}\n{self._settings}"
        )
        self._launch([str(valkey_binary()), str(file), *self._options], self._answers)
        return self.url

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


class WatchedValkeys:
    """`primary` and `replica` are as they began; `url` leads to whichever is the primary."""

    def __init__(self, folder: Path) -> None:
        kept_in_memory = f"save ''\nappendonly no\nprimaryauth {PASSWORD}\nrepl-diskless-sync-delay 0\n"
        self.primary = _Server(folder, "primary", kept_in_memory, password=PASSWORD)
        of_primary = f"replicaof 127.0.0.1 {self.primary.port}\n"
        self.replica = _Server(folder, "replica", kept_in_memory + of_primary, password=PASSWORD)
        self.sentinel = _Server(
            folder,
            "sentinel",
            f"sentinel monitor cj 127.0.0.1 {self.primary.port} 1\nsentinel auth-pass cj {PASSWORD}\n"
            "sentinel down-after-milliseconds cj 500\nsentinel failover-timeout cj 2000\n",
            password=SENTINELS_OWN,
            options="--sentinel",
        )
        away = free_port()  # a sentinel that is away is passed over
        hosts = f"127.0.0.1:{away},127.0.0.1:{self.sentinel.port}"
        self.url = f"sentinel://:{PASSWORD}@{hosts}/0?master=cj&sentinel_password={SENTINELS_OWN}"
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        for server in (self.primary, self.replica, self.sentinel):
            self._opened.enter_context(server)
        wait_until(lambda: self._asked()["num-slaves"] == 1, what="the sentinel knows the replica")
        wait_until(lambda: self._is_copied(), what="the replica has copied the primary")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def _asked(self) -> dict[str, int]:
        with redis.Redis.from_url(self.sentinel.url) as client:
            return dict(client.sentinel_master("cj"))

    def _is_copied(self) -> bool:
        with redis.Redis.from_url(self.replica.url) as client:
            return bool(client.info("replication")["master_link_status"] == "up")
