"""What is under way: events nobody has handled, turns that have not ended, replies nobody was shown."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

_COUNTS = text("""
SELECT (SELECT count(*) FROM events WHERE status = 'received'), (SELECT count(*) FROM replies)
""")
_KNOWN_EVENTS = text("SELECT source, id FROM events WHERE status <> 'received'")
#: Of each conversation the first that has not ended; the others wait for it.
_TURNS = text("""
SELECT t.id, t.lease_owner, extract(epoch FROM coalesce(t.lease_until, t.run_after) - clock_timestamp())
FROM turns t
WHERE t.status IN ('queued', 'running') AND NOT EXISTS (
    SELECT 1 FROM turns o
    WHERE o.conversation_id = t.conversation_id AND o.seq < t.seq AND o.status IN ('queued', 'running'))
""")


@dataclass(frozen=True)
class OpenTurn:
    """A turn that is to be run, or is being run."""

    turn_id: int
    owner: str | None
    """The worker that runs it; None: it waits."""
    seconds: float
    """Until it may be run, or until the worker's lease ends."""


@dataclass(frozen=True)
class Pending:
    """What was found at one moment."""

    events: int
    replies: int
    turns: tuple[OpenTurn, ...]

    @property
    def is_anything(self) -> bool:
        """Whether something is still to come."""
        return bool(self.events or self.replies or self.turns)


def look(session: Session, *, published: Collection[tuple[str, str]], shown: int) -> Pending:
    """What is under way when these events (source, id) were published and `shown` replies were shown."""
    received, replies = session.execute(_COUNTS).one()
    known = {(source, id) for source, id in session.execute(_KNOWN_EVENTS)}
    on_their_way = sum(event not in known for event in published)
    turns = (OpenTurn(id, owner, float(seconds)) for id, owner, seconds in session.execute(_TURNS))
    return Pending(max(received, on_their_way), max(replies - shown, 0), tuple(turns))
