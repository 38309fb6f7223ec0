import pytest

from events.circuit_breaker import CircuitBreaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_open_after_a_failure_and_worth_a_try_when_the_time_is_over(clock: Clock) -> None:
    breaker = CircuitBreaker(5.0, clock=clock)
    assert not breaker.is_open
    breaker.failed("refused")
    assert breaker.is_open
    assert breaker.seconds_left == 5.0
    clock.now += 5.0
    assert not breaker.is_open
    assert breaker.failures == 1
    breaker.failed("refused")
    assert breaker.is_open
    assert breaker.failures == 2


def test_closed_as_soon_as_a_call_works(clock: Clock) -> None:
    breaker = CircuitBreaker(5.0, clock=clock)
    breaker.failed("refused")
    breaker.worked()
    assert not breaker.is_open
    assert breaker.seconds_left == 0.0
    assert breaker.failures == 0


def test_the_service_may_name_the_wait(clock: Clock) -> None:
    breaker = CircuitBreaker(5.0, clock=clock)
    breaker.failed("busy", retry_after=30.0)
    clock.now += 29.0
    assert breaker.is_open
    assert breaker.seconds_left == 1.0


def test_only_changes_are_told(clock: Clock) -> None:
    told: list[str | None] = []
    breaker = CircuitBreaker(5.0, clock=clock, on_change=told.append)
    breaker.worked()
    breaker.failed("refused")
    clock.now += 6.0
    breaker.failed("timeout")
    breaker.worked()
    breaker.worked()
    breaker.failed("refused")
    assert told == ["refused", None, "refused"]


def test_what_is_back_soon_is_noticed_soon_and_what_is_away_for_long_is_left_alone_for_long(clock: Clock) -> None:
    breaker = CircuitBreaker(5.0, first_seconds=0.5, clock=clock)
    pauses = []
    for _ in range(6):
        breaker.failed("refused")
        breaker.failed("a call that had begun before")
        pauses.append(breaker.seconds_left)
        clock.now += breaker.seconds_left
    assert pauses == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    breaker.worked()
    breaker.failed("refused")
    assert breaker.seconds_left == 0.5
