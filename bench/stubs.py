"""A language model and a store that answer at once: `python -m bench.stubs`, a process of its own.

The model speaks OpenAI's protocol and says what a script says, by how many tool results it is shown: three fetches,
three texts. The store answers each query with the bytes that the development store gave to the first of its kind.
Everything is computed before the first request, so neither is what a benchmark measures. Prints its address; ends when
its standard input closes. `GET /first` tells when each shop was first asked (Unix time).
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from events.data_types import DATA_TYPES
from shopify.client import ShopifyClient
from shopify.data.dispatch import fetch
from shopify.development_store.server import DevelopmentStore, token_for
from shopify.transport import http_client
from workers.model.local_server import pieces

SAMPLE = "sample.myshopify.com"
FETCHED = ("counts", "recent_orders", "overview")
"""What the model asks for, one after the other."""

_RESULT = re.compile(rb'"role": ?"tool"')
_STREAM = re.compile(rb'"stream": ?true')
_OPERATION = re.compile(rb"query (\w+)")


def _words(data: Mapping[str, Any]) -> tuple[str, str, str]:
    """What the model says about each: true, else it would be told to correct it."""
    counts, orders = data["counts"], data["recent_orders"]["orders"]
    latest, before = ((order["name"], order["total"]["amount"]) for order in orders[:2])
    best = data["overview"]["best_stocked_products"][0]
    return (
        f"You have {counts['customers']} customers in your store, and {counts['orders']} orders in the last 60 days.",
        f"Your latest order, {latest[0]}, came to ${latest[1]}, and the one before it, {before[0]}, to ${before[1]}.",
        f"Best stocked is “{best['title']}”, with {best['inventory']} units. Shall we connect your support next?",
    )


def _answer(said: str | None, data_type: str | None) -> bytes:
    function = {"name": "shopify_data", "arguments": json.dumps({"data_type": data_type})}
    calls = [{"id": f"call_{data_type}", "type": "function", "function": function}]
    message: dict[str, Any] = {"role": "assistant", "content": said}
    reason = "stop" if data_type is None else "tool_calls"
    choice = {"index": 0, "message": message | ({"tool_calls": calls} if data_type else {}), "finish_reason": reason}
    usage = {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940}
    frame = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "stub", "usage": usage}
    return _http(200, json.dumps(frame | {"choices": [choice]}).encode())


def _streamed(said: str | None, data_type: str | None) -> bytes:
    """The same as a stream, token by token, all at once."""
    function = {"name": "shopify_data", "arguments": json.dumps({"data_type": data_type})}
    calls = [{"index": 0, "id": f"call_{data_type}", "type": "function", "function": function}] if data_type else []
    asked = {"stream_options": {"include_usage": True}, "model": "stub"}
    body = b"".join(pieces({"role": "assistant", "content": said, "tool_calls": calls}, asked))
    return _http(200, body, kind="text/event-stream")


def _http(status: int, body: bytes, headers: str = "", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


class Stubs:
    """Both, by path."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self._model: list[bytes] = []
        self._streamed: list[bytes] = []
        self._store: dict[bytes, bytes] = {}

    def prime(self) -> None:
        """Ask the development store what workers will ask."""
        with httpx.Client(event_hooks={"response": [self._keep]}) as recording, http_client() as plain:
            recording.headers = plain.headers
            store = DevelopmentStore(now=datetime.now(UTC)).start()
            store.register(SAMPLE, "tiny", token_for(SAMPLE))
            token = SecretStr(token_for(SAMPLE))
            client = ShopifyClient(SAMPLE, token, http=recording, admin_url=store.admin_url)
            found = {
                data_type: fetch(client, data_type, scopes=None, now=datetime.now(UTC)).data for data_type in DATA_TYPES
            }
            store.stop()
        script = list(zip((None, *_words(found)), (*FETCHED, None), strict=True))
        self._model = [_answer(*said) for said in script]
        self._streamed = [_streamed(*said) for said in script]

    def _keep(self, response: httpx.Response) -> None:
        operation = _OPERATION.search(response.request.content)
        assert operation is not None
        told = {name: response.headers[name] for name in ("x-shopify-api-version",) if name in response.headers}
        headers = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self._store[operation[1]] = _http(200, response.read(), headers)

    def answer(self, path: str, body: bytes) -> bytes:
        """The whole response."""
        if path.endswith("/chat/completions"):
            answers = self._streamed if _STREAM.search(body) else self._model
            return answers[min(len(_RESULT.findall(body)), len(answers) - 1)]
        if path == "/first":
            return _http(200, json.dumps(self.first).encode())
        self.first.setdefault(path.split("/")[1], time.time())
        operation = _OPERATION.search(body)
        return self._store.get(operation[1] if operation else b"", _http(404, b"{}"))


class _Connection(asyncio.Protocol):
    """As much of HTTP as the clients speak: requests with a length, one after the other."""

    def __init__(self, stubs: Stubs) -> None:
        self._stubs = stubs
        self._received = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            until = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < until:
                return
            body = bytes(self._received[end + 4 : until])
            del self._received[:until]
            self._transport.write(self._stubs.answer(head.split(b" ", 2)[1].decode(), body))


async def serve(stubs: Stubs) -> None:
    """Until standard input closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(stubs), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    stubs = Stubs()
    stubs.prime()
    asyncio.run(serve(stubs))


if __name__ == "__main__":
    main()
