"""The frame every event and reply travels in: CloudEvents 1.0, structured JSON.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md; `sequence` and `traceparent` are its documented
extensions. Attributes this project does not know are ignored, as the specification wants.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from events import strict_json
from events.fields import EventId, Identifier, Time, Traceparent


class Envelope(BaseModel):
    """One event or reply. (source, id) is its identity: the same pair twice is the same event."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    specversion: Literal["1.0"] = Field(description="Version of CloudEvents.")
    id: EventId = Field(description="Unique within `source`; a repeated event repeats it.")
    source: Identifier = Field(description="Who published it.")
    type: Identifier = Field(description="What happened.")
    time: Time | None = Field(None, description="When it happened (RFC 3339, with an offset).")
    subject: Identifier | None = Field(None, description="What it is about; for a reply the conversation.")
    datacontenttype: Identifier | None = None
    traceparent: Traceparent = Field(None, description="W3C trace context; a malformed one is ignored.")
    correlationid: Identifier | None = Field(None, description="Shared by all that one event set off.")
    causationid: Identifier | None = Field(None, description="Id of the event that caused this one.")
    sequence: Identifier | None = Field(None, description="Place within the turn, zero-padded.")
    turn: int | None = Field(None, ge=1, description="Number of the turn within its conversation.")
    data: dict[str, Any]

    def to_object(self) -> dict[str, Any]:
        """The envelope as a JSON object, absent attributes left out."""
        return {**self.model_dump(mode="json", exclude_none=True, exclude={"data"}), "data": self.data}

    def encode(self) -> bytes:
        """The envelope as compact JSON."""
        return strict_json.dumps(self.to_object())
