"""A circuit breaker for the broker: after one failure, nobody tries it for a while."""

import threading
import time
from collections.abc import Callable

from workers import logs

log = logs.get(__name__)

BREAK_SECONDS = 5.0
"""How long the breaker stays open after a failure."""


class BrokerBreaker:
    """Remembers whether the broker is unavailable, and logs each change once."""

    def __init__(self, seconds: float = BREAK_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._open_until = 0.0
        self._away = False

    def is_open(self) -> bool:
        return self._clock() < self._open_until

    def failed(self, reason: str) -> None:
        with self._lock:
            self._open_until = self._clock() + self._seconds
            was_away, self._away = self._away, True
        if not was_away:
            log.warning("broker unavailable; rows wait in Postgres until it is back", reason=reason)

    def worked(self) -> None:
        if not self._away:
            return
        with self._lock:
            was_away, self._away, self._open_until = self._away, False, 0.0
        if was_away:
            log.info("broker is back")
