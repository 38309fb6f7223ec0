"""Runs one agent turn: claims it, then carries out the moves that `workers.agent.decide` chooses, committing each
one."""

import contextlib
import threading
import time

from shopify.transport import until
from storage.errors import LostTurn, StorageError
from storage.turns import Claim, NotDue
from workers import logs, metrics, tracing
from workers.agent import shopify_data, tools
from workers.agent.answers import NO_MODEL, SORRY_TIME, Answers
from workers.agent.cost_limits import CostLimits
from workers.agent.decide import (
    PREFETCHED,
    AnswerLater,
    AskModel,
    End,
    GiveUp,
    Move,
    NoAnswer,
    Outcome,
    OutOfTime,
    Pause,
    RetryLater,
    RunTools,
    TakePrefetched,
    next_move,
)
from workers.agent.leases import LeaseKeeper
from workers.agent.state import NewResults, TurnState
from workers.agent.time_limits import KEEP_SECONDS, LONGEST_OUTAGE_SECONDS, TOOL_SECONDS
from workers.agent.tools import Tools
from workers.agent.transactions import Ended, Message, NewStep, NextCall, TurnTransactions
from workers.delivery.reply_publisher import ReplyPublisher
from workers.delivery.wake_ups import WakeUps
from workers.failpoints import failpoint
from workers.model.client import Model
from workers.model.errors import GivenUp, ModelUnavailable
from workers.model.response import Answer, ToolCall, assistant_message

log = logs.get(__name__)


