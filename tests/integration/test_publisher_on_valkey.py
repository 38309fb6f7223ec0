"""Publishing to a real Valkey, to one that fails, and to servers that are no brokers."""

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from events import Envelope, InvalidEvent, Publisher, PublishFailed, parse, publish
from tests.servers import kill, pause, resume
from tests.tcp import closed_port, silent_server
from workers.local.embedded import EmbeddedValkey

DATA = {"merchant_id": "m", "conversation_id": "c", "text": "How are sales?"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """The test's own Valkey, which it may break."""
    with EmbeddedValkey(tmp_path / "valkey", aof=True) as found:
        yield found


def items(url: str) -> list[dict[str, Any]]:
    """The messages on queue `events`, oldest first."""
    with redis.Redis.from_url(url) as client:
        found: Any = client.lrange("events", 0, -1)
    return [json.loads(item) for item in reversed(found)]


def body(item: dict[str, Any]) -> bytes:
    return base64.b64decode(item["body"])


def texts(url: str) -> list[str]:
    return [str(parse(body(item)).payload["text"]) for item in items(url)]


def say(publisher: Publisher, text: str) -> Envelope:
    return publisher.publish("message_received", {**DATA, "text": text}, source="/gateway")


def test_an_event_lies_on_the_queue_as_the_contract_says(valkey_url: str) -> None:
    happened = datetime(2026, 11, 22, 10, tzinfo=UTC)
    with Publisher(valkey_url) as publisher:
        sent = publisher.publish(
            "message_received",
            DATA,
            source="/gateway",
            id="message-1",
            subject="c",
            time=happened,
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            correlationid="visit-7",
            delivery="door",
        )

    (item,) = items(valkey_url)
    assert json.loads(body(item)) == {
        "specversion": "1.0",
        "id": "message-1",
        "source": "/gateway",
        "type": "message_received",
        "time": "2026-11-22T10:00:00Z",
        "subject": "c",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "correlationid": "visit-7",
        "delivery": "door",
        "data": DATA,
    }
    assert parse(body(item)).envelope == sent
    assert item["content-type"] == "application/cloudevents+json"
    assert item["content-encoding"] == "utf-8"
    assert item["properties"]["delivery_mode"] == 2
    assert item["properties"]["delivery_info"] == {"exchange": "", "routing_key": "events"}


def test_id_and_time_have_defaults(valkey_url: str) -> None:
    with Publisher(valkey_url) as publisher:
        one, other = say(publisher, "one"), say(publisher, "other")
    assert one.id != other.id
    assert one.time is not None
    assert abs((datetime.now(UTC) - one.time).total_seconds()) < 60


def test_one_event_over_a_connection_of_its_own(valkey_url: str) -> None:
    sent = publish("message_received", DATA, broker_url=valkey_url, source="/gateway", id="x")
    assert (sent.id, sent.source) == ("x", "/gateway")
    assert texts(valkey_url) == ["How are sales?"]


@pytest.mark.parametrize(
    ("event_type", "data", "attributes", "error"),
    [
        ("message_recieved", DATA, {}, 'event.unknown_type: "message_recieved" (did you mean message_received?)'),
        ("message_received", {**DATA, "text": ""}, {}, "event.bad_value: text must be 1 to 8000 characters, got 0"),
        (
            "message_received",
            {**DATA, "converation_id": "c"},
            {},
            'event.unknown_field: message_received has no field "converation_id" (did you mean conversation_id?)',
        ),
        (
            "message_received",
            {**DATA, "at": datetime(2026, 1, 1, tzinfo=UTC)},
            {},
            "event.bad_value: data.at is a datetime, which JSON does not have",
        ),
        ("message_received", {**DATA, "text": "\0"}, {}, "event.bad_value: data.text contains NUL"),
        ("message_received", DATA, {"id": ""}, "event.missing_id: id is missing"),
        (
            "message_received",
            DATA,
            {"time": datetime(2026, 1, 1)},  # noqa: DTZ001
            'event.bad_time: time needs a UTC offset, got "2026-01-01T00:00:00"',
        ),
        (
            "message_received",
            DATA,
            {"traceparent": "rubbish"},
            'event.bad_value: traceparent must be one of W3C Trace Context, got "rubbish"',
        ),
    ],
)
def test_an_invalid_event_is_not_sent(
    valkey_url: str, event_type: str, data: dict[str, Any], attributes: dict[str, Any], error: str
) -> None:
    with Publisher(valkey_url) as publisher, pytest.raises(InvalidEvent) as caught:
        publisher.publish(event_type, data, **attributes)
    assert f"{caught.value.code}: {caught.value}" == error
    assert items(valkey_url) == []


def test_a_flush_of_the_broker_loses_no_later_event(valkey_url: str) -> None:
    with Publisher(valkey_url) as publisher, redis.Redis.from_url(valkey_url) as client:
        say(publisher, "before")
        client.flushall()
        say(publisher, "after")
        assert texts(valkey_url) == ["after"]
        assert client.keys() == [b"events"]  # no bindings


def test_a_publisher_needs_no_right_but_to_push(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        rights = [
            "~events",
            "-@all",
            "+lpush",
            "+ping",
            "+hello",
            "+auth",
            "+client|setinfo",
            "+client|setname",
            "+select",
        ]
        client.execute_command("ACL", "SETUSER", "auth", "reset", "on", ">secret", *rights)
        try:
            with Publisher(valkey_url.replace("redis://", "redis://auth:secret@")) as publisher:
                say(publisher, "allowed")
            assert texts(valkey_url) == ["allowed"]
        finally:
            client.execute_command("ACL", "DELUSER", "auth")


def test_threads_share_a_publisher(valkey_url: str) -> None:
    with Publisher(valkey_url) as publisher:
        threads = [
            threading.Thread(target=lambda n=n: [say(publisher, f"{n}-{i}") for i in range(20)]) for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(texts(valkey_url)) == sorted(f"{n}-{i}" for n in range(8) for i in range(20))


FORKED = """
import multiprocessing, sys
from events import Publisher

def say(name, count=30):
    for number in range(count):
        data = {"merchant_id": "m1", "conversation_id": "c1", "text": f"{name}-{number}"}
        publisher.publish("message_received", data, source="/gateway")

with Publisher(sys.argv[1]) as publisher:
    say("first", 1)
    child = multiprocessing.get_context("fork").Process(target=say, args=("child",))
    child.start()
    say("parent")
    child.join(30)
sys.exit(child.exitcode)
"""


def test_a_publisher_may_be_kept_over_a_fork(valkey_url: str) -> None:
    """In its own process: a fork while other threads hold locks may hang for ever."""
    subprocess.run([sys.executable, "-c", FORKED, valkey_url], check=True, timeout=60)
    assert sorted(texts(valkey_url)) == sorted(
        ["first-0", *(f"{name}-{number}" for name in ("parent", "child") for number in range(30))]
    )


def failure(publisher: Publisher, within: float) -> str:
    started = time.monotonic()
    with pytest.raises(PublishFailed) as caught:
        say(publisher, "lost")
    assert time.monotonic() - started <= within
    assert caught.value.code == "event.broker_unavailable"
    return str(caught.value)


def test_nobody_listens() -> None:
    port = closed_port()
    with Publisher(f"redis://user:SECRET@127.0.0.1:{port}/0", timeout=2.0) as publisher:
        said = failure(publisher, within=2.0)
    assert said.startswith(f"broker redis://127.0.0.1:{port}/0 did not take the event within 2 s (")
    assert "refused" in said
    assert said.endswith("check that it runs and is reachable, then publish again with the same id")
    assert "SECRET" not in said


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_nobody_answers(scheme: str) -> None:
    with silent_server() as port, Publisher(f"{scheme}://127.0.0.1:{port}/", timeout=1.0) as publisher:
        failure(publisher, within=1.3)
        failure(publisher, within=1.3)


def test_nobody_answers_many_threads() -> None:
    slowest: list[float] = []

    def try_it(publisher: Publisher) -> None:
        started = time.monotonic()
        with pytest.raises(PublishFailed):
            say(publisher, "lost")
        slowest.append(time.monotonic() - started)

    with silent_server() as port, Publisher(f"redis://127.0.0.1:{port}/0", timeout=1.0) as publisher:
        threads = [threading.Thread(target=try_it, args=(publisher,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(slowest) == 5
    assert max(slowest) < 1.3


def test_the_broker_hangs_in_the_middle_and_comes_back(server: EmbeddedValkey) -> None:
    with Publisher(server.url, timeout=1.0) as publisher:
        say(publisher, "before")
        pause(server)
        try:
            assert "Timeout" in failure(publisher, within=1.5)
        finally:
            resume(server)
        say(publisher, "after")
    assert {"before", "after"} <= set(texts(server.url))


def test_a_restart_between_two_events_is_not_noticed(server: EmbeddedValkey) -> None:
    with Publisher(server.url, timeout=5.0) as publisher:
        say(publisher, "before")
        server.stop()
        server.start()
        say(publisher, "after")
    assert texts(server.url) == ["before", "after"]


def test_a_broker_that_is_back_is_used_again(server: EmbeddedValkey) -> None:
    with Publisher(server.url, timeout=1.0) as publisher:
        say(publisher, "before")
        kill(server)
        failure(publisher, within=1.3)
        server.start()
        say(publisher, "after")
    assert texts(server.url)[-1] == "after"


def test_a_full_broker_is_a_failure_with_its_reason(server: EmbeddedValkey) -> None:
    with Publisher(server.url, timeout=2.0) as publisher, redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 1)
        assert "OutOfMemoryError" in failure(publisher, within=2.0)
        client.config_set("maxmemory", 0)
        say(publisher, "after")
    assert texts(server.url) == ["after"]
