"""How intake collects messages: at once while they come one by one, for a moment in a burst."""

from typing import Any

import pytest

from workers.intake.__main__ import ACKS_LINGER_SECONDS, EVENTS_LINGER_SECONDS, consume


class Arrivals:
    """A consumer and its stop event: each wait for more brings what `later` holds for it."""

    def __init__(self, *later: list[str]) -> None:
        self.queue: list[str] = []
        self.later = list(later)
        self.waits: list[float] = []
        self.batches: list[list[str]] = []

    def receive(self, _: float) -> str:
        if not self.queue:
            self.queue += self.later.pop(0)
        return self.queue.pop(0)

    def receive_more(self, limit: int) -> list[str]:
        more, self.queue = self.queue[:limit], self.queue[limit:]
        return more

    def handle(self, batch: Any) -> bool:
        self.batches.append(list(batch))
        return bool(self.later or self.queue)

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if seconds and self.later:
            self.queue += self.later.pop(0)
        return False

    def is_set(self) -> bool:
        return False

    def ack(self, *_: str) -> bool:
        return True

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    ("arrivals", "batches", "lingers"),
    [
        ([["a"], ["b"], ["c"]], [["a"], ["b"], ["c"]], 0),
        ([["a"], ["b", "c"], ["d"], ["e"]], [["a"], ["b", "c"], ["d", "e"]], 1),
        ([["a"], ["b", "c"], ["d"], ["e"], ["f"], ["g"]], [["a"], ["b", "c"], ["d", "e"], ["f", "g"]], 2),
    ],
)
def test_only_a_burst_is_waited_for(arrivals: list[list[str]], batches: list[list[str]], lingers: int) -> None:
    source: Any = Arrivals(*arrivals)
    consume(source, source.handle, source, busy_linger=EVENTS_LINGER_SECONDS)
    assert source.batches == batches
    assert [seconds for seconds in source.waits if seconds] == [EVENTS_LINGER_SECONDS] * lingers


def test_acks_are_always_waited_for() -> None:
    source: Any = Arrivals(["a"], ["b", "c"], ["d"], ["e"])
    consume(source, source.handle, source, linger=ACKS_LINGER_SECONDS)
    assert source.batches == [["a", "b", "c"], ["d", "e"]]
    assert source.waits == [ACKS_LINGER_SECONDS] * 2
