"""A conversation's history, for a frontend that has nothing yet.

It contains what the merchant and CJ said, in order, and nothing of what was looked up. Its place is the start of the
first unfinished run, so a client that continues from there has everything once: that run follows whole. The SQL is in
`snapshots.sql`.
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

#: Most messages in a snapshot, the latest, and most bytes of them together: a reply has at most 1 MiB.
MOST_MESSAGES = 500
MOST_BYTES = 768 * 1024

SQL = sql.load("snapshots")


@dataclass(frozen=True)
class Snapshot:
    """AG-UI messages, earliest first, and the place up to which they are complete."""

    place: ReplyPlace
    messages: list[dict[str, Any]]

    def run(self, conversation_id: str) -> Events:
        """As a run by itself: AG-UI clients accept nothing outside runs."""
        where = conversation_id, f"snapshot_{self.place}"
        after = {"turn": self.place.turn, "sequence": self.place.sequence}
        return [
            *agui.run_started(*where),
            *agui.messages_snapshot(self.messages),
            *agui.run_finished(*where, result={"after": after}),
        ]


@dataclass(frozen=True)
class _Said:
    """A message, its start time, the event it came with or answers, and its turn, if any: for a merchant's message the
    first one that answers it."""

    id: str
    role: str
    words: str
    at: datetime
    event_key: int
    turn: int | None


def read(
    session: Session, merchant_id: str, conversation_id: str, *, by_door: bool, place: int | None = None
) -> Snapshot | None:
    """The history as it is now, or up to the turn `place`; None if the conversation is another merchant's, or its
    replies go the other way."""
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
    """The merchant's messages by event, each once, even if several turns answer it."""
    events: set[int] = set()
    ids: set[str] = set()
    for row in rows:
        if row.event_key not in events:
            name = row.id if row.id not in ids else f"event_{row.event_key}"
            events.add(row.event_key)
            ids.add(name)
            yield _Said(name, "user", row.text, row.at, row.event_key, row.turn)


def _answered(rows: Sequence[Any]) -> Iterator[_Said]:
    """CJ's messages, each put together from its parts. Leaves out messages whose start is cut off, and those stopped
    before their first word."""
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
    """Both in the order in which they were said: CJ's messages in the order of the runs, a question before whatever
    started after it, and in any case before its own answer."""
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
