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

    def advance(self, seconds: float, *, at: float) -> None:
        """So much time passed all of a sudden, at this Unix time."""
        self._advances.append((at, seconds))

    def of(self, unix: float) -> float:
        """Seconds of the scenario for a time at which something really happened."""
        return unix - self._zero + sum(seconds for at, seconds in self._advances if at <= unix)

    def told(self, moment: datetime | None) -> float:
        """The same for a moment that somebody has told, such as the time of a reply; None: now."""
        return self.now() if moment is None else self.of(moment.timestamp())

    def kept(self, moment: datetime) -> float:
        """The same for a moment in a row, which became earlier with every advance since it was written."""
        unix = moment.timestamp()
        for at, seconds in reversed(self._advances):
            if unix + seconds <= at:
                unix += seconds
        return self.of(unix)
