"""Plays a scenario on a stage: does what it says, waits for what it expects, and tells what was otherwise."""

import math
import time
from collections.abc import Mapping

from workers.scenario import pending
from workers.scenario.act import Actor
from workers.scenario.clock import Clock
from workers.scenario.environment import Stage
from workers.scenario.language import (
    Action,
    CjMessage,
    Expectation,
    Expected,
    MerchantMessage,
    Nothing,
    PublishEvent,
    ShopifyRequest,
    SimulateOauthComplete,
)
from workers.scenario.log import Log
from workers.scenario.match import Found, Truth, Waiting, Wrong, find, shown
from workers.scenario.observe import Observer
from workers.scenario.reading import Passage, Scenario
from workers.scenario.report import Failure, complaints
from workers.scenario.time_travel import Skipper

#: How long an expectation without `within` is waited for.
PATIENCE_SECONDS = 30.0
#: How much later than it happened something may be seen.
SLACK_SECONDS = 2.0
#: After so long without anything under way nothing more can come.
QUIET_SECONDS = 0.2
#: What a jump of time sets off is over when nobody has worked for so long.
SETTLING_SECONDS = 0.2
#: How often the log is looked at.
POLL_SECONDS = 0.015


class Play:
    """One scenario on its way."""

    def __init__(self, scenario: Scenario, stage: Stage) -> None:
        self._scenario, self._stage, self._stack = scenario, stage, stage.stack
        self._clock, self._log = Clock(), Log()
        self._actor = Actor(stage, scenario.definition, self._clock, self._log)
        self._observer = Observer(self._stack, self._clock, self._log, after_turn=stage.last_turn)
        self._skipper = Skipper(stage, self._skip)
        self._first_line = len(self._stack.lines)
        self._place = (0.0, -1.0)  # up to here the log is matched
        self._since = 0.0  # when the step before happened
        self._matched: dict[int, float] = {}
        self._began: float | None = None
        self._quiet_from: float | None = None
        self._settled_from: float | None = None  # None: time has not jumped since the step began

    def run(self) -> Failure | None:
        """Play it; None if everything came as expected."""
        self._actor.set_the_stage()
        for step, passage in zip(self._scenario.definition.steps, self._scenario.steps, strict=True):
            if not isinstance(step, Expectation | Nothing):
                self._act(step)
            elif (failure := self._expect(step, passage)) is not None:
                return failure
        return self._beyond_limits() or self._survived()

    def _act(self, step: Action) -> None:
        self._observer.look()  # what happened before must not be timed after a jump of the clock
        self._since = self._actor.act(step)
        self._began = self._since if self._began is None else self._began
        self._quiet_from = None
        if isinstance(step, SimulateOauthComplete | PublishEvent | MerchantMessage):
            self._place = (self._since, math.inf)  # what comes of it comes after it

    def _expect(self, step: Expected, passage: Passage) -> Failure | None:
        until = self._clock.now() + self._patience(step)
        truth = self._truth(step)
        self._settled_from = None
        while True:
            self._look_around(until)
            is_quiet, is_over = self._is_quiet(), self._clock.now() >= until
            self._observer.look()
            self._actor.look()
            outcome = find(step, self._log.after(self._place), since=self._since, truth=truth)
            match outcome:
                case Found(entry=entry):
                    self._place, self._since = entry.place, entry.at
                    self._matched[entry.number] = entry.at
                    return None
                case Wrong(why=why, entry=entry):
                    what = "" if isinstance(step, Nothing) else f"{step.expect} "
                    return self._failure(passage, f"{what}{why}", {} if entry is None else {entry.number: "this one"})
                case Waiting(differs=differs) if isinstance(step, Nothing):
                    if is_quiet and not is_over:
                        self._skip(until - self._clock.now())
                    elif is_over and self._is_settled():
                        self._since = self._clock.now()
                        return None
                case Waiting(differs=differs):
                    reason = self._why_not(step, is_quiet=is_quiet, is_over=is_over)
                    if reason is not None:
                        return self._failure(passage, f"{step.expect} did not come{reason}", differs)
            time.sleep(POLL_SECONDS)

    def _why_not(self, step: Expected, *, is_quiet: bool, is_over: bool) -> str | None:
        """Why it will not come any more; None if it may."""
        if self._stage.model.problem is not None:
            return f": {self._stage.model.problem}"
        if is_over:
            return f" within {shown(self._limit(step))}"
        if is_quiet and not isinstance(step, ShopifyRequest):  # a fetch ahead of its turn is not seen before its end
            return ", and nothing is under way any more"
        return None

    @staticmethod
    def _limit(step: Expected) -> float:
        if isinstance(step, Nothing):
            return step.seconds
        return PATIENCE_SECONDS if step.within is None else step.within

    def _patience(self, step: Expected) -> float:
        """Seconds to wait from now, of the scenario's time."""
        if isinstance(step, Nothing):
            return step.seconds
        if step.within is None:
            return PATIENCE_SECONDS
        return max(self._since + step.within - self._clock.now(), 0.0) + SLACK_SECONDS

    def _truth(self, step: Expected) -> Truth:
        if not isinstance(step, CjMessage) or not any("{{" in part for part in (*step.contains, *step.excludes)):
            return {}
        return self._stage.store.truth(self._actor.cast.shop_domain)

    def _is_quiet(self) -> bool:
        """Whether nothing has been under way for a while."""
        return self._quiet_from is not None and time.monotonic() - self._quiet_from > QUIET_SECONDS

    def _look_around(self, until: float) -> None:
        """Now and then: is anything under way, and does anybody work on it? Time may jump, but not beyond `until`."""
        if not self._skipper.is_due:
            return
        with self._stack.database.transaction() as session:
            found = pending.look(session, published=self._actor.published, shown=self._observer.shown)
        is_busy = self._stage.is_busy()
        self._quiet_from = None if is_busy or found.is_anything else self._quiet_from or time.monotonic()
        # An agent remembers in real time how long to leave a model alone that fails: that wait is not skipped.
        is_busy = is_busy or self._stage.model.is_failing
        works = self._skipper.look(found, is_busy=is_busy, at_most=max(until - self._clock.now(), 0.0))
        if works and self._settled_from is not None:
            self._settled_from = time.monotonic()

    def _is_settled(self) -> bool:
        """Whether what the last jump of time set off has been seen."""
        return self._settled_from is None or time.monotonic() - self._settled_from > SETTLING_SECONDS

    def _skip(self, seconds: float) -> None:
        if seconds <= 0:
            return
        self._observer.look()  # what happened before must not be timed after the jump
        self._actor.skip(seconds)
        self._settled_from, self._quiet_from = time.monotonic(), None

    # --- how it ends ------------------------------------------------------------------------------------------------

    def _beyond_limits(self) -> Failure | None:
        limits, began = self._scenario.definition.limits, self._began or 0.0
        if limits.first_fetch_seconds is not None:
            asked = next((entry.at for entry in self._log if entry.kind == "shopify_request"), None)
            if asked is None:
                return self._failure(self._scenario.limits, "Shopify was never asked", {})
            if asked - began > limits.first_fetch_seconds:
                allowed = shown(limits.first_fetch_seconds)
                why = f"Shopify was first asked after {shown(asked - began)}, expected at most {allowed}"
                return self._failure(self._scenario.limits, why, {})
        took = max(self._matched.values(), default=began) - began
        if limits.total_seconds is not None and took > limits.total_seconds:
            why = f"all of it took {shown(took)}, expected at most {shown(limits.total_seconds)}"
            return self._failure(self._scenario.limits, why, {})
        return None

    def _survived(self) -> Failure | None:
        """A kill that never took place has tested nothing."""
        kill = self._actor.never_died
        if kill is None:
            return None
        steps = zip(self._scenario.definition.steps, self._scenario.steps, strict=True)
        passage = next(passage for step, passage in steps if step is kill)
        return self._failure(passage, f"no {kill.worker} worker got to {kill.at}: nobody was killed", {})

    def _failure(self, passage: Passage, why: str, differs: Mapping[int, str]) -> Failure:
        return Failure(
            file=self._scenario.file,
            passage=passage,
            why=why,
            entries=tuple(self._log),
            matched=frozenset(self._matched),
            after=self._place,
            differs=differs,
            worker_lines=complaints(self._stack.lines[self._first_line :]),
        )
