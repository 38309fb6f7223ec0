"""The language model client: which configured model is asked, for how long, and which next."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from pydantic import SecretStr

from workers import logs, tracing
from workers.model import demo, litellm_call
from workers.model.breaker import ModelBreaker
from workers.model.demo import DEMO, DEMO_SHORT
from workers.model.errors import (
    FOR_THE_OPERATOR,
    OF_THE_MODEL,
    Cause,
    FailedCall,
    ModelError,
    ModelRefused,
    ModelSilent,
    ModelUnavailable,
)
from workers.model.litellm_call import LEAST_SECONDS, Messages, Request, Tools
from workers.model.response import Answer, read_answer

Hear = Callable[[str, bool], bool]
"""Called with the whole text of an answer so far and whether it is complete; returns whether any of it was passed
on."""

#: Longest single attempt while another model is left, and when none is (seconds).
TRY_SECONDS = 20.0
LAST_TRY_SECONDS = 30.0
#: A sole model is asked again after this pause, or after its own Retry-After of up to `LONGEST_PAUSE` (seconds).
PAUSE = 0.5
LONGEST_PAUSE = 5.0
#: How long the outcome of the last attempt counts as knowing whether a model answers (seconds).
KNOWN_SECONDS = 3.0

log = logs.get(__name__)


class Model:
    """Asks the models of `names` in order; `demo` is the offline demo model. Safe to use from many threads.

    `secrets` are providers' keys that are not in the environment, by the variable names that litellm reads.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        secrets: Mapping[str, SecretStr] = MappingProxyType({}),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.names = _full(names)
        litellm_call.use_secrets(secrets)
        self._clock = clock
        self._sleep = sleep
        self._breaker = ModelBreaker(clock)
        #: For each list of models: when it was last asked, and whether one of them answered.
        self._answered: dict[tuple[str, ...], tuple[float, bool]] = {}
        #: Models that an operator has to fix: a key, credit, a name.
        self._broken: set[str] = set()

    def ask(
        self,
        messages: Messages,
        tools: Tools | None,
        *,
        timeout: float,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        names: Sequence[str] | None = None,
        hear: Hear | None = None,
    ) -> Answer:
        """The answer of the first model that gives one, within `timeout` seconds for all attempts together.

        `names` replaces the configured models for this call. `hear` is called with the whole text so far as it arrives
        and returns whether any of it has been passed on: after that no other model may start over, so a failure ends
        the call. Otherwise a request that one model refuses or does not answer goes to the next.

        Raises ModelRefused for a request that would fail again, ModelSilent if all answers were empty, ModelUnavailable
        for everything else.
        """
        options = {"temperature": temperature, "max_tokens": max_output_tokens}
        heard = None if hear is None else _Heard(hear)
        request = Request(messages, tools or None, {k: v for k, v in options.items() if v is not None}, heard)
        wanted = _full(names or self.names)
        deadline = self._clock() + timeout
        failures: list[FailedCall] = []
        candidates = self._breaker.usable(wanted)
        for place, name in enumerate(candidates):
            left = deadline - self._clock()
            if left < LEAST_SECONDS and (failures or left <= 0):
                break
            outcome = self._try(name, request, min(left, _longest(place, candidates)))
            if isinstance(outcome, FailedCall) and heard is not None and heard.passed_on:
                failures.append(outcome)
                break
            if isinstance(outcome, FailedCall) and len(candidates) == 1:
                outcome = self._try_again(outcome, request, deadline)
            if isinstance(outcome, Answer):
                self._breaker.answered(name)
                self._broken.discard(name)
                self._answered[wanted] = self._clock(), True
                return outcome
            failures.append(outcome)
            (self._broken.add if outcome.cause in FOR_THE_OPERATOR else self._broken.discard)(name)
            if outcome.cause in OF_THE_MODEL:
                self._breaker.failed(name, outcome.retry_after)
            request = request.after(outcome.cause)
        error = self._error(wanted, failures, time_is_up=bool(candidates))
        self._answered[wanted] = self._clock(), not isinstance(error, ModelUnavailable)
        raise error

    def answers(self, names: Sequence[str] | None = None) -> bool | None:
        """Whether one of the models answered lately (a refusal counts); None if none was asked."""
        at, answered = self._answered.get(_full(names or self.names), (-math.inf, False))
        return answered if self._clock() - at < KNOWN_SECONDS else None

    def warm_up(self) -> None:
        """Import litellm, unless only the demo model is asked, and run its call path once, which saves the first real
        call about a second. Nothing leaves the machine.
        """
        if names := self._of_providers():
            litellm_call.warm_up(names)

    def problems(self, of_workflows: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
        """What is wrong with the models' names, as far as can be known without a call.

        `of_workflows`: models that workflows name, each with one of these workflows.
        """
        names, of_workflows = self._of_providers(), _without_demo(of_workflows)
        if (names or of_workflows) and (unusable := litellm_call.unusable()):
            return (unusable,)
        found = [problem for name in names for problem in litellm_call.problems(name)]
        keys = (litellm_call.missing_key(name) for name in names if litellm_call.is_of_openai(name))
        told = (
            f"workflow {workflow!r}: {problem}"
            for name, workflow in of_workflows.items()
            for problem in litellm_call.problems(name)
        )
        return (*found, *filter(None, keys), *told)

    def missing_keys(self, of_workflows: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
        """The models whose key is not in the environment; it may still come from somewhere we cannot see."""
        if (self._of_providers() or _without_demo(of_workflows)) and litellm_call.unusable():
            return ()  # `problems` reports it
        own = (litellm_call.missing_key(name) for name in self._of_providers() if not litellm_call.is_of_openai(name))
        named = _without_demo(of_workflows).items()
        keys = ((workflow, litellm_call.missing_key(name)) for name, workflow in named)
        return (*filter(None, own), *(f"workflow {workflow!r}: {told}" for workflow, told in keys if told))

    def _of_providers(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name != DEMO)

    def _try(self, name: str, request: Request, seconds: float) -> Answer | FailedCall:
        started = self._clock()
        with tracing.model_call(name, request.options) as span:
            outcome = _of_demo(request) if name == DEMO else litellm_call.call(name, request, seconds)
            if isinstance(outcome, FailedCall):
                span.note(error=outcome.cause.value)
            else:
                span.note(input_tokens=outcome.input_tokens, output_tokens=outcome.output_tokens)
        if isinstance(outcome, FailedCall):
            facts = {"model": name, "status": outcome.status, "reason": outcome.reason}
            milliseconds = round((self._clock() - started) * 1000)
            tell = log.error if outcome.cause in FOR_THE_OPERATOR else log.warning
            tell("model did not answer", **facts, milliseconds=milliseconds)
        return outcome

    def _try_again(self, failure: FailedCall, request: Request, deadline: float) -> Answer | FailedCall:
        """The second and last attempt on a sole model, if time and the provider's wait allow it."""
        pause = PAUSE if failure.retry_after is None else failure.retry_after
        left = deadline - self._clock() - pause
        if not failure.transient or pause > LONGEST_PAUSE or left < LEAST_SECONDS:
            return failure
        self._sleep(pause)
        return self._try(failure.name, request.after(failure.cause), min(left, LAST_TRY_SECONDS))

    def _error(self, wanted: Sequence[str], failures: Sequence[FailedCall], *, time_is_up: bool) -> ModelError:
        wait = self._breaker.wait(wanted)
        named = wait if not failures or any(failure.retry_after is not None for failure in failures) else None
        not_asked = "no time left to ask" if time_is_up else "failed before, not asked this time"
        told = "; ".join(map(str, failures)) or f"{', '.join(wanted)}: {not_asked}"
        causes = {failure.cause for failure in failures}
        for cause in (Cause.TOO_LONG, Cause.FILTERED, Cause.REFUSED):
            if cause in causes:
                return ModelRefused(told, cause)
        if causes and causes <= {Cause.EMPTY, Cause.CUT}:
            return ModelSilent(told)
        hint = "" if wait is None else f". Next attempt in {wait:.0f} s"
        lasting = self._broken.issuperset(wanted)
        return ModelUnavailable(f"No language model answered. {told}{hint}", named, lasting=lasting)


class _Heard:
    """Passes text on to `hear` and remembers whether any was passed on."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self.passed_on = False

    def __call__(self, words: str, is_whole: bool) -> None:
        self.passed_on |= self._hear(words, is_whole)


_SENTENCE_ENDS = re.compile(r"[.!?]\s+\S{1,3}\s?")


def _of_demo(request: Request) -> Answer | FailedCall:
    message = demo.wire_message(demo.reply_to(request.messages, bool(request.tools)))
    if request.hear is not None and (text := message["content"]):
        for found in _SENTENCE_ENDS.finditer(text):
            request.hear(text[: found.end()], False)
    answer = read_answer({"choices": [{"message": message}]}, DEMO, request.messages, request.tools or ())
    return answer if isinstance(answer, Answer) else FailedCall(DEMO, answer)


def _full(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(DEMO if name == DEMO_SHORT else name for name in names)


def _without_demo(named: Mapping[str, str]) -> dict[str, str]:
    return {name: workflow for name, workflow in named.items() if name not in (DEMO, DEMO_SHORT)}


def _longest(place: int, candidates: Sequence[str]) -> float:
    return LAST_TRY_SECONDS if place == len(candidates) - 1 else TRY_SECONDS
