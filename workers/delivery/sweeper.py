"""The sweeper: about once a second, recovers what a lost message, a dead worker or a silent gateway left behind.

It runs as a thread in every intake and workflow process. An advisory lock lets one work at a time, so no single
process's death stops it. It only requeues and resends; it never does the work itself.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.orm import Session

from events import agui
from storage import inbox, outbox, privacy, turns, usage
from storage.database import Database
from storage.errors import StorageError
from storage.outbox import NewReply, OutgoingReply
from storage.turns import Expired
from workers import logs
from workers.delivery.reply_publisher import ReplyPublisher
from workers.delivery.wake_ups import WakeUps

log = logs.get(__name__)

PERIOD_SECONDS = 1.0
LOCK_KEY = 0x434A_5357  # "CJSW": the advisory lock of all sweepers on one database
HINT_AFTER_SECONDS = 1.0
BATCH = 100
DRAINED_RESEND_SECONDS = 15.0
"""Longest pause before resending to a gateway that has taken everything off the broker."""
PRUNE_EVERY_SECONDS = 300.0

LOST = "Sorry, I lost my train of thought. Please ask again."


@dataclass(frozen=True)
class Found:
    """What one sweep found; to be sent after its transaction commits."""

    events: list[int] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    replies: list[OutgoingReply] = field(default_factory=list)


def sweep(session: Session, *, drained: bool = False, recovery_factor: float = 1.0) -> Found | None:
    """One sweep inside the caller's transaction; None if another process is sweeping. All pauses are scaled.

    `drained`: no reply is left on the broker, so the gateway is alive and unacked replies are resent soon. Longer
    pauses only serve to spare a gateway that is away many copies of each reply.
    """
    if not session.execute(text("select pg_try_advisory_xact_lock(:key)"), {"key": LOCK_KEY}).scalar():
        return None
    expired = turns.expire(session)
    apologies = [reply for turn in expired if turn.dead for reply in _apologise(session, turn)]
    longest = DRAINED_RESEND_SECONDS if drained else outbox.BACKOFF_SECONDS[-1]
    older_than = HINT_AFTER_SECONDS * recovery_factor
    waiting = turns.waiting(session, older_than_seconds=older_than, limit=BATCH, factor=recovery_factor)
    back = [turn.turn_id for turn in expired if not turn.dead]
    for turn in expired:
        log.warning("lease expired", turn_id=turn.turn_id, dead=turn.dead)
    return Found(
        events=inbox.unprocessed(session, older_than_seconds=older_than, limit=BATCH, factor=recovery_factor),
        turns=list(dict.fromkeys([*back, *waiting])),
        replies=[*apologies, *outbox.due(session, limit=BATCH, longest_seconds=longest, factor=recovery_factor)],
    )


def _apologise(session: Session, turn: Expired) -> list[OutgoingReply]:
    replies = _append(session, turn, NewReply(agui.END_KEY, agui.run_error("turn_lost", LOST)))
    for item in turns.absorbed_by(session, turn.turn_id):
        run_id = f"turn_{item.turn_id}"
        started = NewReply("started", agui.run_started(turn.conversation_id, run_id))
        finished = NewReply(agui.END_KEY, agui.run_finished(turn.conversation_id, run_id))
        replies += outbox.append(
            session,
            turn_id=item.turn_id,
            conversation_id=turn.conversation_id,
            turn_seq=item.seq,
            causation_id=item.event_id,
            traceparent=None,
            replies=[started, finished],
        )
    return replies


def _append(session: Session, turn: Expired, reply: NewReply) -> list[OutgoingReply]:
    return outbox.append(
        session,
        turn_id=turn.turn_id,
        conversation_id=turn.conversation_id,
        turn_seq=turn.seq,
        causation_id=turn.event_id,
        traceparent=turn.traceparent,
        replies=[reply],
    )


class Sweeper:
    """The sweeper's thread. It survives any error in a sweep and tries again after the period."""

    def __init__(
        self, database: Database, wake_ups: WakeUps, reply_publisher: ReplyPublisher, *, recovery_factor: float = 1.0
    ) -> None:
        self._database = database
        self._wake_ups = wake_ups
        self._reply_publisher = reply_publisher
        self._recovery_factor = recovery_factor
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._away = False
        self._more = False  # the last sweep was full: catch up without pauses
        self._pruned_at = time.monotonic()

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def once(self) -> Found | None:
        """Sweep, commit, then send; returns what was found."""
        drained = self._reply_publisher.is_drained()
        with self._database.transaction() as session:
            found = sweep(session, drained=drained, recovery_factor=self._recovery_factor)
        self._more = False
        if found is not None:
            sent = self._send(found.events, found.turns, found.replies)
            self._more = sent and BATCH in (len(found.events), len(found.turns), len(found.replies))
        return found

    def _send(self, events: Sequence[int], turn_ids: Sequence[int], replies: Sequence[OutgoingReply]) -> bool:
        """False if the broker did not take everything."""
        published = self._reply_publisher.publish(replies) == len(replies)
        self._reply_publisher.note()  # otherwise the next sweep would find them again
        wake_ups = [self._wake_ups.handle_events(events)]
        wake_ups += [self._wake_ups.run_turn(turn_id) for turn_id in turn_ids]
        return published and all(wake_ups)

    def _prune(self) -> None:
        """Every few minutes delete rows past their retention; any number of processes may do so at once."""
        if time.monotonic() - self._pruned_at < PRUNE_EVERY_SECONDS:
            return
        self._pruned_at = time.monotonic()
        with self._database.transaction() as session:
            pruned = privacy.prune(session)
            usage.prune(session)
        if pruned.turns or pruned.events:
            log.info("deleted rows past their retention", turns=pruned.turns, events=pruned.events)

    def _run(self) -> None:
        period = PERIOD_SECONDS * self._recovery_factor
        while not self._stop.wait(0.0 if self._more else period):
            try:
                self.once()
                self._prune()
                if self._away:
                    log.info("sweeper resumed")
                self._away = False
            except StorageError as error:
                if not self._away:
                    log.warning("sweeper is waiting for Postgres", error_code=error.code)
                self._away = True
            except Exception:
                log.exception("sweep failed")
