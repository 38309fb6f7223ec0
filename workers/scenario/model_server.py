"""A language model on this machine: an OpenAI-compatible server, and the one of scenarios, which answers by a script.

Workers ask it as they ask any provider (CJ_MODEL=openai/scenario, OPENAI_API_BASE=…), over HTTP and through litellm.
"""

import asyncio
import json
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

from aiohttp import web

from workers.model import demo
from workers.scenario.language import ModelAnswer, PlannedFault

MODEL = "openai/scenario"
START_SECONDS = 10.0
#: How long a model that never answers does not answer.
HANG_SECONDS = 600.0
SLOW_SECONDS = 2.0
RETRY_AFTER_SECONDS = 1.0

Message = Mapping[str, Any]


class ModelServer(ABC):
    """Serves `POST /v1/chat/completions` on a free port of 127.0.0.1, from a thread of its own."""

    def __init__(self) -> None:
        #: How many requests are being answered.
        self.open_requests = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="model-server", daemon=True)

    @property
    def base_url(self) -> str:
        """For OPENAI_API_BASE."""
        return f"http://127.0.0.1:{self.port}/v1"

    @abstractmethod
    async def respond(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        """Answer the request, whose JSON is `body`; called on the server's thread."""

    def start(self) -> Self:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(START_SECONDS)
        return self

    def stop(self) -> None:
        """Close every connection and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()

    async def _open(self) -> None:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_post("/v1/chat/completions", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.open_requests += 1
        try:
            return await self.respond(request, await request.json())
        finally:
            self.open_requests -= 1


class ScriptedModel(ModelServer):
    """Answers by a script, else as the demo model.

    Which answer is due is read from the request: it is the one after the last that the conversation holds. So an
    answer that was lost, because a worker was killed or the merchant wrote again, is given again, and none is skipped.
    """

    def __init__(self) -> None:
        super().__init__()
        #: What the script had no answer for; None while all is well.
        self.problem: str | None = None
        #: Whether it failed when it was asked last; whoever asked may leave it alone for a while.
        self.is_failing = False
        #: How often it was asked since `play`.
        self.asked = 0
        self._script: Sequence[ModelAnswer] | None = None
        self._faults: Sequence[PlannedFault] = ()

    def play(self, script: Sequence[ModelAnswer] | None, faults: Sequence[PlannedFault] = ()) -> None:
        """Answer by this script from now on (None: as the demo model), failing as the faults on `model` say."""
        self._script, self._faults = script, [fault for fault in faults if fault.on == "model"]
        self.asked, self.problem, self.is_failing = 0, None, False

    async def respond(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        self.asked += 1
        fault = next((fault for fault in self._faults if fault.call in ("every", self.asked)), None)
        self.is_failing = fault is not None and fault.fail != "slow"
        failure = None if fault is None else await _fail(fault, request)
        return failure or self._reply(body)

    def _reply(self, body: Mapping[str, Any]) -> web.Response:
        messages: Sequence[Message] = body.get("messages") or []
        if self._script is None:
            message = demo.wire_message(demo.reply_to(messages, bool(body.get("tools"))))
            return completion(message, body.get("model"))
        number = due(self._script, messages)
        if number < len(self._script):
            return completion(wire_message(self._script[number], number), body.get("model"))
        answers = "one answer" if len(self._script) == 1 else f"{len(self._script)} answers"
        self.problem = f"the model was asked once more, but 'model' has {answers}"
        return error_response(400, self.problem)


async def _fail(fault: PlannedFault, request: web.Request) -> web.Response | None:
    """What comes instead of the reply; None if the reply comes all the same, only late."""
    match fault.fail:
        case "slow":
            await asyncio.sleep(SLOW_SECONDS if fault.seconds is None else fault.seconds)
        case "timeout":
            await asyncio.sleep(HANG_SECONDS)
        case "rate_limit":
            retry_after = RETRY_AFTER_SECONDS if fault.seconds is None else fault.seconds
            return error_response(429, "too many requests", retry_after)
        case "unauthorized":
            return error_response(401, "the key is not known")
        case "server_error":
            return error_response(500, "the provider is not well")
        case "network":
            return drop(request)
        case "malformed":
            return html_page(200)
    return None


def completion(message: Message | None, model: object) -> web.Response:
    """A message of the model; None: an answer without any choice."""
    finish = "tool_calls" if message and message.get("tool_calls") else "stop"
    return web.json_response(
        {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}] if message is not None else [],
            "usage": {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16},
        }
    )


def error_response(status: int, message: str, retry_after: float | None = None) -> web.Response:
    """An HTTP error with OpenAI's body, and `Retry-After` in seconds if given."""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    error = {"message": message, "type": "model_server", "param": None, "code": None}
    return web.json_response({"error": error}, status=status, headers=headers)


def html_page(status: int) -> web.Response:
    """What a proxy in between answers."""
    page = "<html><body><h1>Bad Gateway</h1></body></html>"
    return web.Response(status=status, text=page, content_type="text/html")


def drop(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def due(script: Sequence[ModelAnswer], messages: Sequence[Message]) -> int:
    """The number of the answer that is due: the one after the last that the conversation holds."""
    number = 0
    for message in messages:
        if message.get("role") != "assistant":
            continue
        found = (n for n in range(number, len(script)) if _is_same(wire_message(script[n], n), message))
        number = next(found, number - 1) + 1
    return number


def wire_message(answer: ModelAnswer, number: int) -> dict[str, Any]:
    """A scripted answer as a message of the chat-completion protocol."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.say}
    calls = [(name, params) for call in answer.call for name, params in call.items()]
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number}_{place}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(params)},
            }
            for place, (name, params) in enumerate(calls)
        ]
    return message


def _is_same(scripted: Message, seen: Message) -> bool:
    ids = [call["id"] for call in scripted.get("tool_calls", ())]
    if ids or seen.get("tool_calls"):
        return ids == [call.get("id") for call in seen.get("tool_calls") or ()]
    return bool(scripted["content"] == seen.get("content"))
