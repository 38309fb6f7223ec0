"""Stale data, and keys with unexpected contents, on a real Valkey."""

from collections.abc import Iterator

import pytest
import redis

from storage.cache import Cache, Hit, Joined, Lead
from storage.redis_server import RedisServer

DATA = {"data": {"orders": 7}, "as_of": "2026-11-22T10:00:00+00:00"}
NEWER = {"data": {"orders": 8}, "as_of": "2026-11-22T11:00:00+00:00"}
FLIGHT = Cache.flight_key("m1", 1, "counts")
KINDS = ("data", "fresh", "flight", "waiters")


@pytest.fixture
def server(valkey_url: str) -> Iterator[RedisServer]:
    server = RedisServer(valkey_url)
    yield server
    server.close()


@pytest.fixture
def cache(server: RedisServer) -> Cache:
    return Cache(server)


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(valkey_url, decode_responses=True)
    yield client
    client.close()


def grow_old(client: redis.Redis) -> None:
    """Expire the cached data."""
    assert client.delete(f"cj:fresh:{FLIGHT}") == 1


def test_old_data_is_asked_for_anew_but_still_there(cache: Cache, client: redis.Redis) -> None:
    cache.put("m1", 1, "counts", DATA, 900)
    assert cache.stale("m1", 1, "counts") == DATA
    grow_old(client)
    assert cache.get("m1", 1, "counts") is None
    assert isinstance(cache.join(FLIGHT, "r1", lead_ttl_ms=10_000), Lead)
    assert cache.stale("m1", 1, "counts") == DATA
    assert 86_000 < int(str(client.ttl(f"cj:data:{FLIGHT}"))) <= 86_400


def test_a_failed_fetch_leaves_the_old_data_and_a_good_one_replaces_it(cache: Cache, client: redis.Redis) -> None:
    cache.put("m1", 1, "counts", DATA, 900)
    grow_old(client)
    cache.join(FLIGHT, "r1", lead_ttl_ms=10_000)
    cache.land(FLIGHT, {"success": False}, ttl_s=0)
    assert cache.stale("m1", 1, "counts") == DATA
    assert cache.get("m1", 1, "counts") is None
    cache.join(FLIGHT, "r2", lead_ttl_ms=10_000)
    cache.land(FLIGHT, NEWER, ttl_s=900)
    assert cache.stale("m1", 1, "counts") == cache.get("m1", 1, "counts") == NEWER


def test_what_is_dropped_is_not_stale_either(cache: Cache, client: redis.Redis) -> None:
    cache.put("m1", 1, "counts", DATA, 900)
    grow_old(client)
    cache.drop("m1")
    assert cache.stale("m1", 1, "counts") is None
    assert client.keys("*") == []


def test_nothing_is_stale_of_another_token(cache: Cache) -> None:
    cache.put("m1", 1, "counts", DATA, 900)
    assert cache.stale("m1", 2, "counts") is None
    assert cache.stale("m2", 1, "counts") is None


@pytest.mark.parametrize("content", ["", "{", '"text"', "[1]", "NaN"])
def test_what_cannot_be_read_is_not_stale_either(cache: Cache, client: redis.Redis, content: str) -> None:
    client.set(f"cj:data:{FLIGHT}", content)
    assert cache.stale("m1", 1, "counts") is None


@pytest.mark.parametrize("kind", [*KINDS, "kept"])
@pytest.mark.parametrize("foreign", ["list", "hash", "text"])
def test_foreign_keys_are_a_miss_and_are_overcome(
    cache: Cache, server: RedisServer, client: redis.Redis, kind: str, foreign: str
) -> None:
    """Foreign data under our keys: data is fetched, and the next request is answered."""
    cache.put("m1", 1, "counts", DATA, 900)
    key = "cj:kept:m1" if kind == "kept" else f"cj:{kind}:{FLIGHT}"
    client.delete(key)
    if foreign == "list":
        client.rpush(key, "x")
    elif foreign == "hash":
        client.hset(key, "x", "y")
    else:
        client.set(key, "x")
    cache.get("m1", 1, "counts")
    cache.stale("m1", 1, "counts")
    client.delete(f"cj:fresh:{FLIGHT}")
    first = cache.join(FLIGHT, "r1", lead_ttl_ms=10_000)
    assert isinstance(first, Lead)
    cache.land(FLIGHT, NEWER, ttl_s=900)
    assert cache.join(FLIGHT, "r2", lead_ttl_ms=10_000) == Hit(NEWER)
    cache.drop("m1")
    assert not server.is_away


def test_a_flight_without_an_end_is_not_ours(cache: Cache, client: redis.Redis) -> None:
    client.set(f"cj:flight:{FLIGHT}", "1")
    assert isinstance(cache.join(FLIGHT, "r1", lead_ttl_ms=10_000), Lead)
    assert isinstance(cache.join(FLIGHT, "r2", lead_ttl_ms=10_000), Joined)
