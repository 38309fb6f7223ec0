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
    """Points that come back at a steady rate. All calls are atomic, from any thread; time is the monotonic clock.

    A query reserves what it was estimated to cost and is charged, once it is done, what it did cost. What is reserved
    still counts as there while the bucket refills, so that a lone query leaves exactly the maximum less its cost.
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
        """Set that many points aside, or none at all if fewer are there."""
        with self._lock:
            self._restore()
            if self._points - self._reserved < points:
                return False
            self._reserved += points
            return True

    def charge(self, reserved: int, points: int) -> None:
        """End a reservation and take what was really used."""
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
        """What can be had now."""
        with self._lock:
            self._restore()
            return Level(self.maximum, int(self._points - self._reserved), self.restore_rate)

    def _restore(self) -> None:
        now = self._clock()
        self._points = min(self.maximum, self._points + (now - self._read_at) * self.restore_rate)
        self._read_at = now
