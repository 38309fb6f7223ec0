"""The whole thing for tests: the Procfile's processes on real servers, a development store, and a gateway.

with Stack(database_url, valkey_url, folder) as stack:
    stack.connect("test.myshopify.com", "m1", size="medium")
    stack.publish("oauth_complete", {...})
    stack.gateway.wait_for_end(conversation_id)
"""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from events import Publisher, RepliesConsumer
from events.envelope import Envelope
from events.replies import Reply
from shopify.development_store.server import DevelopmentStore, token_for
from storage import merchants
from storage.database import Database
from storage.vault import Vault, new_key_text
from tests.waiting import wait_until
from workers import procfile
from workers.supervisor import Supervisor

ROOT = Path(__file__).parent.parent
ENDS = frozenset({"RUN_FINISHED", "RUN_ERROR"})


class Gateway:
    """A chat gateway: shows each reply once, in order, and acks it."""

    def __init__(self, broker_url: str) -> None:
        self.shown: list[Reply] = []
        self.arrived: dict[str, float] = {}
        self._stop = threading.Event()
        self._consumer = RepliesConsumer(broker_url)
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def of(self, conversation_id: str) -> list[Reply]:
        return [reply for reply in list(self.shown) if reply.subject == conversation_id]

    def texts(self, conversation_id: str) -> list[str]:
        return [reply.text for reply in self.of(conversation_id) if reply.text is not None]

    def kinds(self, conversation_id: str) -> list[str]:
        return [reply.kind for reply in self.of(conversation_id)]

    def ends(self, conversation_id: str) -> int:
        return sum(1 for kind in self.kinds(conversation_id) if kind in ENDS)

    def wait_for_ends(self, conversation_id: str, count: int = 1, *, limit: float = 30.0) -> list[Reply]:
        """Wait until `count` turns of the conversation have ended."""
        what = f"{count} ended turns in {conversation_id}"
        wait_until(lambda: self.ends(conversation_id) >= count, limit=limit, what=what)
        return self.of(conversation_id)

    def _run(self) -> None:
        self._consumer.run(self._show, stop=self._stop)

    def _show(self, reply: Reply) -> None:
        self.arrived[reply.id] = time.time()
        self.shown.append(reply)


class Stack:
    """Real worker processes under the supervisor; everything else a test needs beside them."""

    def __init__(
        self,
        database_url: str,
        valkey_url: str,
        folder: Path,
        *,
        broker_url: str | None = None,
        kinds: Sequence[str] = ("intake", "workflow", "agent", "shopify"),
        counts: Mapping[str, int] | None = None,
        environ: Mapping[str, str] | None = None,
        store: DevelopmentStore | None = None,
    ) -> None:
        self.database_url, self.redis_url = database_url, valkey_url
        self.broker_url = broker_url or valkey_url
        self.log_file = folder / "workers.log"
        self.lines: list[str] = []
        self.keys = new_key_text()
        self.store = store or DevelopmentStore()
        self._owns_store = store is None
        self._environ = dict(environ or {})
        self._processes = procfile.processes(procfile.read(), only=kinds, counts=counts)
        self.database = Database(database_url)
        self.vault = Vault.from_text(self.keys)
        self.gateway = Gateway(self.broker_url)
        self.publisher = Publisher(self.broker_url)
        self.supervisor: Supervisor

    def environ(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return inherited | {
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            "REDIS_URL": self.redis_url,
            "CJ_TOKEN_KEYS": self.keys,
            "CJ_LEASE_SECONDS": "2",
            "SHOPIFY_ADMIN_URL": self.store.admin_url,
            "PYTHONWARNINGS": "default",
            **self._environ,
        }

    def __enter__(self) -> Self:
        if self._owns_store:
            self.store.start()
        self.supervisor = Supervisor(
            self._processes, environ=self.environ(), folder=ROOT, show=self._show, say=self._say
        )
        self.supervisor.start()
        self.gateway.start()
        if not self.supervisor.wait_ready(60):
            late = self.supervisor.not_ready()
            self.__exit__(None, None, None)
            raise AssertionError(f"not ready: {late}\n" + "\n".join(self.lines[-60:]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.supervisor.stop()
        self.gateway.stop()
        self.publisher.close()
        self.database.dispose()
        if self._owns_store:
            self.store.stop()

    def connect(
        self, shop_domain: str, merchant_id: str, *, size: str = "medium", token: str | None = None, **store: Any
    ) -> None:
        """Register the shop at the development store and keep its token, as the auth service would."""
        token = token or token_for(shop_domain)
        self.store.register(shop_domain, size, token, **store)
        with self.database.transaction() as session:
            merchants.connect_shop(
                session,
                self.vault,
                merchant_id=merchant_id,
                shop_domain=shop_domain,
                access_token=SecretStr(token),
                scopes=["read_customers", "read_orders", "read_products"],
                emit=False,
            )

    def publish(self, type: str, data: Mapping[str, Any], **options: Any) -> Envelope:
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
        from sqlalchemy import text

        with self.database.transaction() as session:
            return [tuple(row) for row in session.execute(text(query), values)]

    def wait_row(self, query: str, wanted: Callable[[list[Any]], bool], *, limit: float = 20.0, **values: Any) -> Any:
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

    def _say(self, sentence: str) -> None:
        self._show("supervisor", sentence)
