"""When a scenario's time jumps, how far, and what time it is then."""

import time
from datetime import UTC, datetime

import pytest

from storage.turns import OpenTurn
from workers.scenario import time_travel
from workers.scenario.time_travel import (
    FIRST_STEP,
    LONGEST_STEP,
    MARGIN_SECONDS,
    PATIENCE_SECONDS,
    Pending,
    ScenarioClock,
    TimeTraveller,
)

PAUSED = Pending(0, 0, (OpenTurn(1, 0, None, 7.0),))
LOST = Pending(1, 0, ())
DEAD, ALIVE = OpenTurn(2, 1, "agent@here:1:a", 3.0), OpenTurn(3, 1, "agent@here:2:b", 3.0)


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time_travel, "time", clock)
    return clock


class Case:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.traveller = TimeTraveller(lambda owner: owner == ALIVE.owner)

    def look(self, pending: Pending, *, seconds: float = 0.05, is_busy: bool = False) -> list[float]:
        """Look once, so many seconds after the last look; the jump, rounded, or nothing."""
        self.clock.now += seconds
        is_working = self.traveller.is_working(pending, is_busy=is_busy)
        jump = self.traveller.jump(pending, is_working=is_working)
        return [round(jump - MARGIN_SECONDS, 3)] if jump else []


@pytest.fixture
def case(clock: Clock) -> Case:
    return Case(clock)


def test_a_pause_is_skipped_when_nobody_worked_at_two_looks_in_a_row(case: Case) -> None:
    assert case.look(PAUSED) == []
    assert case.look(PAUSED) == [7.0]
    assert case.look(PAUSED) == []  # anew


def test_the_first_that_is_due_decides(case: Case) -> None:
    both = Pending(0, 0, (*PAUSED.turns, OpenTurn(4, 0, None, 2.5)))
    case.look(both)
    assert case.look(both) == [2.5]


def test_time_does_not_jump_while_somebody_works(case: Case) -> None:
    for _ in range(20):
        assert case.look(PAUSED, is_busy=True) == []
        assert case.look(Pending(0, 0, (*PAUSED.turns, ALIVE))) == []
        assert case.look(PAUSED) == []


def test_the_lease_of_a_dead_worker_is_skipped(case: Case) -> None:
    case.look(Pending(0, 0, (DEAD,)))
    assert case.look(Pending(0, 0, (DEAD,))) == [3.0]


def test_nothing_under_way_is_not_skipped(case: Case) -> None:
    assert [case.look(Pending(0, 0, ()), seconds=1.0) for _ in range(5)] == [[]] * 5


@pytest.mark.parametrize(
    "overdue", [LOST, Pending(0, 1, ()), Pending(0, 0, (OpenTurn(5, 0, None, -0.1),)), Pending(1, 0, PAUSED.turns)]
)
def test_what_is_overdue_is_given_time_first(case: Case, overdue: Pending) -> None:
    assert case.look(overdue) == []
    assert case.look(overdue, seconds=PATIENCE_SECONDS - 0.01) == []
    assert case.look(overdue, seconds=0.02) == [FIRST_STEP]


def test_a_reply_that_was_lost_before_a_pause_is_missed_during_it(case: Case) -> None:
    lost = Pending(0, 1, PAUSED.turns)
    assert [case.look(lost) for _ in range(4)] == [[], [FIRST_STEP], [], [LONGEST_STEP]]
    dead = Pending(0, 1, (OpenTurn(2, 0, DEAD.owner, 0.4),))
    case.look(dead)
    assert case.look(dead) == [0.4]


def test_steps_grow_up_to_a_limit_and_begin_anew_after_work(case: Case) -> None:
    steps = [step for _ in range(80) for step in case.look(LOST)]
    assert steps == [FIRST_STEP, *[LONGEST_STEP] * (len(steps) - 1)]
    assert 8 <= len(steps) <= 80 * 0.05 / PATIENCE_SECONDS
    case.look(LOST, is_busy=True)
    case.look(LOST)
    assert case.look(LOST, seconds=PATIENCE_SECONDS + 0.01) == [FIRST_STEP]


def test_the_scenarios_clock_jumps() -> None:
    clock = ScenarioClock()
    before = time.time()
    clock.jumped(900, at=time.time())
    assert clock.of_real(before) < 1
    assert 900 <= clock.now() < 901
    assert clock.of_workers(None) >= 900


def test_the_workers_clock_has_jumped_already() -> None:
    clock = ScenarioClock()
    clock.jumped(900, at=time.time())
    assert 0 <= clock.of_workers(datetime.now(UTC)) < 1
