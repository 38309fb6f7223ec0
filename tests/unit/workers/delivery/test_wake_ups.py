"""Wake-ups may be lost, but must not delay anybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from celery import Celery
from kombu import Connection, Queue

from tests.waiting import wait_until
from workers.delivery.wake_ups import WakeUps, broker_breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class BrokenBroker:
    """Stands in for Celery's app; its broker is unavailable while `away` is true."""

    def __init__(self) -> None:
        self.away = True
        self.asked = 0
        self.sent: list[tuple[str, list[Any]]] = []
        self.declared: list[str] = []

    amqp = Celery(set_as_current=False).amqp
    connection = Connection()

    @contextmanager
    def producer_or_acquire(self) -> Iterator["BrokenBroker"]:
        self.asked += 1
        if self.away:
            raise ConnectionRefusedError
        yield self

    def maybe_declare(self, queue: Queue) -> None:
        self.declared.append(queue.name)

    def publish(self, body: tuple[Any, ...], *, routing_key: str, headers: dict[str, Any], **_options: Any) -> None:
        assert routing_key in self.declared
        self.sent.append((headers["task"], list(body[0])))


def test_a_broker_that_is_away_is_left_alone_for_a_while() -> None:
    broker, clock = BrokenBroker(), Clock()
    wake_ups = WakeUps(cast(Celery, broker), broker_breaker(clock=clock))
    assert not wake_ups.run_turn(1)
    assert not wake_ups.run_turn(2)
    assert broker.asked == 1
    clock.now += 5.1
    broker.away = False
    assert wake_ups.run_turn(3)
    assert wake_ups.handle_events([4])
    assert broker.sent == [("cj.run_turn", [3]), ("cj.handle_event", [4])]


def test_a_turn_can_be_asked_for_later_and_the_sooner_comes_first() -> None:
    broker = BrokenBroker()
    broker.away = False
    wake_ups = WakeUps(cast(Celery, broker), broker_breaker())
    wake_ups.run_turn(8, 0.1)
    wake_ups.run_turn(7, 0.02)
    assert broker.sent == []
    wait_until(lambda: len(broker.sent) == 2, limit=5, what="both wake-ups")
    assert broker.sent == [("cj.run_turn", [7]), ("cj.run_turn", [8])]


def test_many_events_are_told_in_few_messages() -> None:
    broker = BrokenBroker()
    broker.away = False
    assert WakeUps(cast(Celery, broker), broker_breaker()).handle_events(range(1, 60))
    assert [len(keys) for _, keys in broker.sent] == [25, 25, 9]
    assert [key for _, keys in broker.sent for key in keys] == list(range(1, 60))
