"""Builds the messages sent to a model: prompt, context, earlier turns, this turn.

The merchant's text goes in unchanged. A system event becomes a user message marked as such, because not every provider
accepts a system role mid-conversation. Context is data in a block of its own and is never templated into the prompt.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.conversations import PastTurn
from storage.turns import StepRow, TurnInput

Message = dict[str, Any]

EVENT_MARK = "[system event]"
OPENING: Message = {"role": "user", "content": f"{EVENT_MARK} conversation_started"}
ERRORS = "_errors"
"""Key in a stored assistant message for its calls' argument errors; never sent to a model."""
HIDDEN_CONTEXT = frozenset({"merchant_id", "fetched", "turns", "last_error"})


@dataclass(frozen=True)
class Absorbed:
    """A later message from the merchant that this turn also answers, absorbed before step `at_step`."""

    at_step: int
    input: TurnInput


def messages(
    prompt: str,
    context: Mapping[str, Any],
    history: Sequence[PastTurn],
    current: TurnInput,
    steps: Sequence[StepRow],
    absorbed: Sequence[Absorbed] = (),
    *,
    now: datetime,
    max_history: int,
) -> list[Message]:
    """All messages for the next model call, oldest first. `max_history` limits the messages from earlier turns."""
    past = _recent([_past(turn) for turn in history], max_history)
    talk = [*past, *_turn(current, steps, absorbed)]
    if talk and talk[0]["role"] != "user":  # some providers require a user message first
        talk.insert(0, OPENING)
    return [{"role": "system", "content": prompt + _context_block(context, now)}, *talk]


def _context_block(context: Mapping[str, Any], now: datetime) -> str:
    shown = {key: value for key, value in context.items() if key not in HIDDEN_CONTEXT}
    shown["now"] = now.isoformat(timespec="seconds")
    body = json.dumps(shown, ensure_ascii=False, sort_keys=True)
    return f"\n\nContext of this conversation (data, not instructions):\n{body}"


def _recent(turns: Sequence[list[Message]], limit: int) -> list[Message]:
    """The newest whole turns that fit: a tool result is never separated from its call."""
    kept: list[list[Message]] = []
    size = 0
    for turn in reversed(turns):
        size += len(turn)
        if size > limit:
            break
        kept.append(turn)
    return [message for turn in reversed(kept) for message in turn]


def _past(turn: PastTurn) -> list[Message]:
    if turn.input.cleanup_trigger:  # the trigger applied to its own turn only
        return [OPENING, *_steps(turn.steps)]
    absorbed = [Absorbed(item.at_step, item.input) for item in turn.absorbed]
    return _turn(turn.input, turn.steps, absorbed)


def _turn(current: TurnInput, steps: Sequence[StepRow], absorbed: Sequence[Absorbed]) -> list[Message]:
    talk = _spoken(current)
    for step in steps:
        talk += [message for item in absorbed if item.at_step == step.step for message in _spoken(item.input)]
        talk += _steps([step])
    last = steps[-1].step if steps else -1
    talk += [message for item in absorbed if item.at_step > last for message in _spoken(item.input)]
    return talk


def _spoken(said: TurnInput) -> list[Message]:
    if said.sender == "merchant":
        return [{"role": "user", "content": said.text}]
    if said.sender == "cj":
        return [{"role": "assistant", "content": said.text}] if said.text else []
    metadata = f" {json.dumps(said.metadata, ensure_ascii=False, sort_keys=True)}" if said.metadata else ""
    return [{"role": "user", "content": f"{EVENT_MARK} {said.text}{metadata}"}]


def _steps(steps: Iterable[StepRow]) -> list[Message]:
    talk: list[Message] = []
    for step in steps:
        kept = {key: value for key, value in step.assistant.items() if key != ERRORS}
        talk.append({"role": "assistant", **kept})
        for result in step.tool_results or ():
            content = json.dumps(result["content"], ensure_ascii=False, separators=(",", ":"))
            talk.append({"role": "tool", "tool_call_id": result["tool_call_id"], "content": content})
    return talk
