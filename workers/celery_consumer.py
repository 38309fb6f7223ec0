"""A Celery consumer that no message can crash.

Celery validates little before it unpacks a message. Some malformed messages make its consumer raise: the worker exits
and requeues the message, which crashes every worker that starts later. So this consumer checks the frame first, drops
what is malformed and logs it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from events import queues
from workers import bootstrap, logs

log = logs.get(__name__)

RECONNECT_SECONDS = (0.5, 0.5, 2.0)
"""Pauses between connection attempts to the broker: first, increment, longest."""
REFUSED_SECONDS = 1.0
"""Pause after a refused command."""
MAX_BODY_BYTES = 64 * 1024
CANVAS = ("callbacks", "errbacks", "chain", "chord")


def fault(message: Any, known: Any) -> str | None:
    """What is wrong with a message's frame, or None. `known` are the names of this worker's tasks."""
    headers = message.headers
    if not isinstance(headers, dict):
        return "no headers"
    if not isinstance(headers.get("task"), str) or not isinstance(headers.get("id"), str):
        return "no task name or id"
    if headers["task"] not in known or not headers["task"].startswith("cj."):
        return "unknown task"
    return _bad_header(headers) or _bad_body(message)


def _bad_header(headers: dict[str, Any]) -> str | None:
    retries, limits = headers.get("retries"), headers.get("timelimit")
    if retries is not None and (not isinstance(retries, int) or isinstance(retries, bool)):
        return "retries is not a number"
    pair = isinstance(limits, list | tuple) and len(limits) == 2
    if limits is not None and not (pair and all(x is None or isinstance(x, int | float) for x in limits)):
        return "timelimit is not a pair of numbers"
    if headers.get("expires") is not None and not isinstance(headers["expires"], str):
        return "expires is not a time"
    # A worker would keep such a message until its eta, and prefetch more and more of them.
    return "eta is not supported" if headers.get("eta") is not None else None


def _bad_body(message: Any) -> str | None:
    if message.content_type != "application/json" or message.content_encoding not in ("utf-8", "UTF-8"):
        return "not JSON in UTF-8"
    if not isinstance(message.body, str | bytes) or len(message.body) > MAX_BODY_BYTES:
        return "body missing or too large"
    body = message.decode()
    shape = [list, dict, dict]
    if not (isinstance(body, list) and [type(part) for part in body] == shape):
        return "body is not [arguments, keywords, options]"
    return "canvas is not supported" if any(body[2].get(name) for name in CANVAS) else None


class SafeConsumer(Consumer):
    """Celery's consumer with the check in front."""

    #: Without the 28 queues that Celery declares on RabbitMQ for delayed messages, which are not used here.
    Blueprint: Any = type(
        "Blueprint",
        (Consumer.Blueprint,),
        {"default_steps": [step for step in Consumer.Blueprint.default_steps if "delayed_delivery" not in step]},
    )

    strategies: dict[str, Any]
    task_consumer: Any
    timer: Any
    connection_errors: tuple[type[Exception], ...]

    def ensure_connected(self, conn: Any) -> Any:
        """Retry after short pauses and log once; Celery's own pauses grow to 30 s and log a line each."""
        logged = False

        def log_once(error: Exception, _interval: float) -> None:
            nonlocal logged
            if not logged:
                log.warning("broker unavailable; retrying", broker=conn.as_uri(), reason=queues.cause(error))
            logged = True

        def waiting() -> None:
            self._beat()  # waiting for the broker is no reason to be restarted
            maybe_shutdown()

        connected = conn.ensure_connection(log_once, None, *RECONNECT_SECONDS, callback=waiting)
        self.first_connection_attempt = False
        self.broker_connection_retry_attempt = 0
        return connected

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Connect again; after a pause if the broker refused a command, as a replica does: it would at once again."""
        super().on_connection_error_after_connected(exc)
        if not isinstance(exc, self.connection_errors):
            time.sleep(REFUSED_SECONDS)

    def _beat_while_consuming(self) -> None:
        if self.task_consumer is not None and self.task_consumer.queues:
            self._beat()

    @staticmethod
    def _beat() -> None:
        with suppress(RuntimeError):  # not started as a worker
            bootstrap.current().beat()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Called whenever the consumer's loop (re)starts."""
        self.timer.call_repeatedly(bootstrap.BEAT_SECONDS, self._beat_while_consuming)
        self._beat()
        inner = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> Any:
            try:
                wrong = fault(message, self.strategies)
            except Exception as error:  # noqa: BLE001 - a hostile frame may raise anything
                wrong = type(error).__name__
            if wrong is None:
                return inner(message)
            log.error("dropped a malformed task message", reason=wrong)
            return message.reject_log_error(log, self.connection_errors)

        return on_task_received
