"""What can go wrong between a service and CJ's queues.

EventError                  code, message (str(error) is the message)
├── InvalidEvent            event.*: refused input; nothing was sent, or what came is put aside
├── PublishFailed           event.broker_unavailable: the broker did not take an event in time
└── BrokerUnavailable       event.broker_unavailable: no connection to consume from

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

BROKER_UNAVAILABLE = "event.broker_unavailable"


class EventError(Exception):
    """Base of all errors of this package."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class InvalidEvent(EventError):
    """Refused input. `source`, `id` and `type` are what could be read of it, for the record of the refusal."""

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
    """The broker did not take the event in time. Whether it kept it is unknown: publish again, with the same id."""

    def __init__(self, message: str) -> None:
        super().__init__(BROKER_UNAVAILABLE, message)


class BrokerUnavailable(EventError):
    """No connection to the broker could be made or kept."""

    def __init__(self, message: str) -> None:
        super().__init__(BROKER_UNAVAILABLE, message)
