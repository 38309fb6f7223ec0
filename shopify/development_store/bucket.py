"""The leaky bucket of cost points that one app has at one shop (https://shopify.dev/docs/api/usage/limits)."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """A reading of the bucket, as `throttleStatus` shows it: whole points."""

    maximum: int
    available: int
    restore_rate: int


class Bucket:
    """Points that come back at a steady rate. All calls are atomic, from any thread; time is the monotonic clock."""

    def __init__(
        self, maximum: int = 2_000, restore_rate: int = 100, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.maximum = maximum
        self.restore_rate = restore_rate
        self._clock = clock
        self._lock = threading.Lock()
        self._available = float(maximum)
        self._read_at = clock()

    def take(self, points: int) -> bool:
        """Take that many points, or none at all if fewer are there."""
        with self._lock:
            self._restore()
            if self._available < points:
                return False
            self._available -= points
            return True

    def give_back(self, points: int) -> None:
        """Return what a query was charged but did not use."""
        with self._lock:
            self._restore()
            self._available = min(self.maximum, self._available + points)

    def set(self, available: float) -> None:
        """Set the level, for a test or a demonstration."""
        with self._lock:
            self._restore()
            self._available = min(float(self.maximum), available)

    def level(self) -> Level:
        """What is in the bucket now."""
        with self._lock:
            self._restore()
            return Level(self.maximum, int(self._available), self.restore_rate)

    def _restore(self) -> None:
        now = self._clock()
        self._available = min(self.maximum, self._available + (now - self._read_at) * self.restore_rate)
        self._read_at = now
