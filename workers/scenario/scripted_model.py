"""The language model of scenarios: it answers from a script, and fails where a scenario says so."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from workers.model.local_server import Message, ModelServer, completion, drop, error_response, html_page
from workers.model.response import message_of
from workers.scenario.language import ModelAnswer, PlannedFault

#: CJ_MODEL of workers that use it.
MODEL = "openai/scenario"
#: Seconds for which a model that "never" answers is silent.
HANG_SECONDS = 600.0
SLOW_SECONDS = 2.0
RETRY_AFTER_SECONDS = 1.0


class ScriptedModel(ModelServer):
    """Answers from a script, or else as the demo model.

    The request determines which answer is due: the one after the last in its conversation. So an answer that was lost,
    because a worker was killed or the merchant wrote again, is given again, and none is skipped.
    """

    def __init__(self) -> None:
        super().__init__()
        #: A message if the script ran out of answers; else None.
        self.problem: str | None = None
        #: Whether the last request failed; then the agent's breaker may skip the model for a while.
        self.is_failing = False
        #: Requests since `play`.
        self.asked = 0
        self._script: Sequence[ModelAnswer] | None = None
        self._faults: Sequence[PlannedFault] = ()

    def play(self, script: Sequence[ModelAnswer] | None, faults: Sequence[PlannedFault] = ()) -> None:
        """Answer from this script from now on (None: as the demo model), failing as the faults on `model` say."""
        self._script, self._faults = script, [fault for fault in faults if fault.on == "model"]
        self.asked, self.problem, self.is_failing = 0, None, False

    async def respond(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        self.asked += 1
        fault = next((fault for fault in self._faults if fault.call in ("every", self.asked)), None)
        self.is_failing = fault is not None and fault.fail != "slow"
        failure = None if fault is None else await _fail(fault, request)
        if failure is not None:
            return failure
        if self._script is None:
            return await super().respond(request, body)
        number = due(self._script, body.get("messages") or [])
        if number < len(self._script):
            return completion(wire_message(self._script[number], number), body)
        answers = "one answer" if len(self._script) == 1 else f"{len(self._script)} answers"
        self.problem = f"the model was asked once more, but 'model' has {answers}"
        return error_response(400, self.problem)


async def _fail(fault: PlannedFault, request: web.Request) -> web.Response | None:
    """The response in place of an answer; None if the answer is only delayed."""
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


def due(script: Sequence[ModelAnswer], messages: Sequence[Message]) -> int:
    """The number of the answer that is due: the one after the last in the conversation."""
    number = 0
    for message in messages:
        if message.get("role") != "assistant":
            continue
        found = (n for n in range(number, len(script)) if _is_same(wire_message(script[n], n), message))
        number = next(found, number - 1) + 1
    return number


def wire_message(answer: ModelAnswer, number: int) -> dict[str, Any]:
    """A scripted answer as a message of the chat-completion protocol."""
    calls = [(name, params) for call in answer.call for name, params in call.items()]
    named = [(f"call_{number}_{place}", name, params) for place, (name, params) in enumerate(calls)]
    return message_of(answer.say, named)


def _is_same(scripted: Message, seen: Message) -> bool:
    ids = [call["id"] for call in scripted.get("tool_calls", ())]
    if ids or seen.get("tool_calls"):
        return ids == [call.get("id") for call in seen.get("tool_calls") or ()]
    return bool(scripted["content"] == seen.get("content"))
