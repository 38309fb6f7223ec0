"""A queue on Redis: nothing is lost between two steps, one call returns many messages, strange items block nothing."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from kombu import Connection, Producer
from kombu.message import Message

from events import queues
from events.broker.consumer import Delivery, PlainConsumer
from events.broker.redis_queue import TakenMessage
from tests.waiting import wait_until
from workers import kombu_patches
from workers.kombu_patches import UNREADABLE

QUEUE = "events"


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(valkey_url)
    yield client
    client.close()


@pytest.fixture
def consumer(valkey_url: str) -> Iterator[PlainConsumer]:
    consumer = PlainConsumer(valkey_url, QUEUE)
    yield consumer
    consumer.close()


def put(valkey_url: str, *bodies: bytes) -> None:
    with Connection(valkey_url) as connection:
        producer = connection.Producer()
        for body in bodies:
            queues.put(producer, QUEUE, body)


def numbers(first: int, last: int) -> list[bytes]:
    return [f'{{"n": {number}}}'.encode() for number in range(first, last + 1)]


def take_all(consumer: PlainConsumer, count: int) -> list[Delivery]:
    """Take the first by itself, the others together."""
    first = wait_until(lambda: consumer.receive(0.2))
    return [first, *consumer.receive_more(count - 1)]


def test_what_is_put_looks_as_kombus_producer_writes_it(valkey_url: str, client: redis.Redis) -> None:
    with queues.connection(valkey_url) as broker:
        producer = Producer(queues.open_channel(broker), auto_declare=False)
        queues.put(producer, QUEUE, "Grüße".encode(), b"{}")
        for body in ("Grüße".encode(), b"{}"):
            producer.publish(
                body,
                exchange="",
                routing_key=QUEUE,
                content_type=queues.CONTENT_TYPE,
                content_encoding="utf-8",
                delivery_mode=2,
            )
    items = [json.loads(item) for item in reversed(client.lrange(QUEUE, 0, -1))]
    tags = [item["properties"].pop("delivery_tag") for item in items]
    assert len(set(tags)) == 4
    assert items[:2] == items[2:]


def test_what_waits_comes_together_and_in_order(valkey_url: str, consumer: PlainConsumer, client: redis.Redis) -> None:
    put(valkey_url, *numbers(1, 250))
    taken = take_all(consumer, 100)
    assert [delivery.body for delivery in taken] == numbers(1, 100)
    assert {type(delivery.message) for delivery in taken} == {TakenMessage}
    assert (client.llen(QUEUE), client.hlen("plain.unacked"), client.zcard("plain.unacked_index")) == (150, 100, 100)
    assert consumer.ack(*taken)
    assert (client.llen(QUEUE), client.hlen("plain.unacked"), client.zcard("plain.unacked_index")) == (150, 0, 0)
    taken = take_all(consumer, 1000)
    assert [delivery.body for delivery in taken] == numbers(101, 200), "no more than its prefetch"
    assert consumer.receive_more(10) == []
    assert consumer.receive(0.01) is None
    assert consumer.ack(*taken)
    assert [delivery.body for delivery in take_all(consumer, 1000)] == numbers(201, 250)


def test_waiting_takes_nothing(valkey_url: str, consumer: PlainConsumer, client: redis.Redis) -> None:
    assert consumer.receive(0.05) is None
    put(valkey_url, *numbers(1, 3))
    assert client.llen(QUEUE) == 3
    assert [delivery.body for delivery in take_all(consumer, 3)] == numbers(1, 3)


def test_a_message_that_comes_while_it_is_waited_for_is_there_at_once(valkey_url: str, consumer: PlainConsumer) -> None:
    assert consumer.receive(0.01) is None
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(consumer.receive, 20.0)
        put(valkey_url, *numbers(1, 1))
        delivery = waiting.result(10)
    assert delivery is not None
    assert delivery.body == numbers(1, 1)[0]


def test_who_has_taken_all_waits_without_asking_again(
    valkey_url: str, consumer: PlainConsumer, client: redis.Redis
) -> None:
    put(valkey_url, *numbers(1, 2))
    assert consumer.receive(0.2)
    before = asked(client)
    assert consumer.receive(0.2)  # another one waited
    assert asked(client) == [before[0] + 1, before[1]]
    assert consumer.receive(0.01) is None  # none does
    assert asked(client) == [before[0] + 2, before[1] + 1]


def asked(client: redis.Redis) -> list[int]:
    """How often messages were to be taken, and were waited for."""
    counted = client.info("commandstats")
    return [counted.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "blmove")]


def test_what_is_not_acked_goes_back_in_order(valkey_url: str, client: redis.Redis) -> None:
    put(valkey_url, *numbers(1, 20))
    first = PlainConsumer(valkey_url, QUEUE)
    taken = take_all(first, 10)
    first.ack(*taken[:4])
    first.close()
    assert (client.hlen("plain.unacked"), client.zcard("plain.unacked_index")) == (0, 0)
    second = PlainConsumer(valkey_url, QUEUE)
    assert [delivery.body for delivery in take_all(second, 100)] == numbers(5, 20)
    second.close()


def test_what_a_killed_consumer_had_taken_comes_to_another(
    valkey_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "VISIBILITY_TIMEOUT", 1)
    killed = PlainConsumer(valkey_url, QUEUE)
    put(valkey_url, *numbers(1, 12))
    assert len(take_all(killed, 12)) == 12
    other = PlainConsumer(valkey_url, QUEUE)
    found: list[object] = []

    def received_all() -> bool:
        delivery = other.receive(0.2)
        more = [] if delivery is None else [delivery, *other.receive_more(100)]
        found.extend(one.body for one in more)
        return (other.ack(*more) or not more) and len(found) >= 12

    wait_until(received_all, limit=20)
    assert sorted(found, key=str) == sorted(numbers(1, 12), key=str)
    killed.close()  # returns nothing that belongs to another by now
    assert (client.llen(QUEUE), client.hlen("plain.unacked")) == (0, 0)
    other.close()


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
@pytest.mark.parametrize("reader", ["script", "kombu"])
def test_a_clock_that_is_wrong_delays_nothing_of_a_killed_consumer(
    valkey_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, ahead: float, reader: str
) -> None:
    """Whoever took it, the killed or the next one, may be on a machine whose clock is an hour off."""
    monkeypatch.setattr(queues, "VISIBILITY_TIMEOUT", 1)
    right = time.time
    other, killed = PlainConsumer(valkey_url, QUEUE), PlainConsumer(valkey_url, QUEUE)
    with monkeypatch.context() as clock:
        for name in ("time.time", "kombu.transport.redis.time"):
            clock.setattr(name, lambda: right() + ahead)
        if reader == "kombu":
            client.acl_setuser("plain", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-eval"])
            killed = PlainConsumer(valkey_url.replace("redis://", "redis://plain:x@"), QUEUE)
        put(valkey_url, *numbers(1, 1))
        assert wait_until(lambda: killed.receive(0.2))
    with monkeypatch.context() as clock:
        for name in ("time.time", "kombu.transport.redis.time"):
            clock.setattr(name, lambda: right() - ahead)
        found = wait_until(lambda: other.receive(0.2))
        assert found.body == numbers(1, 1)[0]
        assert other.ack(found)
    killed.close()
    other.close()
    client.acl_deluser("plain")
    assert (client.llen(QUEUE), client.hlen("plain.unacked"), client.zcard("plain.unacked_index")) == (0, 0, 0)


STRANGE = [
    b"hello",
    b"[]",
    b'{"body": 5, "properties": {}}',
    b"\xff\xfe",
    json.dumps({"body": "###", "headers": {}, "content-type": "a", "content-encoding": "utf-8",
                "properties": {"delivery_tag": "t", "delivery_info": {}, "body_encoding": "base64"}}).encode(),
    b"[" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("item", STRANGE, ids=range(len(STRANGE)))
def test_a_strange_item_is_left_to_kombu_and_stops_nothing(
    valkey_url: str, consumer: PlainConsumer, client: redis.Redis, item: bytes
) -> None:
    kombu_patches.install()
    try:
        put(valkey_url, *numbers(1, 3))
        client.lpush(QUEUE, item)
        put(valkey_url, *numbers(4, 6))
        before = take_all(consumer, 100)
        assert [delivery.body for delivery in before] == numbers(1, 3)
        assert consumer.ack(*before)
        strange, *others = take_all(consumer, 100)
        assert isinstance(strange.message, Message)
        assert strange.message.content_type == UNREADABLE
        assert [delivery.body for delivery in others] == numbers(4, 6)
        assert consumer.ack(strange, *others)
        assert (client.llen(QUEUE), client.hlen("plain.unacked")) == (0, 0)
    finally:
        kombu_patches.uninstall()


def test_strange_items_come_together(
    valkey_url: str, consumer: PlainConsumer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway in another language pushes bare acks: each by itself would be twenty a second."""
    monkeypatch.setattr("events.broker.consumer._LINGER", 1.0)  # this machine may be busy
    kombu_patches.install()
    try:
        for number in range(50):
            client.lpush(QUEUE, json.dumps({"id": f"turn_{number}"}))
        put(valkey_url, *numbers(1, 2))
        taken = take_all(consumer, 52)
        read = [json.loads(bytes(delivery.body)) for delivery in taken]  # type: ignore[call-overload]
        assert read == [*({"id": f"turn_{number}"} for number in range(50)), {"n": 1}, {"n": 2}]
        assert consumer.ack(*taken)
        assert (client.llen(QUEUE), client.hlen("plain.unacked")) == (0, 0)
    finally:
        kombu_patches.uninstall()


