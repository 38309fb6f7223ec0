"""Runs one agent turn: claims it, then makes the moves `workers.agent.decide` chooses, committing each one."""

import contextlib
import json
import threading
import time
from typing import Any

from events import agui
from storage.errors import LostTurn, StorageError
from storage.outbox import NewReply
from storage.turns import Claim, NotDue
from workers import logs, metrics
from workers.agent import tools
from workers.agent.decide import (
    AskModel,
    End,
    Finished,
    GiveUp,
    Outcome,
    OutOfTime,
    Pause,
    RetryLater,
    RunTools,
    next_move,
)
from workers.agent.leases import LeaseKeeper
from workers.agent.prompt import ERRORS
from workers.agent.state import TurnState
from workers.agent.time_limits import (
    LONGEST_MODEL_RETRY_SECONDS,
    MODEL_CALL_SECONDS,
    MODEL_RETRY_SECONDS,
    TOOL_SECONDS,
)
from workers.agent.tools import Tools
from workers.agent.transactions import Ended, NewStep, TurnTransactions
from workers.delivery.reply_publisher import ReplyPublisher
from workers.delivery.wake_ups import WakeUps
from workers.failpoints import failpoint
from workers.model.client import Model, ModelError, ModelUnavailable
from workers.model.response import Answer, ToolCall, assistant_message

log = logs.get(__name__)

MAX_ABSORPTIONS = 3
"""How often a turn restarts its answer because the merchant wrote again."""

SORRY_TIME = "Sorry, that took me too long. Please ask again."


