"""A door in this process, and the simplest of its clients."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import httpx
from celery import Celery
from pydantic import SecretStr
from sqlalchemy import text

from storage import agui, outbox
from storage.database import Database
from storage.outbox import NewReply
from tests import rows
from workers.delivery.wake_ups import WakeUps, broker_breaker
from workers.gateway import __main__ as process
from workers.gateway.access import chat_token
from workers.settings import Settings

CHAT_KEY = "a-chat-key-of-the-tests-that-is-long-enough"
SERVICE_TOKEN = "a-service-token-of-the-tests-long-enough"
KEYS = {"CJ_GATEWAY_CHAT_KEYS": CHAT_KEY, "CJ_GATEWAY_SERVICE_TOKENS": SERVICE_TOKEN}


class Woken(WakeUps):
    """In place of the broker: the keys of events that workers were woken for."""

    def __init__(self) -> None:
        super().__init__(Celery(), broker_breaker())
        self.keys: list[int] = []

    def handle_events(self, event_keys: Sequence[int], after_seconds: float = 0.0) -> bool:
        self.keys += event_keys
        return True


class DoorForTests:
    """Serves on a free port, on a thread of its own."""

    def __init__(self, database_url: str, *, kind: str = "gateway", **environ: str) -> None:
        self.woken = Woken()
        self._kind = kind
        environ = {"DATABASE_URL": database_url, "CJ_GATEWAY_LISTEN": "127.0.0.1:0", **KEYS, **environ}
        self.settings = Settings.read(environ, needed=())
        self.url = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.drain()

    def drain(self) -> None:
        """As SIGTERM does; returns once it has ended."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(20)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        database = Database(self.settings.database_url, pool_size=10)
        try:
            await process.serve(self.settings, database, self.woken, self._stop, self._opened, kind=self._kind)
        finally:
            database.dispose()

    def _opened(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._ready.set()


def token(merchant_id: str = "m1", *, seconds: int = 600) -> str:
    return chat_token(SecretStr(CHAT_KEY), merchant_id, seconds=seconds)


def as_merchant(merchant_id: str = "m1") -> dict[str, str]:
    return {"Authorization": f"Bearer {token(merchant_id)}"}


AS_SERVICE = {"Authorization": f"Bearer {SERVICE_TOKEN}"}

Replies = Iterator[tuple[str, dict[str, Any]]]


@contextmanager
def replies(
    url: str, conversation_id: str = "c1", *, after: str = "", merchant_id: str = "m1", snapshot: bool = False
) -> Iterator[Replies]:
    """The open stream of a conversation: (place, envelope) one after the other."""
    headers = {**as_merchant(merchant_id), **({"Last-Event-ID": after} if after else {})}
    path = f"{url}/conversations/{conversation_id}/replies" + ("?snapshot=1" if snapshot else "")
    with httpx.stream("GET", path, headers=headers, timeout=10) as response:
        assert response.status_code == 200, response.read()
        yield read(response)


def read(response: httpx.Response) -> Replies:
    """What server-sent events there are."""
    place = ""
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            place = value
        elif name == "data":
            yield place, json.loads(value)


def open_at_door(database: Database, conversation_id: str = "c1", merchant_id: str = "m1") -> None:
    rows.open_conversation(database, conversation_id, merchant_id)
    rows.execute(database, "UPDATE conversations SET by_door = true WHERE id = :id", id=conversation_id)


def say(database: Database, turn_id: int, *words: str, conversation_id: str = "c1") -> None:
    """CJ's words in a turn, each a reply and a commit of its own."""
    run_id = f"turn_{turn_id}"
    new = [NewReply("started", agui.run_started(conversation_id, run_id))]
    new += [NewReply(word, agui.text(f"{run_id}-{word}", word)) for word in words]
    for reply in new:
        with database.transaction() as session:
            assert outbox.append(session, turn_id, [reply]) == [], "nothing is published that the door reads"


def end(database: Database, turn_id: int, *, conversation_id: str = "c1") -> None:
    """The end of a turn, and of its run."""
    done = "UPDATE turns SET status = 'done', lease_until = NULL, finished_at = clock_timestamp() WHERE id = :id"
    with database.transaction() as session:
        run = agui.run_finished(conversation_id, f"turn_{turn_id}")
        assert outbox.append(session, turn_id, [NewReply(agui.END_KEY, run)]) == []
        session.execute(text(done), {"id": turn_id})
