"""Redis list items that are not kombu messages, and messages that lie about their origin."""

import json
from collections.abc import Iterator
from typing import cast

import pytest
import redis
from kombu import Connection
from kombu.message import Message

from events import queues
from events.broker.consumer import PlainConsumer
from tests.waiting import wait_until
from workers import kombu_patches
from workers.kombu_patches import UNREADABLE


@pytest.fixture(autouse=True)
def repaired() -> Iterator[None]:
    kombu_patches.install()
    yield
    kombu_patches.uninstall()


ITEMS: list[bytes] = [
    b"hello",
    b"5",
    b"[]",
    b'[{}, "", ""]',
    b"{}",
    b'\xff\xfe{"a"',
    b'{"text": "Gr\xfc\xdfe"}',
    b'{"body": 5, "properties": {}}',
]


@pytest.mark.parametrize("item", ITEMS, ids=range(len(ITEMS)))
def test_such_an_item_arrives_as_an_unreadable_message(valkey_url: str, item: bytes) -> None:
    redis.Redis.from_url(valkey_url).lpush("events", item)
    consumer = PlainConsumer(valkey_url, "events")
    try:
        delivery = wait_until(lambda: consumer.receive(0.2))
        assert isinstance(delivery.message, Message)
        assert delivery.message.content_type == UNREADABLE
        assert delivery.body == item, "intake judges the bytes that were sent"
        assert consumer.ack(delivery)
    finally:
        consumer.close()


@pytest.mark.parametrize(
    "address", [{"exchange": "", "routing_key": None}, {"exchange": "x", "routing_key": "nowhere"}]
)
def test_what_was_not_acked_goes_back_where_it_came_from(valkey_url: str, address: dict[str, str | None]) -> None:
    message = {
        "body": "e30=",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {"body_encoding": "base64", "delivery_tag": "t", "delivery_info": address, "priority": 0},
    }
    client = redis.Redis.from_url(valkey_url)
    client.lpush("events", json.dumps(message), b"junk")
    first = PlainConsumer(valkey_url, "events")
    wait_until(lambda: first.receive(0.2))
    wait_until(lambda: first.receive(0.2))
    assert client.llen("events") == 0
    first.close()
    assert client.llen("events") == 2
    assert client.hlen("plain.unacked") == 0


def test_good_messages_are_as_before(valkey_url: str) -> None:
    with Connection(valkey_url) as connection:
        connection.Producer().publish({"a": 1}, exchange="", routing_key=queues.EVENTS)
    consumer = PlainConsumer(valkey_url, queues.EVENTS)
    try:
        delivery = wait_until(lambda: consumer.receive(0.2))
        assert json.loads(cast(bytes, delivery.body)) == {"a": 1}
    finally:
        consumer.close()
