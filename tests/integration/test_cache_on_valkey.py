"""The cache on a real Valkey: data, single flight among threads, and Valkey unavailable."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from storage.cache import Answered, Cache, Hit, Joined, Lead
from storage.redis_server import RedisServer
from tests.rows import at_once
from tests.servers import fast_folder, kill, pause, resume
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedValkey

DATA = {"data": {"orders": 7, "shop": "Grüße"}, "as_of": "2026-11-22T10:00:00+00:00"}
ANSWER = {"success": True, "data_type": "counts", **DATA, "cached": False}


@pytest.fixture
def cache(valkey_url: str) -> Iterator[Cache]:
    server = RedisServer(valkey_url)
    yield Cache(server)
    server.close()


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(valkey_url, decode_responses=True)
    yield client
    client.close()


FLIGHT = Cache.flight_key("m1", 1, "counts")


# Data


def test_what_was_put_is_there_until_its_time_is_up(cache: Cache, client: redis.Redis) -> None:
    assert cache.get("m1", 1, "counts") is None
    cache.put("m1", 1, "counts", DATA, 900)
    assert cache.get("m1", 1, "counts") == DATA
    assert 890 < client.ttl("cj:fresh:m1:1:counts") <= 900


def test_data_is_of_one_merchant_one_token_and_one_type(cache: Cache) -> None:
    cache.put("m1", 1, "counts", DATA, 900)
    assert cache.get("m2", 1, "counts") is None
    assert cache.get("m1", 2, "counts") is None
    assert cache.get("m1", 1, "overview") is None


@pytest.mark.parametrize("content", ["", "{", '"text"', "[1]", "\x80", "NaN", "pickle"])
def test_what_cannot_be_read_is_not_there(cache: Cache, client: redis.Redis, content: str) -> None:
    cache.put("m1", 1, "counts", DATA, 900)
    client.set("cj:data:m1:1:counts", content.encode("latin-1"))
    assert cache.get("m1", 1, "counts") is None
    assert isinstance(cache.join(FLIGHT, "r1", lead_ttl_ms=1000), Lead)
    assert isinstance(cache.join(FLIGHT, "r2", lead_ttl_ms=1000), Joined)  # and only one leads


def test_a_merchants_data_is_dropped_and_nobody_elses(cache: Cache, client: redis.Redis) -> None:
    for merchant_id in ("m1", "m1:1", "m", "*"):
        for data_type in ("counts", "overview"):
            cache.put(merchant_id, 1, data_type, DATA, 900)
    cache.drop("m1")
    cache.drop("*")
    found = list(client.scan_iter("cj:data:*"))
    assert sorted(found) == [
        "cj:data:m1%3A1:1:counts",
        "cj:data:m1%3A1:1:overview",
        "cj:data:m:1:counts",
        "cj:data:m:1:overview",
    ]


def test_merchants_whose_ids_look_like_keys_do_not_meet(cache: Cache) -> None:
    cache.put("a:1", 2, "counts", DATA, 900)
    assert cache.get("a", 1, "2:counts") is None


def test_nothing_stays_for_ever(cache: Cache, client: redis.Redis) -> None:
    other = Cache.flight_key("m1", 1, "overview")
    cache.put("m1", 1, "counts", DATA, 900)
    cache.join(other, "r1", lead_ttl_ms=1000)
    cache.join(other, "r2", lead_ttl_ms=1000)
    cache.answer("r3", ANSWER)
    assert lasting(client) == [
        "cj:answer:r3",
        "cj:data:m1:1:counts",
        "cj:done:r3",
        f"cj:flight:{other}",
        "cj:fresh:m1:1:counts",
        "cj:kept:m1",
        f"cj:waiters:{other}",
    ]
    cache.land(other, ANSWER, ttl_s=900)
    answers = ["cj:answer:r2", "cj:answer:r3"]
    kept = [f"cj:{kind}:m1:1:{data_type}" for kind in ("data", "fresh") for data_type in ("counts", "overview")]
    assert lasting(client) == sorted([*answers, "cj:done:r2", "cj:done:r3", *kept, "cj:kept:m1"])


def lasting(client: redis.Redis) -> list[str]:
    """All keys, none of which may last longer than a day."""
    keys = sorted(client.scan_iter("*"))
    assert all(0 < client.ttl(key) <= 86_400 for key in keys)
    return keys


# Single flight


def test_the_first_leads_and_the_others_get_its_answer(cache: Cache) -> None:
    """Eight requests at the same moment: one fetches, the others hold no Shopify thread, all are answered."""
    requests = [f"r{n}" for n in range(8)]
    joined = at_once(lambda request: cache.join(FLIGHT, request, lead_ttl_ms=10_000), requests)
    assert sum(isinstance(part, Lead) for part in joined) == 1
    assert sum(isinstance(part, Joined) for part in joined) == 7
    waiting = [name for name, part in zip(requests, joined, strict=True) if isinstance(part, Joined)]

    landing = threading.Timer(0.1, lambda: cache.land(FLIGHT, ANSWER, ttl_s=900))
    landing.start()
    assert at_once(lambda request: cache.wait_answer(request, 10), waiting) == [ANSWER] * 7
    landing.join()
    assert cache.join(FLIGHT, "r9", lead_ttl_ms=10_000) == Hit(ANSWER)
    assert cache.get("m1", 1, "counts") == ANSWER


def test_an_answer_may_be_there_before_anyone_waits(cache: Cache) -> None:
    assert cache.answer("r1", ANSWER)
    assert cache.wait_answer("r1", 5) == ANSWER


def test_a_failure_is_told_to_all_and_not_kept(cache: Cache) -> None:
    assert isinstance(cache.join(FLIGHT, "r1", lead_ttl_ms=10_000), Lead)
    assert isinstance(cache.join(FLIGHT, "r2", lead_ttl_ms=10_000), Joined)
    cache.land(FLIGHT, {"success": False}, ttl_s=0)
    assert cache.wait_answer("r2", 5) == {"success": False}
    assert isinstance(cache.join(FLIGHT, "r3", lead_ttl_ms=10_000), Lead)


def test_a_prefetch_takes_part_but_waits_for_nothing(cache: Cache, client: redis.Redis) -> None:
    assert isinstance(cache.join(FLIGHT, None, lead_ttl_ms=10_000), Lead)
    assert isinstance(cache.join(FLIGHT, None, lead_ttl_ms=10_000), Joined)
    assert isinstance(cache.join(FLIGHT, "r1", lead_ttl_ms=10_000), Joined)
    cache.land(FLIGHT, ANSWER, ttl_s=900)
    assert cache.wait_answer("r1", 5) == ANSWER
    assert list(client.scan_iter("cj:answer:*")) == []


def test_a_leader_is_told_of_a_failure_of_the_whole_shop_a_moment_ago(cache: Cache, client: redis.Redis) -> None:
    cache.note_failure("m1", 1, {"success": False}, 60.0)
    assert cache.join(FLIGHT, "r1", lead_ttl_ms=10_000) == Lead({"success": False})
    assert cache.join(Cache.flight_key("m1", 2, "counts"), "r2", lead_ttl_ms=10_000) == Lead()
    client.set("cj:failed:m2:1", "foreign")
    assert cache.join(Cache.flight_key("m2", 1, "counts"), "r3", lead_ttl_ms=10_000) == Lead()


def test_each_landing_with_an_accepted_token_counts(cache: Cache, client: redis.Redis) -> None:
    for accepted in (7, 7, None, 8):
        cache.land(FLIGHT, ANSWER, ttl_s=0, accepted=accepted)
    assert (cache.successes("m1", 7), cache.successes("m1", 8), cache.successes("m1", 9)) == (2, 1, 0)
    assert 0 < client.ttl("cj:used:m1:7") <= 60


def test_a_request_that_is_sent_twice_is_answered_once(cache: Cache, client: redis.Redis) -> None:
    cache.join(FLIGHT, "leader", lead_ttl_ms=10_000)
    for _ in range(3):
        cache.join(FLIGHT, "r1", lead_ttl_ms=10_000)
    assert cache.land(FLIGHT, ANSWER, ttl_s=0, request_id="leader")
    assert client.llen("cj:answer:r1") == client.llen("cj:answer:leader") == 1
    for late in ("leader", "r1"):  # resent while the answer was on its way: no reason to ask Shopify again
        assert isinstance(cache.join(FLIGHT, late, lead_ttl_ms=10_000), Answered)
    assert isinstance(cache.join(FLIGHT, "r2", lead_ttl_ms=10_000), Lead)


def test_a_dead_leader_is_replaced_after_its_time_and_nobody_is_forgotten(cache: Cache) -> None:
    assert isinstance(cache.join(FLIGHT, "dead", lead_ttl_ms=200), Lead)
    assert isinstance(cache.join(FLIGHT, "r1", lead_ttl_ms=200), Joined)
    next_one = wait_until(
        lambda: isinstance(cache.join(FLIGHT, "r2", lead_ttl_ms=10_000), Lead), limit=5, what="the lead"
    )
    assert next_one
    cache.land(FLIGHT, ANSWER, ttl_s=900)
    assert cache.wait_answer("r1", 5) == ANSWER


def test_a_leader_that_gives_signs_of_life_keeps_the_lead(cache: Cache) -> None:
    assert isinstance(cache.join(FLIGHT, "leader", lead_ttl_ms=60_000), Lead)
    cache.renew(FLIGHT, lead_ttl_ms=300)  # so short that its expiry would show
    cache.renew(FLIGHT, lead_ttl_ms=60_000)
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 0.5)
    assert isinstance(cache.join(FLIGHT, "r1", lead_ttl_ms=60_000), Joined)


def test_a_dropped_flight_is_not_brought_back_by_its_leader(cache: Cache) -> None:
    assert isinstance(cache.join(FLIGHT, "leader", lead_ttl_ms=60_000), Lead)
    cache.drop("m1")
    cache.renew(FLIGHT, lead_ttl_ms=60_000)
    assert isinstance(cache.join(FLIGHT, "r1", lead_ttl_ms=60_000), Lead)


def test_flights_about_different_things_do_not_meet(cache: Cache) -> None:
    other = Cache.flight_key("m1", 2, "counts")
    assert isinstance(cache.join(FLIGHT, "r1", lead_ttl_ms=10_000), Lead)
    assert isinstance(cache.join(other, "r2", lead_ttl_ms=10_000), Lead)


def test_what_lands_after_the_merchant_was_dropped_is_not_kept(cache: Cache) -> None:
    cache.join(FLIGHT, "r1", lead_ttl_ms=10_000)
    cache.join(FLIGHT, "r2", lead_ttl_ms=10_000)
    cache.drop("m1")
    cache.land(FLIGHT, ANSWER, ttl_s=900)
    assert cache.get("m1", 1, "counts") is None
    assert cache.wait_answer("r2", 5) == ANSWER


def test_words_that_redis_cannot_carry_are_replaced(cache: Cache) -> None:
    cache.put("m1", 1, "counts", {"title": "a\ud800b", "n": float("nan")}, 900)
    assert cache.get("m1", 1, "counts") == {"title": "a\ufffdb", "n": None}


def test_nobody_waits_longer_than_asked(cache: Cache) -> None:
    began = time.monotonic()
    assert cache.wait_answer("never", 1.3) is None
    assert 1.2 < time.monotonic() - began < 3
    assert cache.wait_answer("never", 0) is None


def test_who_waits_asks_a_redis_that_refuses_only_now_and_then(cache: Cache, client: redis.Redis) -> None:
    """Such as one that cannot save: each refusal comes at once."""
    client.set("cj:answer:r1", "no list")
    client.config_resetstat()
    assert cache.wait_answer("r1", 0.5) is None
    assert client.info("commandstats")["cmdstat_blpop"]["calls"] <= 3


def test_a_client_of_the_callers_stays_open(client: redis.Redis) -> None:
    RedisServer(client).close()
    assert client.ping()


# A separate server to break


@pytest.fixture
def fragile() -> Iterator[EmbeddedValkey]:
    with fast_folder() as folder, EmbeddedValkey(Path(folder) / "valkey", aof=False) as server:
        yield server


@pytest.fixture
def shaky(fragile: EmbeddedValkey) -> Iterator[Cache]:
    server = RedisServer(fragile.url)
    yield Cache(server)
    server.close()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "storage.redis_server"]


def test_everything_goes_on_without_redis(
    fragile: EmbeddedValkey, shaky: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "storage.redis_server")
    shaky.put("m1", 1, "counts", DATA, 900)
    kill(fragile)
    for _ in range(3):
        assert shaky.get("m1", 1, "counts") is None
        assert isinstance(shaky.join(FLIGHT, "r1", lead_ttl_ms=1000), Lead)
        assert not shaky.land(FLIGHT, ANSWER, ttl_s=900)
        shaky.put("m1", 1, "counts", DATA, 900)
        shaky.drop("m1")
        assert not shaky.answer("r1", ANSWER)
        assert shaky.wait_answer("r1", 0.1) is None
    assert lines(caplog) == ["Redis is away; going on without cache and shared rate limits (nothing listens there)"]

    fragile.start()
    wait_until(lambda: put_and_get(shaky), what="the cache to be used again")
    assert lines(caplog)[1:] == ["Redis is back"]


def put_and_get(cache: Cache) -> bool:
    cache.put("m1", 1, "counts", DATA, 900)
    return cache.get("m1", 1, "counts") == DATA


def test_a_restart_between_two_calls_is_not_noticed(
    fragile: EmbeddedValkey, shaky: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    shaky.join(FLIGHT, "r1", lead_ttl_ms=1000)  # scripts and a connection that the restart takes away
    fragile.stop()
    fragile.start()
    assert isinstance(shaky.join(FLIGHT, "r1", lead_ttl_ms=1000), Lead)
    assert isinstance(shaky.join(FLIGHT, "r2", lead_ttl_ms=1000), Joined)
    assert lines(caplog) == []


def test_a_waiter_outlasts_a_restart(fragile: EmbeddedValkey, shaky: Cache) -> None:
    def come_back() -> None:
        kill(fragile)
        fragile.start()
        server = RedisServer(fragile.url)
        Cache(server).answer("r1", ANSWER)
        server.close()

    breaking = threading.Timer(0.3, come_back)
    breaking.start()
    assert shaky.wait_answer("r1", 20) == ANSWER
    breaking.join()


def test_a_redis_that_hangs_costs_a_moment_and_then_nothing(fragile: EmbeddedValkey, shaky: Cache) -> None:
    shaky.put("m1", 1, "counts", DATA, 900)
    pause(fragile)
    try:
        began = time.monotonic()
        assert shaky.get("m1", 1, "counts") is None
        assert time.monotonic() - began < 7
        began = time.monotonic()
        for _ in range(50):
            assert shaky.get("m1", 1, "counts") is None
        assert time.monotonic() - began < 0.5
    finally:
        resume(fragile)


def test_a_full_redis_is_a_redis_that_is_away(
    fragile: EmbeddedValkey, shaky: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    admin = redis.Redis.from_url(fragile.url)
    admin.config_set("maxmemory", "1mb")
    admin.config_set("maxmemory-policy", "noeviction")
    admin.close()
    shaky.put("m1", 1, "counts", {"big": "x" * 2_000_000}, 900)
    shaky.put("m1", 1, "counts", {"big": "x" * 2_000_000}, 900)
    assert shaky.get("m1", 1, "counts") is None
    assert len(lines(caplog)) == 1
    assert "xxx" not in caplog.text
