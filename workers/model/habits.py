"""What each provider insists on in requests, as learned from its refusals.

Reasoning models return more than text and calls (`reasoning_content`, thinking blocks, thought signatures), and some
refuse the next request without it. So it is stored with the step (`EXTRAS`) and sent back only to the model it came
from. Providers disagree about it, and about options: what one demands, another refuses with 400. The refusal's text
says which, and the next request follows it.
"""

import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

EXTRAS = "_extras"
"""Key in a stored assistant message: `model`, and what it wants back in the message and, by id, in its tool calls."""

Message = Mapping[str, Any]

_BLANK = " "
"""Replaces another model's reasoning; the least that DeepSeek accepts."""
_ANY_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""https://ai.google.dev/gemini-api/docs/thought-signatures"""
_SUBJECT = re.compile(
    r"reasoning|thinking|thought|signature|provider_specific|extra_content|extra[ _](inputs|fields|forbidden)"
    r"|additional propert|unsupported propert|unrecognized (request argument|key|field)",
    re.IGNORECASE,
)
_CALL_ID = re.compile(r"tool[ _]call[ _]?id\b", re.IGNORECASE)
_ALTERNATE = re.compile(r"roles (must|should) (be )?alternat", re.IGNORECASE)
_LAST = re.compile(r"last message must have role `?user", re.IGNORECASE)
"""As the chat templates of self-hosted models word it."""
_DEMAND = re.compile(r"must be|missing|required|expected|needs? to be|pass(ed)? back", re.IGNORECASE)
_OPTIONS = {
    "temperature": re.compile(r"temperature", re.IGNORECASE),
    "max_tokens": re.compile(r"max_?(completion_|output_)?tokens", re.IGNORECASE),
    "stream_options": re.compile(r"stream_?options|include_usage", re.IGNORECASE),
    "stream": re.compile(
        r"\bstream(ing|ed)?\b[^.]{0,40}\b(not|un)[ -]?(be )?(support|enabl|allow|available)"
        r"|(not|n't) (support|allow)[^.]{0,30}\bstream|unsupported[^.]{0,30}\bstream(ing)?\b",
        re.IGNORECASE,
    ),
}
_STREAM = frozenset({"stream", "stream_options"})


@dataclass(frozen=True)
class _Habit:
    extras: Literal["own", "none", "filled"] = "own"
    signatures: bool = False
    short_ids: bool = False
    alternating: bool = False
    user_last: bool = False
    without: frozenset[str] = frozenset()


class Habits:
    """What was learned about each model. Shared by all threads of a process."""

    def __init__(self) -> None:
        self._known: dict[str, _Habit] = {}
        self._lock = threading.Lock()

    def messages(self, name: str, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The messages in the form that the model `name` accepts."""
        return _fitted(name, messages, self._of(name))

    def options(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options that the model `name` accepts."""
        return {option: value for option, value in options.items() if option not in self._of(name).without}

    def learn(self, name: str, complaint: str, messages: Sequence[Message], options: Mapping[str, Any]) -> bool:
        """Whether the request can be sent in another form that answers the complaint of the model `name`.

        If so, that form is used from now on.
        """
        with self._lock:
            known = self._known.get(name, _Habit())
            changed = _changed(known, complaint, self.options(name, options) if known.without else options)
            if changed == known:
                return False
            if changed.without == known.without and _fitted(name, messages, changed) == _fitted(name, messages, known):
                return False
            self._known[name] = changed
            return True

    def _of(self, name: str) -> _Habit:
        return self._known.get(name, _Habit())


def _changed(known: _Habit, complaint: str, options: Mapping[str, Any]) -> _Habit:
    named = {option for option in options if option in _OPTIONS and _OPTIONS[option].search(complaint)}
    if of_stream := named & _STREAM:
        return replace(known, without=known.without | (_STREAM if "stream" in of_stream else of_stream))
    if _ALTERNATE.search(complaint):
        return replace(known, alternating=True)
    if _LAST.search(complaint):
        return replace(known, user_last=True)
    if _CALL_ID.search(complaint):
        return replace(known, short_ids=True)
    if _SUBJECT.search(complaint):
        if _DEMAND.search(complaint) and known.extras != "filled":
            return replace(known, extras="filled", signatures="signature" in complaint)
        return replace(known, extras="none") if known.extras != "none" else known
    return replace(known, without=known.without | named)


def _fitted(name: str, messages: Sequence[Message], habit: _Habit) -> list[dict[str, Any]]:
    fitted = [_one(name, message, habit) for message in messages]
    if habit.short_ids:
        fitted = [_with_short_ids(message) for message in fitted]
    if habit.alternating:
        fitted = [message for pair in zip([None, *fitted], fitted, strict=False) for message in _alternating(*pair)]
    if habit.user_last and fitted and fitted[-1]["role"] != "user":
        fitted.append({"role": "user", "content": ""})
    return fitted


def _alternating(before: Message | None, message: dict[str, Any]) -> list[dict[str, Any]]:
    """The message, after an empty one of the other role if the one before has the same role."""
    other = {"user": "assistant", "assistant": "user"}.get(message["role"])
    is_second = before is not None and before["role"] == message["role"]
    return [{"role": other, "content": ""}, message] if other and is_second else [message]


def _with_short_ids(message: dict[str, Any]) -> dict[str, Any]:
    """Replace call ids by nine letters and digits, the only form Mistral's models accept; a result keeps its call's
    id."""
    if "tool_call_id" in message:
        return {**message, "tool_call_id": _short(message["tool_call_id"])}
    if not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": [{**call, "id": _short(call["id"])} for call in message["tool_calls"]]}


def _short(call_id: str) -> str:
    return call_id if re.fullmatch("[a-zA-Z0-9]{9}", call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _one(name: str, message: Message, habit: _Habit) -> dict[str, Any]:
    sent = {key: value for key, value in message.items() if key != EXTRAS}
    if message.get("role") != "assistant":
        return sent
    extras = message.get(EXTRAS) or {}
    if habit.extras != "none" and extras.get("model") == name:
        sent |= extras.get("message", {})
        calls = extras.get("calls", {})
        if calls:
            sent["tool_calls"] = [{**call, **calls.get(call["id"], {})} for call in sent.get("tool_calls", ())]
    if habit.extras == "filled":
        if not any(sent.get(key) for key in ("reasoning_content", "reasoning", "reasoning_details")):
            sent["reasoning_content"] = _BLANK
        if habit.signatures and sent.get("tool_calls"):
            sent["tool_calls"] = [{"extra_content": _ANY_SIGNATURE, **call} for call in sent["tool_calls"]]
    return sent
