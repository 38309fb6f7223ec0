"""A reply: what CJ tells the chat gateway. An AG-UI 1.0 event in the envelope that events use.

https://docs.ag-ui.com/concepts/events
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from events import strict_json
from events.envelope import Envelope, decode_json
from events.errors import InvalidEvent, kind
from events.fields import EventId, Identifier, refusal

REPLY_TYPE = "cj.reply"
#: A reply may hold a long text, in which every character may take six bytes.
MAX_REPLY_BYTES = 1_048_576
MAX_ACK_BYTES = 4096

#: The AG-UI events that end a turn: exactly one of them per turn, always.
FINAL_KINDS = frozenset({"RUN_FINISHED", "RUN_ERROR"})
_TEXT_KIND = "TEXT_MESSAGE_CHUNK"


class Reply(Envelope):
    """One reply of a turn. Shown in the order of `place`, once per (source, id)."""

    type: Literal["cj.reply"]
    subject: Identifier = Field(description="The conversation.")
    turn: int = Field(ge=1, description="Number of the turn within its conversation, rising.")
    sequence: Annotated[str, StringConstraints(pattern=r"^[0-9]{6,12}$")] = Field(
        description="Place within the turn: 000001, 000002, … without gaps."
    )
    data: dict[str, Any] = Field(description="An AG-UI event.")

    @property
    def place(self) -> tuple[int, int]:
        """(turn, sequence) as numbers."""
        return self.turn, int(self.sequence)

    @property
    def kind(self) -> str:
        """The AG-UI event type, such as TEXT_MESSAGE_CHUNK."""
        return str(self.data["type"])

    @property
    def text(self) -> str | None:
        """What CJ says to the merchant, as plain text, for a message; else None."""
        return self._words("delta") if self.kind == _TEXT_KIND else None

    @property
    def error(self) -> str | None:
        """Why the turn failed, in words fit for the merchant, for a RUN_ERROR; else None."""
        return self._words("message") if self.kind == "RUN_ERROR" else None

    @property
    def final(self) -> bool:
        """Whether it ends its turn."""
        return self.kind in FINAL_KINDS

    def _words(self, name: str) -> str | None:
        words = self.data.get(name)
        return words if isinstance(words, str) else None


class Ack(BaseModel):
    """Plain JSON on queue `acks`: the gateway has shown the reply of this id."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    id: EventId = Field(description="The reply envelope's id.")

    def encode(self) -> bytes:
        """The ack as compact JSON."""
        return strict_json.dumps({"id": self.id})


def decode_ack(body: object) -> Ack:
    """The ack in a message's body, whatever form the transport gave it. Raises InvalidEvent."""
    value = decode_json(body, max_bytes=MAX_ACK_BYTES)
    if not isinstance(value, dict):
        raise InvalidEvent("event.not_object", f"expected an object, got {kind(value)}")
    try:
        return Ack.model_validate(value)
    except ValidationError as error:
        raise refusal(error) from None


def decode_reply(body: object) -> Reply:
    """The reply in a message's body, whatever form the transport gave it. Raises InvalidEvent."""
    value = decode_json(body, max_bytes=MAX_REPLY_BYTES)
    if not isinstance(value, dict):
        raise InvalidEvent("event.not_object", f"expected an object, got {kind(value)}")
    try:
        reply = Reply.model_validate(value)
    except ValidationError as error:
        raise refusal(error, private=("data",)) from None
    if not isinstance(reply.data.get("type"), str):
        raise InvalidEvent("event.missing_field", "data.type is missing: a reply's data is an AG-UI event")
    return reply
