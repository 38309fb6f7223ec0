"""The leaky bucket."""

from concurrent.futures import ThreadPoolExecutor

from shopify.development_store.bucket import Bucket, Level


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_starts_full_and_refuses_what_it_does_not_hold() -> None:
    bucket = Bucket(2_000, 100, clock=Clock())
    assert bucket.take(1_500)
    assert not bucket.take(501)
    assert bucket.level() == Level(2_000, 500, 100)


def test_points_come_back_with_time_and_never_beyond_the_brim() -> None:
    clock = Clock()
    bucket = Bucket(2_000, 100, clock=clock)
    bucket.take(1_000)
    clock.now += 2.5
    assert bucket.level().available == 1_250
    clock.now += 3_600
    assert bucket.level().available == 2_000


def test_what_was_not_used_is_given_back() -> None:
    bucket = Bucket(2_000, 100, clock=Clock())
    bucket.take(110)
    bucket.give_back(95)
    assert bucket.level().available == 1_985


def test_it_becomes_affordable_exactly_when_the_reading_says() -> None:
    clock = Clock()
    bucket = Bucket(1_000, 50, clock=clock)
    bucket.set(666)
    wait = (752 - bucket.level().available) / 50
    clock.now += wait - 0.01
    assert not bucket.take(752)
    clock.now += 0.011
    assert bucket.take(752)


def test_many_threads_never_overdraw_it() -> None:
    bucket = Bucket(1_000, 100, clock=Clock())
    with ThreadPoolExecutor(8) as threads:
        taken = sum(threads.map(lambda _: bucket.take(7), range(500)))
    assert taken == 1_000 // 7
