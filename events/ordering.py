"""The order in which a gateway shows replies, and what it has already shown. Pure: the time is an argument.

A conversation is identified by (merchantid, subject). In it `turn` rises by one, `sequence` counts from 1 without gaps,
and every turn ends with exactly one final reply. So the next reply is known, and a missing one is waited for, but for
at most `gap_seconds`: by default a little longer than CJ needs to notice a lost reply and send it again. Then the
replies after the gap are shown; if the missing one still arrives it is shown late, which is better than never. A reply
with turn 0 is a whole run by itself and waits for nothing; neither does a repeated one.
"""

from bisect import insort
from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush
from typing import TypeVar

from events.reply import APART, Reply

K = TypeVar("K")
V = TypeVar("V")


Conversation = tuple[str, str]
"""(merchantid, subject)"""
Identity = tuple[str, str, str | None]
"""(source, id, repeats)"""

GAP_SECONDS = 10.0
#: Seconds to wait for an assumed gap in a conversation that is not remembered: perhaps nothing is missing.
ASSUMED_GAP_SECONDS = 2.0


class Offer(Enum):
    """What `offer` found about a reply."""

    NEW = "new"  #: It waits until `due` names it.
    WAITING = "waiting"  #: The same reply is already waiting.
    SHOWN = "shown"  #: The same reply was shown before.


class ReplyOrder:
    """Orders the replies of all conversations. The cost of a reply does not depend on how many others wait.

    `remember`: how many shown replies, and how many conversations, are remembered. A conversation that is not
    remembered (after a restart, none is) may start with any reply that has sequence 1; before any other reply a gap is
    assumed, and waited for at most 2 seconds. With `from_first_turn` it must start with its first turn: for a gateway
    that remembers everything it has ever shown.
    """

    def __init__(
        self, *, gap_seconds: float = GAP_SECONDS, remember: int = 10_000, from_first_turn: bool = False
    ) -> None:
        self._gap_seconds = gap_seconds
        self._remember = remember
        self._from_first_turn = from_first_turn
        self._shown: OrderedDict[Identity, None] = OrderedDict()
        self._positions: OrderedDict[Conversation, _Position] = OrderedDict()
        self._waiting: dict[Conversation, _Queue] = {}
        self._ready: dict[Conversation, None] = {}
        """Conversations whose next reply has arrived."""
        self._patience: list[tuple[float, Conversation]] = []
        """A heap of the times at which gaps are given up. An entry that differs from its conversation's `_ends` is
        stale."""
        self._ends: dict[Conversation, float] = {}

    def offer(self, reply: Reply, now: float) -> Offer:
        """Take a reply that arrived at `now` (seconds of any steady clock)."""
        whose = conversation(reply)
        if identity(reply) in self._shown:
            self._shown.move_to_end(identity(reply))
            return Offer.SHOWN
        if (waiting := self._waiting.get(whose)) is None:
            waiting = self._waiting[whose] = _Queue()
        if not waiting.add(reply, now):
            return Offer.WAITING
        self._look_at(whose)
        return Offer.NEW

    def due(self, now: float) -> Reply | None:
        """A reply to show now, or None. Call `shown` with it before asking again."""
        whose = next(iter(self._ready), None)
        if whose is None and (ends := self._next_end()) is not None and ends <= now:
            whose = self._patience[0][1]
        return None if whose is None else self._waiting[whose].first

    def seconds_to_wait(self, now: float) -> float | None:
        """Seconds until `due` names a reply even if none arrives; None if no reply waits."""
        if self._ready:
            return 0.0
        ends = self._next_end()
        return None if ends is None else max(ends - now, 0.0)

    def shown(self, reply: Reply) -> None:
        """Record that the reply was shown: replies that waited for it are due, and repetitions are recognised."""
        self._stop_waiting(reply)
        _remember(self._shown, identity(reply), None, self._remember)
        whose = conversation(reply)
        before = self._positions.get(whose)
        position = _Position(reply.place, reply.final)
        if before is not None and (_stands_apart(reply) or before.place > reply.place):
            position = before  # this one came late
        forgotten = None
        if not _stands_apart(reply) or before is not None:
            forgotten = _remember(self._positions, whose, position, self._remember)
        self._look_at(whose)
        if forgotten is not None:
            self._look_at(forgotten)

    def forget_waiting(self) -> None:
        """Drop the waiting replies: the broker will deliver them again."""
        self._waiting.clear()
        self._ready.clear()
        self._patience.clear()
        self._ends.clear()

    def _may_come_next(self, whose: Conversation, reply: Reply) -> bool:
        position, place = self._positions.get(whose), reply.place
        if _stands_apart(reply):
            return True
        if position is not None:
            return position.leads_to(place)
        return place == (1, 1) if self._from_first_turn else place[1] == 1

    def _look_at(self, whose: Conversation) -> None:
        """Call this when a conversation's waiting or shown replies have changed."""
        self._ready.pop(whose, None)
        waiting = self._waiting.get(whose)
        if waiting is None:
            self._ends.pop(whose, None)
            return
        if self._may_come_next(whose, waiting.first):
            self._ready[whose] = None
        is_known = self._from_first_turn or whose in self._positions
        ends = waiting.oldest + (self._gap_seconds if is_known else min(self._gap_seconds, ASSUMED_GAP_SECONDS))
        if self._ends.get(whose) != ends:
            self._ends[whose] = ends
            heappush(self._patience, (ends, whose))

    def _next_end(self) -> float | None:
        """The next time at which a gap is given up; its entry is on top of the heap."""
        while self._patience and self._ends.get(self._patience[0][1]) != self._patience[0][0]:
            heappop(self._patience)
        return self._patience[0][0] if self._patience else None

    def _stop_waiting(self, reply: Reply) -> None:
        whose = conversation(reply)
        waiting = self._waiting.get(whose)
        if waiting is not None and waiting.remove(reply):
            del self._waiting[whose]


