"""What an agent turn does next: a pure function of what is already committed.

A turn is a row and its steps; a step is one answer from the model and the results of its tool calls. From these,
`next_move` returns what to do; the caller carries it out, commits, and asks again. A turn that died at any point
resumes from its committed steps by the same rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from workers.agent.time_limits import CLOSING_SECONDS, MINIMUM_SECONDS


class Limits(Protocol):
    """The part of a workflow's `limits` that a turn obeys."""

    @property
    def max_tool_rounds(self) -> int: ...
    @property
    def pause_between_messages_seconds(self) -> float: ...


class Step(Protocol):
    """A committed step (storage.turns.StepRow)."""

    @property
    def step(self) -> int: ...
    @property
    def assistant(self) -> dict[str, Any]: ...
    @property
    def tool_results(self) -> list[dict[str, Any]] | None: ...
    @property
    def created_at(self) -> datetime: ...


@dataclass(frozen=True)
class AskModel:
    """Ask the model for step number `step`; without tools when the turn must finish."""

    step: int
    with_tools: bool


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
    """The last step is an answer without tool calls: the turn is complete."""


@dataclass(frozen=True)
class OutOfTime:
    """The deadline passed before the model could answer."""


Move = AskModel | RunTools | Pause | End | OutOfTime


@dataclass(frozen=True)
class Finished:
    """The turn has ended and its last reply is committed."""


@dataclass(frozen=True)
class RetryLater:
    """Return the turn to the queue for `seconds`; the attempt does not count as a failure."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """End the turn with an error: `code` for programs, `sentence` for the merchant."""

    code: str
    sentence: str


Outcome = Finished | RetryLater | GiveUp


def next_move(steps: Sequence[Step], limits: Limits, *, now: datetime, seconds_left: float) -> Move:
    """The next move of a turn with these committed `steps`.

    `now` and the steps' times are the database's clock; `seconds_left` is the time until the turn's deadline.
    """
    last = steps[-1] if steps else None
    if last is None:
        return _ask(0, rounds=0, limits=limits, seconds_left=seconds_left)
    if not last.assistant.get("tool_calls"):
        return End()
    if last.tool_results is None:
        return _pause(last, limits, now) or RunTools(last.step)
    rounds = sum(1 for step in steps if step.tool_results is not None)
    return _ask(last.step + 1, rounds=rounds, limits=limits, seconds_left=seconds_left)


def _ask(step: int, *, rounds: int, limits: Limits, seconds_left: float) -> Move:
    if seconds_left < MINIMUM_SECONDS:
        return OutOfTime()
    return AskModel(step, with_tools=rounds < limits.max_tool_rounds and seconds_left >= CLOSING_SECONDS)


def _pause(last: Step, limits: Limits, now: datetime) -> Pause | None:
    if not last.assistant.get("content"):
        return None
    waited = max((now - last.created_at).total_seconds(), 0.0)  # the two clocks differ by a few milliseconds
    left = limits.pause_between_messages_seconds - waited
    return Pause(left) if left > 0 else None
