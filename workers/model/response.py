"""A language model's answer: text, tool calls, and the message to store.

Providers differ in ways that would poison a conversation if stored unchanged. A call whose arguments are broken JSON
makes some providers refuse every later request of that conversation, as does a tool name with a dot, or a call id that
is longer than 40 characters or was used before; Postgres refuses NUL characters. So an `Answer` is cleaned once, here,
and can then be stored and sent to any provider.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

#: Calls taken from one answer; more are ignored.
MAX_TOOL_CALLS = 4
#: Longest arguments of one call (characters).
MAX_ARGUMENTS = 1024
#: Longest words taken of one answer (characters); the rest is dropped, whatever a provider made of `max_tokens`.
MAX_WORDS = 16_000

# OpenAI accepts tool names of this form and call ids of up to 40 characters, and answers 400 to all others.
_BAD_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_GOOD_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
# litellm hides Gemini's thought signature in the id and strips it for other providers, so such an id is kept.
_SIGNED_ID = re.compile(r"[a-zA-Z0-9_-]{1,60}__thought__\S+")


@dataclass(frozen=True)
class ToolCall:
    """One call the model asks for. Either `arguments` or `error` is set; the error is a sentence for the model."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    error: str | None = None


@dataclass(frozen=True)
class Answer:
    """Text, tool calls or both, never neither. `model` is the configured name; tokens are the provider's counts."""

    text: str | None
    tool_calls: tuple[ToolCall, ...]
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None


def assistant_message(answer: Answer) -> dict[str, Any]:
    """The message to store: only what every provider understands. Broken arguments become `{}`."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.tool_calls:
        message["tool_calls"] = [_kept(call) for call in answer.tool_calls]
    return message


def read_answer(response: Any, model: str, messages: Iterable[Mapping[str, Any]] = ()) -> Answer | None:
    """Parse a litellm response to `messages`; None if it is empty: no choice, or neither text nor calls."""
    choices = getattr(response, "choices", None)
    message = getattr(choices[0], "message", None) if choices else None
    text = _clean_text(getattr(message, "content", None))
    calls = _read_calls(getattr(message, "tool_calls", None) or (), _call_ids(messages))
    if text is None and not calls:
        return None
    usage = getattr(response, "usage", None)
    return Answer(text, calls, model, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


def parse_arguments(text: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """(arguments, None), or (None, what is wrong with them). No arguments at all are `{}`."""
    if text is None or not text.strip():
        return {}, None
    if len(text) > MAX_ARGUMENTS:
        return None, f"The arguments of this call are too long: at most {MAX_ARGUMENTS} characters."
    try:
        parsed = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None, "The arguments of this call are not valid JSON. Send one JSON object."
    if not isinstance(parsed, dict):
        return None, "The arguments of this call are not a JSON object. Send one JSON object."
    return parsed, None


def _kept(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments or {})}
    return {"id": call.id, "type": "function", "function": function}


def _call_ids(messages: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(call.get("id")) for message in messages for call in message.get("tool_calls") or ()}


def _read_calls(raw_calls: Iterable[Any], taken: set[str]) -> tuple[ToolCall, ...]:
    calls: list[ToolCall] = []
    for raw in list(raw_calls)[:MAX_TOOL_CALLS]:
        function = getattr(raw, "function", None)
        name = _BAD_IN_NAME.sub("_", str(getattr(function, "name", None) or "unnamed"))[:64]
        arguments, error = parse_arguments(_as_text(getattr(function, "arguments", None)))
        call_id = _clean_id(getattr(raw, "id", None), taken | {call.id for call in calls})
        calls.append(ToolCall(call_id, name, arguments, error))
    return tuple(calls)


def _clean_id(raw: object, taken: set[str]) -> str:
    text = raw if isinstance(raw, str) else ""
    usable = _GOOD_ID.fullmatch(text) or _SIGNED_ID.fullmatch(text)
    return text if usable and text not in taken else f"call_{uuid.uuid4().hex[:24]}"


def _clean_text(raw: object) -> str | None:
    if isinstance(raw, list):  # some providers send parts
        raw = "".join(part["text"] for part in raw if isinstance(part, dict) and isinstance(part.get("text"), str))
    if not isinstance(raw, str):
        return None
    # Half of a surrogate pair cannot be sent as UTF-8, NUL cannot be stored in Postgres.
    return raw.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8").strip()[:MAX_WORDS] or None


def _as_text(raw: object) -> str | None:
    return raw if raw is None or isinstance(raw, str) else json.dumps(raw, default=str)


def _count(usage: Any, field: str) -> int | None:
    value = getattr(usage, field, None)
    return value if isinstance(value, int) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
