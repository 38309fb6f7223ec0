"""A circuit breaker per language model: which ones to skip, and for how long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from events.circuit_breaker import CircuitBreaker

#: Seconds a failed model is skipped while another one can answer.
PAUSE = 30.0
#: After this many failures in a row a model is skipped even if no other can answer.
PATIENCE = 3
#: Longest wait we accept from a provider (seconds). Some ask for 24 hours when a daily quota is used up, and some send
#: milliseconds.
LONGEST = 300.0


class ModelBreaker:
    """One circuit breaker for each model. Shared by all threads of a process.

    One failure moves a model behind the others for `PAUSE` seconds. It is still asked when no other is left, so one bad
    answer does not silence every conversation. Only a wait named by the provider (Retry-After), or `PATIENCE` failures
    in a row, stops it from being asked at all until the wait is over.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._breakers: dict[str, CircuitBreaker] = {}
        self._named_a_wait: set[str] = set()
        self._lock = threading.Lock()

    def usable(self, names: Sequence[str]) -> tuple[str, ...]:
        """The models worth asking now, best first; healthy ones keep the order of `names`."""
        with self._lock:
            left = {name: self._seconds_left(name) for name in names}
            if healthy := tuple(name for name in left if left[name] == 0):
                return healthy
            return tuple(sorted((name for name in left if not self._rests(name)), key=lambda name: left[name]))

    def failed(self, name: str, retry_after: float | None = None) -> None:
        """Pause `name` for `retry_after` seconds if the provider named a wait, else for `PAUSE`."""
        with self._lock:
            breaker = self._breakers.setdefault(name, CircuitBreaker(PAUSE, clock=self._clock))
            if retry_after is None:
                self._named_a_wait.discard(name)
                breaker.failed(name)
            else:
                self._named_a_wait.add(name)
                breaker.failed(name, retry_after=min(retry_after, LONGEST))

    def answered(self, name: str) -> None:
        """Forget the failures of `name`."""
        with self._lock:
            self._breakers.pop(name, None)

    def wait(self, names: Sequence[str]) -> float | None:
        """Seconds until the first of `names` leaves its pause; None if any of them is not paused."""
        with self._lock:
            return min(map(self._seconds_left, names), default=0.0) or None

    def _seconds_left(self, name: str) -> float:
        breaker = self._breakers.get(name)
        return breaker.seconds_left if breaker else 0.0

    def _rests(self, name: str) -> bool:
        return name in self._named_a_wait or self._breakers[name].failures >= PATIENCE
