"""The demo model as an OpenAI-compatible server on this machine, to reach a model over HTTP without a provider.

Workers ask it like any provider (CJ_MODEL=openai/ANYTHING, OPENAI_API_BASE=…), through litellm. Scenarios and tests
override `respond` to give other answers.
"""

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Self

from aiohttp import web

from shopify.server_thread import ServerThread
from workers.model import demo

_TOKEN = re.compile(r"\s*\S{1,6}|\s+")

Message = Mapping[str, Any]
"""A message of the chat-completion protocol."""


class ModelServer:
    """Serves `POST /v1/chat/completions` on a free port of 127.0.0.1, on its own thread."""

    #: What is served.
    path = "/v1/chat/completions"

    def __init__(self) -> None:
        #: How many requests are being answered.
        self.open_requests = 0
        self.port = 0
        self._thread: ServerThread | None = None

    @property
    def base_url(self) -> str:
        """For OPENAI_API_BASE."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def respond(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        """Answer the request with the JSON `body`; called on the server's thread."""
        message = demo.wire_message(demo.reply_to(body.get("messages") or [], bool(body.get("tools"))))
        return completion(message, body)

    def start(self) -> Self:
        """Listen."""
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_post(self.path, self._handle)
        self._thread = ServerThread(app, "model-server")
        self.port = self._thread.port
        return self

    def stop(self) -> None:
        """Close every connection and end the thread."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.open_requests += 1
        try:
            return await self.respond(request, await request.json())
        finally:
            self.open_requests -= 1


USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
"""The token counts that every answer reports."""


def completion(message: Message | None, body: Mapping[str, Any]) -> web.Response:
    """A message as a response, streamed if the request's `body` asks for it; None: an answer without choices."""
    if body.get("stream"):
        return web.Response(body=b"".join(pieces(message, body)), content_type="text/event-stream")
    finish = "tool_calls" if message and message.get("tool_calls") else "stop"
    choices = [{"index": 0, "message": message, "finish_reason": finish}] if message is not None else []
    return web.json_response(_frame("chat.completion", body) | {"choices": choices, "usage": USAGE})


def pieces(message: Message | None, body: Mapping[str, Any]) -> Iterator[bytes]:
    """The same as a stream: one event per token, as OpenAI sends them, then the counts if they were asked for.

    https://platform.openai.com/docs/api-reference/chat-streaming
    """
    frame = _frame("chat.completion.chunk", body)

    def event(delta: Message, finish: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return b"data: " + json.dumps(frame | {"choices": choices}).encode() + b"\n\n"

    if message is not None:
        yield event({"role": "assistant", "content": ""})
        for token in _TOKEN.findall(message.get("content") or ""):
            yield event({"content": token})
        calls = message.get("tool_calls") or ()
        for index, call in enumerate(calls):
            function = call["function"]
            arguments = function["arguments"]
            yield event({"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]})
            for token in _TOKEN.findall(arguments) if isinstance(arguments, str) else [arguments]:
                yield event({"tool_calls": [{"index": index, "function": {"arguments": token}}]})
        yield event({}, "tool_calls" if calls else "stop")
    if (body.get("stream_options") or {}).get("include_usage"):
        yield b"data: " + json.dumps(frame | {"choices": [], "usage": USAGE}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _frame(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": body.get("model"),
    }


def error_response(status: int, message: str, retry_after: float | None = None) -> web.Response:
    """An HTTP error with OpenAI's body, and `Retry-After` in seconds if given."""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    error = {"message": message, "type": "model_server", "param": None, "code": None}
    return web.json_response({"error": error}, status=status, headers=headers)


def html_page(status: int) -> web.Response:
    """What a proxy on the way would answer."""
    page = "<html><body><h1>Bad Gateway</h1></body></html>"
    return web.Response(status=status, text=page, content_type="text/html")


def drop(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
