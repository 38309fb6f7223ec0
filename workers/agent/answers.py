"""The model's answers within a turn: requested, checked, said and committed.

An answer ends in one of three ways. It is stored as a step, or dropped because the merchant wrote again: then the turn
continues (None). It is the last one: then the turn has ended with it. Or there was none: `workers.agent.decide` says
what follows.
"""

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from storage.turns import FILTERED, Room, StepRow
from workers import logs, metrics
from workers.agent import prompt_size, tools
from workers.agent.cost_limits import CostLimits
from workers.agent.decide import (
    CLAIMS,
    UNFINISHED,
    AnswerLater,
    GiveUp,
    Outcome,
    Then,
    about_ungrounded,
    after_outage,
    is_withdrawn,
)
from workers.agent.prompt import ERRORS
from workers.agent.state import TurnState
from workers.agent.time_limits import MODEL_CALL_SECONDS
from workers.agent.transactions import Ended, Later, Message, NewStep, NextCall, Spent, TurnTransactions
from workers.agent.utterance import Utterance, is_announcement
from workers.delivery.reply_publisher import ReplyPublisher
from workers.failpoints import failpoint
from workers.model.client import Hear, Model
from workers.model.errors import Cause, ModelError, ModelRefused, ModelSilent, ModelUnavailable
from workers.model.litellm_call import known_price
from workers.model.response import Answer, assistant_message
from workers.truth import grounding
from workflows.workflow import Workflow

log = logs.get(__name__)

MAX_ABSORPTIONS = 3
"""How often a turn restarts its answer because the merchant wrote again."""

SORRY_TIME = "Sorry, that took me too long. Please ask again."
NO_MODEL = "I'm sorry, I could not find an answer to this. Please ask me again."
UNASKED = "I can't think straight at the moment. I'll go on by myself as soon as I can."
NOTED = "I have noted that, too."
STILL_AWAY = "I still can't think straight. I'll come to this, too, as soon as I can."
STOPPED_SHORT = "I have to stop here for now. Please ask me again for the rest."
ARE_YOU_THERE = [{"role": "user", "content": "Are you there? Answer with one word."}]
LOOK_TOKENS = 16
SORRY_FILTER = "Sorry, I can't help with that. Is there something else about your store?"
SORRY_LENGTH = "Sorry, that is more than I can read at once. Please ask with fewer words."


class _Outdated(Exception):
    """The merchant wrote again before the first sentence of an answer was said."""


