"""The shared cost bucket on a real Valkey: exact waits in turn, corrections, and Valkey unavailable."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from storage.cost_bucket import HELD_SECONDS, CostBucket
from storage.redis_server import RedisServer
from tests.rows import at_once
from tests.servers import fast_folder, kill
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedValkey

SHOP = "test.myshopify.com"
LEVEL, HELD = f"cj:budget:{SHOP}", f"cj:budget:{SHOP}:held"
PLENTY = 100.0
#: Points restored while a test runs its few commands: two seconds' worth, for a busy machine.
BREATH = 200


@dataclass(frozen=True)
class Reading:
    available: float
    maximum: float = 2000
    restore_rate: float = 100


@pytest.fixture
def server(valkey_url: str) -> Iterator[RedisServer]:
    server = RedisServer(valkey_url)
    yield server
    server.close()


@pytest.fixture
def bucket(server: RedisServer) -> CostBucket:
    return CostBucket(server)


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(valkey_url, decode_responses=True)
    yield client
    client.close()


def reserve(bucket: CostBucket, name: str, points: float, longest_wait: float = PLENTY, shop: str = SHOP) -> float:
    return bucket.reserve(shop, name, points, longest_wait=longest_wait)


def free(bucket: CostBucket, shop: str = SHOP) -> float:
    """Points available now, derived from the wait for a far too large request, which reserves nothing."""
    wait = bucket.reserve(shop, "probe", 2000, longest_wait=0.0)
    if wait == 0.0:
        bucket.settle(shop, "probe", 2000, 0.0, None)
    return 2000 - 100 * wait


def test_a_shop_not_seen_before_has_a_standard_plans_bucket(bucket: CostBucket) -> None:
    assert [reserve(bucket, f"r{n}", 500) for n in range(4)] == [0.0] * 4
    assert 4.0 < reserve(bucket, "r4", 500) <= 5.0


def test_those_who_wait_go_in_turn(bucket: CostBucket) -> None:
    assert reserve(bucket, "r0", 2000) == 0.0
    waits = [reserve(bucket, f"w{n}", 100) for n in range(5)]
    assert waits == sorted(waits)
    steps = [later - earlier for earlier, later in pairwise(waits)]
    assert all(0.5 < step <= 1.0 for step in steps), steps  # a second for 100 points, less the time the calls took


def test_many_at_once_get_no_more_than_there_is(bucket: CostBucket) -> None:
    started = time.monotonic()
    waits = at_once(lambda n: reserve(bucket, f"r{n}", 250), range(16))
    took = time.monotonic() - started
    assert sum(wait == 0.0 for wait in waits) == 8 + int(took * 100 / 250)
    assert max(waits) <= 20.0
    assert max(waits) > 20.0 - took - 0.1


def test_what_does_not_fit_is_not_set_aside(bucket: CostBucket, client: redis.Redis) -> None:
    assert reserve(bucket, "r0", 2000) == 0.0
    assert reserve(bucket, "r1", 300, longest_wait=1.0) > 2.0
    assert client.zcard(HELD) == 1
    assert reserve(bucket, "r2", 100, longest_wait=1.1) <= 1.0


def test_what_was_not_used_comes_back(bucket: CostBucket, client: redis.Redis) -> None:
    for name in ("a", "b"):
        assert reserve(bucket, name, 900) == 0.0
    bucket.settle(SHOP, "a", 900, 100, None)
    assert 1000 <= free(bucket) <= 1000 + BREATH
    bucket.settle(SHOP, "b", 900, None, None)
    assert 1000 <= free(bucket) <= 1000 + BREATH
    assert client.zcard(HELD) == 0


def test_a_reservation_is_settled_once(bucket: CostBucket) -> None:
    reserve(bucket, "a", 500)
    for _ in range(3):
        bucket.settle(SHOP, "a", 500, 500, None)
    assert 1500 <= free(bucket) <= 1500 + BREATH


def test_somebody_else_spends_from_the_same_bucket(bucket: CostBucket) -> None:
    reserve(bucket, "a", 40)
    bucket.settle(SHOP, "a", 40, 40, Reading(300))
    assert 300 <= free(bucket) <= 300 + BREATH


def test_a_higher_reading_gives_nothing(bucket: CostBucket) -> None:
    """It was read before others spent their points."""
    for name in ("a", "b"):
        reserve(bucket, name, 500)
    bucket.settle(SHOP, "a", 500, 500, Reading(1500))
    assert 1000 <= free(bucket) <= 1000 + BREATH


def test_what_others_were_sent_may_be_in_the_reading_already(bucket: CostBucket) -> None:
    for name in ("a", "b"):
        reserve(bucket, name, 500)
    bucket.settle(SHOP, "a", 500, 500, Reading(600))  # b's 500 are either in it or not: at most 600 are free after b
    assert 600 <= free(bucket) <= 600 + BREATH


def test_who_still_waits_is_not_in_any_reading(bucket: CostBucket) -> None:
    reserve(bucket, "a", 500)
    assert reserve(bucket, "b", 1800) > 1.0
    bucket.settle(SHOP, "a", 500, 500, Reading(200))
    assert 15.0 < reserve(bucket, "c", 100) <= 17.0


def test_limits_are_read_and_not_configured(bucket: CostBucket, client: redis.Redis) -> None:
    reserve(bucket, "a", 50)
    bucket.settle(SHOP, "a", 50, 50, Reading(19_950, 20_000, 1_000))
    assert reserve(bucket, "b", 19_000) == 0.0
    assert 0.0 < reserve(bucket, "c", 3_000) <= 2.1
    assert client.hmget(LEVEL, "maximum", "rate") == ["20000", "1000"]


def test_lowered_limits_count_at_once(bucket: CostBucket) -> None:
    reserve(bucket, "a", 50)
    bucket.settle(SHOP, "a", 50, 50, Reading(900, 1000, 50))
    assert reserve(bucket, "b", 900) == 0.0
    assert 15.0 < reserve(bucket, "c", 850) <= 17.0


def test_a_query_dearer_than_the_whole_bucket_is_left_to_shopify_to_refuse(bucket: CostBucket) -> None:
    assert reserve(bucket, "a", 5000) == 0.0


def test_a_dead_workers_points_are_charged_after_a_while(bucket: CostBucket, client: redis.Redis) -> None:
    reserve(bucket, "dead", 500)
    held: Any = client.zrange(HELD, 0, -1, withscores=True)
    [(member, at)] = held
    client.zadd(HELD, {member: at - HELD_SECONDS - 1})
    assert 1500 <= free(bucket) <= 1500 + BREATH
    assert client.zcard(HELD) == 0
    bucket.settle(SHOP, "dead", 500, 500, None)  # the holder is alive after all
    assert 1500 <= free(bucket) <= 1500 + BREATH


def test_points_come_back_with_redis_clock_and_not_above_the_maximum(bucket: CostBucket, client: redis.Redis) -> None:
    reserve(bucket, "a", 1500)
    bucket.settle(SHOP, "a", 1500, 1500, None)
    at = float(str(client.hget(LEVEL, "at")))
    client.hset(LEVEL, "at", f"{at - 5:.6f}")
    assert 1000 <= free(bucket) <= 1000 + BREATH
    client.hset(LEVEL, "at", f"{at - 5000:.6f}")
    assert reserve(bucket, "b", 2000) == 0.0
    client.hset(LEVEL, "at", f"{at + 5000:.6f}")  # the clock was set back
    assert 19.0 < reserve(bucket, "c", 2000) <= 20.0


def test_shops_do_not_meet(bucket: CostBucket) -> None:
    assert reserve(bucket, "a", 2000) == 0.0
    assert reserve(bucket, "a", 2000, shop="other.myshopify.com") == 0.0


def test_nothing_stays_for_ever(bucket: CostBucket, client: redis.Redis) -> None:
    reserve(bucket, "a", 40)
    assert all(0 < int(str(client.ttl(key))) <= 86_400 for key in (LEVEL, HELD))


def test_a_flushed_redis_begins_again_and_learns(bucket: CostBucket, client: redis.Redis) -> None:
    reserve(bucket, "a", 2000)
    client.flushall()
    assert reserve(bucket, "b", 40) == 0.0
    bucket.settle(SHOP, "a", 2000, 2000, Reading(0))
    assert reserve(bucket, "c", 40) > 0.1


@pytest.mark.parametrize("content", ["", "many", "-5", "0", "nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("name", ["points", "at", "maximum", "rate"])
def test_foreign_figures_never_hold_anybody_up(
    bucket: CostBucket, client: redis.Redis, name: str, content: str
) -> None:
    client.hset(LEVEL, name, content)
    client.zadd(HELD, {"foreign": time.time(), "": time.time() + 1})
    assert reserve(bucket, "a", 40) <= 1.0
    bucket.settle(SHOP, "a", 40, 40, Reading(1900))
    assert reserve(bucket, "b", 40) <= 1.0


@pytest.mark.parametrize("key", [LEVEL, HELD])
def test_foreign_keys_do_not_stop_anything(
    bucket: CostBucket, server: RedisServer, client: redis.Redis, key: str
) -> None:
    client.set(key, "not ours")
    assert reserve(bucket, "a", 40) == 0.0
    bucket.settle(SHOP, "a", 40, 40, Reading(1900))
    assert not server.is_away


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1.0])
def test_odd_readings_are_not_believed(bucket: CostBucket, odd: float) -> None:
    reserve(bucket, "a", 40)
    bucket.settle(SHOP, "a", 40, odd, Reading(1960, 2000, odd))
    assert reserve(bucket, "b", 40) == 0.0


def test_without_redis_nobody_is_held_up() -> None:
    with fast_folder() as folder, EmbeddedValkey(Path(folder) / "valkey", aof=False) as valkey:
        server = RedisServer(valkey.url)
        bucket = CostBucket(server)
        reserve(bucket, "a", 2000)
        kill(valkey)
        started = time.monotonic()
        for n in range(100):
            assert reserve(bucket, f"r{n}", 2000) == 0.0
            bucket.settle(SHOP, f"r{n}", 2000, 2000, Reading(0))
        assert time.monotonic() - started < 5.0
        valkey.start()
        wait_until(lambda: reserve(bucket, "b", 2000) > 0.0, what="the bucket to count again")
        server.close()