class TurnRunner:
    """Runs turns; safe to call from many threads."""

    def __init__(
        self,
        *,
        transactions: TurnTransactions,
        model: Model,
        tools: Tools,
        reply_publisher: ReplyPublisher,
        wake_ups: WakeUps,
        leases: LeaseKeeper,
        draining: threading.Event,
    ) -> None:
        self._transactions = transactions
        self._model = model
        self._tools = tools
        self._reply_publisher = reply_publisher
        self._wake_ups = wake_ups
        self._leases = leases
        self._draining = draining

    def run(self, turn_id: int) -> None:
        """Run the turn if it can be claimed now; does nothing if it is done, running or not yet due."""
        if self._draining.is_set():
            return
        opened = self._transactions.open(turn_id)
        if isinstance(opened, NotDue):
            self._wake_ups.run_turn(turn_id, opened.seconds)
        elif opened is not None:
            state, replies = opened
            claim = state.claim
            with logs.about(event_id=claim.event_id, conversation_id=claim.conversation_id, turn_id=claim.turn_id):
                self._reply_publisher.publish(replies)
                self._hold(state)

    def _hold(self, state: TurnState) -> None:
        with self._leases.hold(state.claim):
            try:
                self._carry_out(state, self._work(state))
            except LostTurn:
                log.info("turn was taken over by another worker")
            except StorageError as error:
                log.warning("turn abandoned until its lease expires", error_code=error.code)
            except Exception:
                log.exception("turn failed")
                self._fail(state.claim)

    def _fail(self, claim: Claim) -> None:
        with contextlib.suppress(StorageError):
            self._transactions.fail(claim)

    def _carry_out(self, state: TurnState, outcome: Outcome) -> None:
        match outcome:
            case RetryLater(seconds=seconds):
                self._transactions.release(state.claim, seconds)
                self._wake_ups.run_turn(state.claim.turn_id, seconds)
            case GiveUp(code=code, sentence=sentence):
                log.warning("turn ended with an error", error_code=code)
                self._close(state.claim, self._transactions.finish(state, error=(code, sentence)))
            case Finished():
                pass

    def _work(self, state: TurnState) -> Outcome:
        said = state.claim.input
        if said.sender == "cj":
            return self._say(state, said.text)
        while True:
            if self._draining.is_set():
                return RetryLater(0.0)
            move = next_move(state.steps, state.workflow.limits, now=state.now(), seconds_left=state.seconds_left())
            match move:
                case AskModel(step=step, with_tools=with_tools):
                    outcome = self._ask(state, step, with_tools)
                    if outcome is not None:
                        return outcome
                case RunTools(step=step):
                    self._run_tools(state, step)
                case Pause(seconds=seconds):
                    return RetryLater(seconds)
                case End():
                    return self._end(state)
                case OutOfTime():
                    return GiveUp("turn_timeout", SORRY_TIME)

    def _say(self, state: TurnState, words: str) -> Outcome:
        """Send text (and a transition) decided by the workflow, without a model."""
        replies = []
        hop = state.claim.input.metadata.get("transition")
        if hop:
            replies.append(NewReply("moved", agui.workflow_transition(hop["from"], hop["to"])))
        if words:
            replies.append(NewReply("said", agui.text(f"{state.claim.run_id}-m0", words)))
        return self._end(state, replies)

    def _end(self, state: TurnState, replies: list[NewReply] | None = None) -> Outcome:
        self._close(state.claim, self._transactions.finish(state, replies=replies or []))
        return Finished()

    def _ask(self, state: TurnState, step: int, with_tools: bool) -> Outcome | None:
        if self._may_absorb(state):
            self._transactions.absorb(state, step)
        try:
            answer = self._call_model(state, with_tools)
        except ModelUnavailable as error:
            return _after_failure(state, error)
        except ModelError as error:
            return GiveUp(error.code, error.merchant)
        return self._keep(state, step, answer)

    def _may_absorb(self, state: TurnState) -> bool:
        return state.claim.input.sender == "merchant" and state.absorptions < MAX_ABSORPTIONS

    def _call_model(self, state: TurnState, with_tools: bool) -> Answer:
        settings = state.workflow.model
        names = [settings.name, *settings.fallbacks] if settings.name else None
        started = time.monotonic()
        failpoint("model.before")
        try:
            answer = self._model.ask(
                state.messages(),
                tools.definitions(state.workflow.tools) if with_tools else None,
                timeout=max(min(MODEL_CALL_SECONDS, state.seconds_left()), 1.0),
                temperature=settings.temperature,
                max_output_tokens=settings.max_output_tokens,
                names=names,
            )
        except ModelError as error:
            metrics.model_call((names or self._model.names)[0], error.code)
            raise
        metrics.model_call(answer.model, "ok")
        failpoint("model.after")
        milliseconds = round((time.monotonic() - started) * 1000)
        log.info("model answered", model=answer.model, milliseconds=milliseconds, tool_calls=len(answer.tool_calls))
        return answer

    def _keep(self, state: TurnState, step: int, answer: Answer) -> Outcome | None:
        """Commit the answer. An answer without tool calls is the last, and the turn ends in the same commit.

        Text is fenced: if the merchant wrote again while the model was answering, the answer is dropped as stale and
        the model is asked again with both messages.
        """
        replies = self._text(state.claim, step, answer.text)
        new = NewStep(step, _assistant(answer), _usage(answer))
        fenced = bool(replies) and self._may_absorb(state)
        if not answer.tool_calls:
            ended = self._transactions.finish(state, answer=new, replies=replies, unless_newer=fenced)
            if ended is not None:
                self._close(state.claim, ended)
                return Finished()
        else:
            if not replies:  # no text, so no pause: the calls start with this commit
                replies = _starts(step, new.assistant)
            outgoing = self._transactions.add_step(state, new, replies, unless_newer=fenced)
            if outgoing is not None:
                self._reply_publisher.publish(outgoing)
                return None
        state.absorptions += 1
        return None

    @staticmethod
    def _text(claim: Claim, step: int, words: str | None) -> list[NewReply]:
        return [NewReply(f"{step}:text", agui.text(f"{claim.run_id}-m{step}", words))] if words else []

    def _run_tools(self, state: TurnState, step: int) -> None:
        assistant = state.steps[-1].assistant
        if assistant.get("content"):
            self._reply_publisher.publish(self._transactions.add_replies(state, _starts(step, assistant)))
        calls = _calls(assistant)
        failpoint("tools.before")
        results = self._tools.run(
            state.claim,
            calls,
            allowed=state.workflow.tools,
            seen=state.fetched(),
            seconds=max(min(TOOL_SECONDS, state.seconds_left() - 2.0), 0.5),
        )
        failpoint("tools.after")
        rows = [
            {"tool_call_id": call.id, "name": call.name, "content": result}
            for call, result in zip(calls, results, strict=True)
        ]
        ends = [NewReply(f"{step}:call:{call.id}:end", agui.tool_call_end(call.id)) for call in calls]
        self._reply_publisher.publish(self._transactions.add_results(state, step, rows, ends))

    def _close(self, claim: Claim, ended: Ended | None) -> None:
        if ended is None:
            return
        self._reply_publisher.publish(ended.replies)
        log.info("turn ended", attempt=claim.attempt)
        for turn_id in ended.next_turns:
            self._wake_ups.run_turn(turn_id)


def _after_failure(state: TurnState, error: ModelUnavailable) -> Outcome:
    pause = min(error.retry_after or MODEL_RETRY_SECONDS, LONGEST_MODEL_RETRY_SECONDS)
    if state.seconds_left() > pause + LONGEST_MODEL_RETRY_SECONDS:
        return RetryLater(pause)
    return GiveUp(error.code, error.merchant)


def _assistant(answer: Answer) -> dict[str, Any]:
    """The message to store, with its calls' argument errors under a key that is never sent."""
    errors = {call.id: call.error for call in answer.tool_calls if call.error}
    return {**assistant_message(answer), **({ERRORS: errors} if errors else {})}


def _usage(answer: Answer) -> dict[str, Any]:
    return {"model": answer.model, "input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens}


def _calls(assistant: dict[str, Any]) -> list[ToolCall]:
    errors = assistant.get(ERRORS, {})
    return [
        ToolCall(
            item["id"],
            item["function"]["name"],
            None if item["id"] in errors else json.loads(item["function"]["arguments"] or "{}"),
            errors.get(item["id"]),
        )
        for item in assistant["tool_calls"]
    ]


def _starts(step: int, assistant: dict[str, Any]) -> list[NewReply]:
    return [
        NewReply(
            f"{step}:call:{item['id']}:start",
            agui.tool_call_start(item["id"], tools.canonical(item["function"]["name"])),
        )
        for item in assistant["tool_calls"]
    ]
