"""The workers as in production, with a development store and a chat gateway around them."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import SecretStr
from sqlalchemy import text

from events.replies import RepliesConsumer, Reply
from shopify.development_store.server import DevelopmentStore, token_for
from storage import merchants
from storage.database import Database
from storage.vault import Vault, new_key_text
from workers.local import procfile
from workers.local.procfile import Process
from workers.local.supervisor import Pace, Supervisor
from workers.settings import environment

T = TypeVar("T")

KINDS = ("intake", "workflow", "agent", "shopify")
SCOPES = ("read_customers", "read_orders", "read_products")
READY_SECONDS = 60.0
#: How long a killed worker still holds its turn.
LEASE_SECONDS = 2.0
#: Variables that a process inherits because it could not run without them; the stack sets everything else.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


class Late(AssertionError):
    """A condition did not become true in time."""


class StackFailed(Late):
    """The processes did not become ready; the text ends with their last lines."""


def wait_until(condition: Callable[[], T | None], *, limit: float = 10.0, what: str = "the condition") -> T:
    """Poll `condition` until it is true (its value is returned). Raises Late after `limit` seconds."""
    deadline = time.monotonic() + limit
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Late(f"waited {limit:g} s in vain for {what}; last value: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def keep_token(database: Database, vault: Vault, merchant_id: str, shop_domain: str, token: str, **more: Any) -> None:
    """Store a shop's token, as the auth service does before it sends the event."""
    with database.transaction() as session:
        merchants.connect_shop(
            session,
            vault,
            merchant_id=merchant_id,
            shop_domain=shop_domain,
            access_token=SecretStr(token),
            emit=False,
            **more,
        )


class ReplyCollector:
    """A chat gateway that records replies, each once, in order, and acks them; runs on its own thread."""

    def __init__(self, broker_url: str, on_reply: Callable[[Reply], None] = lambda _reply: None) -> None:
        self.shown: list[Reply] = []
        #: What it had shown before, for a gateway with a record, which waits longer for first replies.
        self.record: Sequence[Reply] | None = None
        self._broker_url, self._on_reply = broker_url, on_reply
        self._stop, self._begin_anew = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def start(self) -> None:
        """Start consuming."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def forget(self) -> None:
        """Continue as a new gateway that has seen none of the conversations."""
        self._begin_anew.set()

    def show(self, reply: Reply) -> None:
        """Called with each reply."""
        self.shown.append(reply)
        self._on_reply(reply)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._begin_anew.clear()
            consumer = RepliesConsumer(self._broker_url, shown=self.record)
            consumer.run(self.show, stop=self._stop, until=self._begin_anew.is_set)


class Stack:
    """Real worker processes under the supervisor, with clients to observe them."""

    supervisor: Supervisor

    def __init__(
        self,
        database_url: str,
        broker_url: str,
        redis_url: str,
        folder: Path,
        *,
        processes: Sequence[Process],
        store: DevelopmentStore,
        gateway: ReplyCollector,
        environ: Mapping[str, str] | None = None,
        pace: Pace | None = None,
    ) -> None:
        """The workers' log goes to `folder`. `store` must be running. `environ` is added to the processes'
        variables."""
        self.database_url, self.broker_url, self.redis_url = database_url, broker_url, redis_url
        self.log_file = folder / "workers.log"
        #: All output of the processes, as `name: line`.
        self.lines: list[str] = []
        self.keys = new_key_text()
        self.store, self.gateway = store, gateway
        self.database = Database(database_url)
        self.vault = Vault.from_text(self.keys)
        self._processes, self._environ, self._pace = processes, dict(environ or {}), pace

    def environ(self) -> dict[str, str]:
        """The processes' environment, with only the `INHERITED` variables of this process."""
        outside = environment()
        return {name: outside[name] for name in INHERITED if name in outside} | {
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            "REDIS_URL": self.redis_url,
            "CJ_TOKEN_KEYS": self.keys,
            "CJ_MODEL": "demo",
            "CJ_LEASE_SECONDS": f"{LEASE_SECONDS:g}",
            "SHOPIFY_ADMIN_URL": self.store.admin_url,
            "PYTHONWARNINGS": "default",
            **self._environ,
        }

    def start(self) -> Self:
        """Start everything and wait until it is ready. Raises StackFailed."""
        self._log = self.log_file.open("a", buffering=1)
        self.supervisor = Supervisor(
            self._processes,
            folder=procfile.PROCFILE.parent,
            show=self._note,
            say=lambda sentence: self._note("supervisor", sentence),
            pace=self._pace,
        )
        self.supervisor.start(self.environ())
        self.gateway.start()
        if not self.supervisor.wait_ready(READY_SECONDS):
            late = ", ".join(self.supervisor.not_ready())
            self.stop()
            raise StackFailed(f"not ready: {late}\n" + "\n".join(self.lines[-60:]))
        return self

    def stop(self) -> None:
        """Let the processes finish their work, then end everything."""
        self.supervisor.stop()
        self._log.close()
        self.gateway.stop()
        self.database.dispose()

    def connect(
        self,
        shop_domain: str,
        merchant_id: str,
        *,
        size: str = "medium",
        token: str | None = None,
        scopes: Sequence[str] = SCOPES,
        **store: Any,
    ) -> None:
        """Register the shop at the development store and store its token, as the auth service would.

        With `expires_in` (seconds) and `refresh_token` among the store's options, the token expires.
        """
        token = token or token_for(shop_domain)
        refresh_token = store.get("refresh_token")
        self.store.register(shop_domain, size, token, scopes=scopes, **store)
        keep_token(
            self.database,
            self.vault,
            merchant_id,
            shop_domain,
            token,
            scopes=scopes,
            refresh_token=None if refresh_token is None else SecretStr(refresh_token),
            access_expires_in=store.get("expires_in"),
        )

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Rows of a query on the workers' database."""
        with self.database.transaction() as session:
            return [tuple(row) for row in session.execute(text(query), values)]

    def _note(self, name: str, line: str) -> None:
        self.lines.append(f"{name}: {line}")
        self._log.write(f"{name}: {line}\n")
