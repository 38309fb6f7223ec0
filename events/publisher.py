"""Publishing events.

    with Publisher("redis://localhost:6379/0") as publisher:
        publisher.publish("oauth_complete", {"provider": "shopify", "success": True, …}, id=state)

Use an `id` that is the same in a retry (the OAuth state, the webhook's id, the message's id): after PublishFailed the
event may have arrived nevertheless, and the same (source, id) twice is one event.
"""

import itertools
import os
import threading
import time as clock
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Self

from kombu import Producer

from events import catalog, queues
from events.envelope import Envelope, Event, parse_object
from events.errors import InvalidEvent, PublishFailed, quoted, reason

#: Tries per event, and the seconds between them. Without tenacity, which services would have to install for one loop.
ATTEMPTS = 3
PAUSES = (0.05, 0.2)
#: Share of the time that a hanging operation may take, so that a second try on a new connection still fits.
_SHARE_OF_ONE_TRY = 0.4


class Publisher:
    """Publishes events on queue `events`. Connects on first use; thread-safe and fork-safe.

    `timeout`: seconds that one call may take, whatever the broker does.
    """

    def __init__(self, broker_url: str, *, timeout: float = 5.0) -> None:
        self._broker_url = broker_url
        self._timeout = timeout
        self._start()

    def publish(
        self,
        type: str,
        data: Mapping[str, Any],
        *,
        source: str = "/auth",
        id: str | None = None,
        subject: str | None = None,
        time: datetime | None = None,
        traceparent: str | None = None,
        correlationid: str | None = None,
        delivery: Literal["queue", "door"] | None = None,
    ) -> Envelope:
        """Publish an event that happened at `time` (default: now) and return it as sent. `delivery`: where replies go
        if it opens a conversation.

        Raises InvalidEvent before anything is sent, also for unknown data fields; PublishFailed if the broker did not
        confirm it within the timeout.
        """
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()) if id is None else id,
            "source": source,
            "type": type,
            "time": (time or datetime.now(UTC)).isoformat(),
            "subject": subject,
            "traceparent": traceparent,
            "correlationid": correlationid,
            "delivery": delivery,
            "data": dict(data),
        }
        try:
            event = parse_object({name: value for name, value in attributes.items() if value is not None})
        except InvalidEvent as error:
            unknown = _no_such_fields(type, data) if error.code == "event.missing_field" else ""
            if not unknown:
                raise  # first, since a missing field may just be misspelt
            ids = {"source": error.source, "id": error.id, "type": error.type}
            raise InvalidEvent(error.code, f"{error.message}; {unknown}", **ids) from None
        _refuse_what_consumers_ignore(event, traceparent)
        self._send(event.envelope.encode())
        return event.envelope

    def close(self) -> None:
        """Release the connection. Publishing again opens a new one."""
        with self._lock:
            self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._broker = queues.connection(self._broker_url, timeout=self._timeout * _SHARE_OF_ONE_TRY)
        self._producer: Producer | None = None

    def _send(self, body: bytes) -> None:
        if self._process != os.getpid():
            self._start()  # a socket shared with the parent process would mix up both protocols
        deadline = clock.monotonic() + self._timeout
        # Not longer, so that one try still fits afterwards.
        if not self._lock.acquire(timeout=self._timeout * (1 - _SHARE_OF_ONE_TRY)):
            raise self._failure("other threads are still waiting for it")
        try:
            self._send_before(deadline, body)
        finally:
            self._lock.release()

    def _send_before(self, deadline: float, body: bytes) -> None:
        for attempt in itertools.count(1):
            try:
                queues.put(self._connected(), queues.EVENTS, body)
            except Exception as error:
                self._disconnect()
                self._broker.maybe_switch_next()
                pause = PAUSES[min(attempt, len(PAUSES)) - 1]
                ends = clock.monotonic() + pause + self._timeout * _SHARE_OF_ONE_TRY
                if attempt == ATTEMPTS or ends > deadline:
                    raise self._failure(reason(error)) from error
                clock.sleep(pause)
            else:
                return

    def _connected(self) -> Producer:
        if self._producer is None:
            channel = queues.open_channel(self._broker)
            queues.declare(queues.EVENTS, self._broker, channel)
            self._producer = Producer(channel, auto_declare=False)
        return self._producer

    def _disconnect(self) -> None:
        self._producer = None
        self._broker.release()

    def _failure(self, why: str) -> PublishFailed:
        return PublishFailed(
            f"broker {queues.safe_url(self._broker_url)} did not take the event within {self._timeout:g} s "
            f"({why}); check that it runs and is reachable, then publish again with the same id"
        )


def publish(type: str, data: Mapping[str, Any], *, broker_url: str, **attributes: Any) -> Envelope:
    """Publish one event over a new connection: `Publisher.publish` for scripts and rare events."""
    with Publisher(broker_url) as publisher:
        return publisher.publish(type, data, **attributes)


def _refuse_what_consumers_ignore(event: Event, traceparent: str | None) -> None:
    """Consumers must ignore unknown attributes; at the producer they are mistakes and must be reported."""
    if traceparent != event.envelope.traceparent:
        shown = quoted(traceparent)
        raise InvalidEvent("event.bad_value", f"traceparent must be one of W3C Trace Context, got {shown}")
    unknown = _no_such_fields(event.type, event.envelope.data)
    if unknown:
        raise InvalidEvent("event.unknown_field", unknown)


def _no_such_fields(event_type: str, data: Mapping[str, Any]) -> str:
    """A sentence about unknown fields; empty if there are none, or if the type is unknown."""
    known = catalog.CATALOG[event_type].model_fields if event_type in catalog.CATALOG else data
    unknown = sorted(str(name) for name in data if name not in known)
    named = ", ".join(f"{quoted(name)}{catalog.did_you_mean(name, known)}" for name in unknown)
    return f"{event_type} has no field {named}" if named else ""
