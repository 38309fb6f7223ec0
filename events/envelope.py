"""The envelope of every event and reply, and parsing of untrusted bytes.

The envelope is CloudEvents 1.0, structured JSON: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
(`sequence` and `traceparent` are documented extensions of it). Unknown attributes are ignored, as it demands.

parse(raw)              bytes, as received
    decode(body)            what kombu delivers: bytes, str, or an already parsed value
    parse_object(obj)       an already parsed object

Each returns a valid Event or raises InvalidEvent, and nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Unpack

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from events import strict_json
from events.catalog import EventData, data_class
from events.errors import InvalidEvent
from events.fields import EventId, Identifier, Time, Traceparent, is_identifier, validated

#: How far ahead of this machine's clock an event's time may be.
FUTURE_LIMIT = timedelta(days=1)


class Attributes(BaseModel):
    """What events and replies have in common. (source, id) is the identity: the same pair twice is the same message."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    specversion: Literal["1.0"] = Field(description="Version of CloudEvents.")
    id: EventId = Field(description="Unique within `source`; the same in a retry.")
    source: Identifier = Field(description="Who published it.")
    type: Identifier = Field(description="What happened.")
    time: Time | None = Field(None, description="When it happened (RFC 3339, with an offset).")
    subject: Identifier | None = Field(None, description="What it is about; for a reply the conversation.")
    datacontenttype: Identifier | None = None
    traceparent: Traceparent = Field(None, description="W3C trace context; a malformed one is ignored.")
    correlationid: Identifier | None = Field(
        None, description="Of the producer's choice; repeated on every reply that the event causes."
    )
    causationid: Identifier | None = Field(None, description="Id of the event that caused this one.")
    sequence: Identifier | None = Field(None, description="Place within the turn, zero-padded.")
    turn: int | None = Field(None, ge=1, description="Number of the turn within its conversation.")

    def to_object(self) -> dict[str, Any]:
        """The envelope as a JSON object, without absent attributes."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"data"}) | {"data": getattr(self, "data", {})}

    def encode(self) -> bytes:
        """The envelope as compact JSON."""
        return strict_json.dumps(self.to_object())


class Envelope(Attributes):
    """One event."""

    delivery: Literal["queue", "door"] | None = Field(
        None,
        description="Where replies go if this event opens a conversation. Absent: the way the event came.",
    )
    data: dict[str, Any]

    @field_validator("subject", "datacontenttype", "correlationid", "causationid", "sequence", "turn", mode="wrap")
    @classmethod
    def _of_others(cls, value: Any, read: Callable[[Any], Any], info: ValidationInfo) -> Any:
        """These decide nothing in an event, and producers use the same names in their own ways: a number is taken as
        text, and what is of no use is ignored."""
        is_number = isinstance(value, int) and not isinstance(value, bool) and info.field_name != "turn"
        try:
            return read(str(value) if is_number else value)
        except ValidationError:
            return None


@dataclass(frozen=True)
class Event:
    """A valid event."""

    envelope: Envelope
    data: EventData

    @property
    def id(self) -> str:
        return self.envelope.id

    @property
    def source(self) -> str:
        return self.envelope.source

    @property
    def type(self) -> str:
        return self.envelope.type

    @property
    def merchant_id(self) -> str | None:
        return getattr(self.data, "merchant_id", None)

    @property
    def conversation_id(self) -> str | None:
        return getattr(self.data, "conversation_id", None)

    @property
    def shop_domain(self) -> str | None:
        return getattr(self.data, "shop_domain", None)

    @property
    def payload(self) -> dict[str, Any]:
        """The known data fields that have a value, as JSON values; conditions and templates see these."""
        return self.data.payload

    @property
    def content_hash(self) -> bytes:
        """SHA-256 of type and payload. The same (source, id) with another hash is a different event."""
        return self.data.content_hash(self.type)


def parse(raw: bytes, *, now: datetime | None = None) -> Event:
    """The event in `raw`. Raises InvalidEvent."""
    return _event(strict_json.loads(raw), now)


def parse_object(obj: object) -> Event:
    """The event in an already parsed `obj`, under the same limits as bytes. Raises InvalidEvent."""
    try:
        strict_json.check(obj)
    except InvalidEvent as error:
        raise _identified(error, obj) from None
    return _event(obj)


def decode(body: object, *, now: datetime | None = None) -> Event:
    """The event in a message's body, whatever form the transport gave it. Raises InvalidEvent."""
    return _event(decode_json(body), now)


def decode_json(body: object, **limits: Unpack[strict_json.Limits]) -> Any:
    """The JSON value in a message's body. Raises InvalidEvent."""
    if body is None:
        body = b""
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")  # `loads` then refuses it and names the position
    if isinstance(body, bytes | bytearray | memoryview):
        return strict_json.loads(bytes(body), **limits)
    strict_json.check(body, **limits)
    return body


def _event(value: object, now: datetime | None = None) -> Event:
    try:
        return _valid_event(value, now or datetime.now(UTC))
    except InvalidEvent as error:
        raise _identified(error, value) from None


def _valid_event(value: object, now: datetime) -> Event:
    envelope = validated(Envelope, value)
    expected = data_class(envelope.type)
    if envelope.time is None and expected.timed:
        why = f"{envelope.type} needs the time at which it happened (Shopify's X-Shopify-Triggered-At)"
        raise InvalidEvent("event.missing_field", f"time is missing: {why}")
    if envelope.time is not None and envelope.time - now > FUTURE_LIMIT:
        ahead = f"more than {FUTURE_LIMIT.days} day ahead of the clock"
        raise InvalidEvent("event.from_future", f"time {envelope.time.isoformat()} is {ahead}")
    return Event(envelope, validated(expected, envelope.data, private=expected.private))


def _identified(error: InvalidEvent, value: object) -> InvalidEvent:
    """`error` with as much of the event's identity as is readable."""
    for name in ("source", "id", "type"):
        setattr(error, name, readable(value.get(name)) if isinstance(value, dict) else None)
    return error


def readable(value: object) -> str | None:
    """`value` if it is a valid id, whatever the rest of the message is like; else None."""
    return value if is_identifier(value) else None
