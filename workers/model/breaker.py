"""A circuit breaker per language model: which ones to skip, and for how long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Seconds a failed model is skipped while another one can answer.
PAUSE = 30.0
#: After this many failures in a row a model is skipped even if no other can answer.
PATIENCE = 3
#: Longest wait we accept from a provider (seconds); some answer an exhausted daily quota with 24 hours.
LONGEST = 3600.0


@dataclass(frozen=True)
class _Pause:
    until: float
    failures: int
    named: bool  # the provider named the wait

    @property
    def strict(self) -> bool:
        return self.named or self.failures >= PATIENCE


class ModelBreaker:
    """Remembers failures by model name. Shared by all threads of a process.

    One failure moves a model behind the others for `PAUSE` seconds. It is still asked when no other is left, so that
    one bad answer does not silence every conversation. Only a wait named by the provider (Retry-After), or `PATIENCE`
    failures in a row, stops it from being asked at all until the wait is over.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pauses: dict[str, _Pause] = {}
        self._lock = threading.Lock()

    def usable(self, names: Sequence[str]) -> tuple[str, ...]:
        """The models worth asking now, best first; healthy ones keep the order of `names`."""
        now = self._clock()
        with self._lock:
            paused = {name: self._pauses[name] for name in names if self._is_paused(name, now)}
        healthy = tuple(name for name in dict.fromkeys(names) if name not in paused)
        if healthy:
            return healthy
        doubtful = sorted((pause.until, name) for name, pause in paused.items() if not pause.strict)
        return tuple(name for _, name in doubtful)

    def failed(self, name: str, retry_after: float | None = None) -> None:
        """Pause `name` for `retry_after` seconds if the provider named a wait, else for `PAUSE`."""
        with self._lock:
            before = self._pauses.get(name)
            failures = 1 if before is None else before.failures + 1
            wait = PAUSE if retry_after is None else min(retry_after, LONGEST)
            self._pauses[name] = _Pause(self._clock() + wait, failures, retry_after is not None)

    def answered(self, name: str) -> None:
        """Forget the failures of `name`."""
        with self._lock:
            self._pauses.pop(name, None)

    def wait(self, names: Sequence[str]) -> float | None:
        """Seconds until the first of `names` leaves its pause; None if one is not paused."""
        now = self._clock()
        with self._lock:
            if not all(self._is_paused(name, now) for name in names):
                return None
            return min((self._pauses[name].until - now for name in names), default=None)

    def _is_paused(self, name: str, now: float) -> bool:
        pause = self._pauses.get(name)
        return pause is not None and now < pause.until
