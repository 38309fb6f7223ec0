"""Turns incoming messages into rows, so that no untrusted byte ever reaches a Celery worker.

An event becomes a row (accepted or refused) before its message is acked; then a workflow worker is woken. The gateway's
acks mark replies as acked.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

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
from events.envelope import Event, parse, readable
from events.errors import InvalidEvent
from storage import inbox, outbox
from storage.database import Database, Session
from storage.errors import SchemaMissing, StorageError, StorageUnavailable
from workers import logs, metrics, tracing
from workers.delivery.wake_ups import WakeUps
from workers.failpoints import failpoint, in_transaction

log = logs.get(__name__)

T = TypeVar("T")

MAX_ACK_BYTES = 4096
MAX_READ_BYTES = 1_048_576
"""Limit for a refused message that is too large: it is read only to find out which conversation to tell."""
REPLY_ID = re.compile(r"(?:turn|event)_[0-9]{1,19}:[0-9]{6,9}:[0-9a-f]{16}")
"""The form of CJ's reply ids (`storage.outbox`); any other ack is for nothing."""


@dataclass
class Stored:
    """Newly stored events: keys of rows to wake a worker for, and merchants with so many that some are put off."""

    keys: list[int] = field(default_factory=list)
    crowded: set[str] = field(default_factory=set)
    fresh: list[tuple[Event, str | None]] = field(default_factory=list)
    """Row keys with their trace ids."""


