"""Hands committed replies to the broker. What it cannot hand over stays in the outbox for the sweeper."""

import json
from collections.abc import Sequence
from typing import Any

from celery import Celery

from events import queues
from storage import outbox
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.outbox import OutgoingReply
from workers.hints import Breaker
from workers.points import reach


class Outlet:
    """Publishes replies on queue `replies`, persistent, through the default exchange."""

    def __init__(self, app: Celery, database: Database, breaker: Breaker) -> None:
        self._app = app
        self._database = database
        self._breaker = breaker

    def publish(self, replies: Sequence[OutgoingReply]) -> int:
        """Publish in the given order and mark what was handed over; returns how many were.

        Never raises: the rows are committed, and an unpublished or unacked row is sent again by the sweeper.
        """
        reach("publish.before")
        sent = self._send(replies) if replies and not self._breaker.is_open() else []
        if sent:
            reach("publish.after_push")
            try:
                with self._database.transaction() as session:
                    outbox.mark_published(session, sent)
                    reach("publish.before_commit")
            except StorageUnavailable:
                pass  # unmarked rows are published again; the gateway drops what it knows
        return len(sent)

    def _send(self, replies: Sequence[OutgoingReply]) -> list[str]:
        sent: list[str] = []
        try:
            with self._app.producer_or_acquire() as producer:
                for reply in replies:
                    self._publish_one(producer, reply)
                    sent.append(reply.id)
        except Exception as error:  # noqa: BLE001 - any failure of the broker's client means the same: later
            self._breaker.failed(type(error).__name__)
        else:
            self._breaker.worked()
        return sent

    def _publish_one(self, producer: Any, reply: OutgoingReply) -> None:
        queue = queues.plain_queue(queues.REPLIES)
        producer.publish(
            json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")),
            exchange="",
            routing_key=queue.name,
            declare=[queue],
            content_type=queues.CONTENT_TYPE,
            content_encoding="utf-8",
            delivery_mode=2,
            retry=False,
        )
