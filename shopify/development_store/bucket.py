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
    """Points that are restored at a steady rate. Every call is atomic, from any thread; `clock` is in seconds.

    A query reserves its requested cost and, once it is done, is charged its actual cost. While the bucket refills,
    reserved points count as still there, so a lone query leaves exactly the maximum less its cost.
    """

    def __init__(
        self, maximum: int = 2_000, restore_rate: int = 100, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.maximum = maximum
        self.restore_rate = restore_rate
        self._clock = clock
        self._lock = threading.Lock()
        self._points = float(maximum)
        self._reserved = 0
        self._read_at = clock()

    def reserve(self, points: int) -> bool:
        """Reserve that many points, or none if fewer are available."""
        with self._lock:
            self._restore()
            if self._points - self._reserved < points:
                return False
            self._reserved += points
            return True

    def charge(self, reserved: int, points: int) -> None:
        """End a reservation and take the points that were used."""
        with self._lock:
            self._restore()
            self._reserved -= reserved
            self._points -= points

    def set(self, available: float) -> None:
        """Set the level, for a test or a demonstration."""
        with self._lock:
            self._restore()
            self._points = min(float(self.maximum), available + self._reserved)

    def level(self) -> Level:
        """What is available now."""
        with self._lock:
            self._restore()
            return Level(self.maximum, int(self._points - self._reserved), self.restore_rate)

    def _restore(self) -> None:
        now = self._clock()
        self._points = min(self.maximum, self._points + (now - self._read_at) * self.restore_rate)
        self._read_at = now
