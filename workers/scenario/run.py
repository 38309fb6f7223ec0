"""Runs scenarios: carries out their actions, waits for their expectations, and reports differences."""

import math
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from workers.scenario.act import Actions
from workers.scenario.environment import Environment
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
    files,
)
from workers.scenario.match import Matched, Mismatch, Place, ScenarioLog, Truth, Unmatched, find, seconds_text
from workers.scenario.observe import Observer
from workers.scenario.read import InvalidScenario, Passage, Scenario, read
from workers.scenario.report import complaints, failure_report
from workers.scenario.time_travel import Pending, ScenarioClock, TimeTraveller
from workflows.loader import load_folder

#: Seconds to wait for an expectation without `within`.
PATIENCE_SECONDS = 30.0
#: Seconds until something that happened has surely been observed.
SLACK_SECONDS = 2.0
#: After this many seconds with nothing in progress, nothing more can come.
QUIET_SECONDS = 0.2
#: After this many idle seconds, everything caused by a time jump is over.
SETTLING_SECONDS = 0.2
#: Seconds between looks. Time jumps if nobody works at two looks in a row.
POLL_SECONDS = 0.03


@dataclass(frozen=True)
class ScenarioResult:
    """The result of one scenario. `problem` is None if it passed, else the whole report."""

    file: str
    name: str
    seconds: float
    problem: str | None = None


def run_files(paths: Sequence[Path], *, workflows: Path | None = None) -> Generator[ScenarioResult, None, None]:
    """Run every scenario of `files(paths)`, and yield each result as it ends. Files with mistakes come first.

    Nothing is started if no file can be run. Raises InvalidWorkflows, and errors of starting servers and workers.
    """
    names = load_folder(workflows).names
    scenarios: list[Scenario] = []
    for path in files(paths):
        try:
            scenarios.append(read(path, workflows=names))
        except InvalidScenario as error:
            yield ScenarioResult(str(path), path.stem, 0.0, str(error))
    if scenarios:
        with closing(Environment(workflows=workflows)) as environment:
            environment.start()
            for scenario in scenarios:
                environment.clear()
                began = time.monotonic()
                problem = Run(scenario, environment).run()
                yield ScenarioResult(scenario.file, scenario.name, time.monotonic() - began, problem)