class Answers:
    """Asks the model for turns' answers; thread-safe."""

    def __init__(
        self, transactions: TurnTransactions, model: Model, reply_publisher: ReplyPublisher, cost_limits: CostLimits
    ) -> None:
        self._transactions = transactions
        self._model = model
        self._reply_publisher = reply_publisher
        self._cost_limits = cost_limits
        self._looking = threading.Lock()

    def ask(self, state: TurnState, step: int, with_tools: bool) -> Outcome | Ended | None:
        """Ask for step number `step`. Returns None if the turn continues."""
        call = self.next_call(state, step)
        if not state.begun and state.used_up is None:
            self._reply_publisher.publish(self._transactions.begin_call(state, call))
        if state.used_up is not None:
            metrics.budget_used_up(state.used_up.code)
            return GiveUp(state.used_up.code, state.used_up.sentence)
        state.begun, limits = False, call.limits
        messages = state.messages(limits.prompt_bytes(state.prompt_limit))
        offered = tools.definitions(state.workflow.tools) if with_tools else []
        utterance, room = _utterance(state.unfinished()), self._room(state, limits)
        hear = self._hearing(state, step, utterance, room) if state.workflow.stream == "sentences" else None
        try:
            answer = self._call_model(state, messages, offered, limits.answer_tokens(state.prompt_limit), hear)
        except _Outdated:
            self._transactions.spend(state, self._spent_in_vain(state, utterance, messages))
            return None
        except ModelUnavailable as error:
            if utterance.said == utterance.begun:
                return _after_failure(state, error)
            log.warning("the model broke off; it is asked to go on")
            self._transactions.spend(state, self._spent_in_vain(state, utterance, messages))
            return None
        except ModelRefused as error:
            if state.unfinished() is not None:
                return GiveUp(error.code, error.merchant)
            return self._with_less(state, error, messages, limits)
        except ModelSilent:
            if (unfinished := state.unfinished()) is not None:
                return self._break_off(state, unfinished, ModelSilent.code)
            return self._without_words(state, step)
        spent = _spent(answer, messages)
        return self._keep(state, step, answer, bool(offered), spent, self._room(state, limits), utterance)

    def next_call(self, state: TurnState, step: int) -> NextCall:
        """How the model will be asked for step number `step`."""
        limits = self._cost_limits.within(state.workflow)
        return NextCall(step, limits, self._room(state, limits))

    def give_up(self, state: TurnState, code: str, sentence: str) -> Ended | None:
        """End a turn that gets no more answers: with what was said or found so far, else with `sentence` as an error;
        `code` is for operators."""
        if (unfinished := state.unfinished()) is not None:
            return self._break_off(state, unfinished, code, state.fixed(STOPPED_SHORT))
        if state.draft() is not None:
            return self._end_with(state, len(state.steps), "", code)
        if code == ModelUnavailable.code and (words := _plainly(state)):
            log.warning("no model answers; what was found is told in plain sentences")
            return self._end_with(state, len(state.steps), words, code)
        log.warning("turn ended with an error", error_code=code)
        return self._transactions.finish(state, error=(code, state.fixed(sentence)))

    def later(self, state: TurnState, seconds: float) -> Ended | None:
        """End a turn that no model answers with the promise of an answer."""
        log.warning("no model answers; the turn ends with a promise")
        return self._transactions.finish(state, later=Later(state.fixed(_about_outage(state)), seconds))

    def model_answers(self, workflow: Workflow) -> bool:
        """Whether a model answers in this workflow: as seen in the last seconds, else by a short question, asked by one
        thread at a time."""
        names = _names(workflow)
        known = self._model.answers(names)
        if known is None and self._looking.acquire(blocking=False):
            try:
                with contextlib.suppress(ModelError):
                    self._timed(names, ARE_YOU_THERE, None, timeout=MODEL_CALL_SECONDS, max_output_tokens=LOOK_TOKENS)
            finally:
                self._looking.release()
            known = self._model.answers(names)
        return known is True

    @staticmethod
    def _room(state: TurnState, limits: CostLimits) -> Room | None:
        """How much of later messages the turn may absorb before it asks; none in the middle of a message."""
        if state.fruitless >= MAX_ABSORPTIONS or state.unfinished() is not None:
            return None
        return limits.room([item.input.text for item in state.absorbed])

    def _hearing(self, state: TurnState, step: int, utterance: Utterance, room: Room | None) -> Hear:
        """Says each sentence of the answer as it comes."""
        before = Speech.of(state.steps)

        def hear(words: str, is_whole: bool) -> bool:
            fresh = "" if utterance.is_held else utterance.new(words, whole=is_whole)
            if fresh and (new := self._fit_to_say(state, utterance, fresh)):
                self._say(state, step, utterance, new, room, before)
            return utterance.said != utterance.begun

        return hear

    def _fit_to_say(self, state: TurnState, utterance: Utterance, fresh: str) -> str:
        """What is left of the sentences after the check. If nothing was said yet, an answer with claims without a
        ground is held back and corrected as a whole, if a correction is allowed."""
        verdicts = utterance.judge(fresh, lambda text: grounding.check(text, state.grounds()))
        bad = grounding.ungrounded(verdicts)
        then: Then = "said"
        if bad:
            then = about_ungrounded(state.steps, state.workflow.truth, seconds_left=state.seconds_left())
            if then == "withdrawn" and not utterance.said:
                utterance.is_held = True
                return ""
            then = "left_out" if then == "withdrawn" else then
            metrics.claims(then, len(bad))
            log.warning("the model said what nothing supports", claims=len(bad), then=then)
        metrics.claims("grounded", sum(verdict.grounded for verdict in verdicts))
        return utterance.take(verdicts, with_ungrounded=then == "said")

    def _say(
        self, state: TurnState, step: int, utterance: Utterance, new: str, room: Room | None, before: "Speech"
    ) -> None:
        """Commit and publish the next part of an unfinished message. Raises _Outdated if nothing of it was said yet and
        the merchant wrote again."""
        words = utterance.joined(new)
        draft = NewStep(step, {"role": "assistant", "content": words, UNFINISHED: True, **_claims(state, utterance)})
        message = Message(state.claim.message_id(step), words, utterance.said, ends=False)
        fence = None if utterance.said else room
        outgoing = self._transactions.add_step(state, draft, message, unless_newer=fence)
        if outgoing is None:
            raise _Outdated
        self._reply_publisher.publish(outgoing)
        if not utterance.said:
            _note_words(state, before, said=True)
        utterance.said = words

    def _break_off(self, state: TurnState, unfinished: StepRow, code: str, words: str = "") -> Ended | None:
        """End the turn with what was said of its last message, and fixed `words`; `code` is for operators."""
        utterance = _utterance(unfinished)
        said = utterance.joined(words).rstrip()
        kept = {**unfinished.assistant, "content": said}
        del kept[UNFINISHED]
        message = Message(state.claim.message_id(unfinished.step), said, utterance.said)
        log.warning("a message ends before its end", error_code=code)
        return self._transactions.finish(state, answer=NewStep(unfinished.step, kept), message=message, ended_as=code)

    def _spent_in_vain(self, state: TurnState, utterance: Utterance, asked: list[prompt_size.Message]) -> Spent:
        """The estimated cost of an answer that broke off or was aborted, for which no count arrives."""
        settings = state.workflow.model
        written = prompt_size.tokens(utterance.said.removeprefix(utterance.begun))
        return Spent(settings.name or self._model.names[0], prompt_size.tokens(asked), written)

    def _call_model(
        self,
        state: TurnState,
        messages: list[prompt_size.Message],
        offered: list[dict[str, Any]],
        max_output_tokens: int,
        hear: Hear | None,
    ) -> Answer:
        failpoint("model.before")
        answer = self._timed(
            _names(state.workflow),
            messages,
            offered or None,
            timeout=max(min(MODEL_CALL_SECONDS, state.seconds_left()), 1.0),
            temperature=state.workflow.model.temperature,
            max_output_tokens=max_output_tokens,
            hear=hear,
        )
        failpoint("model.after")
        return answer

    def _timed(
        self,
        names: list[str] | None,
        messages: list[prompt_size.Message],
        offered: list[dict[str, Any]] | None,
        **how: Any,
    ) -> Answer:
        started = time.monotonic()
        try:
            answer = self._model.ask(messages, offered, names=names, **how)
        except ModelError as error:
            seconds, name = time.monotonic() - started, (names or self._model.names)[0]
            metrics.model_call(name, error.code, seconds)
            log.warning("model failed", model=name, error_code=error.code, milliseconds=round(seconds * 1000))
            raise
        seconds = time.monotonic() - started
        metrics.model_call(answer.model, "ok", seconds)
        milliseconds = round(seconds * 1000)
        log.info("model answered", model=answer.model, milliseconds=milliseconds, tool_calls=len(answer.tool_calls))
        return answer

    def _keep(
        self,
        state: TurnState,
        step: int,
        answer: Answer,
        may_call: bool,
        spent: Spent,
        room: Room | None,
        utterance: Utterance,
    ) -> Ended | None:
        """Commit the answer. Without tool calls it is the last one, and the turn ends in the same commit.

        Calls of tools that were not offered are dropped: a model that makes them would never finish. If the merchant
        wrote again while the model was thinking, the answer is dropped as stale and the model is asked again with both
        messages, unless a sentence of it was said.
        """
        dollars = known_price(spent.model, spent.input_tokens, spent.output_tokens)
        metrics.model_tokens(spent.model, state.workflow.name, spent.input_tokens, spent.output_tokens, dollars)
        announced = [step.assistant.get("content") for step in state.steps if step.assistant.get("tool_calls")]
        text = utterance.begun + (answer.text or "")
        only_announces = answer.text in announced if answer.text else False
        if not answer.tool_calls and is_announcement(text) and state.lacks() is None:
            # One with a claim that does not hold is corrected like any other answer.
            holds = not grounding.ungrounded(grounding.check(text, state.grounds()))
            if may_call and holds and not utterance.begun and not state.results():
                self._go_on(state, step, answer, spent, room, utterance)
                return None
            only_announces = True
        if answer.tool_calls and not may_call:
            log.warning("calls of tools that were not offered are dropped", model=answer.model)
            answer, only_announces = replace(answer, tool_calls=()), True
            if answer.text is None and not utterance.said:
                self._transactions.spend(state, spent)
                return self._without_words(state, step)
        if only_announces and not answer.tool_calls:
            answer = self._with_findings(state, answer, utterance)
        then, answer, claims = self._grounded(state, answer, utterance)
        if then == "withdrawn":
            draft = {"role": "assistant", "content": answer.text, **claims}
            self._transactions.add_step(state, NewStep(step, draft, spent), None, unless_newer=None)
            return None
        said = Message(state.claim.message_id(step), answer.text, utterance.said) if answer.text else None
        new = NewStep(step, {**_assistant(answer), **claims}, spent)
        is_first = said is not None and not utterance.said
        fence, before = room if is_first else None, Speech.of(state.steps)
        ended: Ended | None = None
        if answer.tool_calls:
            is_kept = self._call_tools(state, new, said, fence)
        else:
            ended = self._transactions.finish(state, answer=new, message=said, unless_newer=fence)
            is_kept = ended is not None
        if is_kept:
            _note_words(state, before, is_first)
        return ended

    def _go_on(
        self, state: TurnState, step: int, answer: Answer, spent: Spent, room: Room | None, utterance: Utterance
    ) -> None:
        """Say an answer that only announces a look, and have the model go on: the merchant would wait in vain."""
        new = self._fit_to_say(state, utterance, utterance.new(answer.text or "", whole=True))
        with contextlib.suppress(_Outdated):
            if new:
                self._say(state, step, utterance, new, room, Speech.of(state.steps))
        self._transactions.spend(state, spent)

    def _grounded(self, state: TurnState, answer: Answer, utterance: Utterance) -> tuple[Then, Answer, dict[str, Any]]:
        """What to do with the answer's words, the answer with what is left of them, and what is stored about claims
        without a ground."""
        if utterance.said or utterance.ungrounded:
            text = self._rest(state, utterance, answer.text or "") or None
            return "said", replace(answer, text=text), _claims(state, utterance)
        if not answer.text:
            return "said", answer, {}
        then, words, ungrounded = self._checked(state, answer.text)
        claims = {CLAIMS: {"ungrounded": ungrounded, "then": then}} if ungrounded else {}
        if then != "withdrawn":
            answer = replace(answer, text=words or (None if answer.tool_calls else self._instead(state, answer.text)))
        return then, answer, claims

    def _call_tools(self, state: TurnState, new: NewStep, said: Message | None, fence: Room | None) -> bool:
        """Commit an answer that calls tools; False if it is dropped as stale."""
        step = new.step
        at_once = said is None or not state.pauses  # the calls start with this commit
        outgoing = self._transactions.add_step(
            state,
            new,
            said,
            [tools.announced(state.claim, step, new.assistant)] if at_once else [],
            unless_newer=fence,
            # Count the next call before the tools run, so that quick results can be committed with the next answer.
            next_call=lambda state: self.next_call(state, step + 1) if at_once else None,
        )
        if outgoing is None:
            return False
        self._reply_publisher.publish(outgoing)
        return True

    def _rest(self, state: TurnState, utterance: Utterance, text: str) -> str:
        """The whole text of a message whose first sentences were said, now that the answer has ended."""
        rest = self._fit_to_say(state, utterance, utterance.new(text, whole=True))
        if utterance.ungrounded and state.workflow.truth == "strict" and not utterance.is_grounded:
            begun = grounding.check(utterance.begun, state.grounds())
            if not any(verdict.grounded for verdict in begun):  # nothing told of the store
                rest = f"{rest.rstrip()} {self._instead(state, text)}"
        return utterance.joined(rest).strip()

    def _checked(self, state: TurnState, text: str) -> tuple[Then, str, list[str]]:
        """What to do with the model's words, what is left of them, and their claims without a ground."""
        verdicts = grounding.check(text, state.grounds())
        metrics.claims("grounded", sum(verdict.grounded for verdict in verdicts))
        ungrounded = grounding.ungrounded(verdicts)
        if not ungrounded:
            return "said", text, []
        then = about_ungrounded(state.steps, state.workflow.truth, seconds_left=state.seconds_left())
        metrics.claims(then, len(ungrounded))
        log.warning("the model said what nothing supports", claims=len(ungrounded), then=then)
        return then, text if then == "said" else grounding.without(verdicts, self._instead(state, text)), ungrounded

    @staticmethod
    def _instead(state: TurnState, text: str) -> str:
        """A plain sentence to replace one without a ground; empty if the text contains it already."""
        if state.plainly() and not state.plainly(text):
            return ""
        return grounding.plain(text, lambda spoken: state.plainly(text, spoken), state.grounds())

    @staticmethod
    def _with_findings(state: TurnState, answer: Answer, utterance: Utterance) -> Answer:
        """A last answer that announces calls ("Let me look."): if it tells nothing of the store, what was found
        follows."""
        text = answer.text or ""
        verdicts = grounding.check(utterance.begun + text, state.grounds())
        found = "" if any(verdict.grounded for verdict in verdicts) else state.plainly(text)
        return replace(answer, text=f"{text} {found}".strip() or None)

    def _without_words(self, state: TurnState, step: int) -> Ended | None:
        """The model says nothing: then what was found is told in plain sentences."""
        log.warning("the model found no words", data_types=list(state.untold()))
        return self._end_with(state, step, state.plainly() or ModelSilent.merchant, ModelSilent.code)

    def _with_less(
        self, state: TurnState, error: ModelRefused, asked: list[prompt_size.Message], limits: CostLimits
    ) -> Outcome | Ended | None:
        """Ask again with a third of what was too long; or, if it was refused for another reason, without the earlier
        turns, which may be the reason and would be in every later prompt. None if there is something to leave out.
        """
        too_long = error.cause is Cause.TOO_LONG
        answer_tokens = limits.answer_tokens(state.prompt_limit)
        state.prompt_limit = prompt_size.size(asked) // 3 if too_long else 0
        shorter = state.messages(limits.prompt_bytes(state.prompt_limit))
        less_room = too_long and limits.answer_tokens(state.prompt_limit) < answer_tokens
        is_less = len(shorter) < len(asked) or prompt_size.size(shorter) < prompt_size.size(asked)
        if is_less or less_room:
            log.warning("the model takes no prompt of this length" if too_long else "asked again without what was said")
            return None
        if error.cause is Cause.FILTERED:
            return self._end_with(state, len(state.steps), SORRY_FILTER, FILTERED)
        return GiveUp(error.code, SORRY_LENGTH if too_long else error.merchant)

    def _end_with(self, state: TurnState, step: int, words: str, code: str) -> Ended | None:
        """End the turn with a fixed sentence, or with what can be said of words that were held back for correction;
        `code` is for operators.
        """
        if (draft := state.draft()) is not None:
            words = grounding.without(grounding.check(draft, state.grounds()), self._instead(state, draft))
        words = state.fixed(words)
        answer, before = NewStep(step, {"role": "assistant", "content": words}), Speech.of(state.steps)
        said = Message(state.claim.message_id(step), words)
        ended = self._transactions.finish(state, answer=answer, message=said, ended_as=code)
        _note_words(state, before, said=True)
        return ended


