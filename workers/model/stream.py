"""Assembles a streamed answer from its deltas. Pure.

litellm's own assembly takes a stream that broke off for a complete one and drops calls without an id
(https://github.com/BerriAI/litellm/issues/40260). So what its parsers yield is assembled here into the form of a whole
answer, and an answer is complete only if its end arrived (`END`).

Providers differ: calls are numbered, or all have index 0 and different ids, or have no id at all; arguments come in
pieces or as an object; reasoning has three names, and signatures come last; token counts come with the first, the last,
or every piece.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from workers.model.response import ENDS, count_of, field_of, text_of

END = re.compile(rb"\"(?:(?:finish|stop)_?[rR]eason\"\s*:\s*\"|done\"\s*:\s*true)|data:\s*\[DONE\]|message_stop")
"""Bytes that mark the end of a stream, for all providers. litellm's Gemini parser marks every piece as the end."""
LONGEST_END = 40
DONE: dict[str, Any] = {"is_finished": True, "finish_reason": "stop"}
"""What `[DONE]` means for an answer that gave no reason for its end, in litellm's older chunk format."""
_PLAIN = {"role", "content"}


class Assembly:
    """One answer, from its deltas."""

    def __init__(self) -> None:
        self.words = 0
        """Characters of text so far."""
        self._parts: dict[str, list[str]] = {"content": [], "reasoning_content": [], "refusal": []}
        self._calls: list[dict[str, Any]] = []
        self._thoughts: list[dict[str, Any]] = []
        self._own: dict[str, Any] = {}
        self._usage: dict[str, int] = {}
        self._finish: str | None = None
        self._is_wordless = False

    @property
    def text(self) -> str:
        """The raw text so far."""
        parts = self._parts["content"]
        parts[:] = ["".join(parts)]
        return parts[0]

    @property
    def begins_to_call(self) -> bool:
        """Whether a call has begun; no text follows one."""
        return bool(self._calls)

    @property
    def has_finished(self) -> bool:
        """Whether the latest piece had no text and says that the answer ended properly."""
        return self._finish in ENDS and self._is_wordless

    def add(self, chunk: Any) -> None:
        """Add a piece of the stream, as litellm's parser for the provider or OpenAI's protocol gives it."""
        if isinstance(chunk, dict) and "is_finished" in chunk:  # litellm's older chunk format
            call, ended = chunk.get("tool_use"), chunk.get("finish_reason")
            delta = {"content": chunk.get("text"), "tool_calls": [call] if call else None}
            delta["provider_specific_fields"] = chunk.get("provider_specific_fields")
            finish = self._finish or (ended if chunk["is_finished"] else None)  # [DONE] is a "stop", too
            choice: Any = {"delta": delta, "finish_reason": finish}
        else:
            choices = field_of(chunk, "choices")
            choice = choices[0] if choices else None
        self._count(field_of(chunk, "usage"))
        if choice is None:
            return
        words = self.words
        self._take(field_of(choice, "delta") or (None if words else field_of(choice, "message")))
        self._is_wordless = self.words == words
        self._finish = field_of(choice, "finish_reason") or self._finish

    def completion(self) -> dict[str, Any] | None:
        """The answer as a chat completion; None if it broke off."""
        if self._finish is None:
            return None
        message: dict[str, Any] = {name: "".join(parts) or None for name, parts in self._parts.items()}
        message["tool_calls"] = self._calls or None
        message["thinking_blocks"] = self._thoughts or None
        message["provider_specific_fields"] = self._own or None
        return {"choices": [{"message": message, "finish_reason": self._finish}], "usage": self._usage}

    def _take(self, delta: Any) -> None:
        content = text_of(field_of(delta, "content"))
        self.words += len(content)
        if isinstance(delta, dict) and delta.keys() <= _PLAIN:  # nearly every piece
            self._parts["content"].append(content)
            return
        thought = field_of(delta, "reasoning_content") or field_of(delta, "reasoning")
        found = {"content": content, "reasoning_content": text_of(thought), "refusal": field_of(delta, "refusal")}
        for name, piece in found.items():
            if piece:
                self._parts[name].append(str(piece))
        calls = field_of(delta, "tool_calls") or ()
        for call in [calls] if isinstance(calls, dict) else calls:
            self._take_call(call)
        if (legacy := field_of(delta, "function_call")) is not None:
            self._take_call({"index": 0, "function": legacy})
        for block in field_of(delta, "thinking_blocks") or ():
            self._take_thought(dict(block))
        own = {"reasoning_details": field_of(delta, "reasoning_details")}
        own |= field_of(delta, "provider_specific_fields") or {}
        for name, value in own.items():
            if isinstance(value, list):
                _merge(self._own.setdefault(name, []), value)
            elif value is not None:
                self._own[name] = value

    def _take_call(self, piece: Any) -> None:
        function, call_id, number = (field_of(piece, name) for name in ("function", "id", "index"))
        name, arguments = field_of(function, "name"), field_of(function, "arguments")
        call = self._continued(call_id, number, name)
        if call is None and not (call_id or name or arguments):
            return
        if call is None:
            call = {"id": None, "index": number, "type": "function", "function": {"name": "", "arguments": ""}}
            self._calls.append(call)
        call["id"] = call["id"] or call_id
        known = call["function"]
        if name and not known["name"].endswith(name):
            known["name"] += name
        if arguments is not None:
            known["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)
        for extra in ("provider_specific_fields", "extra_content"):
            if value := field_of(piece, extra):
                call[extra] = value

    def _continued(self, call_id: Any, number: Any, name: Any) -> dict[str, Any] | None:
        """The call that a piece continues; None if it begins a new one."""
        same = [call for call in self._calls if number is None or call["index"] == number]
        if not same:
            return None
        last: dict[str, Any] = same[-1]
        is_other = call_id and last["id"] and call_id != last["id"] and name
        begins = name and not call_id and last["function"]["arguments"] and number is None
        return None if is_other or begins else last

    def _take_thought(self, block: dict[str, Any]) -> None:
        block.pop("index", None)
        last = self._thoughts[-1] if self._thoughts else {}
        if block.get("type") == last.get("type") == "thinking" and not last.get("signature"):
            last["thinking"] = (last.get("thinking") or "") + (block.get("thinking") or "")
            last["signature"] = block.get("signature") or last.get("signature")
        else:
            self._thoughts.append(block)

    def _count(self, usage: Any) -> None:
        """Some providers send running counts, some the input first and the output last."""
        for name in ("prompt_tokens", "completion_tokens"):
            if (value := count_of(usage, name)) is not None:
                self._usage[name] = max(value, self._usage.get(name, 0))


def _merge(known: list[Any], pieces: list[Any]) -> None:
    """Merge reasoning details of the same index (https://openrouter.ai/docs/use-cases/reasoning-tokens)."""
    for piece in pieces:
        last = known[-1] if known else None
        if not isinstance(piece, dict) or not isinstance(last, dict) or not _goes_on(last, piece):
            known.append(dict(piece) if isinstance(piece, dict) else piece)
            continue
        for name, value in piece.items():
            is_text = name in ("text", "summary", "data") and isinstance(value, str) and isinstance(last.get(name), str)
            if value is not None:
                last[name] = last[name] + value if is_text else value


def _goes_on(last: Mapping[str, Any], piece: Mapping[str, Any]) -> bool:
    return piece.get("index") is not None and all(piece.get(key) == last.get(key) for key in ("type", "index"))


def as_stream(completion: Mapping[str, Any]) -> bytes:
    """Turn a whole answer, sent although a stream was asked for, into a stream of one piece."""
    choices = [
        {"index": 0, "delta": _numbered(choice["message"]), "finish_reason": choice.get("finish_reason") or "stop"}
        for choice in completion["choices"][:1]
    ]
    frame = {"id": "whole", "created": 0, "model": ""} | {k: v for k, v in completion.items() if v is not None}
    chunk = {**frame, "object": "chat.completion.chunk", "choices": choices}
    return b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"


def _numbered(message: Mapping[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not calls:
        return dict(message)
    return {**message, "tool_calls": [{**call, "index": number} for number, call in enumerate(calls)]}