class Run:
    """One scenario while it runs."""

    def __init__(self, scenario: Scenario, environment: Environment) -> None:
        self._scenario, self._environment, self._stack = scenario, environment, environment.stack
        self._clock, self._log = ScenarioClock(), ScenarioLog()
        self._actions = Actions(environment, scenario.definition, self._clock, self._log)
        self._observer = Observer(self._stack, self._clock, self._log, after_turn=environment.last_turn)
        self._traveller = TimeTraveller(environment.lives)
        self._first_line = len(self._stack.lines)
        self._place: Place = (0.0, -1.0)  # up to here the log is matched
        self._since = 0.0  # when the step before happened
        self._matched: dict[int, float] = {}
        self._began: float | None = None
        self._quiet_from: float | None = None
        self._settled_from: float | None = None  # None: time has not jumped since the step began

    def run(self) -> str | None:
        """Run it; None if everything happened as expected, else the report."""
        self._actions.prepare()
        for step, passage in zip(self._scenario.definition.steps, self._scenario.steps, strict=True):
            if not isinstance(step, Expectation | Nothing):
                self._act(step)
            elif (failure := self._expect(step, passage)) is not None:
                return failure
        return self._beyond_limits() or self._nobody_killed()

    def _act(self, step: Action) -> None:
        self._observer.look()  # so that earlier entries get their times before the clock jumps
        self._since = self._actions.act(step)
        self._began = self._since if self._began is None else self._began
        self._quiet_from = None
        if isinstance(step, SimulateOauthComplete | PublishEvent | MerchantMessage):
            self._place = (self._since, math.inf)  # its effects come after it

    def _expect(self, step: Expected, passage: Passage) -> str | None:
        until = self._clock.now() + self._patience(step)
        truth = self._truth(step)
        self._settled_from = None
        while True:
            self._let_time_pass(until)
            is_quiet, is_over = self._is_quiet(), self._clock.now() >= until
            self._observer.look()
            self._actions.pending_kill()
            match find(step, self._log.after(self._place), since=self._since, truth=truth):
                case Matched(entry=entry):
                    self._place, self._since = entry.place, entry.at
                    self._matched[entry.number] = entry.at
                    return None
                case Mismatch(why=why, entry=entry):
                    what = "" if isinstance(step, Nothing) else f"{step.expect} "
                    return self._failure(passage, f"{what}{why}", {entry.number: "this one"})
                case Unmatched() if isinstance(step, Nothing):
                    if is_quiet and not is_over:
                        self._skip(until - self._clock.now())
                    elif is_over and self._is_settled():
                        self._since = self._clock.now()
                        return None
                case Unmatched(differs=differs):
                    reason = self._why_never(step, is_quiet=is_quiet, is_over=is_over)
                    if reason is not None:
                        told = {**differs, **self._came_before(step, truth)}
                        return self._failure(passage, f"{step.expect} did not come{reason}", told)
            time.sleep(POLL_SECONDS)

    def _came_before(self, step: Expected, truth: Truth) -> Mapping[int, str]:
        """Notes on entries that would match but came too early, or were matched by an earlier step."""
        any_time: Expected = step.model_copy(update={"min_delay": None, "within": None})
        passed = [entry for entry in self._log if entry.place <= self._place]
        free = [entry for entry in passed if entry.number not in self._matched]
        for entries, why in (
            (free, "this would match, but it came before the entry that the step above matched: expect it earlier"),
            (passed, "this would match, but an earlier step has matched it already"),
        ):
            match find(any_time, entries, since=0.0, truth=truth):
                case Matched(entry=entry):
                    return {entry.number: why}
        return {}

    def _why_never(self, step: Expectation, *, is_quiet: bool, is_over: bool) -> str | None:
        """Why it can no longer come; None if it still may."""
        if self._environment.model.problem is not None:
            return f": {self._environment.model.problem}"
        if is_over:
            return f" within {seconds_text(PATIENCE_SECONDS if step.within is None else step.within)}"
        if is_quiet and not isinstance(step, ShopifyRequest):  # a prefetch is not seen before its end
            return ", and nothing is under way any more"
        return None

    def _patience(self, step: Expected) -> float:
        """Seconds to wait from now, in the scenario's time."""
        if isinstance(step, Nothing):
            return step.seconds
        if step.within is None:
            return PATIENCE_SECONDS
        return max(self._since + step.within - self._clock.now(), 0.0) + SLACK_SECONDS

    def _truth(self, step: Expected) -> Truth:
        if not isinstance(step, CjMessage) or not any("{{" in part for part in (*step.contains, *step.excludes)):
            return {}
        return self._environment.store.truth(self._actions.ids.shop_domain)

    def _is_quiet(self) -> bool:
        """Whether nothing has been in progress for a while."""
        return self._quiet_from is not None and time.monotonic() - self._quiet_from > QUIET_SECONDS

    def _is_settled(self) -> bool:
        """Whether everything caused by the last time jump has been observed."""
        return self._settled_from is None or time.monotonic() - self._settled_from > SETTLING_SECONDS

    def _let_time_pass(self, until: float) -> None:
        """Record whether anything is in progress. If nobody works on it, time may jump, but not beyond `until`."""
        with self._stack.database.transaction() as session:
            pending = Pending.look(session, published=self._actions.published, shown=self._observer.shown)
        is_busy = self._environment.is_busy()
        self._quiet_from = None if is_busy or pending.is_anything else self._quiet_from or time.monotonic()
        # An agent's breaker skips a failing model for a while of real time: that wait is not skipped.
        is_busy = is_busy or self._environment.model.is_failing
        is_working = self._traveller.is_working(pending, is_busy=is_busy)
        self._skip(min(self._traveller.jump(pending, is_working=is_working), until - self._clock.now()))
        if is_working and self._settled_from is not None:
            self._settled_from = time.monotonic()

    def _skip(self, seconds: float) -> None:
        if seconds <= 0:
            return
        self._observer.look()  # so that earlier entries get their times before the jump
        self._actions.skip(seconds)
        self._settled_from, self._quiet_from = time.monotonic(), None

    # --- how it ends ------------------------------------------------------------------------------------------------

    def _beyond_limits(self) -> str | None:
        limits, began = self._scenario.definition.limits, self._began or 0.0
        if limits.first_fetch_seconds is not None:
            asked = next((entry.at for entry in self._log if entry.kind == "shopify_request"), None)
            if asked is None:
                return self._failure(self._scenario.limits, "Shopify was never asked")
            if asked - began > limits.first_fetch_seconds:
                allowed = seconds_text(limits.first_fetch_seconds)
                why = f"Shopify was first asked after {seconds_text(asked - began)}, expected at most {allowed}"
                return self._failure(self._scenario.limits, why)
        took = max(self._matched.values(), default=began) - began
        if limits.total_seconds is not None and took > limits.total_seconds:
            why = f"all of it took {seconds_text(took)}, expected at most {seconds_text(limits.total_seconds)}"
            return self._failure(self._scenario.limits, why)
        return None

    def _nobody_killed(self) -> str | None:
        """A failure if an ordered kill never happened: it tested nothing."""
        kill = self._actions.pending_kill()
        if kill is None:
            return None
        steps = zip(self._scenario.definition.steps, self._scenario.steps, strict=True)
        passage = next(passage for step, passage in steps if step is kill)
        return self._failure(passage, f"no {kill.worker} worker got to {kill.at}: nobody was killed")

    def _failure(self, passage: Passage, why: str, differs: Mapping[int, str] | None = None) -> str:
        return failure_report(
            self._scenario.file,
            passage,
            why,
            self._log,
            matched=self._matched,
            after=self._place,
            differs=differs or {},
            worker_lines=complaints(self._stack.lines[self._first_line :]),
        )
