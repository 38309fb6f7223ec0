"""Runs functions after a short delay, on a background thread.

Pending calls are lost with the process, so use this only for work that is recovered anyway, such as wake-ups.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class DelayedCalls:
    """Runs scheduled calls on one thread; a call must not raise and must be short."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def call(self, seconds: float, work: Callable[[], object]) -> None:
        """Call `work` after `seconds`."""
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._order), work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="delayed-calls", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            self._next()()

    def _next(self) -> Callable[[], object]:
        with self._changed:
            while True:
                if not self._waiting:
                    self._changed.wait()
                elif (seconds := self._waiting[0][0] - time.monotonic()) > 0:
                    self._changed.wait(seconds)
                else:
                    return heapq.heappop(self._waiting)[2]
