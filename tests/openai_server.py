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
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from aiohttp import web

from tests.waiting import Late, wait_until
from workers.model import demo
from workers.model.local_server import ModelServer, completion, drop, error_response, html_page, pieces


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
    id: str | None = "call00001"

    def wire(self) -> dict[str, Any]:
        arguments = json.dumps(self.arguments) if isinstance(self.arguments, Mapping) else self.arguments
        call = {"type": "function", "function": {"name": self.name, "arguments": arguments}}
        return call if self.id is None else {"id": self.id, **call}


@dataclass(frozen=True)
class Say:
    """A good answer: words, tool calls or both. With neither, the message is empty, as some providers send it.

    As a stream, `every` seconds pass between two tokens, or each waits until `heard` is true of the text before it;
    after `cut` characters the connection breaks.
    """

    text: str | None = None
    calls: Sequence[Call] = ()
    every: float = 0.0
    cut: int | None = None
    heard: Callable[[str], bool] | None = None

    def wire(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.calls:
            message["tool_calls"] = [call.wire() for call in self.calls]
        return message


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
class Held:
    """`then`, as soon as `until` says so."""

    until: Callable[[], bool]
    then: Say


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


@dataclass(frozen=True)
class Recorded:
    """A response as a provider gives it: `body` is JSON, or text that goes out as it is."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Say | NoChoices | Recorded | Status | Html | Redirect | Slow | Held | Drip | DripHeaders | Drop
Script = Sequence[Answer] | Callable[[Received], Answer]


class OpenAIServer(ModelServer):
    """Answers by a script, at any path."""

    path = "/{path:.*}"

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.requests: list[Received] = []
        self._script = script

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def respond(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = request.get_extra_info("peername")[1]
        received = Received(request.path, headers, body, time.monotonic(), peer)
        self.requests.append(received)
        return await _send(self._next(received), request, body)

    def _next(self, received: Received) -> Answer:
        if callable(self._script):
            return self._script(received)
        return self._script[min(len(self.requests), len(self._script)) - 1]


Serve = Callable[[Script], OpenAIServer]
"""The fixture that starts a server, which the environment names."""


def plays_the_demo_model(request: Received) -> Say:
    """A script that carries on a whole conversation, from the tool results in the request."""
    script = demo.reply_to(request.messages, bool(request.tool_names))
    made = demo.wire_message(script).get("tool_calls", ())
    return Say(script.text, [Call(**call["function"], id=call["id"]) for call in made])


async def _send(answer: Answer, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
    match answer:
        case Say(every=every, cut=cut, heard=heard) if body.get("stream") and (every or heard or cut is not None):
            return await _stream(answer, request, body)
        case Say():
            return completion(answer.wire(), body)
        case NoChoices():
            return completion(None, body)
        case Recorded(content, status, headers):
            text = content if isinstance(content, str) else json.dumps(content)
            return web.Response(text=text, status=status, headers={"Content-Type": "application/json", **headers})
        case Html(code):
            return html_page(code)
        case Redirect(to):
            return web.Response(status=307, headers={"Location": to})
        case Status(code, retry_after, message):
            return error_response(code, message, retry_after)
        case Slow(seconds, then):
            await asyncio.sleep(seconds)
            return await _send(then, request, body)
        case Held(until, then):
            await asyncio.to_thread(wait_until, until, limit=30, what="the answer to be released")
            return await _send(then, request, body)
        case Drip(every, then):
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            for byte in completion(then.wire(), {}).text or "":
                await response.write(byte.encode())
                await asyncio.sleep(every)
            return response
        case DripHeaders(every):
            return await _drip_headers(request, every)
        case Drop():
            return drop(request)


async def _stream(answer: Say, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
    """Token by token."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    said, heard = "", answer.heard
    for piece in pieces(answer.wire(), body):
        if heard is not None and not await _happens(partial(heard, said)):
            heard = None  # a test that expects it says what is missing
        said += "".join(re.findall(r'"content": "([^"]*)"', piece.decode()))
        if answer.cut is not None and len(said) > answer.cut:
            return drop(request)
        await response.write(piece)
        await asyncio.sleep(answer.every)
    return response


async def _happens(condition: Callable[[], bool]) -> bool:
    try:
        return await asyncio.to_thread(wait_until, condition, limit=3)
    except Late:
        return False


async def _drip_headers(request: web.Request, every: float) -> web.StreamResponse:
    transport = request.transport
    assert transport is not None
    transport.write(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        transport.write(f"x-{number}: drip\r\n".encode())
        await asyncio.sleep(every)
    return web.StreamResponse()
