"""What an AG-UI client sends to run the agent, and which events of the answer it lacks.

The client sends its whole history each time: https://docs.ag-ui.com/concepts/architecture#running-agents. So the door
knows what it has, and a client that lost its connection in the middle of a word gets the rest of that word and nothing
twice, whichever door it uses.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from events.envelope import readable
from events.errors import InvalidEvent
from storage import turns

MOST_MESSAGES = 20
"""How many messages of the merchant one request may bring, the latest."""


@dataclass(frozen=True)
class AgentInput:
    """One request. `messages`: id and text of what the merchant has said since CJ's last word that the client has; none
    if the client only wants what is new."""

    conversation_id: str
    run_id: str
    messages: Sequence[tuple[str, str]]
    history: "History"


@dataclass
class History:
    """What a client has: text by message, arguments by tool call, and the calls whose results it has."""

    words: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    results: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]]) -> "History":
        """From the messages of a RunAgentInput."""
        found = cls()
        for message in messages:
            if message.get("role") == "assistant" and isinstance(message.get("id"), str):
                found.words[message["id"]] = _words(message)
            calls = message.get("toolCalls")
            for call in calls if isinstance(calls, list) else ():
                if isinstance(call, dict) and isinstance(call.get("id"), str):
                    function = call.get("function")
                    known = function.get("arguments") if isinstance(function, dict) else None
                    found.arguments[call["id"]] = known if isinstance(known, str) else ""
            if message.get("role") == "tool" and isinstance(message.get("toolCallId"), str):
                found.results.add(message["toolCallId"])
        return found

    @property
    def latest_turn(self) -> int | None:
        """The id of the latest turn among its messages."""
        ids = [turn for name in self.words if (turn := turns.turn_of(name)) is not None]
        return ids[-1] if ids else None

    def lacks(self, events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """A run's events, in order, that are new to the client; if it has part of a text, the rest.

        A message that starts again and a repeated call change nothing in a client. A repeated result would appear
        twice; but without its result a repeated call would count as unanswered, so that call is left out, too.
        """
        for event in events:
            kind, call = event["type"], event.get("toolCallId")
            if call is not None and call in self.results:
                continue
            if kind == "TEXT_MESSAGE_CONTENT":
                event = _rest(event, self.words, event["messageId"])
            elif kind == "TOOL_CALL_ARGS":
                event = _rest(event, self.arguments, event["toolCallId"])
            if event.get("delta") != "":
                yield event


def read(value: object) -> AgentInput:
    """The request in a JSON value. Raises InvalidEvent."""
    if not isinstance(value, dict):
        raise InvalidEvent("event.not_object", "a RunAgentInput is an object")
    conversation_id = readable(value.get("threadId"))
    if conversation_id is None:
        raise InvalidEvent("event.bad_value", "threadId must be text of 1 to 200 printable characters")
    messages = [] if value.get("messages") is None else value["messages"]
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise InvalidEvent("event.bad_value", "messages must be a list of messages")
    run_id = readable(value.get("runId")) or "run"
    return AgentInput(conversation_id, run_id, _unanswered(messages), History.of(messages))


def _unanswered(messages: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The merchant's messages after CJ's last one, earliest first. An earlier one without a usable id was refused when
    it was the last."""
    found: list[tuple[str, str]] = []
    for message in reversed(messages):
        if message.get("role") in ("assistant", "tool") or len(found) == MOST_MESSAGES:
            break
        if message.get("role") == "user":
            message_id = readable(message.get("id"))
            if message_id is not None:
                found.append((message_id, _words(message)))
            elif not found:
                raise InvalidEvent("event.bad_value", "the last message needs an id of 1 to 200 printable characters")
    return found[::-1]


def _rest(event: dict[str, Any], had: dict[str, str], name: str) -> dict[str, Any]:
    """The event with the part of its delta that the client lacks; removes the compared text from what it has."""
    known = had.get(name, "")
    delta = str(event["delta"])
    length = len(delta) if known.startswith(delta) else len(known) if delta.startswith(known) else 0
    had[name] = known[length:]
    return {**event, "delta": delta[length:]} if length else event


def _words(message: Mapping[str, Any]) -> str:
    """A message's text, which may be a list of parts; parts that are not text are left out."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
