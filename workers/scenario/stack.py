"""The whole thing around a test: the Procfile's processes on real servers, a development store, and a gateway.

with Stack(database_url, valkey_url, folder) as stack:
    stack.connect("test.myshopify.com", "m1", size="medium")
    stack.publish("oauth_complete", {...})
    stack.gateway.wait_for_ends(conversation_id)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr
from sqlalchemy import text

from events import Publisher
from events.envelope import Envelope
from shopify.development_store.server import DevelopmentStore, token_for
from storage import merchants
from storage.database import Database
from storage.vault import Vault, new_key_text
from workers.local import procfile
from workers.local.procfile import Process
from workers.local.supervisor import Pace, Supervisor
from workers.scenario.gateway import Gateway
from workers.scenario.waiting import Late, wait_until
from workers.settings import environment

KINDS = ("intake", "workflow", "agent", "shopify")
SCOPES = ("read_customers", "read_orders", "read_products")
READY_SECONDS = 60.0
#: Of the environment, what a process needs to run at all; everything else is named by the stack.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


class StackFailed(Late):
    """The processes did not become ready; the text ends with their last lines."""


class Stack:
    """Real worker processes under the supervisor; everything else a test needs beside them."""

    supervisor: Supervisor

    def __init__(
        self,
        database_url: str,
        valkey_url: str,
        folder: Path,
        *,
        broker_url: str | None = None,
        kinds: Sequence[str] = KINDS,
        counts: Mapping[str, int] | None = None,
        environ: Mapping[str, str] | None = None,
        store: DevelopmentStore | None = None,
        command: Callable[[Process], str] = lambda process: process.command,
        pace: Pace | None = None,
        others: Sequence[Process] = (),
        shows: bool = True,
    ) -> None:
        """`command` may change how a process is started. A `store` given is running and stays so.

        `others` run beside the Procfile's processes; one of them is the gateway when `shows` is false.
        """
        self.database_url, self.redis_url = database_url, valkey_url
        self.broker_url = broker_url or valkey_url
        self.log_file = folder / "workers.log"
        self.lines: list[str] = []
        self.keys = new_key_text()
        self.store = store or DevelopmentStore()
        self._owns_store = store is None
        self._environ = dict(environ or {})
        processes = procfile.processes(procfile.read(), only=kinds, counts=counts)
        self._processes = [replace(process, command=command(process)) for process in processes]
        self._processes += others
        self._shows = shows
        self._pace = pace
        self.database = Database(database_url)
        self.vault = Vault.from_text(self.keys)
        self.gateway = Gateway(self.broker_url)
        self.publisher = Publisher(self.broker_url)

    def environ(self) -> dict[str, str]:
        """The processes' environment: of this process's only what `INHERITED` names."""
        outside = environment()
        return {name: outside[name] for name in INHERITED if name in outside} | {
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            "REDIS_URL": self.redis_url,
            "CJ_TOKEN_KEYS": self.keys,
            "CJ_LEASE_SECONDS": "2",
            "SHOPIFY_ADMIN_URL": self.store.admin_url,
            "PYTHONWARNINGS": "default",
            **self._environ,
        }

    def start(self) -> Self:
        """Start everything and wait until it is ready. Raises StackFailed."""
        if self._owns_store:
            self.store.start()
        self.supervisor = Supervisor(
            self._processes,
            environ=self.environ(),
            folder=procfile.PROCFILE.parent,
            show=self._show,
            say=lambda sentence: self._show("supervisor", sentence),
            pace=self._pace,
        )
        self.supervisor.start()
        if self._shows:
            self.gateway.start()
        if not self.supervisor.wait_ready(READY_SECONDS):
            late = ", ".join(self.supervisor.not_ready())
            self.stop()
            raise StackFailed(f"not ready: {late}\n" + "\n".join(self.lines[-60:]))
        return self

    def stop(self) -> None:
        """Let the processes finish their work, then end everything."""
        self.supervisor.stop()
        self.gateway.stop()
        self.publisher.close()
        self.database.dispose()
        if self._owns_store:
            self.store.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

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
        """Register the shop at the development store and keep its token, as the auth service would.

        With `expires_in` (seconds) and `refresh_token` among the store's options, the token expires.
        """
        token = token or token_for(shop_domain)
        refresh_token = store.get("refresh_token")
        self.store.register(shop_domain, size, token, scopes=scopes, **store)
        with self.database.transaction() as session:
            merchants.connect_shop(
                session,
                self.vault,
                merchant_id=merchant_id,
                shop_domain=shop_domain,
                access_token=SecretStr(token),
                scopes=scopes,
                refresh_token=SecretStr(refresh_token) if refresh_token is not None else None,
                access_expires_in=store.get("expires_in"),
                emit=False,
            )

    def publish(self, type: str, data: Mapping[str, Any], **options: Any) -> Envelope:
        """Publish an event."""
        return self.publisher.publish(type, dict(data), **options)

    def connected(self, merchant_id: str, shop_domain: str, conversation_id: str, **options: Any) -> Envelope:
        """Publish `oauth_complete`."""
        data = {"provider": "shopify", "success": True, "shop_domain": shop_domain, "merchant_id": merchant_id}
        return self.publish("oauth_complete", data | {"conversation_id": conversation_id}, **options)

    def say(self, merchant_id: str, conversation_id: str, text: str, **options: Any) -> Envelope:
        """Publish `message_received`, as the chat gateway does."""
        data = {"merchant_id": merchant_id, "conversation_id": conversation_id, "text": text}
        return self.publish("message_received", data, source="/gateway", **options)

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Rows of a query on the workers' database."""
        with self.database.transaction() as session:
            return [tuple(row) for row in session.execute(text(query), values)]

    def wait_row(self, query: str, wanted: Callable[[list[Any]], bool], *, limit: float = 20.0, **values: Any) -> Any:
        """Wait until the rows of a query are as wanted."""
        rows: list[Any] = []

        def check() -> bool:
            rows[:] = self.rows(query, **values)
            return wanted(rows)

        wait_until(check, limit=limit, what=query)
        return rows

    def _show(self, name: str, line: str) -> None:
        self.lines.append(f"{name}: {line}")
        with self.log_file.open("a") as log:
            log.write(f"{name}: {line}\n")