class TurnRunner:
    """Runs turns; thread-safe."""

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
        cost_limits: CostLimits,
    ) -> None:
        self._transactions = transactions
        self._answers = Answers(transactions, model, reply_publisher, cost_limits)
        self._tools = tools
        self._reply_publisher = reply_publisher
        self._wake_ups = wake_ups
        self._leases = leases
        self._draining = draining

    def run(self, turn_id: int) -> None:
        """Run the turn if it can be claimed now; does nothing if it is done, running or not yet due. If it has ended
        and waits for a model, checks whether one answers."""
        if self._draining.is_set():
            return
        opened = self._transactions.open(turn_id, self._next_call)
        if isinstance(opened, NotDue):
            self._wake_ups.run_turn(turn_id, opened.seconds)
        elif opened is None:
            self._look_for_model(turn_id)
        else:
            state, replies = opened
            claim = state.claim
            ids = logs.about(
                event_id=claim.event_id,
                conversation_id=claim.conversation_id,
                turn_id=claim.turn_id,
                trace_id=tracing.trace_id(claim.traceparent),
            )
            # The lease is held from here on: even a log line can take long, if nobody reads them.
            with ids, tracing.turn(claim, state.workflow.name), self._leases.hold(claim) as lost:
                waited = max(claim.waited_seconds, 0.0)
                metrics.turn_claimed(waited)
                log.info("turn claimed", attempt=claim.attempt, waited_ms=round(waited * 1000))
                self._reply_publisher.publish(replies)
                self._take(state, lost)

    def _look_for_model(self, turn_id: int) -> None:
        waiting = self._transactions.waits_for_model(turn_id)
        if waiting is None:
            return
        workflow, seconds = waiting
        if seconds > LONGEST_OUTAGE_SECONDS or self._answers.model_answers(workflow):
            self._wake_ups.keep_promise(turn_id)

    def _take(self, state: TurnState, lost: threading.Event) -> None:
        with until(lost):
            try:
                self._carry_out(state, self._work(state))
            except (LostTurn, GivenUp):
                log.info("turn was stopped, or taken over by another worker")
            except StorageError as error:
                log.warning("turn abandoned until its lease expires", error_code=error.code)
            except Exception:
                log.exception("turn failed")
                self._fail(state.claim)

    def _fail(self, claim: Claim) -> None:
        with contextlib.suppress(StorageError):
            self._transactions.fail(claim)

    def _carry_out(self, state: TurnState, outcome: Outcome | Ended | None) -> None:
        match outcome:
            case RetryLater(seconds=seconds):
                if state.unkept is not None:
                    self._reply_publisher.publish(self._transactions.keep_results(state))
                self._transactions.release(state.claim, seconds)
                self._wake_ups.run_turn(state.claim.turn_id, seconds)
            case AnswerLater(seconds=seconds):
                self._carry_out(state, self._answers.later(state, seconds))
            case GiveUp(code=code, sentence=sentence):
                self._carry_out(state, self._answers.give_up(state, code, sentence))
            case Ended():
                self._close(state, outcome)

    def _work(self, state: TurnState) -> Outcome | Ended | None:
        said = state.claim.input
        if said.sender == "cj":  # the workflow's own words: no model is asked
            return self._transactions.finish(state, message=Message(state.claim.message_id(0), said.text))
        while True:
            if self._draining.is_set():
                return RetryLater(0.0)
            match _next_move(state):
                case AskModel(step=step, with_tools=with_tools):
                    if (outcome := self._answers.ask(state, step, with_tools)) is not None:
                        return outcome
                case TakePrefetched(data_types=data_types):
                    self._take_prefetched(state, data_types)
                case RunTools(step=step):
                    self._run_tools(state, step)
                case Pause(seconds=seconds):
                    return RetryLater(seconds)
                case End():
                    return self._transactions.finish(state)
                case OutOfTime():
                    return GiveUp("turn_timeout", SORRY_TIME)
                case NoAnswer():
                    return GiveUp(ModelUnavailable.code, NO_MODEL)

    def _next_call(self, state: TurnState) -> NextCall | None:
        """The next model call, if there is one."""
        if self._draining.is_set() or state.claim.input.sender == "cj":
            return None
        move = _next_move(state)
        return self._answers.next_call(state, move.step) if isinstance(move, AskModel) else None

    def _run_tools(self, state: TurnState, step: int) -> None:
        assistant = state.steps[-1].assistant
        if assistant.get("content") and (state.pauses or state.claim.attempt > 1):
            announced = tools.announced(state.claim, step, assistant)
            self._reply_publisher.publish(self._transactions.add_replies(state, [announced]))
        calls, started = tools.calls_of(assistant), time.monotonic()
        failpoint("tools.before")
        results = self._tools.run(
            state.claim,
            calls,
            shop=state.integration,
            allowed=state.workflow.tools,
            results=state.results(),
            seconds=max(min(TOOL_SECONDS, state.seconds_left() - 2.0), 0.5),
        )
        failpoint("tools.after")
        rows, now = tools.rows(calls, results), state.now()
        state.keep_later(NewResults(step, rows, tools.told(state.claim, step, results, now), now))
        if not state.begun or time.monotonic() - started > KEEP_SECONDS:
            self._reply_publisher.publish(self._transactions.keep_results(state, self._next_call))

    def _take_prefetched(self, state: TurnState, data_types: tuple[str, ...]) -> None:
        """Commit the prefetched results as a step, as if the model had made these calls."""
        ids = (f"{PREFETCHED}{state.claim.turn_id}_{number}" for number in range(len(data_types)))
        calls = [
            ToolCall(call_id, shopify_data.TOOL.name, {"data_type": data_type})
            for call_id, data_type in zip(ids, data_types, strict=True)
        ]
        seconds = max(min(TOOL_SECONDS, state.seconds_left() - 2.0), 0.5)
        found = self._tools.run(
            state.claim, calls, shop=state.integration, allowed=state.workflow.tools, seconds=seconds
        )
        results = [{**result, "prefetched": True} for result in found]
        assistant = assistant_message(Answer(None, tuple(calls), model=""))
        replies = [tools.announced(state.claim, 0, assistant), tools.told(state.claim, 0, results, state.now())]
        step, rows = NewStep(0, assistant), tools.rows(calls, results)
        self._reply_publisher.publish(self._transactions.begin_with(state, step, rows, replies, self._next_call))

    def _close(self, state: TurnState, ended: Ended) -> None:
        self._reply_publisher.publish(ended.replies)
        seconds, error = state.waited_seconds(), ended.error
        metrics.turn_ended(state.workflow.name, error or "ok", seconds)
        tracing.note(result=error or "ok", error=error)
        details = {"error_code": error} if error else {}
        since_event = round(seconds * 1000)
        log.info(
            "turn ended", attempt=state.claim.attempt, **details, since_event_ms=since_event, calls=state.model_calls
        )
        for turn_id in ended.next_turns:
            self._wake_ups.run_turn(turn_id)


def _next_move(state: TurnState) -> Move:
    if state.is_for_owed and not state.owed and not state.absorbed:
        return End()  # nothing is owed any more
    return next_move(
        state.steps,
        state.workflow.limits,
        now=state.now(),
        seconds_left=state.seconds_left(),
        fruitless=state.fruitless,
        prefetched=state.prefetched(),
    )
