"""The language model of scenarios: an OpenAI-compatible server on this machine that answers by a script.

Workers ask it as they ask any provider (CJ_MODEL=openai/scenario, OPENAI_API_BASE=…), over HTTP and through litellm.
Without a script the demo model's answers are served. Which answer of a script is due is read from the request itself:
it is the one after the last that the conversation holds. So an answer that was lost, because a worker was killed or
the merchant wrote again, is given again, and none is skipped.
"""

import asyncio
import itertools
import json
import threading
import time
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


class ScriptedModel:
    """Serves `POST /v1/chat/completions` on a free port of 127.0.0.1, from a thread of its own."""

    def __init__(self) -> None:
        #: What the script had no answer for; None while all is well.
        self.problem: str | None = None
        #: Whether it did not answer when it was asked last; whoever asked may leave it alone for a while.
        self.is_failing = False
        #: How often it was asked since `play`.
        self.asked = 0
        #: How many requests are being answered.
        self.open_requests = 0
        self._script: Sequence[ModelAnswer] | None = None
        self._faults: Sequence[PlannedFault] = ()
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-model", daemon=True)

    @property
    def base_url(self) -> str:
        """For OPENAI_API_BASE."""
        return f"http://127.0.0.1:{self._port}/v1"

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

    def play(self, script: Sequence[ModelAnswer] | None, faults: Sequence[PlannedFault] = ()) -> None:
        """Answer by this script from now on (None: as the demo model), failing as the faults on `model` say."""
        self._script, self._faults = script, [fault for fault in faults if fault.on == "model"]
        self.asked, self.problem, self.is_failing = 0, None, False

    async def _open(self) -> None:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.open_requests += 1
        try:
            return await self._answer_in_time(request)
        finally:
            self.open_requests -= 1

    async def _answer_in_time(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked += 1
        fault = next((fault for fault in self._faults if fault.call in ("every", self.asked)), None)
        self.is_failing = fault is not None
        spoiled = await _failing(fault, request) if fault is not None else None
        self.is_failing = spoiled is not None
        return spoiled or self._reply(body)

    def _reply(self, body: Mapping[str, Any]) -> web.Response:
        messages: list[Message] = body.get("messages") or []
        if self._script is None:
            script = demo.reply_to(messages, bool(body.get("tools")))
            return _completion(demo.wire_message(script))
        number = due(self._script, messages)
        if number >= len(self._script):
            self.problem = f"the model was asked once more, but 'model' has {_answers(len(self._script))}"
            return _error(400, self.problem)
        return _completion(wire_message(self._script[number], number))


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


async def _failing(fault: PlannedFault, request: web.Request) -> web.Response | None:
    """What comes instead of the answer; None if the answer comes all the same, only late."""
    match fault.fail:
        case "slow":
            await asyncio.sleep(SLOW_SECONDS if fault.seconds is None else fault.seconds)
            return None
        case "timeout":
            await asyncio.sleep(HANG_SECONDS)
            return None
        case "rate_limit":
            wait = RETRY_AFTER_SECONDS if fault.seconds is None else fault.seconds
            return _error(429, "too many requests", {"Retry-After": f"{wait:g}"})
        case "unauthorized":
            return _error(401, "the key is not known")
        case "server_error":
            return _error(500, "the provider is not well")
        case "network":
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        case "malformed":
            return web.Response(status=200, text="<html>Bad Gateway</html>", content_type="text/html")


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    error = {"message": message, "type": "scenario", "param": None, "code": None}
    return web.json_response({"error": error}, status=status, headers=headers)


_numbers = itertools.count(1)


def _completion(message: Message) -> web.Response:
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    return web.json_response(
        {
            "id": f"scenario-{next(_numbers)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": MODEL.partition("/")[2],
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }
    )


def _answers(count: int) -> str:
    return "one answer" if count == 1 else f"{count} answers"
