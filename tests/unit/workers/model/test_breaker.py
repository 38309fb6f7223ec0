import pytest

from workers.model.breaker import LONGEST, PATIENCE, PAUSE, ModelBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> ModelBreaker:
    return ModelBreaker(clock)


def test_healthy_models_keep_their_order_and_are_named_once(breaker: ModelBreaker) -> None:
    assert breaker.usable(["b", "a", "b"]) == ("b", "a")


def test_a_failed_model_is_passed_over_until_its_pause_ends(breaker: ModelBreaker, clock: Clock) -> None:
    breaker.failed("a")
    assert breaker.usable(["a", "b"]) == ("b",)
    clock.now += PAUSE
    assert breaker.usable(["a", "b"]) == ("a", "b")


def test_with_nobody_else_left_the_longest_paused_is_asked_first(breaker: ModelBreaker, clock: Clock) -> None:
    breaker.failed("b")
    clock.now += 1
    breaker.failed("a")
    assert breaker.usable(["a", "b"]) == ("b", "a")


def test_after_several_failures_in_a_row_even_an_only_model_rests(breaker: ModelBreaker, clock: Clock) -> None:
    for _ in range(PATIENCE - 1):
        breaker.failed("a")
    assert breaker.usable(["a"]) == ("a",)
    breaker.failed("a")
    assert breaker.usable(["a"]) == ()
    clock.now += PAUSE
    assert breaker.usable(["a"]) == ("a",)


def test_a_failure_after_the_rest_means_rest_again(breaker: ModelBreaker, clock: Clock) -> None:
    for _ in range(PATIENCE):
        breaker.failed("a")
    clock.now += PAUSE
    breaker.failed("a")
    assert breaker.usable(["a"]) == ()


def test_an_answer_forgets_the_failures(breaker: ModelBreaker) -> None:
    for _ in range(PATIENCE):
        breaker.failed("a")
    breaker.answered("a")
    breaker.failed("a")
    assert breaker.usable(["a"]) == ("a",)
    assert breaker.usable(["a", "b"]) == ("b",)


def test_a_wait_the_provider_named_is_kept_to_the_second(breaker: ModelBreaker, clock: Clock) -> None:
    breaker.failed("a", retry_after=7.0)
    assert breaker.usable(["a"]) == ()
    clock.now += 6.9
    assert breaker.usable(["a"]) == ()
    clock.now += 0.1
    assert breaker.usable(["a"]) == ("a",)


def test_no_provider_can_silence_itself_for_a_day(breaker: ModelBreaker) -> None:
    breaker.failed("a", retry_after=86_400)
    assert breaker.wait(["a"]) == LONGEST


def test_wait_is_the_time_until_the_first_may_be_asked(breaker: ModelBreaker, clock: Clock) -> None:
    breaker.failed("a", retry_after=50)
    assert breaker.wait(["a", "b"]) is None
    breaker.failed("b")
    clock.now += 10
    assert breaker.wait(["a", "b"]) == PAUSE - 10
    clock.now += 100
    assert breaker.wait(["a", "b"]) is None