@dataclass(frozen=True)
class Speech:
    """What a turn has done: it `spoke`, it `fetched` store data, it told an `insight` (words after data)."""

    spoke: bool = False
    fetched: bool = False
    insight: bool = False

    @classmethod
    def of(cls, steps: Sequence[StepRow]) -> "Speech":
        spoke = fetched = insight = False
        for step in steps:
            if step.assistant.get("content") and not is_withdrawn(step):
                spoke, insight = True, insight or fetched
            results = (result["content"] for result in step.tool_results or ())
            fetched = fetched or any(result.get("success") and result.get("data_type") for result in results)
        return cls(spoke, fetched, insight)


def _note_words(state: TurnState, before: Speech, said: bool) -> None:
    """Record how long the merchant waited, if CJ has just `said` its first words or its first insight."""
    if said:
        insight = before.fetched and not before.insight
        metrics.words(state.workflow.name, state.waited_seconds(), first=not before.spoke, insight=insight)


def _plainly(state: TurnState) -> str:
    """What was found and not told yet, in fixed sentences; empty if there is nothing."""
    return state.plainly() if any(result["success"] for result in state.untold().values()) else ""


def _is_answered_plainly(state: TurnState) -> bool:
    """Whether the data found answers the merchant without a model; what CJ owes unasked can wait for one."""
    return state.claim.input.sender == "merchant" and not state.owed and bool(_plainly(state))


