"""Publishes committed replies to the broker. What it cannot publish stays in the outbox for the sweeper.

Rows are marked as published half a second later, in batches, so that a turn does not wait for a commit that only saves
the sweeper work; replies that the gateway acks meanwhile need no mark. A reply whose mark is lost is sent again, and
the gateway drops the duplicate.
"""

import threading
import time
from collections.abc import Sequence

from celery import Celery

from events import queues, strict_json
from events.circuit_breaker import CircuitBreaker
from storage import outbox
from storage.database import Database
from storage.errors import StorageError
from storage.outbox import OutgoingReply
from workers import tracing
from workers.delivery.wake_ups import on_broker, producer_of
from workers.failpoints import failpoint

NOTE_AFTER_SECONDS = 0.5
"""Must be less than `storage.outbox.FRESH_SECONDS`, after which the sweeper considers an unmarked reply lost."""

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
            # Publishing a repetition does not mean that the original was published.
            self._sent += [reply.id for reply in replies if "repeats" not in reply.body]
            if self._sent and self._noting is None:
                self._noting = threading.Timer(NOTE_AFTER_SECONDS, self.note)
                self._noting.daemon = True
                self._noting.start()
        return len(replies)

    def on_broker(self) -> int | None:
        """How many replies are on the broker, not yet taken by the gateway; None if the broker does not answer."""
        found = on_broker(self._app, self._breaker, [queues.REPLIES])
        return None if found is None else found[queues.REPLIES]

    def purge(self) -> bool:
        """Remove all replies from the broker, since one of them contains erased data; False if that failed.

        Nothing is lost: unacked replies are soon sent again from the outbox, in their current form.
        """
        if self._breaker.is_open:
            return False
        try:
            with producer_of(self._app) as producer:
                queues.purge(queues.REPLIES, producer.channel)
        except Exception as error:  # noqa: BLE001 - as in publishing
            self._breaker.failed(queues.cause(error))
            return False
        return True

    def note(self) -> None:
        """Mark the replies published so far in the outbox."""
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
        """Whether all were sent; sending a reply again is harmless."""
        try:
            with producer_of(self._app) as producer:
                producer.maybe_declare(_REPLIES)
                bodies = [strict_json.dumps(reply.body) for reply in replies]
                queues.put(producer, queues.REPLIES, *bodies, confirm_timeout=queues.CONFIRM_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever the broker's client raises, try later
            self._breaker.failed(queues.cause(error))
            return False
        self._breaker.worked()
        return True
