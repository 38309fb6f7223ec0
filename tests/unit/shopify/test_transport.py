"""What the connections to a shop, or to a model's provider, do about the network."""

from typing import Any

import httpcore
import pytest

from shopify import transport


class Server(httpcore.MockStream):
    """An idle connection, and how often it was asked for."""

    has_hung_up, asked = False, 0

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable":
            return super().get_extra_info(info)
        self.asked += 1
        return self.has_hung_up


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("shopify.transport.time.monotonic", lambda: now[0])
    return now


def connected(server: Server, monkeypatch: pytest.MonkeyPatch) -> httpcore.NetworkStream:
    backend = transport.DeadlineBackend()
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", lambda *_: server)
    return backend.connect_tcp("shop", 443)


def test_an_idle_connection_is_not_checked_twice_for_each_request(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server([])
    stream = connected(server, monkeypatch)
    assert [stream.get_extra_info("is_readable") for _ in range(10)] == [False] * 10
    assert server.asked == 1
    clock[0] += transport.OPEN_SECONDS + 0.01
    stream.get_extra_info("is_readable")
    assert server.asked == 2


def test_a_server_that_has_hung_up_is_noticed(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server([])
    stream = connected(server, monkeypatch)
    assert not stream.get_extra_info("is_readable")
    server.has_hung_up = True
    clock[0] += transport.OPEN_SECONDS + 0.01
    assert [stream.get_extra_info("is_readable") for _ in range(2)] == [True, True]
