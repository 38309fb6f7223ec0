"""Wake-ups: Celery messages that carry an id and wake a worker. Any of them may be lost.

The state is a row in Postgres; if a wake-up is lost, the sweeper finds the row within about a second. So sending never
raises, and a broker that is down is skipped for a few seconds instead of waited for.
"""

import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP

from events import queues
from events.circuit_breaker import CircuitBreaker
from storage import inbox
from storage.database import Database
from storage.errors import StorageError
from workers import logs
from workers.delayed_calls import DelayedCalls

log = logs.get(__name__)

BREAK_SECONDS = 0.5, 5.0
"""Seconds for which the broker is skipped after a failure: at first, and at most."""

EVENTS_PER_WAKE_UP = 25
"""Events per message, which one thread handles in sequence: enough to save messages, few enough to spread a burst."""

MOST_SHOWN = 1000
"""How many characters of a message's arguments `inspect` and Flower show."""

HANDLE_EVENT = "cj.handle_event"
KEEP_PROMISE = "cj.keep_promise"
RUN_TURN = "cj.run_turn"
FETCH = "cj.fetch_shopify_data"

KINDS = {
    queues.WORKFLOW: "workflow",
    queues.TURNS: "agent",
    queues.SHOPIFY: "shopify",
    queues.OPS: "ops",
}
"""The kind of process that consumes each of Celery's queues."""

_QUEUES = {name: queues.plain_queue(name) for name in KINDS}


class VerifiedAMQP(AMQP):
    """Celery with our connections, which always verify TLS: `Celery(…, amqp=VerifiedAMQP)`."""

    Connection = queues.VerifiedConnection


def broker_breaker(factor: float = 1.0, *, clock: Callable[[], float] = time.monotonic) -> CircuitBreaker:
    """A breaker for everything a process publishes: after a failure nothing waits for the broker for a while."""
    first, most = (seconds * factor for seconds in BREAK_SECONDS)
    return CircuitBreaker(most, first_seconds=first, clock=clock, on_change=_log_broker)


def _log_broker(problem: str | None) -> None:
    if problem is None:
        log.info("broker is back")
    else:
        log.warning("broker is away; rows wait in Postgres until it is back", reason=problem)


def is_row_id(value: object) -> bool:
    """Whether a message's argument is a valid row id."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63


def sender(broker_url: str) -> Celery:
    """A Celery application that only sends, to wake workers from other processes."""
    app = Celery("sender", broker=broker_url, amqp=VerifiedAMQP, set_as_current=False)
    woken = [queues.plain_queue(name) for name in (queues.WORKFLOW, queues.TURNS, queues.SHOPIFY)]
    app.conf.update(task_queues=woken, task_default_exchange="", task_create_missing_queues=False)
    return app


@contextmanager
def producer_of(app: Celery) -> Iterator[Any]:
    """A kombu Producer (its types lack `batch`) whose connection was not closed while it was idle in the pool, and
    is dropped if it fails: the next one leads to the primary, where that has changed."""
    with app.producer_or_acquire() as producer:
        queues.drop_if_ended(producer.connection)
        try:
            yield producer
        except Exception:
            producer.connection.collect()
            raise


def on_broker(app: Celery, breaker: CircuitBreaker, names: Collection[str]) -> dict[str, int] | None:
    """How many messages are on each of these queues; None if the broker does not answer."""
    if breaker.is_open:
        return None
    try:
        with producer_of(app) as producer:
            return {name: queues.length(name, producer.channel) for name in names}
    except Exception as error:  # noqa: BLE001 - as in sending
        breaker.failed(queues.cause(error))
        return None


class WakeUps:
    """Wakes workers up through Celery."""

    def __init__(self, app: Celery, breaker: CircuitBreaker) -> None:
        self._app = app
        self._breaker = breaker
        self._delayed_calls = DelayedCalls()

    def on_broker(self, queue: str) -> int | None:
        """How many wake-ups are on the queue; None while the broker is down."""
        found = on_broker(self._app, self._breaker, [queue])
        return None if found is None else found[queue]

    def handle_events(self, event_keys: Sequence[int], after_seconds: float = 0.0) -> bool:
        """Ask workflow workers to handle the events of these inbox rows, many per message; `after_seconds` as below."""
        if after_seconds > 0:
            self._delayed_calls.call(after_seconds, lambda: self.handle_events(event_keys))
            return True
        starts = range(0, len(event_keys), EVENTS_PER_WAKE_UP)
        parts = [list(event_keys[start : start + EVENTS_PER_WAKE_UP]) for start in starts]
        return all(self._send(HANDLE_EVENT, queues.WORKFLOW, part) for part in parts)

    def run_turn(self, turn_id: int, after_seconds: float = 0.0) -> bool:
        """Ask an agent worker to run this turn, after `after_seconds` if this process still lives then."""
        if after_seconds > 0:
            # Not Celery's countdown: such a message stays unacked in a worker and is redelivered on any disconnect.
            self._delayed_calls.call(after_seconds, lambda: self._send(RUN_TURN, queues.TURNS, [turn_id]))
            return True
        return self._send(RUN_TURN, queues.TURNS, [turn_id])

    def keep_promise(self, turn_id: int) -> bool:
        """Ask a workflow worker to check whether this ended turn's promise can be kept now."""
        return self._send(KEEP_PROMISE, queues.WORKFLOW, [turn_id])

    def fetch(self, *requests: dict[str, Any]) -> bool:
        """Ask a Shopify worker to carry out fetches one by one (workers.shop.fetch.FetchRequest as a dict of ids)."""
        return self._send(FETCH, queues.SHOPIFY, list(requests))

    def oldest_events(
        self, database: Database, merchant_ids: Collection[str], *, per_merchant: int, after_seconds: float = 0.0
    ) -> None:
        """Ask workflow workers to handle these merchants' events that were put off and can be handled now."""
        if not merchant_ids:
            return
        with suppress(StorageError):  # the sweeper retries them later
            with database.transaction() as session:
                keys = inbox.wake_oldest(session, merchant_ids, per_merchant=per_merchant)
            self.handle_events(keys, after_seconds)

    def _send(self, task: str, queue: str, args: list[Any]) -> bool:
        if self._breaker.is_open:
            return False
        # `send_task` takes twice as long, for features that are not used here.
        shown = repr(args)[:MOST_SHOWN]
        message = self._app.amqp.as_task_v2(
            str(uuid.uuid4()), task, tuple(args), ignore_result=True, argsrepr=shown, kwargsrepr="{}"
        )
        try:
            with producer_of(self._app) as producer:
                # Declared once per connection: a broker that has lost its queues has dropped its connections, too.
                producer.maybe_declare(_QUEUES[queue])
                producer.publish(
                    message.body,
                    exchange="",
                    routing_key=queue,
                    serializer="json",
                    headers=message.headers,
                    delivery_mode=2,
                    retry=False,
                    confirm_timeout=queues.CONFIRM_SECONDS,
                    **message.properties,
                )
        except Exception as error:  # noqa: BLE001 - the broker's client raises many kinds of errors
            self._breaker.failed(queues.cause(error))
            return False
        self._breaker.worked()
        return True
