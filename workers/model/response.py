"""A language model's answer: text, tool calls, and the message to store.

Providers differ in ways that would poison a conversation if stored unchanged. Some refuse every later request of a
conversation that contains a call with broken JSON arguments, a tool name with a dot, or a call id that is longer than
40 characters or was used before; Postgres refuses NUL characters. So an `Answer` is cleaned once, here, and can then be
stored and sent to any provider.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.model import dialects
from workers.model.errors import Cause
from workers.model.habits import EXTRAS

#: Calls run per answer. For up to `MOST_REFUSED_CALLS` more the model is told that they were not; the rest is dropped.
MAX_TOOL_CALLS = 4
MOST_REFUSED_CALLS = 8
#: Longest arguments of one call (characters).
MAX_ARGUMENTS = 1024
#: Longest text kept of one answer (characters); the rest is dropped, in case a provider ignored `max_tokens`.
MAX_WORDS = 16_000
#: Longest raw text read, reasoning included (characters).
MAX_TEXT = 64_000
#: Longest `extras` stored with one answer (characters of JSON); signed reasoning cannot be cut.
MAX_EXTRAS = 64_000

ENDS = frozenset({"stop", "tool_calls", "function_call"})
"""Finish reasons of an answer that was not cut off, as OpenAI spells them."""
_OTHER_ENDS = frozenset({"end_turn", "stop_sequence", "tool_use", "eos", "eos_token", "end", "complete", "completed"})
"""As others spell them. After any other reason a text may end anywhere: a server stopped, a filter, a limit."""
MOST_TOKENS = 1_000_000_000
"""Larger counts are a provider's mistake."""
_SENTENCE_END = re.compile(
    "[\u3002\uff01\uff1f]|(?:[!?\u2026\u061f\u0964]|(?<!\\d)\\.)[\"'\u201d\u2019\u00bb)\\]]*(?=\\s|\\Z)|(?<=\\S)\\n"
)
"""After a digit a dot may be a decimal point or number a list item."""
_BAD_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_GOOD_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_SIGNED_ID = re.compile(r".*?__thought__(?P<signature>\S+)", re.DOTALL)
"""litellm hides Gemini's thought signature in the id."""
_NOT_JSON = "The arguments of this call are not valid JSON. Send one JSON object."
TOO_MANY_CALLS = (
    f"Not run: only the first {MAX_TOOL_CALLS} calls of an answer are. Call it again if it is still needed."
)
_IN_THE_TEXT = (
    "You wrote a tool call into your text, where it cannot be read. Call the tool by the API's tool calls, with one "
    "JSON object as arguments."
)


@dataclass(frozen=True)
class ToolCall:
    """One call the model asks for. Either `arguments` or `error` is set; the error is a sentence for the model."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    error: str | None = None


@dataclass(frozen=True)
class Answer:
    """Text, tool calls or both, never neither. `model` is the configured name; tokens are the provider's counts.

    `extras`: what the provider wants back with this message, see `workers.model.habits`.
    """

    text: str | None
    tool_calls: tuple[ToolCall, ...]
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)


def assistant_message(answer: Answer) -> dict[str, Any]:
    """The message to store: what every provider understands, and under `EXTRAS` what only its own provider does.

    Broken arguments become `{}`.
    """
    message = message_of(answer.text, [(call.id, call.name, call.arguments or {}) for call in answer.tool_calls])
    return message | ({EXTRAS: dict(answer.extras)} if answer.extras else {})


def message_of(text: str | None, calls: Sequence[tuple[str, str, Mapping[str, Any]]]) -> dict[str, Any]:
    """An assistant message of the chat-completion protocol, with tool calls of (id, name, arguments)."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for id, name, arguments in calls
        ]
    return message


def read_answer(
    response: Any, model: str, messages: Sequence[Mapping[str, Any]] = (), tools: Sequence[Mapping[str, Any]] = ()
) -> Answer | Cause:
    """Parse the chat completion (litellm's object or JSON) that answers `messages` with `tools`; the cause if it has no
    content."""
    choices = field_of(response, "choices")
    choice = choices[0] if choices else None
    message = field_of(choice, "message")
    offered = [str(tool["function"]["name"]) for tool in tools]
    spoken = dialects.read(text_of(field_of(message, "content"))[:MAX_TEXT], tool_names(messages, tools))
    raw = _raw_calls(message) or [_RawCall(name, arguments) for name, arguments in spoken.calls]
    taken = _call_ids(messages)
    calls, extras_of_calls = _read_calls(raw, offered, taken)
    if not calls and spoken.broken and offered:
        calls = (ToolCall(_new_id(), offered[0], None, _IN_THE_TEXT),)
    finish = field_of(choice, "finish_reason")
    said = whole_sentences(spoken.text) if is_cut_off(finish) else spoken.text
    words = _clean(said) or (None if calls else _clean(text_of(field_of(message, "refusal"))))
    if words is None and not calls:
        return _nothing(finish, bool(field_of(message, "refusal")))
    usage = field_of(response, "usage")
    counts = (count_of(usage, "prompt_tokens"), count_of(usage, "completion_tokens"))
    return Answer(words, calls, model, *counts, _extras(model, message, extras_of_calls))


