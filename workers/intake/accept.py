"""Turns incoming messages into rows, so that no untrusted byte ever reaches a Celery worker.

An event becomes a row (accepted or refused) before its message is acked; then a workflow worker is woken. Acks from the
gateway mark replies.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.orm import Session
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential,
)

from events.broker.consumer import Delivery
from events.catalog import CATALOG
from events.envelope import Event, parse
from events.errors import InvalidEvent
from storage import inbox, outbox
from storage.database import Database
from storage.errors import StorageError, StorageUnavailable
from workers import logs, metrics
from workers.delivery.wake_ups import WakeUps
from workers.failpoints import failpoint
from workers.kombu_patches import UNREADABLE

log = logs.get(__name__)

T = TypeVar("T")

MAX_OPEN_TURNS = 20_000
"""Above this many queued and running turns, intake stops and events wait on the broker."""
COUNT_EVERY_SECONDS = 2.0
MAX_ACK_BYTES = 4096


class Intake:
    """Turns batches of messages into rows."""

    def __init__(
        self, database: Database, wake_ups: WakeUps, stop: threading.Event, *, max_open_turns: int = MAX_OPEN_TURNS
    ) -> None:
        self._database = database
        self._wake_ups = wake_ups
        self._stop = stop
        self._max_open_turns = max_open_turns
        self._counted_at = 0.0
        self._full = False

    def events(self, deliveries: Sequence[Delivery]) -> bool:
        """Store a batch of events, then wake the workflow workers. False if the process stopped first."""
        self._wait_while_full()
        bodies = [_body(delivery) for delivery in deliveries]
        try:
            keys = self._retrying("T1", lambda session: self._store(session, bodies))
        except StorageError:  # Postgres refuses at least one of them: find out which
            keys = self._one_by_one(bodies)
        if keys is None:
            return False
        self._wake_ups.handle_events(keys)
        failpoint("T1.after_hint")
        return True

    def _one_by_one(self, bodies: Sequence[bytes]) -> list[int] | None:
        keys: list[int] = []
        for body in bodies:
            try:
                stored = self._retrying("T1", partial(self._store, bodies=[body]))
            except StorageError as error:
                refusal = InvalidEvent("event.not_storable", f"the database refuses it: {error}")
                stored = self._retrying("T1", partial(_reject, error=refusal, body=body))
            if stored is None:
                return None
            keys += stored
        return keys

    def acks(self, deliveries: Sequence[Delivery]) -> bool:
        """Mark the replies the gateway has shown; drop anything else on the queue."""
        ids = [reply_id for delivery in deliveries if (reply_id := _acked(delivery)) is not None]
        if len(ids) < len(deliveries):
            log.warning("dropped malformed acks", count=len(deliveries) - len(ids))
            metrics.acks("malformed", len(deliveries) - len(ids))
        marked = self._retrying("T5", lambda session: outbox.acknowledge(session, ids)) if ids else 0
        if marked is None:
            return False
        metrics.acks("marked", marked)
        metrics.acks("in vain", len(ids) - marked)
        return True

    def _store(self, session: Session, bodies: Sequence[bytes]) -> list[int]:
        good: list[Event] = []
        for body in bodies:
            try:
                good.append(parse(body))
            except InvalidEvent as error:
                _reject(session, error, body)
        if not good:
            return []
        keys: list[int] = []
        answers = inbox.accept(session, [inbox.NewEvent.of(event) for event in good])
        for event, answer in zip(good, answers, strict=True):
            if isinstance(answer, inbox.Reused):
                _reject(session, _reused(event, answer), event.content_hash)
            elif answer.fresh:
                keys.append(answer.key)
                metrics.event(event.type, "accepted")
            else:
                metrics.event(event.type, "repeated")
        return keys

    def _retrying(self, step: str, work: Callable[[Session], T]) -> T | None:
        """Run `work` in a transaction, again and again while Postgres is away; None when the process stops."""

        def once() -> T:
            with self._database.transaction() as session:
                result = work(session)
                failpoint(f"{step}.before_commit")
            failpoint(f"{step}.after_commit")
            return result

        patience = Retrying(
            retry=retry_if_exception_type(StorageUnavailable),
            wait=wait_exponential(multiplier=0.1, max=2.0),
            sleep=sleep_using_event(self._stop),
            stop=stop_when_event_set(self._stop),
            before_sleep=_log_once,
        )
        try:
            result = patience(once)
        except RetryError:
            return None
        if patience.statistics["attempt_number"] > 1:
            log.info("Postgres is back")
        return result

    def _wait_while_full(self) -> None:
        while not self._stop.is_set() and self._is_full():
            self._stop.wait(COUNT_EVERY_SECONDS)

    def _is_full(self) -> bool:
        if time.monotonic() - self._counted_at < COUNT_EVERY_SECONDS:
            return self._full
        count = self._retrying("count", inbox.open_turns) or 0
        self._counted_at = time.monotonic()
        was_full, self._full = self._full, count >= self._max_open_turns
        if self._full and not was_full:
            log.warning("too many open turns; events wait on the broker", open_turns=count)
        if was_full and not self._full:
            log.info("intake resumed", open_turns=count)
        return self._full


def _log_once(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        log.warning("Postgres is away; nothing is taken in until it is back")


def _body(delivery: Delivery) -> bytes:
    body: Any = delivery.body
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return json.dumps(body).encode()


def _reused(event: Event, found: inbox.Reused) -> InvalidEvent:
    stored = found.stored_at.isoformat(timespec="seconds")
    return InvalidEvent(
        "event.id_reused",
        f"differs from the event stored at {stored} under the same source and id; use a new id",
        source=event.source,
        id=event.id,
        type=event.type,
    )


def _reject(session: Session, error: InvalidEvent, body: bytes) -> list[int]:
    """Store the refusal with its reason; returns no keys, as there is nothing to handle."""
    digest = hashlib.sha256(body).digest()
    inbox.reject(
        session,
        source=error.source or "unknown",
        id=error.id or f"sha256:{digest.hex()[:32]}",
        type=error.type or "unknown",
        content_hash=digest,
        code=error.code,
        message=error.message,
    )
    known = error.type if error.type and error.type in CATALOG else "unknown"
    metrics.event(known, "refused")
    log.warning("event refused", error_code=error.code, event_id=error.id)
    return []


def _acked(delivery: Delivery) -> str | None:
    body = _body(delivery)
    if delivery.message.content_type == UNREADABLE or len(body) > MAX_ACK_BYTES:
        return None
    try:
        ack = json.loads(body)
    except ValueError:
        return None
    reply_id = ack.get("id") if isinstance(ack, dict) else None
    return reply_id if isinstance(reply_id, str) and reply_id.isascii() and len(reply_id) <= 100 else None
