"""The leaky bucket."""

from concurrent.futures import ThreadPoolExecutor

from shopify.development_store.cost import Bucket, Level


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def spend(bucket: Bucket, points: int) -> bool:
    taken = bucket.reserve(points)
    if taken:
        bucket.charge(points, points)
    return taken


def test_it_starts_full_and_refuses_what_it_does_not_hold() -> None:
    bucket = Bucket(2_000, 100, clock=Clock())
    assert spend(bucket, 1_500)
    assert not bucket.reserve(501)
    assert bucket.level() == Level(2_000, 500, 100)


def test_points_come_back_with_time_and_never_beyond_the_brim() -> None:
    clock = Clock()
    bucket = Bucket(2_000, 100, clock=clock)
    spend(bucket, 1_000)
    clock.now += 2.5
    assert bucket.level().available == 1_250
    clock.now += 3_600
    assert bucket.level().available == 2_000


def test_only_what_was_used_is_charged() -> None:
    clock = Clock()
    bucket = Bucket(2_000, 100, clock=clock)
    assert bucket.reserve(110)
    assert bucket.level().available == 1_890
    clock.now += 0.08
    bucket.charge(110, 15)
    assert bucket.level().available == 1_985, "as recorded: the maximum less the actual cost"


def test_a_reserved_point_is_not_given_twice() -> None:
    clock = Clock()
    bucket = Bucket(100, 10, clock=clock)
    assert bucket.reserve(60)
    assert not bucket.reserve(60)
    clock.now += 3_600
    assert not bucket.reserve(60)
    bucket.charge(60, 60)
    assert bucket.level().available == 40


def test_it_becomes_affordable_exactly_when_the_reading_says() -> None:
    clock = Clock()
    bucket = Bucket(1_000, 50, clock=clock)
    bucket.set(666)
    wait = (752 - bucket.level().available) / 50
    clock.now += wait - 0.01
    assert not bucket.reserve(752)
    clock.now += 0.011
    assert bucket.reserve(752)


def test_many_threads_never_overdraw_it() -> None:
    bucket = Bucket(1_000, 100, clock=Clock())
    with ThreadPoolExecutor(8) as threads:
        taken = sum(threads.map(lambda _: spend(bucket, 7), range(500)))
    assert taken == 1_000 // 7
