"""The same client code over AMQP, against a small broker that can stop responding at any point."""

import json
import logging
import multiprocessing
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from amqp.basic_message import Message

from events import Publisher, PublishFailed, RepliesConsumer, Reply, decode_reply, parse, queues
from events.broker.consumer import PlainConsumer
from tests.amqp_broker import AmqpBroker
from tests.waiting import wait_until
from workers.delivery.wake_ups import WakeUps, broker_breaker, on_broker, sender

DATA = {"merchant_id": "m", "conversation_id": "c", "text": "How are sales?"}


@pytest.fixture
def broker() -> Iterator[AmqpBroker]:
    with AmqpBroker() as found:
        yield found


def properties(published: dict[str, Any]) -> dict[str, Any]:
    message: Any = Message()
    message._load_properties(60, published["properties"], 0)
    found: dict[str, Any] = message.properties
    return found


def reply(number: int) -> bytes:
    body = {
        "specversion": "1.0",
        "id": f"r{number}",
        "source": "/cj",
        "type": "cj.reply",
        "subject": "c",
        "merchantid": "m1",
        "turn": 1,
        "sequence": f"{number:06}",
        "data": [{"type": "TEXT_MESSAGE_CONTENT", "delta": "…"}],
    }
    return json.dumps(body).encode()


def put(broker: AmqpBroker, *bodies: bytes) -> None:
    """Publish on `replies` as CJ does."""
    with queues.connection(broker.url) as connection:
        channel = queues.open_channel(connection)
        queues.declare(queues.REPLIES, connection, channel)
        for body in bodies:
            queues.put(connection.Producer(channel, auto_declare=False), queues.REPLIES, body)


def test_an_event_is_published_persistent_to_a_durable_queue_and_confirmed(broker: AmqpBroker) -> None:
    with Publisher(broker.url) as publisher:
        sent = publisher.publish("message_received", DATA, source="/gateway")
    (published,) = broker.published
    assert (published["exchange"], published["queue"]) == ("", "events")
    assert parse(published["body"]).envelope == sent
    assert properties(published)["delivery_mode"] == 2
    assert properties(published)["content_type"] == "application/cloudevents+json"
    # Without the queue RabbitMQ would confirm the event and drop it.
    assert broker.declared == [("events", True)]
    assert len(broker.queues["events"]) == 1


@pytest.mark.parametrize(
    "silent_at",
    [
        "connection.start",
        "connection.start-ok",
        "connection.open",
        "channel.open",
        "queue.declare",
        "confirm.select",
        "basic.publish",
    ],
)
def test_a_broker_that_falls_silent_is_a_failure_in_time(broker: AmqpBroker, silent_at: str) -> None:
    broker.silent.add(silent_at)
    with Publisher(broker.url, timeout=1.0) as publisher:
        started = time.monotonic()
        with pytest.raises(PublishFailed) as caught:
            publisher.publish("message_received", DATA)
        assert time.monotonic() - started < 2.5
        assert "guest" not in str(caught.value)

        broker.silent.clear()
        publisher.publish("message_received", {**DATA, "text": "after"})
    assert parse(broker.published[-1]["body"]).payload["text"] == "after"


def test_a_cut_connection_is_made_anew(broker: AmqpBroker) -> None:
    with Publisher(broker.url) as publisher:
        publisher.publish("message_received", DATA)
        broker.drop_connections()
        publisher.publish("message_received", DATA)
    assert len(broker.queues["events"]) == 2


def test_a_forked_process_opens_a_connection_of_its_own(broker: AmqpBroker) -> None:
    with Publisher(broker.url) as publisher:
        publisher.publish("message_received", DATA)
        assert broker.connections == 1
        child = multiprocessing.get_context("fork").Process(target=publisher.publish, args=("message_received", DATA))
        child.start()
        child.join(30)
        assert (child.exitcode, broker.connections) == (0, 2)
        publisher.publish("message_received", DATA)
    assert (len(broker.published), broker.connections) == (3, 2)


