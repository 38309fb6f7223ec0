"""Publishes committed replies to the broker. What it cannot publish stays in the outbox for the sweeper.

Rows are marked as published half a second later, in batches, so that a turn does not wait for a commit that only saves
the sweeper work, and what the gateway acks meanwhile needs none. A reply whose mark is lost is sent again, and the
gateway drops the duplicate.
"""

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

from celery import Celery

from events import queues
from events.circuit_breaker import CircuitBreaker
from storage import outbox
from storage.database import Database
from storage.errors import StorageError
from storage.outbox import OutgoingReply
from workers import tracing
from workers.delivery.wake_ups import on_broker
from workers.failpoints import failpoint

NOTE_AFTER_SECONDS = 0.5
"""Less than `storage.outbox.FRESH_SECONDS`, after which the sweeper takes an unmarked reply for a lost one."""

_REPLIES = queues.plain_queue(queues.REPLIES)


class ReplyPublisher:
    """Publishes replies on queue `replies`, persistent, through the default exchange."""

    def __init__(self, app: Celery, database: Database, breaker: CircuitBreaker) -> None:
        self._app = app
        self._database = database
        self._breaker = breaker
        self._sent: list[str] = []
        self._lock = threading.Lock()
        self._noting: threading.Timer | None = None

    def publish(self, replies: Sequence[OutgoingReply]) -> int:
        """Publish in the given order; returns how many were published.

        Never raises: the rows are committed, and the sweeper resends whatever is unpublished or unacked.
        """
        if not replies or self._breaker.is_open:
            return 0
        failpoint("publish.before")
        started = time.monotonic()
        worked = self._send(replies)
        tracing.published(replies, time.monotonic() - started, None if worked else "broker_away")
        failpoint("publish.after_push")
        if not worked:
            return 0
        with self._lock:
            # That it was told again does not mean that it has been told.
            self._sent += [reply.id for reply in replies if "repeats" not in reply.body]
            if self._sent and self._noting is None:
                self._noting = threading.Timer(NOTE_AFTER_SECONDS, self.note)
                self._noting.daemon = True
                self._noting.start()
        return len(replies)

    def on_broker(self) -> int | None:
        """How many replies lie on the broker, not yet taken by the gateway; None when nobody can say."""
        found = on_broker(self._app, self._breaker, [queues.REPLIES])
        return None if found is None else found[queues.REPLIES]

    def purge(self) -> bool:
        """Remove every reply from the broker, since one of them holds what was erased; False if that failed.

        Nothing is lost: what the gateway has not acked is soon sent again from the outbox, as it reads now.
        """
        if self._breaker.is_open:
            return False
        try:
            with self._app.producer_or_acquire() as producer:
                queues.purge(queues.REPLIES, producer.channel)
        except Exception as error:  # noqa: BLE001 - as in publishing
            self._breaker.failed(queues.cause(error))
            return False
        return True

    def note(self) -> None:
        """Mark in the outbox what was published so far."""
        with self._lock:
            sent, self._sent, self._noting = self._sent, [], None
        if not sent:
            return
        try:
            with self._database.transaction() as session:
                outbox.mark_published(session, sent)
                failpoint("publish.before_commit")
        except StorageError:
            pass  # unmarked replies are sent again; the gateway drops duplicates

    def _send(self, replies: Sequence[OutgoingReply]) -> bool:
        """Whether all were sent: a reply that is sent again does no harm."""
        try:
            # One round trip on Redis; on RabbitMQ each reply is confirmed.
            with self._app.producer_or_acquire() as producer, producer.batch():
                queues.declare_once(_REPLIES, producer)
                for reply in replies:
                    self._publish_one(producer, reply)
        except Exception as error:  # noqa: BLE001 - whatever the broker's client raises: try later
            self._breaker.failed(queues.cause(error))
            return False
        self._breaker.worked()
        return True

    @staticmethod
    def _publish_one(producer: Any, reply: OutgoingReply) -> None:
        producer.publish(
            json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")),
            exchange="",
            routing_key=queues.REPLIES,
            content_type=queues.CONTENT_TYPE,
            content_encoding="utf-8",
            delivery_mode=2,
            retry=False,
            confirm_timeout=queues.CONFIRM_SECONDS,
        )
