"""A circuit breaker: stop calling a service that is down for a while, instead of waiting for it on every call."""

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Open for `seconds` after a failure; then the next call tries again. Shared by threads.

    With `first_seconds` it is open that long after the first failure, and twice as long after each further one, up to
    `seconds`: a service that is back soon is noticed soon.

        if breaker.is_open: …                   # do without
        try: call()
        except OSError as error: breaker.failed(str(error))
        else: breaker.worked()

    `on_change` is called once when the service goes down, with the reason, and once when it is back, with None: log
    there.
    """

    def __init__(
        self,
        seconds: float,
        *,
        first_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[str | None], None] | None = None,
    ) -> None:
        self._seconds = seconds
        self._first_seconds = self._next_seconds = seconds if first_seconds is None else first_seconds
        self._clock = clock
        self._on_change = on_change or (lambda _reason: None)
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether to leave the service alone now."""
        return self.seconds_left > 0

    @property
    def seconds_left(self) -> float:
        """Seconds until it is worth trying again; 0 if it is now."""
        return max(0.0, self._open_until - self._clock()) if self._failures else 0.0

    @property
    def failures(self) -> int:
        """Failures in a row; 0 after the last call worked."""
        return self._failures

    def failed(self, reason: str, *, retry_after: float | None = None) -> None:
        """A call failed. `retry_after`: the seconds that the service itself asked for."""
        with self._lock:
            self._failures += 1
            if retry_after is not None:
                self._open_until = self._clock() + retry_after
            elif self._clock() >= self._open_until:  # else this call started before the failure that is already known
                self._open_until = self._clock() + self._next_seconds
                self._next_seconds = min(self._next_seconds * 2, self._seconds)
            is_news = self._failures == 1
        if is_news:
            self._on_change(reason)

    def worked(self) -> None:
        """A call worked: forget the failures."""
        if not self._failures:
            return
        with self._lock:
            is_news, self._failures = self._failures > 0, 0
            self._next_seconds, self._open_until = self._first_seconds, 0.0
        if is_news:
            self._on_change(None)
