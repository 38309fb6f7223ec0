"""The scenario's clock: real time since it began, and the time that passed without anybody waiting for it."""

import time
from datetime import datetime


class Clock:
    """Turns Unix times into seconds of the scenario. The servers run on this machine, so one clock is theirs, too."""

    def __init__(self) -> None:
        self._zero = time.time()
        self._advances: list[tuple[float, float]] = []

    def now(self) -> float:
        """Seconds since the scenario began."""
        return self.of(time.time())

    def advance(self, seconds: float) -> None:
        """So much time has passed all of a sudden."""
        self._advances.append((time.time(), seconds))

    def of(self, unix: float) -> float:
        """Seconds of the scenario for a time at which something really happened."""
        return unix - self._zero + sum(seconds for at, seconds in self._advances if at <= unix)

    def at(self, moment: datetime | None) -> float:
        """The same for a moment that Postgres keeps, which became earlier with every advance since; None: now."""
        if moment is None:
            return self.now()
        unix = moment.timestamp()
        for at, seconds in reversed(self._advances):
            if unix + seconds <= at:
                unix += seconds
        return self.of(unix)
