"""A reply from CJ to the chat gateway: AG-UI 1.0 events in the same envelope as events.

What was committed together is one reply: a message with its start, content and end, a call with its arguments. So
nothing arrives in halves, and one ack is enough. https://docs.ag-ui.com/concepts/events
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from events import strict_json
from events.envelope import Attributes, decode_json
from events.errors import InvalidEvent
from events.fields import EventId, Identifier, validated

REPLY_TYPE = "cj.reply"
#: Wider than an event's: a reply may hold long texts, in which a character takes up to six bytes, a history of 500
#: messages, a dozen tool calls, or what an event brought, some levels deeper.
REPLY_LIMITS: strict_json.Limits = {"max_bytes": 1_048_576, "max_depth": 40, "max_keys": 10_000}
MAX_ACK_BYTES = 4096

#: The AG-UI events that end a turn: exactly one of them per turn, always.
FINAL_KINDS = frozenset({"RUN_FINISHED", "RUN_ERROR"})
#: The turn of a reply that is a whole run by itself, outside its conversation's order.
APART = 0

#: Names of CUSTOM events, and what `value` holds.
CUSTOM: Mapping[str, str] = {
    "workflow_transition": "the conversation moved: `from`, `to`",
    "message_waiting": "a message cannot be answered yet: `eventid`, `reason` (`limit`)",
    "message_absorbed": "this run answers that message, too: `eventid`",
    "workflow_event": "a workflow tells other systems: `name`, `data`",
}

#: The codes of RUN_ERROR. `message` is the sentence for the merchant.
ERROR_CODES: Mapping[str, str] = {
    "turn_timeout": "the answer took longer than the workflow allows",
    "turn_lost": "its worker died again and again",
    "too_many_waiting": "too many of the merchant's messages are waiting",
    "budget_of_the_minute": "the merchant has reached the limit of turns per minute",
    "budget_of_the_day": "the merchant has reached the limit of tokens per day",
    "model_unavailable": "no language model answered",
    "model_bad_request": "the language model refused the request",
    "event.…": "the event was refused; the code says why, see errors.py and `cj events rejected`",
}


class Reply(Attributes):
    """One reply of a turn. Shown in the order of `place` within (merchantid, subject), once per (source, id)."""

    type: Literal["cj.reply"]
    subject: Identifier = Field(description="The conversation.")
    merchantid: Identifier = Field(description="The merchant whose conversation it is.")
    turn: int = Field(
        ge=APART,
        description="Number of the turn within its conversation, rising. 0: a whole run by itself, outside the order.",
    )
    sequence: Annotated[str, StringConstraints(pattern=r"^[0-9]{6,12}$")] = Field(
        description="Place within the turn: 000001, 000002, … without gaps."
    )
    repeats: Identifier | None = Field(None, description="Id of the `replies_requested` that asked for it again.")
    data: list[dict[str, Any]] = Field(description="AG-UI events, in order.")

    @property
    def place(self) -> tuple[int, int]:
        """(turn, sequence) as numbers."""
        return self.turn, int(self.sequence)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types of its AG-UI events, such as TEXT_MESSAGE_START."""
        return tuple(str(event["type"]) for event in self.data)

    @property
    def text(self) -> str | None:
        """What CJ says to the merchant, as plain text, or None. Messages are separated by an empty line.

        If a message comes in parts, this is the new part, see `continues`.
        """
        messages: dict[Any, str] = {}
        for event in self.data:
            if str(event["type"]).startswith("TEXT_MESSAGE_") and isinstance(event.get("delta"), str):
                messages[event.get("messageId")] = messages.get(event.get("messageId"), "") + event["delta"]
        return "\n\n".join(messages.values()) if messages else None

    @property
    def continues(self) -> bool:
        """Whether it starts within a message: append its text to that of the previous reply."""
        of_messages = [kind for kind in self.kinds if kind.startswith("TEXT_MESSAGE_")]
        return bool(of_messages) and of_messages[0] != "TEXT_MESSAGE_START"

    @property
    def history(self) -> list[tuple[str, str]] | None:
        """If the reply is a snapshot, what was said so far, as (`user` or `assistant`, text); else None."""
        found = [event.get("messages") for event in self.data if event["type"] == "MESSAGES_SNAPSHOT"]
        if not found or not isinstance(found[-1], list):
            return None
        return [(str(said.get("role")), str(said.get("content"))) for said in found[-1] if isinstance(said, dict)]

    @property
    def error(self) -> str | None:
        """Why the turn failed, as a sentence for the merchant, or None. `text` contains it, too."""
        found = [event.get("message") for event in self.data if event["type"] == "RUN_ERROR"]
        return found[0] if found and isinstance(found[0], str) else None

    @property
    def final(self) -> bool:
        """Whether it ends its turn."""
        return not FINAL_KINDS.isdisjoint(self.kinds)


def texts(replies: Iterable[Reply]) -> list[str]:
    """What CJ said in these replies, which must be in order; messages that came in parts are put together."""
    said: list[str] = []
    for reply in replies:
        if reply.text is not None and reply.continues and said:
            said[-1] += reply.text
        elif reply.text is not None:
            said.append(reply.text)
    return said


class Ack(BaseModel):
    """Plain JSON on queue `acks`: the gateway has shown the reply with this id."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    id: EventId = Field(description="The reply envelope's id.")

    def encode(self) -> bytes:
        """The ack as compact JSON."""
        return strict_json.dumps({"id": self.id})


def decode_ack(body: object) -> Ack:
    """The ack in a message's body, as bytes, text or parsed. Raises InvalidEvent."""
    return validated(Ack, decode_json(body, max_bytes=MAX_ACK_BYTES))


def decode_reply(body: object) -> Reply:
    """The reply in a message's body, as bytes, text or parsed. Raises InvalidEvent."""
    reply = validated(Reply, decode_json(body, **REPLY_LIMITS), private=("data",))
    if not all(isinstance(event.get("type"), str) for event in reply.data):
        raise InvalidEvent("event.missing_field", "data[].type is missing: data are AG-UI events")
    return reply
