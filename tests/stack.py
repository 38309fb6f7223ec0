"""The whole system around a test: what scenario tests run on, with shorter words for what tests do.

with Stack(database_url, valkey_url, folder) as stack:
    stack.connect("test.myshopify.com", "m1", size="medium")
    stack.publish("oauth_complete", {...})
    stack.gateway.wait_for_ends(conversation_id)
"""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from events import Publisher
from events.envelope import Envelope
from events.replies import Reply
from events.reply import texts
from shopify.development_store.server import DevelopmentStore
from workers.local import procfile, stack
from workers.local.procfile import PROCFILE, Process
from workers.local.stack import KINDS, ReplyCollector, wait_until
from workers.local.supervisor import Pace

__all__ = ["ROOT", "Gateway", "Stack"]

ROOT = PROCFILE.parent
#: Ids of the messages that `workers.delivery.sweeper` says for a turn of which nothing was heard for seconds.
MEANWHILE = re.compile(r"^turn_\d+-w$")


class Gateway(ReplyCollector):
    """A chat gateway that can be asked about conversations."""

    def __init__(self, broker_url: str) -> None:
        super().__init__(broker_url)
        #: Unix time at which each reply was shown, by its id.
        self.arrived: dict[str, float] = {}
        self._by_conversation: dict[str, list[Reply]] = defaultdict(list)
        self._ends: Counter[str] = Counter()

    def of(self, conversation_id: str) -> list[Reply]:
        """The replies of a conversation, as shown."""
        return list(self._by_conversation[conversation_id])

    def texts(self, conversation_id: str) -> list[str]:
        """What CJ said in a conversation, without what the sweeper says meanwhile where the machine is slow."""
        return texts(
            reply for reply in self.of(conversation_id) if not MEANWHILE.search(str(reply.data[-1].get("messageId")))
        )

    def kinds(self, conversation_id: str) -> list[str]:
        """The AG-UI types of a conversation's replies."""
        return [kind for reply in self.of(conversation_id) for kind in reply.kinds]

    def ends(self, conversation_id: str) -> int:
        """How many turns of a conversation have ended."""
        return self._ends[conversation_id]

    def wait_for_ends(self, conversation_id: str, count: int = 1, *, limit: float = 30.0) -> list[Reply]:
        """Wait until `count` turns of the conversation have ended."""
        what = f"{count} ended turns in {conversation_id}"
        wait_until(lambda: self.ends(conversation_id) >= count, limit=limit, what=what)
        return self.of(conversation_id)

    def show(self, reply: Reply) -> None:
        self.arrived[reply.id] = time.time()
        super().show(reply)
        self._by_conversation[reply.subject].append(reply)
        self._ends[reply.subject] += reply.final


class _NoGateway(Gateway):
    def start(self) -> None:
        """Another process takes the replies."""


class Stack(stack.Stack):
    """The Procfile's processes, a development store of their own, and a gateway."""

    gateway: Gateway
    running: ClassVar[list["Stack"]] = []

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
        broker_url = broker_url or valkey_url
        processes = procfile.processes(procfile.read(), only=kinds, counts=counts)
        self._owns_store = store is None
        super().__init__(
            database_url,
            broker_url,
            valkey_url,
            folder,
            processes=[*(replace(process, command=command(process)) for process in processes), *others],
            store=store or DevelopmentStore(),
            gateway=Gateway(broker_url) if shows else _NoGateway(broker_url),
            environ=environ,
            pace=pace,
        )
        self.publisher = Publisher(broker_url)

    def start(self) -> Self:
        if self._owns_store:
            self.store.start()
        self.running.append(self)
        return super().start()

    def stop(self) -> None:
        if self in self.running:  # it may be stopped twice
            self.running.remove(self)
        super().stop()
        self.publisher.close()
        if self._owns_store:
            self.store.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def told(self) -> str:
        """What the processes said last, and their latest warnings, for whoever looks why a test failed."""
        grave = [line for line in self.lines if re.search(r'"level": ?"(warning|error|critical)"|^supervisor: ', line)]
        return "\n".join([*grave[-40:], "…", *self.lines[-20:]])

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

    def wait_row(self, query: str, wanted: Callable[[list[Any]], bool], *, limit: float = 20.0, **values: Any) -> Any:
        """Wait until the rows of a query are as wanted."""
        rows: list[Any] = []

        def check() -> bool:
            rows[:] = self.rows(query, **values)
            return wanted(rows)

        wait_until(check, limit=limit, what=query)
        return rows