def test_a_flush_between_taking_and_acking_is_no_error(
    valkey_url: str, consumer: PlainConsumer, client: redis.Redis
) -> None:
    put(valkey_url, *numbers(1, 5))
    taken = take_all(consumer, 5)
    client.flushall()
    assert consumer.ack(*taken)
    put(valkey_url, *numbers(6, 7))
    assert [delivery.body for delivery in take_all(consumer, 5)] == numbers(6, 7)


def test_a_server_that_runs_no_scripts_is_read_one_by_one(
    valkey_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(valkey_url, *numbers(1, 3))
    client.acl_setuser("plain", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all", "-eval"])
    consumer = PlainConsumer(valkey_url.replace("redis://", "redis://plain:x@"), QUEUE)
    monkeypatch.setattr("events.broker.consumer._LINGER", 1.0)
    try:
        assert [delivery.body for delivery in take_all(consumer, 3)] == numbers(1, 3)
    finally:
        consumer.close()
        client.acl_deluser("plain")


def test_a_user_that_may_not_ask_for_the_time_goes_by_its_own_clock(valkey_url: str, client: redis.Redis) -> None:
    """As those made from an earlier `workers/users.acl`."""
    put(valkey_url, *numbers(1, 3))
    client.acl_setuser("plain", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all", "-time"])
    consumer = PlainConsumer(valkey_url.replace("redis://", "redis://plain:x@"), QUEUE)
    before = asked(client)[0]
    try:
        taken = take_all(consumer, 3)
        assert [delivery.body for delivery in taken] == numbers(1, 3)
        assert asked(client)[0] == before + 2, "by the script"
        since: Any = client.zscore("plain.unacked_index", str(taken[0].message.delivery_tag))
        assert abs(since - time.time()) < 60
    finally:
        consumer.close()
        client.acl_deluser("plain")
