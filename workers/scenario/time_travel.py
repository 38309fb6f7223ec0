"""Waiting is skipped: while nobody works and something is due later, the scenario's time jumps there.

A pause between two messages, a lost message that is missed, the lease of a worker that was killed: these are times in
Postgres and Redis, so they are over once everything stored is older. What somebody does in the meantime (a store that
answers slowly, a fetch that waits to be allowed, a worker that starts) takes the time it takes.
"""

import time
from collections.abc import Callable

from storage.turns import OpenTurn
from workers.scenario.environment import Stage
from workers.scenario.pending import Pending

#: How often it is looked at. Time jumps when nobody works at two looks in a row: a task may be about to begin.
LOOK_SECONDS = 0.04
#: How long nobody must have worked when something is overdue: it may have been lost, or somebody is slow to take it.
PATIENCE_SECONDS = 0.3
#: How far time jumps then: it is not known when the loss is noticed. Before the next step it is waited again.
FIRST_STEP, LONGEST_STEP = 1.0, 2.0
#: Beyond the moment, so that it is over for everyone.
MARGIN_SECONDS = 0.002


class Skipper:
    """Looks on, and has time pass."""

    def __init__(self, stage: Stage, pass_time: Callable[[float], None]) -> None:
        self._stage, self._pass_time = stage, pass_time
        self._idle_since: float | None = None
        self._step = FIRST_STEP
        self._look_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next look."""
        return time.monotonic() >= self._look_at

    def look(self, pending: Pending, *, is_busy: bool, at_most: float) -> bool:
        """Have time pass, `at_most` seconds, if nobody works now and nobody did at the last look.

        Returns whether somebody works.
        """
        now = time.monotonic()
        self._look_at = now + LOOK_SECONDS
        works = is_busy or any(map(self._is_run, pending.turns))
        if works or not pending.is_anything:
            self._idle_since, self._step = None, FIRST_STEP
        elif self._idle_since is None:
            self._idle_since = now
        elif (wait := self._wait(pending, now - self._idle_since)) is not None:
            self._pass_time(min(wait + MARGIN_SECONDS, at_most))
        return works

    def _is_run(self, turn: OpenTurn) -> bool:
        return turn.owner is not None and self._stage.lives(turn.owner)

    def _wait(self, pending: Pending, idle: float) -> float | None:
        """Seconds until something goes on; None if that is to be waited for."""
        due = min((turn.seconds for turn in pending.turns), default=0.0)
        is_known = due > 0 and not pending.events
        if not is_known and idle < PATIENCE_SECONDS:
            return None
        self._idle_since = None
        if is_known and not pending.replies:
            return due
        step, self._step = self._step, min(self._step * 2, LONGEST_STEP)
        return min(step, due) if is_known else step  # a reply that was lost is sent again before that, perhaps
