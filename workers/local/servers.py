"""The servers that the processes need: those named in the environment; the others are started here.

    with LocalServers(home, environ, say) as servers:
        start_processes(servers.environ)

Postgres, Valkey and the development store start in parallel. Only the embedded database is migrated.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Self

from workers.local import procfile
from workers.local.home import Home
from workers.settings import SERVERS, Settings, without_libpq

if TYPE_CHECKING:
    from shopify.development_store import DevelopmentStore
    from workers.local.local_page import LocalPage


#: Preferred ports of `cj up`'s Valkey, development store, door and page, so that other programs can rely on them.
VALKEY_PORT = 6390
STORE_PORT = 4010
DOOR_PORT = 4020
PAGE_PORT = 4030


class DatabaseNotReady(Exception):
    """The schema of the database at DATABASE_URL is out of date; the message names the command."""


class LocalServers:
    """Starts the missing servers; `environ` is then the processes' whole environment.

    Entering raises SettingsError, DatabaseNotReady or EmbeddedServerError.
    """

    def __init__(
        self, home: Home, environ: Mapping[str, str], say: Callable[[str], None], *, known_ports: bool = False
    ) -> None:
        """With `known_ports`, servers use their well-known ports, if these are free."""
        self._home, self._say, self._known_ports = home, say, known_ports
        self._given = {name: value for name, value in environ.items() if value}
        self._stops: list[Callable[[], None]] = []
        self.environ: dict[str, str] = {}
        #: Variables per kind of process: its role's URL, if the database was started here.
        self.own: dict[str, dict[str, str]] = {}
        #: The development store, if started here.
        self.store: DevelopmentStore | None = None
        #: The page's port.
        self.page_port = 0

    def __enter__(self) -> Self:
        if "DATABASE_URL" not in self._given:
            self._given = without_libpq(self._given)
        self._check_given()
        with ExitStack() as until_all_run:
            until_all_run.callback(self._stop)
            self.environ = {**self._start_missing(), **self._door(), **self._given}
            until_all_run.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def page(self) -> "AbstractContextManager[LocalPage | None]":
        """The local page, only with a store that was started here, because it gives everybody a token."""
        from workers.local.local_page import LocalPage

        if self.store is None:
            return nullcontext()
        return LocalPage(Settings.read(self.environ), self.store, self.page_port)

    def _stop(self) -> None:
        """Stop all servers in parallel."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda stop: stop(), self._stops))

    def _check_given(self) -> None:
        """Check what the environment names before anything is started."""
        from workers.operations import migrations

        external = "DATABASE_URL" in self._given
        settings = Settings.read(self._given, needed=("CJ_TOKEN_KEYS",) if external else ())
        if external and (problem := migrations.problem(settings.database_url)):
            raise DatabaseNotReady(problem)

    def _door(self) -> dict[str, str]:
        """The door's address, and temporary keys: it is for this machine and this run only."""
        from workers.local.embedded import free_port

        port = free_port(DOOR_PORT if self._known_ports else 0)
        self.page_port = free_port(PAGE_PORT if self._known_ports else 0)
        page = f"http://127.0.0.1:{self.page_port},http://localhost:{self.page_port}"
        keys = {name: token_urlsafe(32) for name in ("CJ_GATEWAY_CHAT_KEYS", "CJ_GATEWAY_SERVICE_TOKENS")}
        return {"CJ_GATEWAY_LISTEN": f"127.0.0.1:{port}", "CJ_GATEWAY_ORIGINS": page, **keys}

    def _start_missing(self) -> dict[str, str]:
        starts: dict[str, Callable[[], dict[str, str]]] = {}
        if "DATABASE_URL" not in self._given:
            starts["Postgres"] = self._start_postgres
        if not {"BROKER_URL", "REDIS_URL"} <= self._given.keys():
            starts["Valkey"] = self._start_valkey
        # Never with a real database: it may hold real tokens, which must only be sent to Shopify.
        if not self._given.keys() & {*SERVERS, "SHOPIFY_ADMIN_URL"}:
            starts["development store"] = self._start_store

        def start(name: str) -> dict[str, str]:
            began = time.monotonic()
            environ = starts[name]()
            self._say(f"{name} ready, {time.monotonic() - began:.1f} s")
            return environ

        with ThreadPoolExecutor() as threads:
            return {name: value for environ in threads.map(start, starts) for name, value in environ.items()}

    def _start_postgres(self) -> dict[str, str]:
        from workers.local.embedded import DATABASE, EmbeddedPostgres
        from workers.operations import migrations

        server = EmbeddedPostgres(self._home.folder / "postgres")
        self._stops.append(server.stop)
        url = server.start()
        migrations.make_roles(url)
        migrations.upgrade(url)
        self.own = {kind: {"DATABASE_URL": server.url_of(DATABASE, user=f"cj_{kind}")} for kind in procfile.read()}
        # The demo model is only selected here, together with an embedded database.
        return {"DATABASE_URL": url, "CJ_TOKEN_KEYS": self._home.token_keys(), "CJ_MODEL": "demo"}

    def _start_valkey(self) -> dict[str, str]:
        from workers.local.embedded import EmbeddedValkey

        server = EmbeddedValkey(self._home.folder / "valkey", port=VALKEY_PORT if self._known_ports else 0)
        self._stops.append(server.stop)
        url = server.start()
        return {"BROKER_URL": url, "REDIS_URL": url.removesuffix("/0") + "/1"}

    def _start_store(self) -> dict[str, str]:
        from shopify.development_store import DevelopmentStore
        from workers.local.embedded import free_port

        store = DevelopmentStore()
        self._stops.append(store.stop)
        self.store = store.start(free_port(STORE_PORT) if self._known_ports else 0)
        return {"SHOPIFY_ADMIN_URL": store.admin_url}
