"""Failed turns: they ended without an answer for the merchant, who did not stop them. A dead one was given up because
its workers died too often.

A failed turn is never resumed: the merchant has read an apology, and a turn ends only once. A retry queues its input as
a new turn of the same event, with RETRY added to the action number.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from storage import turns
from storage.database import Session
from storage.turns import RETRY, TurnInput

# finished_at and error: by the index turns_failed.
FAILED = text("""
    SELECT t.id, t.conversation_id, t.merchant_id, t.seq, t.status, t.error, t.failures, t.finished_at, e.type AS event
    FROM turns t JOIN events e ON e.key = t.event_key
    WHERE t.status IN ('done', 'dead') AND t.error IS NOT NULL AND t.error <> 'stopped'
      AND (CAST(:error AS text) IS NULL OR t.error = :error)
      AND (CAST(:since AS float) IS NULL OR t.finished_at > clock_timestamp() - make_interval(secs => :since))
      AND NOT EXISTS (SELECT 1 FROM turns r WHERE r.event_key = t.event_key AND r.action = t.action + :retry)
      AND NOT (:only_owed AND t.input ->> 'sender' = 'merchant' AND EXISTS (
          SELECT 1 FROM turns n WHERE n.conversation_id = t.conversation_id AND n.seq > t.seq
            AND n.input ->> 'sender' = 'merchant'))
    ORDER BY t.finished_at DESC LIMIT :limit
""")
ONE = text("""
    SELECT t.conversation_id, t.merchant_id, t.event_key, t.action, t.workflow, t.input
    FROM turns t JOIN events e ON e.key = t.event_key
    WHERE t.id = :turn_id AND t.status IN ('done', 'dead') AND t.error IS NOT NULL AND t.error <> 'stopped'
    FOR UPDATE OF e
""")


@dataclass(frozen=True)
class FailedTurn:
    """A failed turn that was not retried; `event` is the type of the event that caused it."""

    id: int
    conversation_id: str
    merchant_id: str
    seq: int
    status: str
    error: str
    failures: int
    finished_at: datetime
    event: str


def failed(
    session: Session,
    *,
    only_owed: bool = False,
    error: str | None = None,
    since_seconds: float | None = None,
    limit: int = 100,
) -> list[FailedTurn]:
    """The latest failed turns that were not retried: with the code `error`, ended in the last `since_seconds`.

    `only_owed` leaves out messages from merchants who have written again since.
    """
    values = {"only_owed": only_owed, "error": error, "since": since_seconds}
    rows = session.execute(FAILED, {**values, "limit": limit, "retry": RETRY}).mappings()
    return [FailedTurn(**row) for row in rows]


def ask_again(session: Session, turn_id: int) -> int | None:
    """Queue a new turn with the failed one's input; the sweeper wakes the agents. None if there is nothing to retry."""
    row = session.execute(ONE, {"turn_id": turn_id}).mappings().one_or_none()
    if row is None:
        return None
    return turns.queue_turn(
        session,
        conversation_id=row["conversation_id"],
        merchant_id=row["merchant_id"],
        event_key=row["event_key"],
        action=row["action"] + RETRY,
        input=TurnInput.from_json(row["input"]),
        workflow=row["workflow"],
    )
