"""A conversation's history as a person reads it, for a frontend that has nothing yet.

It holds the words of the merchant and of CJ in the order in which they were said, and nothing of what was looked up.
Its place is the beginning of the first run that has not ended, so whoever goes on behind it has everything once: that
run comes whole, with its first words. The SQL is in `snapshots.sql`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from events.reply import APART
from storage import agui, sql
from storage.agui import Events
from storage.database import Session
from storage.door import ReplyPlace
from storage.sql import dump

#: The latest messages that a snapshot has, and most bytes of them together: a reply has at most 1 MiB.
MOST_MESSAGES = 500
MOST_BYTES = 768 * 1024

SQL = sql.load("snapshots")


@dataclass(frozen=True)
class Snapshot:
    """AG-UI messages, the earliest first, and the place up to which they hold everything."""

    place: ReplyPlace
    messages: list[dict[str, Any]]

    def run(self, conversation_id: str) -> Events:
        """As a run by itself: an AG-UI client takes nothing outside of runs."""
        where = conversation_id, f"snapshot_{self.place}"
        after = {"turn": self.place.turn, "sequence": self.place.sequence}
        return [
            *agui.run_started(*where),
            *agui.messages_snapshot(self.messages),
            *agui.run_finished(*where, result={"after": after}),
        ]


@dataclass(frozen=True)
class _Said:
    """A message, when it was begun, the event it came with or answers, and the turn that it belongs to, if any: of the
    merchant, the first that answers."""

    id: str
    role: str
    words: str
    at: datetime
    event_key: int
    turn: int | None


def read(
    session: Session, merchant_id: str, conversation_id: str, *, by_door: bool, place: int | None = None
) -> Snapshot | None:
    """The history as it is now, or up to the turn `place`; None of a conversation of another merchant, or whose replies
    go the other way."""
    values = {"merchant_id": merchant_id, "conversation_id": conversation_id, "by_door": by_door, "place": place}
    rows = session.execute(SQL["read"], {**values, "limit": MOST_MESSAGES + 1}).all()
    if not rows:
        return None
    of_merchant = sorted((row for row in rows if row.text is not None), key=lambda row: (row.event_key, row.turn or 0))
    of_cj = sorted((row for row in rows if row.data is not None), key=lambda row: (row.turn or APART, row.sequence))
    apart = max((row.event_key for row in of_cj if row.turn is None), default=0)
    messages = _merged(list(_asked(of_merchant)), list(_answered(of_cj)))
    return Snapshot(ReplyPlace(rows[0].place, 0, apart), _latest(messages))


def _asked(rows: Sequence[Any]) -> Iterator[_Said]:
    """The merchant's messages by their events, each once, though several turns may answer it."""
    events: set[int] = set()
    ids: set[str] = set()
    for row in rows:
        if row.event_key not in events:
            name = row.id if row.id not in ids else f"event_{row.event_key}"
            events.add(row.event_key)
            ids.add(name)
            yield _Said(name, "user", row.text, row.at, row.event_key, row.turn)


def _answered(rows: Sequence[Any]) -> Iterator[_Said]:
    """CJ's messages: the parts of each put together. One whose beginning is cut off is left out, and one without words,
    which was stopped before it had any."""
    begun: dict[str, _Said] = {}
    words: dict[str, list[str]] = {}
    for row in rows:
        for event in row.data:
            name = event.get("messageId")
            if event["type"] == "TEXT_MESSAGE_START":
                begun[name], words[name] = _Said(name, "assistant", "", row.at, row.event_key, row.turn), []
            elif event["type"] == "TEXT_MESSAGE_CONTENT" and name in begun:
                words[name].append(event["delta"])
    for name, said in begun.items():
        if words[name]:
            yield replace(said, words="".join(words[name]))


def _merged(asked: Sequence[_Said], answered: Sequence[_Said]) -> list[_Said]:
    """Both in the order in which they were said: CJ's in the order of the runs, a question before what was begun after
    it, and in any case before its own answer."""
    found: list[_Said] = []
    apart = [said for said in answered if said.turn is None]
    waiting = sorted([*asked, *apart], key=lambda said: said.event_key)
    for said in answered:
        if (turn := said.turn) is not None:
            while waiting and (waiting[0].at <= said.at or (waiting[0].turn or turn + 1) <= turn):
                found.append(waiting.pop(0))
            found.append(said)
    return found + waiting


def _latest(messages: Sequence[_Said]) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    left = MOST_BYTES
    for said in reversed(messages[-MOST_MESSAGES:]):
        message = {"id": said.id, "role": said.role, "content": said.words}
        left -= len(dump(message).encode())
        if left < 0:
            break
        kept.append(message)
    return kept[::-1]
