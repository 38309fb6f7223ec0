"""Four fixes to kombu's Redis transport, applied once per process before anything connects.

1. *Broker restart with unacked messages.* Celery 5.7 closes the lost connection while kombu still has unacked
   messages to restore. `Channel._connparams` then dereferences a client that is already gone and raises
   AttributeError, which is not a "connection error", so the worker exits
   (celery/worker/consumer/consumer.py: on_connection_error_after_connected). Raising redis' own ConnectionError
   instead takes the normal reconnect path. Remove this when upstream guards the closed channel.
2. *List items that are not kombu messages.* `Channel._brpop_read` has already popped the item when decoding fails,
   so the exception both loses the bytes and kills the consumer. Here such an item becomes a message without headers:
   a Celery worker drops and logs it, intake refuses it and keeps a row. Also, an item's delivery_info is replaced by
   the queue it was popped from, because that is where an unacked message is restored to; a hostile address would
   make every later restore fail.
3. *Published bytes that are not kombu messages*, on the channel of remote control: `Channel._deliver_fanout_message`
   raises, and every worker that listens exits. Here they are dropped and logged.
4. *A new client per command.* Celery's channels keep theirs as `events.queues` does (`keep_client`).
"""

import base64
import threading
import uuid
from typing import Any

import kombu.transport.redis
from redis.exceptions import ConnectionError as RedisConnectionError

from events.queues import keep_client
from workers import logs

log = logs.get(__name__)

transport: Any = kombu.transport.redis  # its types lack the parts patched here

UNREADABLE = "application/x-unreadable"
"""Content type given to a list item that was not a kombu message."""

_connparams = transport.Channel._connparams
_brpop_read = transport.Channel._brpop_read
_get_client = transport.Channel._get_client
_deliver_fanout_message = transport.Channel._deliver_fanout_message
_loads = transport.loads
_bytes_to_str = transport.bytes_to_str


_popped = threading.local()  # .item: the next `loads` decodes an item just popped; .queue: where from, if known


def install() -> None:
    """Apply the fixes. Idempotent, and harmless for other transports."""
    transport.Channel._connparams = _guarded_connparams
    transport.Channel._brpop_read = _marked_brpop_read
    transport.Channel._get_client = _kept_client
    transport.Channel._deliver_fanout_message = _guarded_deliver_fanout_message
    transport.loads = _tolerant_loads
    transport.bytes_to_str = _tolerant_bytes_to_str


def uninstall() -> None:
    """Undo the fixes (for tests, which share their process)."""
    transport.Channel._connparams = _connparams
    transport.Channel._brpop_read = _brpop_read
    transport.Channel._get_client = _get_client
    transport.Channel._deliver_fanout_message = _deliver_fanout_message
    transport.loads = _loads
    transport.bytes_to_str = _bytes_to_str


def _guarded_connparams(self: Any, asynchronous: bool = False) -> Any:
    if self.connection is None or self.connection.client is None:
        raise RedisConnectionError("the channel was closed when the broker connection was lost")
    return _connparams(self, asynchronous)


def _kept_client(self: Any) -> Any:  # called once, in the channel's constructor
    keep_client(self)
    return _get_client(self)


def _guarded_deliver_fanout_message(self: Any, message: Any, exchange: str) -> Any:
    if not _is_message(message):
        log.error("dropped a malformed published message", exchange=exchange)
        return None
    return _deliver_fanout_message(self, message, exchange)


def _marked_brpop_read(self: Any, **options: Any) -> Any:
    _popped.item, _popped.queue = True, None
    try:
        return _brpop_read(self, **options)
    finally:
        _popped.item = False


def _tolerant_bytes_to_str(value: Any) -> Any:
    # kombu would replace what is not UTF-8, and so change words unnoticed.
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else _bytes_to_str(value)
    if getattr(_popped, "item", False) and _popped.queue is None:  # the list's name comes before its item
        _popped.queue = str(text).rsplit(transport.Channel.sep, 1)[0]
    return text


def _tolerant_loads(text: Any, *args: Any, **kwargs: Any) -> Any:
    if not getattr(_popped, "item", False):  # kombu's own bookkeeping goes through the same function
        try:
            return _loads(text, *args, **kwargs)
        except RecursionError as error:
            raise ValueError("too deeply nested") from error  # which kombu expects of what was published
    _popped.item = False
    queue = str(_popped.queue or "")
    try:
        message = _loads(text, *args, **kwargs)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return _unreadable(text, queue)
    if not _is_message(message):
        return _unreadable(text, queue)
    message["properties"]["delivery_info"] = {"exchange": "", "routing_key": queue}
    return message


def _is_message(message: Any) -> bool:
    """Whether kombu's virtual transport can unpack `message` without raising."""
    if not isinstance(message, dict) or not isinstance(message.get("properties"), dict):
        return False
    properties = message["properties"]
    body, encoding = message.get("body"), properties.get("body_encoding")
    if not isinstance(body, str) or not isinstance(properties.get("delivery_info"), dict):
        return False
    if not isinstance(properties.get("delivery_tag"), str) or encoding not in (None, "base64"):
        return False
    if not isinstance(message.get("headers", {}), dict):
        return False
    return encoding is None or _is_base64(body)


def _is_base64(body: str) -> bool:
    try:
        base64.b64decode(body.encode("ascii"), validate=True)
    except ValueError:
        return False
    return True


def _unreadable(text: Any, queue: str) -> dict[str, Any]:
    raw = text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogateescape")
    return {
        "body": base64.b64encode(raw).decode("ascii"),
        "content-type": UNREADABLE,
        "content-encoding": "binary",
        "headers": {},
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": queue},
            "delivery_mode": 2,
            "priority": 0,
        },
    }
