"""Dead turns: their workers died too often, or hit an unhandled error.

By then the merchant has read an apology, and a turn ends only once, so a dead turn is never revived. A retry queues
its input as a new turn of the same event, with RETRY added to the action number.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from storage import turns
from storage.database import Session
from storage.turns import TurnInput

RETRY = 1000

DEAD = text("""
    SELECT t.id, t.conversation_id, t.merchant_id, t.seq, t.error, t.failures, t.finished_at
    FROM turns t
    WHERE t.status = 'dead'
      AND NOT EXISTS (SELECT 1 FROM turns r WHERE r.event_key = t.event_key AND r.action = t.action + :retry)
    ORDER BY t.finished_at DESC LIMIT :limit
""")
ONE = text("""
    SELECT t.conversation_id, t.merchant_id, t.event_key, t.action, t.workflow, t.input
    FROM turns t JOIN events e ON e.key = t.event_key
    WHERE t.id = :turn_id AND t.status = 'dead'
    FOR UPDATE OF e
""")


@dataclass(frozen=True)
class DeadTurn:
    """A dead turn that was not retried."""

    id: int
    conversation_id: str
    merchant_id: str
    seq: int
    error: str | None
    failures: int
    finished_at: datetime

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "finished_at": self.finished_at.isoformat()}


def dead(session: Session, *, limit: int = 100) -> list[DeadTurn]:
    """The latest dead turns that were not retried."""
    rows = session.execute(DEAD, {"limit": limit, "retry": RETRY}).mappings()
    return [DeadTurn(**row) for row in rows]


def ask_again(session: Session, turn_id: int) -> int | None:
    """Queue a new turn with the dead one's input; the sweeper wakes the agents. None if there is nothing to retry."""
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