class Intake:
    """Turns batches of messages into rows."""

    def __init__(
        self,
        database: Database,
        wake_ups: WakeUps,
        stop: threading.Event,
        *,
        per_merchant: int = inbox.PER_MERCHANT,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`per_merchant`: how many unhandled events of one merchant wake workers at a time. `beat` is called while
        waiting for Postgres."""
        self._beat = beat
        self._database = database
        self._wake_ups = wake_ups
        self._stop = stop
        self._per_merchant = per_merchant

    def events(self, deliveries: Sequence[Delivery]) -> bool:
        """Store a batch of events, then wake workflow workers. False if the process stops before that."""
        bodies = [_body(delivery) for delivery in deliveries]
        try:
            stored = self._retrying("T1", lambda session: self._store(session, bodies))
        except SchemaMissing:
            raise
        except Exception as error:  # noqa: BLE001 - something is wrong with one of them: find out which
            log.warning("a batch could not be stored; each message is tried alone", reason=type(error).__name__)
            stored = self._one_by_one(bodies)
        if stored is None:
            return False
        self._wake_ups.handle_events(stored.keys)
        for event, trace_id in stored.fresh:
            with logs.about(event_id=event.id, conversation_id=event.conversation_id, trace_id=trace_id):
                log.info("event accepted", event_type=event.type)
        self._wake_ups.oldest_events(self._database, stored.crowded, per_merchant=self._per_merchant)
        failpoint("T1.after_hint")
        return True

    def _one_by_one(self, bodies: Sequence[bytes]) -> Stored | None:
        """Store messages one by one, and set aside those that cannot be stored. If the error is not about the message,
        setting it aside fails, too, and ends the process: the broker keeps the message."""
        together = Stored()
        for body in bodies:
            try:
                stored = self._retrying("T1", partial(self._store, bodies=[body]))
            except SchemaMissing:
                raise
            except Exception as error:  # noqa: BLE001 - a message must not block those behind it
                reason = str(error) if isinstance(error, StorageError) else type(error).__name__
                refusal = InvalidEvent("event.not_storable", f"it cannot be stored: {reason}")
                stored = self._retrying("T1", partial(_set_aside, error=refusal, body=body))
            if stored is None:
                return None
            together.keys += stored.keys
            together.fresh += stored.fresh
            together.crowded |= stored.crowded
        return together

    def acks(self, deliveries: Sequence[Delivery]) -> bool:
        """Mark the replies that the gateway has shown; drop anything else on the queue."""
        ids = [reply_id for delivery in deliveries if (reply_id := _acked(delivery)) is not None]
        if len(ids) < len(deliveries):
            log.warning("dropped malformed acks", count=len(deliveries) - len(ids))
            metrics.acks("malformed", len(deliveries) - len(ids))
        # No message can fail here: an ack only changes one column of existing replies.
        marked = (
            self._retrying("T5", lambda session: outbox.acknowledge(session, ids, traced=tracing.wants_acks()))
            if ids
            else []
        )
        if marked is None:
            return False
        metrics.acks("marked", len(marked))
        metrics.acks("in vain", len(ids) - len(marked))
        metrics.acked(age for age, _ in marked)
        tracing.acked(marked)
        return True

    def _store(self, session: Session, bodies: Sequence[bytes]) -> Stored:
        good: list[Event] = []
        stored = Stored()
        for body in bodies:
            try:
                good.append(_event(session, body))
            except InvalidEvent as error:
                stored.keys += _refuse(session, error, body)
        spans = [tracing.received(event) for event in good]
        new = [inbox.NewEvent.of(event, span.traceparent) for event, span in zip(good, spans, strict=True)]
        answers = inbox.accept(session, new, per_merchant=self._per_merchant) if good else []
        for event, answer, span in zip(good, answers, spans, strict=True):
            if isinstance(answer, inbox.Reused):
                _reject(session, _reused(event, answer), event.content_hash)
            elif answer.fresh:
                span.end()
                stored.fresh.append((event, tracing.trace_id(span.traceparent or event.envelope.traceparent)))
                if not answer.put_off:
                    stored.keys.append(answer.key)
                elif event.merchant_id is not None:
                    stored.crowded.add(event.merchant_id)
                metrics.event(event.type, "accepted")
            else:
                metrics.event(event.type, "repeated")
        return stored

    def _retrying(self, step: str, work: Callable[[Session], T]) -> T | None:
        """Run `work` in a transaction, retrying while Postgres is down; None when the process stops."""

        def waiting(state: RetryCallState) -> None:
            self._beat()
            _log_once(state)

        patience = Retrying(
            retry=retry_if_exception_type(StorageUnavailable),
            wait=wait_exponential(multiplier=0.1, max=2.0),
            sleep=sleep_using_event(self._stop),
            stop=stop_when_event_set(self._stop),
            before_sleep=waiting,
        )
        try:
            result = patience(lambda: in_transaction(self._database, step, work))
        except RetryError:
            return None
        if patience.statistics["attempt_number"] > 1:
            metrics.writes_refused(False)
            log.info("Postgres writes again")
        return result


def _log_once(state: RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome is not None:
        metrics.writes_refused(True)
        log.warning("nothing is taken in until Postgres writes again", reason=str(state.outcome.exception()))


def _event(session: Session, body: bytes) -> Event:
    """Raises InvalidEvent. Postgres says whether an event is from the future: this machine's clock may be behind."""
    try:
        return parse(body)
    except InvalidEvent as error:
        if error.code != "event.from_future":
            raise
        return parse(body, now=outbox.now(session))


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


def _set_aside(session: Session, error: InvalidEvent, body: bytes) -> Stored:
    """Store a refusal without anything from the message, so that it can always be stored."""
    _reject(session, error, hashlib.sha256(body).digest())
    return Stored()


def _refuse(session: Session, error: InvalidEvent, body: bytes) -> list[int]:
    """Store the refusal. If the message names a conversation that waits for an answer, a workflow worker refuses the
    event and tells it: then returns the key of its row."""
    digest = hashlib.sha256(body).digest()
    named = {"id": _made_up_id(digest), "source": "unknown", "type": "unknown", **_named(body)}
    if named.keys() >= {"merchant_id", "conversation_id"}:
        key = inbox.refuse_later(session, named, content_hash=digest, code=error.code, message=error.message)
        if key is not None:
            return [key]
    _reject(session, error, digest)
    return []


def _made_up_id(digest: bytes) -> str:
    return f"sha256:{digest.hex()[:32]}"


def _reject(session: Session, error: InvalidEvent, digest: bytes) -> None:
    """Store the refusal with its reason."""
    inbox.reject(
        session,
        source=error.source or "unknown",
        id=error.id or _made_up_id(digest),
        type=error.type or "unknown",
        content_hash=digest,
        code=error.code,
        message=error.message,
    )
    known = error.type if error.type and error.type in CATALOG else "unknown"
    metrics.event(known, "refused")
    log.warning("event refused", error_code=error.code, event_id=error.id)


def _named(body: bytes) -> dict[str, str]:
    """What a refused message says about itself, its merchant and its conversation, as far as it is usable."""
    if len(body) > MAX_READ_BYTES:
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, dict):
        return {}
    wanted = [(value, name) for name in ("id", "source", "type", "correlationid")]
    wanted += [(data, name) for name in ("merchant_id", "conversation_id")]
    found = {name: readable(place.get(name)) for place, name in wanted}
    return {name: text for name, text in found.items() if text is not None}


def _acked(delivery: Delivery) -> str | None:
    body = _body(delivery)
    if len(body) > MAX_ACK_BYTES:
        return None
    try:
        ack = json.loads(body)
    except (ValueError, RecursionError):
        return None
    reply_id = ack.get("id") if isinstance(ack, dict) else None
    return reply_id if isinstance(reply_id, str) and REPLY_ID.fullmatch(reply_id) else None
