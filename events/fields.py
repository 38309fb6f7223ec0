"""The field types of envelopes and event data, and the messages for wrong values.

Each field validates itself; `validated` turns all errors that pydantic found in an object into one InvalidEvent.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, TypeGuard, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from events import strict_json
from events.errors import InvalidEvent, kind, quoted
from events.shop_domain import SHOP_DOMAIN, normalize_shop_domain

Model = TypeVar("Model", bound=BaseModel)

MAX_ID = 200
MAX_TEXT = 8000
MAX_CONTACT = 320
MAX_FREE_DATA = 8000


class NotGiven(Enum):
    """Stands for a required value in pydantic's error: the key is missing, or its value is null."""

    MISSING = "missing"
    NULL = "null"


def refused(code: str, message: str) -> PydanticCustomError:
    """The error that validators raise: `code` and `message` reach InvalidEvent unchanged."""
    return PydanticCustomError(code, "{message}", {"message": message})


def is_identifier(value: object) -> TypeGuard[str]:
    """Whether this can be the id of a merchant or a conversation."""
    return isinstance(value, str) and 1 <= len(value) <= MAX_ID and value.isprintable() and bool(value.strip())


def _identifier(text: str) -> str:
    if not is_identifier(text):
        raise refused("event.bad_value", f"must be 1 to {MAX_ID} printable characters, got {quoted(text)}")
    return text


def _customer_id(value: object) -> object:
    if isinstance(value, NotGiven):
        raise refused("event.missing_field", "is missing, and so are email and phone: one of them must say who it is")
    return value


def _event_id(value: object) -> object:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise refused("event.missing_id", "is missing")
    if not isinstance(value, str) or len(value) > MAX_ID or not value.isprintable():
        raise refused("event.bad_id", f"must be 1 to {MAX_ID} printable characters, got {quoted(value)}")
    return value


def _shop_domain(value: object) -> object:
    if value is NotGiven.MISSING:
        raise refused("event.missing_field", "is missing")
    try:
        return normalize_shop_domain(None if value is NotGiven.NULL else value)
    except InvalidEvent as error:
        raise refused(error.code, error.message) from None


# https://www.rfc-editor.org/rfc/rfc3339#section-5.6
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


def _time(value: object) -> object:
    if isinstance(value, datetime):
        moment: datetime | None = value
    else:
        moment = _moment(value)
    if moment is None:
        raise refused("event.bad_time", f"must be a time such as 2026-11-22T10:00:00Z, got {quoted(value)}")
    if moment.tzinfo is None:
        raise refused("event.bad_time", f"needs a UTC offset, got {quoted(str(value))}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise refused("event.bad_time", f"is outside the years 1 to 9999 in UTC: {quoted(value)}") from None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        return None
    if value[14:19] == "59:60":  # a leap second, which RFC 3339 has and datetime has not
        value = f"{value[:17]}59{value[19:]}"
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        return None


# Version 00 and the start of whatever later versions append:
# https://www.w3.org/TR/trace-context/#versioning-of-traceparent
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?:-.{0,200})?"
)


def _traceparent(value: object) -> object:
    """A malformed traceparent becomes None: the standard says to ignore it, and tracing must not make an event fail."""
    return value if isinstance(value, str) and TRACEPARENT.fullmatch(value) else None


def _message_text(text: str) -> str:
    if not 1 <= len(text) <= MAX_TEXT:
        raise refused("event.bad_value", f"must be 1 to {MAX_TEXT} characters, got {len(text)}")
    if not text.strip():
        raise refused("event.bad_value", "must not be blank")
    return text


def _operator_note(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise refused("event.bad_value", f"must be at most {MAX_TEXT} characters, got {len(text)}")
    return text


def _contact(text: str) -> str:
    if not 1 <= len(text) <= MAX_CONTACT or not text.isprintable() or not text.strip():
        raise refused("event.bad_value", f"must be 1 to {MAX_CONTACT} printable characters")
    return text


def _free_data(value: dict[str, Any]) -> dict[str, Any]:
    size = len(strict_json.dumps(value))
    if size > MAX_FREE_DATA:
        raise refused("event.bad_value", f"must be at most {MAX_FREE_DATA} bytes as JSON, got {size}")
    return value


def _schema(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema})


#: An id from another system: stored and compared, never parsed.
Identifier = Annotated[str, AfterValidator(_identifier), _schema(minLength=1, maxLength=MAX_ID)]
#: Absent only if an e-mail address or a phone number is given instead.
CustomerId = Annotated[Identifier | None, BeforeValidator(_customer_id)]
EventId = Annotated[str, BeforeValidator(_event_id), _schema(minLength=1, maxLength=MAX_ID)]
ShopDomain = Annotated[
    str,
    BeforeValidator(_shop_domain),
    _schema(pattern=f"^{SHOP_DOMAIN}$", examples=["test.myshopify.com"]),
]
#: Text that a person wrote. Never shown in an error.
MessageText = Annotated[str, AfterValidator(_message_text), _schema(minLength=1, maxLength=MAX_TEXT)]
#: A remark for operators.
OperatorNote = Annotated[str, AfterValidator(_operator_note), _schema(maxLength=MAX_TEXT)]
#: An e-mail address or a phone number, as the sender wrote it. Never shown in an error.
Contact = Annotated[str, AfterValidator(_contact), _schema(minLength=1, maxLength=MAX_CONTACT)]
#: Any JSON object up to MAX_FREE_DATA bytes.
FreeData = Annotated[dict[str, Any], AfterValidator(_free_data)]
#: Kept in UTC.
Time = Annotated[datetime, BeforeValidator(_time), _schema(format="date-time")]
Traceparent = Annotated[str | None, BeforeValidator(_traceparent), _schema(maxLength=256)]

_WANTED: Mapping[str, str] = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}
_SHOULD = re.compile(r"^\w+ should")
_LITERAL = re.compile(r"'([^']*)'")


def validated(model: type[Model], value: object, *, private: Collection[str] = ()) -> Model:
    """A JSON value as an object of this class. Raises InvalidEvent; `private`: fields whose values it must not show."""
    if not isinstance(value, dict):
        raise InvalidEvent("event.not_object", f"expected an object, got {kind(value)}")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise refusal(error, private=private) from None


def refusal(error: ValidationError, *, private: Collection[str] = ()) -> InvalidEvent:
    """All problems in `error` as one InvalidEvent, with the code of the first."""
    faults = [_fault(details, private) for details in error.errors(include_url=False)]
    return InvalidEvent(faults[0][0], "; ".join(message for _, message in faults))


def _fault(details: ErrorDetails, private: Collection[str]) -> tuple[str, str]:
    name, problem, given = _place(details["loc"]), details["type"], details["input"]
    if problem.startswith("event."):
        message: str = details["ctx"]["message"]
        # The message about a bad domain starts with the domain, so it needs no field name.
        return problem, message if problem == "event.bad_shop_domain" else f"{name} {message}"
    if problem == "missing":
        return ("event.missing_id" if name == "id" else "event.missing_field"), f"{name} is missing"
    shown = kind(given) if name in private else quoted(given)
    if problem in _WANTED:
        return "event.bad_type", f"{name} must be {_WANTED[problem]}, got {shown}"
    return "event.bad_value", f"{name} {_condition(details)}, got {shown}"


def _place(location: tuple[int | str, ...]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "".join(steps).lstrip(".")


def _condition(details: ErrorDetails) -> str:
    """pydantic's own sentence ("Input should be '1.0'") in this package's words."""
    return _LITERAL.sub(r'"\1"', _SHOULD.sub("must", details["msg"]))
