"""What an agent turn does next: a pure function of what is already committed.

A turn is a row and its steps; a step is one answer from the model and the results of its tool calls. From these,
`next_move` returns what to do; the caller carries it out, commits, and asks again. A turn that died at any point
resumes from its committed steps by the same rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from storage.turns import MODEL_PAUSES_SECONDS, StepRow
from workers.agent.time_limits import (
    CLOSING_SECONDS,
    LONGEST_OUTAGE_SECONDS,
    MINIMUM_SECONDS,
    MODEL_RETRY_SECONDS,
    SILENCE_SECONDS,
)
from workflows.definition import LimitsSection

PREFETCHED = "prefetched_"
"""The id prefix of calls that no model made."""
MAX_FRUITLESS_CALLS = 8
"""How many fruitless calls a turn makes: no answer, refused, outdated, or its worker died."""
CLAIMS = "_claims"
"""Key in a stored assistant message: its claims without a ground and what was done about them, `{ungrounded, then}`;
never sent to a model."""
UNFINISHED = "_unfinished"
"""Key in a stored assistant message that the model was still writing when its `content` was said; never sent to a
model."""
Then = Literal["withdrawn", "left_out", "said"]
"""What to do with claims without a ground: tell the model and ask it once more; leave their sentences out; or, if a
workflow only wants a report, say them."""


@dataclass(frozen=True)
class AskModel:
    """Ask the model for step number `step`; without tools when the turn must finish."""

    step: int
    with_tools: bool


@dataclass(frozen=True)
class TakePrefetched:
    """Start with these data types, as if the model had asked for them."""

    data_types: tuple[str, ...]


@dataclass(frozen=True)
class RunTools:
    """Run the tool calls of the last step."""

    step: int


@dataclass(frozen=True)
class Pause:
    """CJ has just said something: give the merchant time to read it."""

    seconds: float


@dataclass(frozen=True)
class End:
    """The last step is a complete answer without tool calls: the turn is complete."""


@dataclass(frozen=True)
class OutOfTime:
    """The deadline has passed, and the model was not at fault."""


@dataclass(frozen=True)
class NoAnswer:
    """Model calls were fruitless, and there is no time for another, or there were too many."""


BAD_CALLS = frozenset({"tool.unknown", "tool.bad_arguments", "tool.unknown_data_type"})
"""Error codes of invalid tool calls."""
MAX_BAD_ROUNDS = 2
"""How often a model is told what is wrong with its calls before it must do without tools."""

Move = AskModel | TakePrefetched | RunTools | Pause | End | OutOfTime | NoAnswer


@dataclass(frozen=True)
class RetryLater:
    """Return the turn to the queue for `seconds`; the attempt does not count as a failure."""

    seconds: float


@dataclass(frozen=True)
class AnswerLater:
    """End the turn now without an answer, and promise one: agents try a model again in `seconds`, and another turn
    answers once one responds."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """End the turn with an error: `code` for programs, `sentence` for the merchant."""

    code: str
    sentence: str


Outcome = RetryLater | AnswerLater | GiveUp


def next_move(
    steps: Sequence[StepRow],
    limits: LimitsSection,
    *,
    now: datetime,
    seconds_left: float,
    fruitless: int = 0,
    prefetched: Sequence[str] = (),
) -> Move:
    """The next thing to do for a turn with these committed `steps`.

    `now` is the database's clock, like the steps' times; `seconds_left`: until the turn's deadline; `fruitless`: the
    number of model calls that produced no step; `prefetched`: the data types to start with.
    """
    last = steps[-1] if steps else None
    if last is None:
        if prefetched and seconds_left >= CLOSING_SECONDS:
            return TakePrefetched(tuple(prefetched))
        return _ask(0, True, seconds_left, fruitless)
    unfinished = is_unfinished(last)
    goes_on = unfinished or is_withdrawn(last)
    if not goes_on and not last.assistant.get("tool_calls"):
        return End()
    if not goes_on and last.tool_results is None:
        return _pause(last, limits, now) or RunTools(last.step)
    rounds = sum(1 for step in steps if step.tool_results is not None and not is_prefetched(step))
    may_call = rounds < limits.max_tool_rounds and sum(map(_is_bad, steps)) < MAX_BAD_ROUNDS
    return _ask(last.step if unfinished else last.step + 1, may_call, seconds_left, fruitless)


def is_prefetched(step: StepRow) -> bool:
    """Whether the turn started with this step, which no model made."""
    return any(call["id"].startswith(PREFETCHED) for call in step.assistant.get("tool_calls") or ())


def is_unfinished(step: StepRow) -> bool:
    """Whether this step's words were said before the model had finished: it must continue them."""
    return UNFINISHED in step.assistant


def is_withdrawn(step: StepRow) -> bool:
    """Whether this step's words were not said because the model was told to correct them."""
    claims = step.assistant.get(CLAIMS)
    return claims is not None and claims["then"] == "withdrawn"


def about_ungrounded(steps: Sequence[StepRow], truth: Literal["strict", "report"], *, seconds_left: float) -> Then:
    """What to do about claims without a ground. A turn has one correction, if there is time for it."""
    if truth == "report":
        return "said"
    if any(map(is_withdrawn, steps)) or seconds_left < CLOSING_SECONDS:
        return "left_out"
    return "withdrawn"


def after_outage(
    fruitless: int, retry_after: float | None, *, lasting: bool, told: bool, silent: float, owed: float
) -> RetryLater | AnswerLater | None:
    """What to do when no model answered; None if it is time to give up.

    Retries silently, with growing pauses of at least `retry_after`, while the merchant has heard nothing for only a
    short time (`silent` seconds). `lasting`: an immediate retry is useless. `told`: the merchant knows that no model
    answers. `owed`: seconds for which an answer has been owed.
    """
    named = retry_after or 0.0
    pause = max(MODEL_RETRY_SECONDS * 2 ** max(fruitless - 1, 0), named)
    if not (lasting or told) and silent + pause < SILENCE_SECONDS:
        return RetryLater(pause)
    if owed > LONGEST_OUTAGE_SECONDS:
        return None
    shortest, longest = MODEL_PAUSES_SECONDS
    return AnswerLater(min(max(shortest, named), longest))


def _is_bad(step: StepRow) -> bool:
    """Whether none of this step's calls could be run."""
    results = step.tool_results or ()
    return bool(results) and all(result["content"].get("error_code") in BAD_CALLS for result in results)


def _ask(step: int, may_call: bool, seconds_left: float, fruitless: int) -> Move:
    if seconds_left < MINIMUM_SECONDS:
        return NoAnswer() if fruitless else OutOfTime()
    if fruitless >= MAX_FRUITLESS_CALLS:
        return NoAnswer()
    return AskModel(step, with_tools=may_call and seconds_left >= CLOSING_SECONDS)


def _pause(last: StepRow, limits: LimitsSection, now: datetime) -> Pause | None:
    if not last.assistant.get("content"):
        return None
    # Before the step: by a few milliseconds, since two clocks differ; by much, since Postgres' went back.
    waited = abs((now - last.created_at).total_seconds())
    left = limits.pause_between_messages_seconds - waited
    return Pause(left) if left > 0 else None