def conversation(reply: Reply) -> Conversation:
    """The key of a reply's order. Two merchants may name the same conversation: one of them is refused, by a reply."""
    return reply.merchantid, reply.subject


def identity(reply: Reply) -> Identity:
    """Two deliveries with this key are the same reply: (source, id), and the event that asked for it again, if any."""
    return reply.source, reply.id, reply.repeats


def _stands_apart(reply: Reply) -> bool:
    """Whether the reply is outside the order."""
    return reply.turn == APART or reply.repeats is not None


class _Queue:
    """The waiting replies of one conversation, never empty for long."""

    def __init__(self) -> None:
        self._items: list[tuple[tuple[int, int], int, Reply]] = []
        """By place, then in the order of arrival."""
        self._count = 0
        self._arrived: dict[Identity, float] = {}
        self._arrivals: deque[tuple[float, Identity]] = deque()

    @property
    def oldest(self) -> float:
        """Arrival time of the reply that has waited longest."""
        while self._arrived.get(self._arrivals[0][1]) != self._arrivals[0][0]:  # it waits no more
            self._arrivals.popleft()
        return self._arrivals[0][0]

    @property
    def first(self) -> Reply:
        """The reply with the lowest place."""
        return self._items[0][2]

    def add(self, reply: Reply, now: float) -> bool:
        """Add a reply; False if it was already waiting."""
        key = identity(reply)
        if key in self._arrived:
            return False
        self._arrived[key] = now
        self._arrivals.append((now, key))
        self._count += 1
        insort(self._items, (reply.place, self._count, reply))
        return True

    def remove(self, reply: Reply) -> bool:
        """Remove a reply; True if none is left."""
        key = identity(reply)
        if self._arrived.pop(key, None) is not None:  # as a rule the first
            del self._items[next(index for index, (_, _, item) in enumerate(self._items) if identity(item) == key)]
        return not self._items


@dataclass(frozen=True)
class _Position:
    """The furthest reply of a conversation that was shown."""

    place: tuple[int, int]
    final: bool

    def leads_to(self, place: tuple[int, int]) -> bool:
        """Whether `place` follows without a gap, or was passed already."""
        turn, sequence = self.place
        return place <= (turn, sequence + 1) or (self.final and place == (turn + 1, 1))


def _remember(memory: OrderedDict[K, V], key: K, value: V, limit: int) -> K | None:
    """Add to a bounded memory; returns what was dropped."""
    memory[key] = value
    memory.move_to_end(key)
    return memory.popitem(last=False)[0] if len(memory) > limit else None
