"""What a Redis says about itself, and what it refuses."""

import logging
from typing import Any
from unittest.mock import MagicMock

import pytest
import redis

from storage import redis_server
from storage.redis_server import RedisServer, UnfitServer, shortcomings

FINE = {"role": "master", "maxmemory": 100, "maxmemory_policy": "noeviction", "used_memory": 50}


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"role": "slave"}, "is a replica, which takes no writes: name the primary"),
        ({"maxmemory_policy": "allkeys-lru"}, "(maxmemory-policy allkeys-lru): set noeviction"),
        ({"used_memory": 95}, "has used 95% of its maxmemory"),
        ({"rdb_last_bgsave_status": "err"}, "cannot write to its disk"),
    ],
)
def test_a_server_of_the_wrong_kind_is_named(info: dict[str, Any], said: str) -> None:
    [sentence] = shortcomings(FINE | info, keeps_queues=True)
    assert said in sentence


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"cluster_enabled": 1}, "is a cluster"),
        ({"redis_version": "6.0.9"}, "is Redis 6.0.9, and CJ needs 6.2 or later"),
    ],
)
def test_a_server_that_can_never_do_is_refused(info: dict[str, Any], said: str) -> None:
    with pytest.raises(UnfitServer, match=said):
        list(shortcomings(FINE | info, keeps_queues=False))


def asked(refused: dict[str, str]) -> MagicMock:
    """A client whose server refuses some commands."""
    client = MagicMock()
    client.info.return_value = FINE
    client.get_connection_kwargs.return_value = {}
    for command, why in refused.items():
        getattr(client, command).side_effect = redis.ResponseError(why)
    return client


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ({"ping": "DB index is out of range"}, "refuses the database of its URL"),
        ({"ping": "SELECT is not allowed in cluster mode"}, "name database 0"),
        ({"eval": "unknown command 'EVAL', with args beginning with: "}, "runs no scripts"),
    ],
)
def test_what_the_server_refuses_is_told_by_asking(
    refused: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "connect", lambda *_, **__: asked(refused))
    with pytest.raises(UnfitServer, match=said):
        redis_server.problems("redis://a", seconds=1, keeps_queues=True)


@pytest.mark.parametrize(
    "refused",
    [
        {"info": "unknown command 'INFO', with args beginning with: "},
        {"ping": "MISCONF Redis is configured to save RDB snapshots", "eval": "MISCONF Redis is configured to"},
    ],
)
def test_what_passes_or_is_no_trouble_is_no_reason_to_refuse(
    refused: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "connect", lambda *_, **__: asked(refused))
    assert redis_server.problems("redis://a", seconds=1, keeps_queues=True) == []


def test_a_good_server_and_a_cache_that_evicts_are_fine() -> None:
    assert list(shortcomings(FINE, keeps_queues=True)) == []
    assert list(shortcomings({}, keeps_queues=True)) == []
    assert list(shortcomings(FINE | {"maxmemory_policy": "allkeys-lru"}, keeps_queues=False)) == []


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