def _after_failure(state: TurnState, error: ModelUnavailable) -> Outcome:
    outcome = after_outage(
        state.fruitless,
        error.retry_after,
        lasting=error.lasting,
        told=bool(state.owed),
        silent=state.silent_seconds(),
        owed=state.owed_seconds() if state.is_for_owed else 0.0,
    )
    is_said = state.draft() is not None or state.unfinished() is not None or _is_answered_plainly(state)
    if isinstance(outcome, AnswerLater) and is_said:  # only a correction, an end, or a model's words are missing
        return GiveUp(error.code, NO_MODEL)
    return GiveUp(error.code, NO_MODEL) if outcome is None else outcome


def _about_outage(state: TurnState) -> str:
    """What the merchant is told when no model answers: the first time what it means, later only what is new."""
    if not state.owed:
        return ModelUnavailable.merchant if state.asked else UNASKED
    if state.claim.input.sender == "merchant" or state.absorbed:
        return NOTED
    return "" if state.is_for_owed else STILL_AWAY


def _names(workflow: Workflow) -> list[str] | None:
    """A workflow's own models, which replace the configured ones."""
    return [workflow.model.name, *workflow.model.fallbacks] if workflow.model.name else None


def _assistant(answer: Answer) -> dict[str, Any]:
    """The message to store, with its calls' argument errors under a key that is never sent."""
    errors = {call.id: call.error for call in answer.tool_calls if call.error}
    return {**assistant_message(answer), **({ERRORS: errors} if errors else {})}


def _spent(answer: Answer, asked: list[prompt_size.Message]) -> Spent:
    """Token counts from the provider; missing ones are estimated, so that they are not free."""
    read = answer.input_tokens or prompt_size.tokens(asked)
    written = answer.output_tokens or prompt_size.tokens(_assistant(answer))
    return Spent(answer.model, read, written)


def _utterance(unfinished: StepRow | None) -> Utterance:
    """The message that the model is about to start or continue."""
    if unfinished is None:
        return Utterance()
    claims = unfinished.assistant.get(CLAIMS, {"ungrounded": []})
    return Utterance(str(unfinished.assistant["content"]), list(claims["ungrounded"]))


def _claims(state: TurnState, utterance: Utterance) -> dict[str, Any]:
    """What is stored about claims without a ground in a message of which sentences were said."""
    if not utterance.ungrounded:
        return {}
    then: Then = "said" if state.workflow.truth == "report" else "left_out"
    return {CLAIMS: {"ungrounded": utterance.ungrounded, "then": then}}
