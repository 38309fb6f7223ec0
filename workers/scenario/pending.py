"""What is under way: events nobody has handled, turns that go on by themselves, replies nobody was shown."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from storage import turns
from storage.turns import OpenTurn

_COUNTS = text("""
SELECT (SELECT count(*) FROM events WHERE status = 'received'), (SELECT count(*) FROM replies)
""")
_KNOWN_EVENTS = text("SELECT source, id FROM events WHERE status <> 'received'")


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
    return Pending(max(received, on_their_way), max(replies - shown, 0), tuple(turns.under_way(session)))