def test_replies_are_shown_in_order_and_acked(broker: AmqpBroker) -> None:
    seen: list[str] = []
    put(broker, reply(1), reply(3), b"nonsense", b"\xff\x00", reply(2), reply(2))
    consumer = RepliesConsumer(broker.url)
    stop = threading.Event()
    thread = threading.Thread(target=lambda: consumer.run(lambda shown: seen.append(shown.id), stop=stop))
    thread.start()
    wait_until(lambda: broker.acked == 6)
    stop.set()
    thread.join(10)
    assert seen == ["r1", "r2", "r3"]
    ids = [json.loads(found["body"])["id"] for found in broker.published if found["queue"] == "acks"]
    assert ids[0] == "r1"
    assert sorted(ids) == ["r1", "r2", "r2", "r3"]
    assert ("acks", True) in broker.declared
    assert not broker.queues["replies"]


def test_a_reply_whose_handler_fails_goes_back(broker: AmqpBroker) -> None:
    put(broker, reply(1), reply(2))

    def breaks(shown: Reply) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        RepliesConsumer(broker.url).run(breaks)
    assert len(broker.queues["replies"]) == 2
    assert broker.acked == 0


def test_a_lost_connection_costs_two_lines_and_no_delivery(
    broker: AmqpBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "events")
    consumer = PlainConsumer(broker.url, "replies")
    put(broker, reply(1))
    first = wait_until(lambda: consumer.receive(0.1))
    assert first is not None
    broker.drop_connections()
    again = wait_until(lambda: consumer.receive(0.1))
    assert again is not None
    assert decode_reply(again.body) == decode_reply(reply(1))
    assert not consumer.ack(first)
    assert consumer.ack(again)
    consumer.close()
    assert not broker.queues["replies"]
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("events")]
    assert len(lines) == 2, lines


@pytest.mark.parametrize("silent_at", ["basic.qos", "basic.consume", "queue.declare", "channel.open"])
def test_consuming_from_a_broker_that_falls_silent_does_not_hang(broker: AmqpBroker, silent_at: str) -> None:
    broker.silent.add(silent_at)
    consumer = PlainConsumer(broker.url, "replies", timeout=2.0)
    started = time.monotonic()
    assert consumer.receive(0.1) is None
    assert not consumer.connected
    assert time.monotonic() - started < 6.0
    broker.silent.clear()
    wait_until(lambda: consumer.receive(0.1) is None and consumer.connected)
    consumer.close()


def test_a_consumer_is_never_silent_for_long(broker: AmqpBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """So nobody between it and RabbitMQ takes it for idle, and RabbitMQ passes on what a dead machine had taken."""
    assert 2 * queues.HEARTBEAT_SECONDS < 60
    monkeypatch.setattr(queues, "HEARTBEAT_SECONDS", 1)
    broker.heartbeat = 60
    consumer = PlainConsumer(broker.url, queues.EVENTS)
    wait_until(lambda: consumer.receive(0.1) or broker.heartbeats > 1)
    consumer.close()


def test_what_was_closed_while_it_was_idle_is_replaced_before_it_is_used(broker: AmqpBroker) -> None:
    app, breaker = sender(broker.url), broker_breaker()
    wake_ups = WakeUps(app, breaker)
    assert wake_ups.run_turn(1)
    broker.drop_connections()
    assert wake_ups.run_turn(2)
    broker.drop_connections()
    assert on_broker(app, breaker, [queues.TURNS])
    assert [json.loads(found["body"])[0] for found in broker.published] == [[1], [2]]


def test_a_rabbitmq_that_takes_no_messages_is_named(broker: AmqpBroker) -> None:
    """Short of memory or disk it withholds its confirms, and answers everything else."""
    broker.silent.add("basic.publish")
    with pytest.raises(queues.Blocked) as blocked:
        queues.check(broker.url, timeout=0.5)
    assert "short of memory or disk" in queues.cause(blocked.value)


def test_a_rabbitmq_with_too_few_channels_is_named(broker: AmqpBroker) -> None:
    """Celery's worker would connect again and again."""
    broker.channel_max = 1
    with pytest.raises(Exception) as lacking:  # noqa: PT011 - as the transport raises it
        queues.check(broker.url, timeout=0.5)
    assert "set its channel_max to two or more" in queues.cause(lacking.value)
    broker.channel_max = 2
    queues.check(broker.url, timeout=0.5)
