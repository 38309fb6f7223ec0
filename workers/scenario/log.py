"""The timed log of a scenario: what was done and what came of it, in the order in which it happened."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

#: Entries that no expectation can name; they are there for whoever reads the log.
ACTION, TURN = "action", "turn"


@dataclass(frozen=True)
class Entry:
    """Something that happened `at` seconds after the scenario began."""

    at: float
    kind: str
    text: str
    """As people read it."""
    body: dict[str, Any] = field(default_factory=dict)
    """What expectations are compared with."""
    is_open: bool = False
    """More will be known about it: the result of a tool call, whether a message was the last one."""
    number: int = 0
    """Tells entries of the same moment apart; set by the log."""

    @property
    def place(self) -> tuple[float, float]:
        """Where it stands in the log."""
        return self.at, self.number


class Log:
    """Entries by key: telling the same thing again, with more known about it, replaces what was told before."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, Entry] = {}

    def tell(self, key: Hashable, entry: Entry) -> None:
        """Add an entry, or replace the one of this key."""
        before = self._entries.get(key)
        number = len(self._entries) if before is None else before.number
        self._entries[key] = replace(entry, number=number)

    def knows(self, key: Hashable) -> bool:
        """Whether nothing more will be told under this key."""
        known = self._entries.get(key)
        return known is not None and not known.is_open

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self._entries.values(), key=lambda entry: entry.place))

    def after(self, place: tuple[float, float]) -> list[Entry]:
        """What happened after a place in the log."""
        return [entry for entry in self if entry.place > place]
