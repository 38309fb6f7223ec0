"""A chat-completions server on loopback that speaks OpenAI's protocol, for tests.

It answers what its script says and remembers what it was asked::

    with OpenAIServer([Status(429, retry_after=1), Say("You have 7 customers.")]) as server:
        ...  # OPENAI_API_BASE = server.base_url
    assert server.requests[1].tool_names == ["shopify_data"]

A script is a list (one answer per request, the last one repeats) or a function from the request to the
answer. Every way a real provider misbehaves is one small value: see `Answer`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from workers.model import demo

USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire; `at` is `time.monotonic()` on arrival, `peer` the client's port."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    at: float
    peer: int = 0

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.body.get("messages") or [])

    @property
    def tool_names(self) -> list[str]:
        """Names of the tools offered, in order; empty when none were."""
        return [tool["function"]["name"] for tool in self.body.get("tools") or []]


@dataclass(frozen=True)
class Call:
    """One tool call of an answer. A text in `arguments` goes out as it is, broken or not; `id=None` leaves it out."""

    name: str
    arguments: Mapping[str, Any] | str | None = field(default_factory=dict)
    id: str | None = "call_1"

    def wire(self) -> dict[str, Any]:
        arguments = json.dumps(self.arguments) if isinstance(self.arguments, Mapping) else self.arguments
        call = {"type": "function", "function": {"name": self.name, "arguments": arguments}}
        return call if self.id is None else {"id": self.id, **call}


@dataclass(frozen=True)
class Say:
    """A good answer: words, tool calls or both. With neither, the message is empty, as some providers send it."""

    text: str | None = None
    calls: Sequence[Call] = ()

    def wire(self, model: object) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.calls:
            message["tool_calls"] = [call.wire() for call in self.calls]
        finish = "tool_calls" if self.calls else "stop"
        return _completion(model, [{"index": 0, "message": message, "finish_reason": finish}])


@dataclass(frozen=True)
class NoChoices:
    """HTTP 200 with `choices: []`."""


@dataclass(frozen=True)
class Status:
    """An HTTP error with OpenAI's error body, and `Retry-After` in seconds if given."""

    code: int
    retry_after: float | None = None
    message: str = "the provider is not well"


@dataclass(frozen=True)
class Html:
    """What a proxy in between answers: a page, with any status."""

    code: int = 502


@dataclass(frozen=True)
class Redirect:
    """HTTP 307: the same request, please, to another address."""

    to: str


@dataclass(frozen=True)
class Slow:
    """`then`, after `seconds` of silence."""

    seconds: float
    then: Say = field(default_factory=lambda: Say("late"))


@dataclass(frozen=True)
class Drip:
    """A good answer, one byte every `every` seconds: no single read is slow, the whole never ends."""

    every: float
    then: Say = field(default_factory=lambda: Say("drip"))


@dataclass(frozen=True)
class DripHeaders:
    """A response whose first line comes at once and whose headers never end, one every `every` seconds."""

    every: float


@dataclass(frozen=True)
class Drop:
    """The connection is closed without an answer."""


Answer = Say | NoChoices | Status | Html | Redirect | Slow | Drip | DripHeaders | Drop
Script = Sequence[Answer] | Callable[[Received], Answer]


class OpenAIServer:
    """Serves `POST /v1/chat/completions` on a free port of 127.0.0.1, on a thread of its own."""

    def __init__(self, script: Script) -> None:
        self.requests: list[Received] = []
        #: How many requests are being answered.
        self.open_requests = 0
        self.port = 0
        self._script = script
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-server", daemon=True)

    @property
    def base_url(self) -> str:
        """What belongs into OPENAI_API_BASE."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _open(self) -> None:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_post("/v1/chat/completions", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.open_requests += 1
        try:
            return await self._answer(request)
        finally:
            self.open_requests -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = request.get_extra_info("peername")[1]
        received = Received(request.path, headers, await request.json(), time.monotonic(), peer)
        self.requests.append(received)
        answer = self._next(received)
        if isinstance(answer, Slow):
            await asyncio.sleep(answer.seconds)
            answer = answer.then
        if isinstance(answer, Drip):
            return await _drip(request, answer, received)
        if isinstance(answer, DripHeaders):
            return await _drip_headers(request, answer)
        if isinstance(answer, Drop):
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return _respond(answer, received)

    def _next(self, received: Received) -> Answer:
        if callable(self._script):
            return self._script(received)
        return self._script[min(len(self.requests), len(self._script)) - 1]


def plays_the_demo_model(request: Received) -> Say:
    """A script that carries on a whole conversation, from the tool results in the request."""
    script = demo.reply_to(request.messages, bool(request.tool_names))
    calls = [Call(demo.TOOL, {"data_type": data_type}, f"call_{uuid.uuid4().hex[:24]}") for data_type in script.calls]
    return Say(script.text, calls)


def _respond(answer: Say | NoChoices | Status | Html | Redirect, received: Received) -> web.Response:
    model = received.body.get("model")
    match answer:
        case Say():
            return web.json_response(answer.wire(model))
        case NoChoices():
            return web.json_response(_completion(model, []))
        case Html(code):
            page = "<html><body><h1>Bad Gateway</h1></body></html>"
            return web.Response(status=code, text=page, content_type="text/html")
        case Redirect(to):
            return web.Response(status=307, headers={"Location": to})
        case Status(code, retry_after, message):
            headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
            error = {"message": message, "type": "test_error", "param": None, "code": None}
            return web.json_response({"error": error}, status=code, headers=headers)


async def _drip(request: web.Request, answer: Drip, received: Received) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for byte in json.dumps(answer.then.wire(received.body.get("model"))).encode():
        await response.write(bytes([byte]))
        await asyncio.sleep(answer.every)
    return response


async def _drip_headers(request: web.Request, answer: DripHeaders) -> web.StreamResponse:
    transport = request.transport
    assert transport is not None
    transport.write(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        transport.write(f"x-{number}: drip\r\n".encode())
        await asyncio.sleep(answer.every)
    return web.StreamResponse()


def _completion(model: object, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": choices,
        "usage": USAGE,
    }