def is_cut_off(finish: object) -> bool:
    """Whether the text may end anywhere. Providers that give no reason are believed to have ended."""
    return bool(finish) and str(finish).lower() not in ENDS | _OTHER_ENDS


def whole_sentences(text: str) -> str:
    """Remove the unfinished sentence or line from a text that was cut off: a number may have been cut in two."""
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    return f"{text[: ends[-1]].rstrip()} …" if ends and text[ends[-1] :].strip() else text[: ends[-1]] if ends else ""


def parse_arguments(text: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """(arguments, None), or (None, what is wrong with them). Missing arguments are `{}`."""
    if text is None or not text.strip() or text.strip() == "null":
        return {}, None
    if len(text) > MAX_ARGUMENTS:
        return None, f"The arguments of this call are too long: at most {MAX_ARGUMENTS} characters."
    found = dialects.read_object(text)
    return (None, _NOT_JSON) if found is None else (dialects.inner(found), None)


def repaired(body: Any) -> Any:
    """Repair a chat completion from HTTP so that litellm can read it.

    https://github.com/mistralai/client-python and others send parts instead of text, null calls or a null message, and
    litellm would take that for an outage.
    """
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        return body
    choices = [choice for choice in body["choices"] if isinstance(choice, dict)]
    return {"service_tier": None, **body, "choices": [_choice(choice) for choice in choices]}


def as_completion(body: bytes) -> dict[str, Any] | None:
    """A refusal that quotes what the model wrote (`failed_generation`) as a chat completion; None for other refusals.

    Groq validates calls itself and refuses those that it cannot read, though most can be read
    (https://console.groq.com/docs/tool-use).
    """
    try:
        error = json.loads(body)["error"]
        written = error["failed_generation"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    if not isinstance(written, str) or not written.strip():
        return None
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": written}}
    return {"id": "failed_generation", "object": "chat.completion", "created": 0, "model": "", "choices": [choice]}


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message")
    message = dict(message) if isinstance(message, dict) else {}
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        message["content"] = text_of(content)
        thoughts = "".join(text_of(part["thinking"]) for part in _dicts(content) if "thinking" in part)
        if thoughts:
            message.setdefault("reasoning_content", thoughts)
        if refusals := "".join(text_of(part.get("refusal")) for part in _dicts(content)):
            message.setdefault("refusal", refusals)
    calls = message.get("tool_calls")
    if calls is not None:
        calls = _dicts([calls] if isinstance(calls, dict) else calls)
        message["tool_calls"] = [
            {"id": None, **call} for call in calls if isinstance(call.get("function"), dict)
        ] or None
    if not isinstance(message.get("function_call", {}), dict):
        message.pop("function_call")
    finish = choice.get("finish_reason")
    # litellm takes reasons that it does not know for a "stop".
    is_cut = message.get("content") and is_cut_off(finish) and finish != "content_filter"
    ends = {"finish_reason": "length"} if is_cut else {}
    return {**choice, **ends, "message": {"role": "assistant", "content": None, **message}}


@dataclass(frozen=True)
class _RawCall:
    name: Any
    arguments: Any
    id: Any = None
    extras: Mapping[str, Any] = field(default_factory=dict)


def _raw_calls(message: Any) -> list[_RawCall]:
    """The calls as litellm gives them, including the older single `function_call`; not those that some send empty with
    every answer."""
    found = []
    for raw in field_of(message, "tool_calls") or ():
        function = field_of(raw, "function")
        extras = {
            key: field_of(raw, key) for key in ("provider_specific_fields", "extra_content") if field_of(raw, key)
        }
        if (signed := _SIGNED_ID.fullmatch(str(field_of(raw, "id")))) is not None:
            extras.setdefault("provider_specific_fields", {"thought_signature": signed["signature"]})
        found.append(_RawCall(field_of(function, "name"), field_of(function, "arguments"), field_of(raw, "id"), extras))
    legacy = field_of(message, "function_call")
    if not found and legacy is not None:
        found.append(_RawCall(field_of(legacy, "name"), field_of(legacy, "arguments")))
    return [call for call in found if call.name or call.arguments]


def _read_calls(
    raw_calls: Sequence[_RawCall], offered: Collection[str], taken: set[str]
) -> tuple[tuple[ToolCall, ...], dict[str, Mapping[str, Any]]]:
    calls: list[ToolCall] = []
    extras: dict[str, Mapping[str, Any]] = {}
    for number, raw in enumerate(raw_calls[: MAX_TOOL_CALLS + MOST_REFUSED_CALLS]):
        is_run = number < MAX_TOOL_CALLS
        arguments, error = parse_arguments(_as_text(raw.arguments)) if is_run else (None, TOO_MANY_CALLS)
        call_id = _clean_id(raw.id, taken | {call.id for call in calls})
        calls.append(ToolCall(call_id, _name(raw.name, offered), arguments, error))
        if raw.extras:
            extras[call_id] = raw.extras
    return tuple(calls), extras


def _name(raw: object, offered: Collection[str]) -> str:
    known = dialects.named(raw, offered)
    if known is None and not raw and len(offered) == 1:  # nothing else can be meant
        known = next(iter(offered))
    return known or _BAD_IN_NAME.sub("_", str(raw or "unnamed"))[:64]


def _extras(model: str, message: Any, calls: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    own = field_of(message, "provider_specific_fields") or {}
    kept: dict[str, Any] = {}
    if blocks := field_of(message, "thinking_blocks"):
        kept["thinking_blocks"] = blocks
    elif named := {key: own[key] for key in ("reasoning", "reasoning_details") if own.get(key)}:
        kept |= named
    elif reasoning := field_of(message, "reasoning_content"):
        kept["reasoning_content"] = str(reasoning)[:MAX_WORDS]
    if signatures := own.get("thought_signatures"):
        kept["provider_specific_fields"] = {"thought_signatures": signatures}
    parts = {key: value for key, value in (("message", kept), ("calls", dict(calls))) if value}
    if not parts:
        return {}
    text = json.dumps(parts, default=str)
    if len(text) > MAX_EXTRAS:
        return {}
    return {"model": model, **json.loads(_storable(text).replace("\\u0000", ""))}


def _nothing(finish: object, refused: bool) -> Cause:
    if refused or finish == "content_filter":
        return Cause.FILTERED
    return Cause.CUT if finish == "length" else Cause.EMPTY


def tool_names(messages: Iterable[Mapping[str, Any]], tools: Iterable[Mapping[str, Any]]) -> list[str]:
    """The tools that a model may write calls of into its text: those offered or, without any, those called before."""
    offered = [str(tool["function"]["name"]) for tool in tools]
    return offered or sorted(
        {str(call["function"]["name"]) for message in messages for call in message.get("tool_calls") or ()}
    )


def _call_ids(messages: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(call.get("id")) for message in messages for call in message.get("tool_calls") or ()}


def _clean_id(raw: object, taken: set[str]) -> str:
    usable = isinstance(raw, str) and _GOOD_ID.fullmatch(raw) and "__thought__" not in raw and raw not in taken
    return str(raw) if usable else _new_id()


def _new_id() -> str:
    return uuid.uuid4().hex[:9]


def words_so_far(raw: str, tools: Collection[str] = ()) -> str:
    """The beginning of an unfinished text, up to anything that may be markup or a call of one of these `tools`."""
    return _storable(dialects.surely_words(raw[:MAX_TEXT], tools)).lstrip()[:MAX_WORDS]


def spoken_words(raw: str, tools: Collection[str]) -> str | None:
    """The text as `read_answer` would clean it, for one that is complete; None if it also contains a call."""
    spoken = dialects.read(raw[:MAX_TEXT], tools)
    return None if spoken.calls or spoken.broken else _clean(spoken.text)


def text_of(raw: object) -> str:
    """The text of a `content` field, which may be a list of parts."""
    match raw:
        case str():
            return raw
        case list():
            return "".join(text_of(part) for part in raw if isinstance(part, str) or (_is_text(part)))
        case dict():
            return text_of(raw.get("text", raw.get("value")))
        case int() | float():
            return str(raw)
    return ""


def _is_text(part: object) -> bool:
    return isinstance(part, dict) and part.get("type", "text") in ("text", "output_text")


def _dicts(values: object) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _clean(words: str) -> str | None:
    return _storable(words).strip()[:MAX_WORDS] or None


def _storable(text: str) -> str:
    """Without lone surrogates, which UTF-8 cannot encode, and NUL, which Postgres cannot store."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")


def field_of(value: Any, name: str) -> Any:
    """A field of an answer (litellm's object or JSON), or None."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _as_text(raw: object) -> str | None:
    return raw if raw is None or isinstance(raw, str) else json.dumps(raw, default=str)


def count_of(usage: Any, field: str) -> int | None:
    """A count of tokens, or None if the provider gave none that can be right."""
    value = field_of(usage, field)
    return value if isinstance(value, int) and 0 <= value <= MOST_TOKENS else None
