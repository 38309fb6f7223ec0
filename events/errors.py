"""What can go wrong between a service and CJ's queues, and how errors show untrusted values.

EventError                  code, message (str(error) is the message)
├── InvalidEvent            event.*: refused input; it was not sent, or it was stored as refused
├── PublishFailed           event.broker_unavailable: the broker did not take an event in time
├── BrokerUnavailable       event.broker_unavailable: no connection to consume from
└── WrongQueue              broker.wrong_queue: the broker has something else under the queue's name

Codes of InvalidEvent. Shown with their message as `code: message`.

    event.not_json          not UTF-8 JSON, or nothing at all
    event.not_object        JSON, but not an object
    event.too_large         more bytes than allowed
    event.too_deep          more levels of lists and objects than allowed
    event.too_many_keys     more keys than allowed, all objects together
    event.bad_number        a number of too many digits
    event.bad_value         the right type, a value that is not allowed (NUL, NaN, a duplicate key, too long, …)
    event.missing_id        no id
    event.bad_id            an id that is not 1 to 200 printable characters
    event.missing_field     something required is not there
    event.unknown_field     a producer's field that the event type does not have
    event.bad_type          text where true or false is wanted, and the like
    event.unknown_type      no such event type
    event.bad_time          not an RFC 3339 time with a UTC offset
    event.from_future       more than a day ahead of the clock
    event.bad_shop_domain   not <name>.myshopify.com
"""

import json
import re

BROKER_UNAVAILABLE = "event.broker_unavailable"


class EventError(Exception):
    """Base of all errors of this package."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class InvalidEvent(EventError):
    """Refused input. `source`, `id` and `type` are as much of it as could be read."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        source: str | None = None,
        id: str | None = None,
        type: str | None = None,
    ) -> None:
        super().__init__(code, message)
        self.source = source
        self.id = id
        self.type = type


class PublishFailed(EventError):
    """The broker did not confirm the event in time. It may have arrived: publish it again with the same id."""

    def __init__(self, message: str) -> None:
        super().__init__(BROKER_UNAVAILABLE, message)


class BrokerUnavailable(EventError):
    """The connection to the broker failed or was lost."""

    def __init__(self, message: str) -> None:
        super().__init__(BROKER_UNAVAILABLE, message)


class WrongQueue(EventError):
    """A queue on RabbitMQ was declared with other arguments, or its key on Redis is no list. Retrying does not help."""

    def __init__(self, name: str, broker: str) -> None:
        if broker.startswith("amqp"):
            found = "exists as another kind of queue (a classic one, or an earlier version's)"
            command = f"rabbitmqctl delete_queue {name}"
        else:
            found, command = "is no list: something else writes to this key (XADD, SET)", f"DEL {name}"
        super().__init__(
            "broker.wrong_queue",
            f"queue {name!r} on {broker} {found}: delete it with `{command}`; what was on queues other than `events` "
            "and `acks` is sent again from Postgres",
        )


#: How many characters of a text are shown.
SHOWN = 80

# Shopify's tokens have a prefix: https://shopify.dev/docs/apps/build/authentication-authorization
_TOKEN = re.compile(r"\b(shp[a-z]{2,3})_[0-9A-Za-z]+", re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@\"'<>()\[\],;:]{1,64}@[^\s@\"'<>()\[\],;:/]{1,255}")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")


def quoted(value: object) -> str:
    """`value` for an error message: `"text"`, `true`, `12`, `null`, `a list`, `an object`."""
    if isinstance(value, str):
        return json.dumps(_cut(masked(value[: SHOWN * 10])))
    if value is None or isinstance(value, bool | float):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else "a number of many digits"
    name = kind(value)
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def masked(text: str) -> str:
    """`text` without Shopify tokens and e-mail addresses."""
    return _EMAIL.sub("***@***", _TOKEN.sub(r"\1_***", text))


def plain_key(key: str) -> str:
    """An object's key for an error message: unchanged if it is an ordinary name, else quoted."""
    return key if _PLAIN_KEY.fullmatch(key) and masked(key) == key else quoted(key)


def kind(value: object) -> str:
    """The JSON type of `value`."""
    if value is None:
        return "null"
    for types, name in _KINDS:
        if isinstance(value, types):
            return name
    return type(value).__name__


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    ((int, float), "number"),
    (str, "string"),
    (dict, "object"),
    (list, "list"),
)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def chain(error: BaseException) -> list[BaseException]:
    """An error and the errors it wraps."""
    found: list[BaseException] = []
    wrapped: BaseException | None = error
    while wrapped is not None and wrapped not in found:
        found.append(wrapped)
        wrapped = wrapped.__cause__ or wrapped.__context__
    return found


def reason(error: BaseException) -> str:
    """A library's error for a message or log line: its class and the beginning of its text."""
    said = masked(" ".join(str(error)[: SHOWN * 10].split()))[: SHOWN * 2]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
