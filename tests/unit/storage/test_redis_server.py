"""What a Redis says about itself, and what it refuses."""

import logging
from typing import Any

import pytest
import redis

from storage.redis_server import RedisServer, unfit

FINE = {"role": "master", "maxmemory": 100, "maxmemory_policy": "noeviction", "used_memory": 50}


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"cluster_enabled": 1}, "is a cluster"),
        ({"role": "slave"}, "is a replica, which takes no writes: name the primary"),
        ({"maxmemory_policy": "allkeys-lru"}, "(maxmemory-policy allkeys-lru): set noeviction"),
        ({"used_memory": 95}, "has used 95% of its maxmemory"),
    ],
)
def test_a_server_of_the_wrong_kind_is_named(info: dict[str, Any], said: str) -> None:
    [sentence] = unfit(FINE | info, keeps_queues=True)
    assert said in sentence


def test_a_good_server_and_a_cache_that_evicts_are_fine() -> None:
    assert list(unfit(FINE, keeps_queues=True)) == []
    assert list(unfit({}, keeps_queues=True)) == []
    assert list(unfit(FINE | {"maxmemory_policy": "allkeys-lru"}, keeps_queues=False)) == []


class Refusing:
    """A client whose server answers, and refuses."""

    def __init__(self) -> None:
        self.connection_pool = self
        self.disconnected = 0

    def register_script(self, _script: str) -> None:
        raise NotImplementedError

    def disconnect(self) -> None:
        self.disconnected += 1


def refusing(error: Exception) -> Any:
    def work() -> None:
        raise error

    return work


def test_a_full_server_says_so_once_a_minute_and_its_reads_go_on(caplog: pytest.LogCaptureFixture) -> None:
    """240 warnings in 16 s: away with each write, back with each read."""
    now = [0.0]
    server = RedisServer(Refusing(), clock=lambda: now[0])  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO):
        for second in range(120):
            now[0] = float(second)
            assert server.do(refusing(redis.OutOfMemoryError("OOM command not allowed")), "without") == "without"
            assert server.do(lambda: "read", None) == "read"
    said = [record.getMessage() for record in caplog.records]
    assert said == ["Redis refused a command (OOM); it is full: raise its maxmemory"] * 2


def test_a_server_that_became_a_replica_is_left() -> None:
    client = Refusing()
    server = RedisServer(client)  # type: ignore[arg-type]
    server.do(refusing(redis.ReadOnlyError("READONLY You can't write against a read only replica.")), None)
    assert (client.disconnected, server.is_away) == (1, True)
