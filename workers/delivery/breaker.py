"""Whether the broker is away: one failure, and nobody waits for it for a while."""

import threading
import time
from collections.abc import Callable

from workers import logs

log = logs.get(__name__)

BREAK_SECONDS = 5.0
"""How long the broker is left alone after a failure."""


class BrokerBreaker:
    """Remembers that the broker is away, and logs once when that changes."""

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
            log.warning("broker is away; rows wait in Postgres until it is back", reason=reason)

    def worked(self) -> None:
        if not self._away:
            return
        with self._lock:
            was_away, self._away, self._open_until = self._away, False, 0.0
        if was_away:
            log.info("broker is back")
