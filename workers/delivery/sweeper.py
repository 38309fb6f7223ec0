"""The sweeper: about once a second, recovers from lost messages, dead workers and a silent gateway.

Each duty has its own thread in every intake and workflow process. An advisory lock lets one process at a time carry out
a duty, so no process is a single point of failure; and duties share no transaction, failure or delay. A duty only
re-queues and re-sends; it never executes. Its cost depends on what is due, not on what waits.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import text

from events import queues
from storage import agui, fetch_answers, inbox, outbox, privacy, turns, usage
from storage.database import Database, Session
from storage.errors import StorageError
from storage.outbox import NewReply, OutgoingReply
from storage.turns import Expired, Silent
from workers import logs, metrics
from workers.delivery.reply_publisher import ReplyPublisher
from workers.delivery.wake_ups import WakeUps

log = logs.get(__name__)

Duty = Callable[[Session], "Found"]
LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:duty, 0))")

PERIOD_SECONDS = 1.0
WAKE_AFTER_SECONDS = 1.0
BATCH = 100
BEHIND = 100
"""With this many replies on the broker the gateway is behind: unacked replies are among them, and not sent again."""
DRAINED_SECONDS = (2.0, 5.0, 15.0, 15.0, 15.0, 15.0, 15.0)
"""Pauses before resending to a gateway that has emptied the queue; else `outbox.BACKOFF_SECONDS`."""
PRUNE_EVERY_SECONDS = 300.0

CONNECTED = "Your store is connected. Give me a moment to look at it."
CONNECTED_WAITING = "I'm connected to your store and waiting for Shopify."
WAITING = "I'm waiting for Shopify, one moment."
THINKING = "One moment, I'm thinking about it."
LOST = "Sorry, I lost my train of thought. Please ask again."


@dataclass(frozen=True)
class Found:
    """What a duty found; sent to workers and the gateway after its transaction."""

    events: list[int] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    promises: list[int] = field(default_factory=list)
    replies: list[OutgoingReply] = field(default_factory=list)
    is_cut_off: bool = False

    @property
    def is_full(self) -> bool:
        """Whether there is probably more."""
        sizes = len(self.events), len(self.turns), len(self.promises), len(self.replies)
        return self.is_cut_off or max(sizes) >= BATCH


class Duties:
    """The sweeper's duties, each inside the caller's transaction. All pauses are scaled by the recovery factor.

    `per_merchant`: turns of one merchant that may run at a time; `events_per_merchant`: unhandled events of one
    merchant that wake workers at a time.
    """

    def __init__(
        self,
        *,
        recovery_factor: float = 1.0,
        per_merchant: int = turns.PER_MERCHANT,
        events_per_merchant: int = inbox.PER_MERCHANT,
    ) -> None:
        self.factor = recovery_factor
        self._per_merchant, self._events_per_merchant = per_merchant, events_per_merchant

    def expire_leases(self, session: Session) -> Found:
        """Queue turns again whose lease ran out, or give them up with an apology."""
        expired = turns.expire(session)
        metrics.leases_lost(len(expired))
        found = Found()
        for turn in expired:
            log.warning("lease expired", turn_id=turn.turn_id, dead=turn.dead)
            if turn.dead:
                found.replies.extend(_apologise(session, turn))
                where = turn.conversation_id, turn.merchant_id
                found.turns.extend(turns.next_to_wake(session, *where, per_merchant=self._per_merchant))
            else:
                found.turns.append(turn.turn_id)
        return found

    def wake_turns(self, session: Session, *, on_broker: int | None = None) -> Found:
        """Wake workers for runnable turns that were not claimed. If none is `on_broker`, the wake-ups were lost, and
        the next try comes soon."""
        older_than = WAKE_AFTER_SECONDS * self.factor
        found = turns.waiting(
            session,
            older_than_seconds=older_than,
            limit=BATCH,
            per_merchant=self._per_merchant,
            factor=self.factor,
            again_seconds=older_than if on_broker == 0 else None,
        )
        return Found(turns=found)

    def say_first_words(self, session: Session) -> Found:
        """Say first words for turns that have told the merchant nothing for too long, whatever they wait for."""
        found = Found()
        for turn in turns.silent(session):
            run_id = turns.run_id(turn.turn_id)
            started = agui.run_started(turn.conversation_id, run_id, turn.workflow)
            said = NewReply("meanwhile", agui.text(f"{run_id}-w", _meanwhile(turn)))
            # If the turn was not claimed yet, start its run as a claim would.
            found.replies.extend(outbox.append(session, turn.turn_id, [NewReply("started", started), said]))
        return found

    def look_at_promises(self, session: Session) -> Found:
        """Have due promises of ended turns checked: by an agent if a model has to answer first, else by a workflow
        worker."""
        for_model, others = turns.promises(session, factor=self.factor)
        return Found(turns=for_model, promises=others)

    def wake_events(self, session: Session, *, on_broker: int | None = None) -> Found:
        """Wake workers for unhandled events; `on_broker` as with turns."""
        older_than = WAKE_AFTER_SECONDS * self.factor
        again = older_than if on_broker == 0 else inbox.WAKE_AGAIN_SECONDS * self.factor
        found = inbox.unprocessed(session, older_than_seconds=older_than, limit=BATCH, again_seconds=again)
        return Found(events=found + inbox.wake_forgotten(session, limit=BATCH, per_merchant=self._events_per_merchant))

    def resend_replies(self, session: Session, *, on_broker: int | None = None) -> Found:
        """Publish replies again that were never published, or have been unacked for too long.

        `on_broker`: how many replies are there. If none, the gateway is alive, and unacked replies are sent again soon:
        the pauses grow only so that a gateway that is down does not find each reply many times. If many, nothing is
        repeated: that would set a slow gateway back even further.
        """
        pauses = DRAINED_SECONDS if on_broker == 0 else outbox.BACKOFF_SECONDS
        again = on_broker is None or on_broker < BEHIND
        found = outbox.due(session, limit=BATCH, pauses=pauses, factor=self.factor, again=again)
        return Found(replies=found)

    def prune(self, session: Session) -> Found:
        """Delete what is past its retention time."""
        pruned = privacy.prune(session)
        usage.prune(session)
        fetch_answers.prune(session)
        if pruned.turns or pruned.events:
            log.info("deleted what was kept long enough", turns=pruned.turns, events=pruned.events)
        return Found(is_cut_off=pruned.is_cut_off)


def _apologise(session: Session, turn: Expired) -> list[OutgoingReply]:
    unanswered = outbox.unfinished(session, turn.turn_id)
    end = [*unanswered, *agui.run_error(turns.run_id(turn.turn_id), "turn_lost", LOST)]
    replies = outbox.append(session, turn.turn_id, [NewReply(agui.END_KEY, end)])
    # The turn answered these, too.
    turns.end_waiting_for_model(session, turn.conversation_id, error="turn_lost")
    return replies + outbox.end_absorbed(session, turn.turn_id, turn.conversation_id)


def _meanwhile(turn: Silent) -> str:
    if turn.connected:
        return CONNECTED_WAITING if turn.asks else CONNECTED
    return WAITING if turn.asks else THINKING


class Sweeper:
    """Runs each duty on a thread. Survives any error of a duty, and tries again after the period."""

    def __init__(
        self, database: Database, wake_ups: WakeUps, reply_publisher: ReplyPublisher, duties: Duties | None = None
    ) -> None:
        self._database = database
        self._wake_ups = wake_ups
        self._reply_publisher = reply_publisher
        self._duties = duties = duties or Duties()
        self._stop = threading.Event()
        self._waiting: set[str] = set()
        """Duties that wait for Postgres; only the first and the last are logged."""
        self._waiting_lock = threading.Lock()
        period = PERIOD_SECONDS * duties.factor
        self._threads = [
            self._thread("expire leases", lambda: duties.expire_leases, period),
            self._thread("wake turns", lambda: self._waking(duties.wake_turns, queues.TURNS), period),
            self._thread("say first words", lambda: duties.say_first_words, period),
            self._thread("look at promises", lambda: duties.look_at_promises, period),
            self._thread("wake events", lambda: self._waking(duties.wake_events, queues.WORKFLOW), period),
            self._thread("resend replies", self._resend_replies, period),
            self._thread("prune", lambda: duties.prune, PRUNE_EVERY_SECONDS),
        ]

    def _thread(self, name: str, duty: Callable[[], Duty | None], period: float) -> threading.Thread:
        return threading.Thread(target=self._run, args=(name, duty, period), name=f"sweeper: {name}", daemon=True)

    def _resend_replies(self) -> Duty:
        on_broker = self._reply_publisher.on_broker()  # queried outside the transaction
        return partial(self._duties.resend_replies, on_broker=on_broker)

    def _waking(self, duty: Callable[..., Found], queue: str) -> Duty | None:
        """Skips the duty while the broker is down: rows marked as woken would not be woken again soon."""
        on_broker = self._wake_ups.on_broker(queue)
        return None if on_broker is None else partial(duty, on_broker=on_broker)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        self._stop.set()
        until = time.monotonic() + timeout
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(until - time.monotonic(), 0.0))

    def _run(self, name: str, duty: Callable[[], Duty | None], period: float) -> None:
        pause = period
        while not self._stop.wait(pause):
            pause = period
            try:
                work = duty()
                if work is not None and self._once(name, work):
                    pause = 0.0  # catch up without pauses after an outage
                self._works(name)
            except StorageError as error:
                pause = min(period, PERIOD_SECONDS)  # also retry rare duties soon, or the outage would seem to last
                self._waits(name, error)
            except Exception:
                log.exception("sweep failed", duty=name)

    def _waits(self, name: str, error: StorageError) -> None:
        with self._waiting_lock:
            if not self._waiting:
                log.warning("sweeper waits for Postgres", duty=name, reason=str(error))
            self._waiting.add(name)

    def _works(self, name: str) -> None:
        with self._waiting_lock:
            if self._waiting == {name}:
                log.info("sweeper works again", duty=name)
            self._waiting.discard(name)

    def _once(self, name: str, work: Duty) -> bool:
        """Carry out a duty unless another process is doing so, commit, then send; returns whether more is due at
        once."""
        with self._database.transaction() as session:
            if not session.execute(LOCK, {"duty": f"sweeper: {name}"}).scalar():
                return False
            found = work(session)
        return self._tell(found) and found.is_full

    def _tell(self, found: Found) -> bool:
        """Send what was found; False if the broker did not accept all of it."""
        told = True
        if found.replies:
            published = self._reply_publisher.publish(found.replies)
            told = published == len(found.replies)
            metrics.replies_resent(published)
            self._reply_publisher.note()  # otherwise the next sweep would find them again
        wake_ups = [self._wake_ups.handle_events(found.events)]
        wake_ups += [self._wake_ups.run_turn(turn_id) for turn_id in found.turns]
        wake_ups += [self._wake_ups.keep_promise(turn_id) for turn_id in found.promises]
        return told and all(wake_ups)
