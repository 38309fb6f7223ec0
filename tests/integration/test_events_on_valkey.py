"""Consuming replies, and plain queues in general, from a real Valkey, including its failures."""

import base64
import contextlib
import importlib.util
import json
import logging
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import kombu.transport.redis as transport
import pytest
import redis
from kombu import Connection

from events import BrokerUnavailable, RepliesConsumer, Reply, queues
from events.broker import consumer, redis_queue
from events.broker.consumer import PlainConsumer
from events.reply import decode_reply
from tests.servers import kill
from tests.tcp import closed_port, silent_server
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedValkey


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """The test's own Valkey, which it may break."""
    with EmbeddedValkey(tmp_path / "valkey", aof=True) as found:
        yield found


@pytest.fixture(autouse=True)
def a_process_without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """kombu unpatched, as a gateway has it, even if another test imported the workers in this process."""
    spec = importlib.util.find_spec("kombu.transport.redis")
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    for repaired, original in ((transport, fresh), (transport.Channel, fresh.Channel)):
        for name, value in vars(repaired).copy().items():
            if getattr(value, "__module__", "").startswith("workers."):
                monkeypatch.setattr(repaired, name, vars(original)[name])


def reply(place: str, conversation: str = "c", **attributes: Any) -> bytes:
    """A reply `turn.sequence`, with `!` when it ends the turn."""
    turn, sequence = place.rstrip("!").split(".")
    kind = {"type": "RUN_FINISHED"} if place.endswith("!") else {"type": "TEXT_MESSAGE_CONTENT", "delta": place}
    body = {
        "specversion": "1.0",
        "id": f"{conversation}:{place}",
        "source": "/cj",
        "type": "cj.reply",
        "subject": conversation,
        "merchantid": "m1",
        "turn": int(turn),
        "sequence": sequence.zfill(6),
        "data": [kind],
        **attributes,
    }
    return json.dumps(body).encode()


def put(url: str, *bodies: bytes, **options: Any) -> None:
    with Connection(url) as broker:
        for body in bodies:
            broker.Producer().publish(
                body,
                exchange="",
                routing_key="replies",
                **{"content_type": queues.CONTENT_TYPE, "content_encoding": "utf-8", **options},
            )


def acks(url: str) -> list[str]:
    """The ids acked so far, oldest first."""
    with redis.Redis.from_url(url) as client:
        items: Any = client.lrange("acks", 0, -1)
    return [json.loads(base64.b64decode(json.loads(item)["body"]))["id"] for item in reversed(items)]


def left(url: str) -> tuple[int, int]:
    """Numbers of messages waiting on `replies` and of those taken but not acked."""
    with redis.Redis.from_url(url) as client:
        waiting: Any = client.llen("replies")
        unacked: Any = client.hlen("replies.unacked")
        return waiting, unacked


def nothing_left(url: str) -> bool:
    return left(url) == (0, 0)


class Gateway:
    """A gateway that remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, reply: Reply) -> None:
        self.seen.append(reply.id)

    def has(self, count: int) -> Callable[[], bool]:
        return lambda: len(self.seen) >= count


@contextlib.contextmanager
def running(consumer: RepliesConsumer, gateway: Callable[[Reply], None]) -> Iterator[None]:
    """`consumer` running in another thread."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            consumer.run(gateway, stop=stop)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
    assert errors == []


def test_replies_are_shown_in_order_once_and_acked(valkey_url: str) -> None:
    gateway = Gateway()
    put(valkey_url, *(reply(place) for place in ("1.1", "1.3", "1.2", "1.2", "1.4!", "2.1", "1.1")))
    assert RepliesConsumer(valkey_url).run(gateway, until=gateway.has(5))
    assert gateway.seen == ["c:1.1", "c:1.2", "c:1.3", "c:1.4!", "c:2.1"]
    # The second 1.2 was acked again; the second 1.1 was no longer needed.
    assert acks(valkey_url) == ["c:1.1", "c:1.2", "c:1.3", "c:1.2", "c:1.4!", "c:2.1"]
    assert left(valkey_url) == (1, 0)


def test_on_reply_gets_the_whole_reply(valkey_url: str) -> None:
    shown: list[Reply] = []
    put(valkey_url, reply("3.1", causationid="oauth-1", time="2026-11-22T10:00:00Z"))
    RepliesConsumer(valkey_url).run(shown.append, until=lambda: bool(shown))
    (only,) = shown
    assert (only.subject, only.place, only.text, only.causationid) == ("c", (3, 1), "3.1", "oauth-1")


def test_a_repetition_is_acked_again_but_not_shown_again(valkey_url: str) -> None:
    gateway = Gateway()
    with running(RepliesConsumer(valkey_url), gateway):
        put(valkey_url, reply("1.1"))
        wait_until(lambda: acks(valkey_url) == ["c:1.1"])
        put(valkey_url, reply("1.1"), reply("1.1"))
        wait_until(lambda: acks(valkey_url) == ["c:1.1"] * 3)
        wait_until(lambda: nothing_left(valkey_url))
    assert gateway.seen == ["c:1.1"]


def test_repetitions_are_known_in_the_next_run_too(valkey_url: str) -> None:
    gateway = Gateway()
    consumer = RepliesConsumer(valkey_url)
    put(valkey_url, reply("1.1"))
    consumer.run(gateway, until=gateway.has(1))
    put(valkey_url, reply("1.1"), reply("1.2"))
    consumer.run(gateway, until=gateway.has(2))
    assert gateway.seen == ["c:1.1", "c:1.2"]
    assert acks(valkey_url) == ["c:1.1", "c:1.1", "c:1.2"]


def test_a_missing_reply_is_waited_for_and_then_given_up(valkey_url: str) -> None:
    shown_at: dict[str, float] = {}
    put(valkey_url, reply("1.1"), reply("1.3"), reply("7.1", "other"))
    RepliesConsumer(valkey_url, gap_seconds=0.5).run(
        lambda shown: shown_at.update({shown.id: time.monotonic()}), until=lambda: len(shown_at) == 3
    )
    assert list(shown_at) == ["c:1.1", "other:7.1", "c:1.3"]
    assert 0.3 < shown_at["c:1.3"] - shown_at["c:1.1"] < 2.0


def test_many_replies_behind_a_gap_let_the_missing_one_through(valkey_url: str) -> None:
    gateway = Gateway()
    put(valkey_url, *(reply(f"1.{number}") for number in range(2, 152)), reply("1.1"))
    RepliesConsumer(valkey_url, gap_seconds=10).run(gateway, until=gateway.has(151), timeout=20)
    assert gateway.seen == [f"c:1.{number}" for number in range(1, 152)]


class Broken(Exception):
    pass


def test_a_reply_whose_handler_fails_goes_back_and_the_error_comes_out(valkey_url: str) -> None:
    gateway = Gateway()

    def fails_on_the_second(shown: Reply) -> None:
        if shown.id == "c:1.2":
            # The error has not been raised yet, so the reply cannot be back yet.
            assert left(valkey_url)[0] == 0
            raise Broken
        gateway(shown)

    put(valkey_url, reply("1.1"), reply("1.2"))
    consumer = RepliesConsumer(valkey_url)
    with pytest.raises(Broken):
        consumer.run(fails_on_the_second)
    assert left(valkey_url) == (1, 0)
    assert acks(valkey_url) == ["c:1.1"]

    assert consumer.run(gateway, until=gateway.has(2))
    assert gateway.seen == ["c:1.1", "c:1.2"]
    assert acks(valkey_url) == ["c:1.1", "c:1.2"]
    assert nothing_left(valkey_url)


def test_what_waits_behind_a_gap_goes_back_when_the_gateway_stops(valkey_url: str) -> None:
    gateway = Gateway()
    consumer = RepliesConsumer(valkey_url, gap_seconds=60)
    with running(consumer, gateway):
        put(valkey_url, reply("1.1"), reply("1.4"), reply("1.3"))
        wait_until(lambda: left(valkey_url) == (0, 2))
    assert left(valkey_url) == (2, 0)

    put(valkey_url, reply("1.2"))
    consumer.run(gateway, until=gateway.has(4))
    assert gateway.seen == ["c:1.1", "c:1.2", "c:1.3", "c:1.4"]


def test_what_went_back_is_not_shown_from_memory(valkey_url: str) -> None:
    first, other = Gateway(), Gateway()
    consumer = RepliesConsumer(valkey_url, gap_seconds=2.5)
    with running(consumer, first):
        put(valkey_url, reply("1.1"), reply("1.3"))
        wait_until(lambda: left(valkey_url) == (0, 1))
    RepliesConsumer(valkey_url, gap_seconds=0.1).run(other, until=other.has(1))
    assert consumer.run(first, timeout=2.6) is False
    assert (first.seen, other.seen) == (["c:1.1"], ["c:1.3"])


def test_nothing_more_is_shown_than_wanted(valkey_url: str) -> None:
    gateway = Gateway()
    put(valkey_url, reply("1.2"), reply("1.1"))
    RepliesConsumer(valkey_url).run(gateway, until=gateway.has(1))
    assert gateway.seen == ["c:1.1"]
    assert left(valkey_url) == (1, 0)


def test_a_gateway_with_a_record_goes_on_where_it_was(valkey_url: str) -> None:
    record: list[Reply] = []
    put(valkey_url, reply("1.1"), reply("1.2!"))
    RepliesConsumer(valkey_url).run(record.append, until=lambda: len(record) == 2)

    # It died before its acks arrived: everything is redelivered, and the next turn comes out of order.
    put(valkey_url, reply("1.2!"), reply("2.2"), reply("1.1"), reply("2.1"))
    restarted = RepliesConsumer(valkey_url, gap_seconds=60, shown=list(record))
    assert restarted.run(record.append, until=lambda: len(record) == 4, timeout=10)
    assert [shown.id for shown in record] == ["c:1.1", "c:1.2!", "c:2.1", "c:2.2"]
    assert acks(valkey_url) == ["c:1.1", "c:1.2!", "c:1.2!", "c:1.1", "c:2.1", "c:2.2"]


def test_stop_until_and_timeout(valkey_url: str) -> None:
    gateway = Gateway()
    consumer = RepliesConsumer(valkey_url)
    stop = threading.Event()
    stop.set()
    assert consumer.run(gateway, stop=stop)
    assert consumer.run(gateway, until=lambda: True)
    started = time.monotonic()
    assert consumer.run(gateway, timeout=0.3) is False
    assert 0.3 <= time.monotonic() - started < 3.0

    stop.clear()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()
    assert consumer.run(gateway, stop=stop)
    assert time.monotonic() - started < 3.0


def envelope(**changes: Any) -> bytes:
    """A list item as kombu pushes it, with `changes`; a value of None removes the key."""
    item: dict[str, Any] = {
        "body": base64.b64encode(reply("9.9")).decode(),
        "content-encoding": "utf-8",
        "content-type": queues.CONTENT_TYPE,
        "headers": {},
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "replies"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "tag-1",
        },
    }
    item.update(changes)
    return json.dumps({key: value for key, value in item.items() if value is not None}).encode()


#: List items that are not messages: kombu raises something different for nearly each of them.
NO_MESSAGES: dict[str, bytes] = {
    "not json": b"hello",
    "nothing": b"",
    "not utf-8": b'\xff\xfe{"a"',
    "a number": b"5",
    "a list": b"[]",
    "an empty object": b"{}",
    "a reply without kombu's envelope": reply("9.9"),
    "too deep": b"[" * 100_000 + b"]" * 100_000,
    "a type kombu does not know": b'{"__type__":"zzz","__value__":1}',
    "no properties": envelope(properties=None),
    "properties of text": envelope(properties="x"),
    "no delivery tag": envelope(properties={"body_encoding": "base64", "delivery_info": {}}),
    "no delivery info": envelope(properties={"body_encoding": "base64", "delivery_tag": "t"}),
    "delivery info of text": envelope(properties={"delivery_info": "x", "delivery_tag": "t"}),
    "a delivery tag that is a list": envelope(
        properties={"delivery_info": {"exchange": "", "routing_key": "replies"}, "delivery_tag": []}
    ),
    "an unknown encoding": envelope(properties={"body_encoding": "zzz", "delivery_tag": "t"}),
    "headers of text": envelope(headers="x"),
}

#: Messages that are not replies.
NO_REPLIES: dict[str, bytes] = {
    "no body": envelope(body=None),
    "empty body": envelope(body=""),
    "bad base64": envelope(body="%%%"),
    "an unknown compression": envelope(headers={"compression": "zzz"}),
    "a broken compression": envelope(headers={"compression": "application/x-gzip"}),
    "a body that is an object": envelope(
        body={"a": 1}, properties={**json.loads(envelope())["properties"], "body_encoding": None}
    ),
    "pickle": envelope(
        body=base64.b64encode(b"\x80\x04.").decode(), **{"content-type": "application/x-python-serialize"}
    ),
    "an event": envelope(body=base64.b64encode(reply("9.9", type="oauth_complete")).decode()),
    "no turn": envelope(body=base64.b64encode(reply("9.9", turn=None)).decode()),
    "data without a type": envelope(body=base64.b64encode(reply("9.9", data={})).decode()),
    "too deep": envelope(body=base64.b64encode(b"[" * 100_000).decode()),
    "too large": envelope(body=base64.b64encode(reply("9.9", data={"type": "X", "x": "x" * 1_100_000})).decode()),
}


def push(url: str, items: Sequence[bytes]) -> None:
    with redis.Redis.from_url(url) as client:
        for item in items:
            client.lpush("replies", item)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The consumer's log lines since the last call."""
    found = [record.getMessage() for record in caplog.records if record.name.startswith("events")]
    caplog.clear()
    return found


def test_an_item_that_is_no_message_costs_one_line(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "events")
    gateway = Gateway()
    said: dict[str, list[str]] = {}
    with running(RepliesConsumer(valkey_url), gateway):
        for number, (name, item) in enumerate(NO_MESSAGES.items(), 1):
            push(valkey_url, [item])
            put(valkey_url, reply(f"1.{number}"))
            wait_until(gateway.has(number), what=f"the reply behind {name}")
            said[name] = lines(caplog)
        wait_until(lambda: nothing_left(valkey_url))
    assert gateway.seen == [f"c:1.{number}" for number in range(1, len(NO_MESSAGES) + 1)]
    assert {name: len(found) for name, found in said.items()} == dict.fromkeys(NO_MESSAGES, 1), said
    assert all(found[0].startswith("dropped an item of queue replies") for found in said.values()), said


def test_an_item_that_only_the_client_of_the_broker_refuses_costs_the_connection(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "events")
    gateway = Gateway()
    push(valkey_url, [envelope(properties={**json.loads(envelope())["properties"], "delivery_tag": None})])
    put(valkey_url, reply("1.1"))
    RepliesConsumer(valkey_url).run(gateway, until=gateway.has(1))
    away, back = lines(caplog)
    assert " is away (DataError" in away
    assert " is back after " in back


def test_a_message_that_is_no_reply_costs_one_line(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    gateway = Gateway()
    said: dict[str, list[str]] = {}
    with running(RepliesConsumer(valkey_url), gateway):
        for number, (name, item) in enumerate(NO_REPLIES.items(), 1):
            push(valkey_url, [item])
            put(valkey_url, reply(f"1.{number}"))
            wait_until(gateway.has(number), what=f"the reply behind {name}")
            said[name] = lines(caplog)
        wait_until(lambda: nothing_left(valkey_url))
    assert acks(valkey_url) == gateway.seen == [f"c:1.{number}" for number in range(1, len(NO_REPLIES) + 1)]
    assert {name: len(found) for name, found in said.items()} == dict.fromkeys(NO_REPLIES, 1), said
    assert all(found[0].startswith("dropped a malformed reply: event.") for found in said.values()), said


def test_a_flood_of_broken_items_is_passed(valkey_url: str) -> None:
    gateway = Gateway()
    push(valkey_url, [*NO_MESSAGES.values()] * 20)
    put(valkey_url, reply("1.1"))
    assert RepliesConsumer(valkey_url).run(gateway, until=gateway.has(1), timeout=60)
    assert gateway.seen == ["c:1.1"]


def test_a_broken_item_at_the_moment_of_closing_loses_nothing(valkey_url: str) -> None:
    consumer = PlainConsumer(valkey_url, "replies")
    put(valkey_url, reply("1.1"))
    assert wait_until(lambda: consumer.receive(0.2))
    assert consumer.receive(0.05) is None
    push(valkey_url, [b"hello"])
    consumer.close()
    assert left(valkey_url) == (2, 0)


def test_a_message_that_arrives_at_the_moment_of_closing_goes_back(valkey_url: str) -> None:
    consumer = PlainConsumer(valkey_url, "replies")
    assert consumer.receive(0.05) is None
    put(valkey_url, reply("1.1"))
    consumer.close()
    assert left(valkey_url) == (1, 0)


def test_compressed_bodies_are_read(valkey_url: str) -> None:
    gateway = Gateway()
    put(valkey_url, reply("1.1"), compression="zlib")
    assert zlib.decompress(base64.b64decode(json.loads(_first(valkey_url))["body"])) == reply("1.1")
    RepliesConsumer(valkey_url).run(gateway, until=gateway.has(1), timeout=10)
    assert gateway.seen == ["c:1.1"]


def _first(url: str) -> bytes:
    with redis.Redis.from_url(url) as client:
        item: Any = client.lindex("replies", 0)
        return bytes(item)


@pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents+json", "text/plain"])
def test_the_content_type_does_not_matter(valkey_url: str, content_type: str) -> None:
    gateway = Gateway()
    put(valkey_url, reply("1.1"), content_type=content_type)
    RepliesConsumer(valkey_url).run(gateway, until=gateway.has(1), timeout=10)
    assert gateway.seen == ["c:1.1"]


def test_a_flush_does_not_stop_it(valkey_url: str) -> None:
    gateway = Gateway()
    with running(RepliesConsumer(valkey_url, gap_seconds=3), gateway), redis.Redis.from_url(valkey_url) as client:
        put(valkey_url, reply("1.1"), reply("1.3"))
        wait_until(lambda: left(valkey_url) == (0, 1))
        client.flushall()
        put(valkey_url, reply("1.4!"))
        wait_until(gateway.has(3))
    assert gateway.seen == ["c:1.1", "c:1.3", "c:1.4!"]


def test_a_restart_of_the_broker_costs_two_lines_and_no_reply(
    server: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "events")
    gateway = Gateway()
    with running(RepliesConsumer(server.url, gap_seconds=3), gateway):
        put(server.url, reply("1.1"), reply("1.3"))
        wait_until(lambda: left(server.url) == (0, 1))
        kill(server)
        wait_until(lambda: "is away" in caplog.text)
        server.start()
        # 1.3 waits in memory all the time; nobody resends it here.
        put(server.url, reply("1.2"))
        wait_until(gateway.has(3), limit=20)
    assert gateway.seen == ["c:1.1", "c:1.2", "c:1.3"]
    assert acks(server.url) == ["c:1.1", "c:1.2", "c:1.3"]
    away, back = lines(caplog)
    assert away.startswith(f"broker {server.url} is away (")
    assert " is back after " in back


def test_what_a_dead_consumer_had_taken_is_delivered_to_another(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "VISIBILITY_TIMEOUT", 1)
    dead = PlainConsumer(valkey_url, "replies")
    put(valkey_url, reply("1.1"))
    assert wait_until(lambda: dead.receive(0.2))
    gateway = Gateway()
    assert RepliesConsumer(valkey_url).run(gateway, until=gateway.has(1), timeout=20)
    dead.close()
    assert gateway.seen == ["c:1.1"]


def test_one_gateway_at_a_time_holds_the_queue(valkey_url: str) -> None:
    """The others stand by, show nothing, and take over at once when it leaves; within five seconds when it dies."""
    script = "import sys, events; events.RepliesConsumer(sys.argv[1]).run(lambda reply: print(reply.id, flush=True))"
    first, second = Gateway(), Gateway()
    with subprocess.Popen([sys.executable, "-c", script, valkey_url], stdout=subprocess.PIPE, text=True) as dying:
        assert dying.stdout is not None
        put(valkey_url, reply("1.1"))
        assert dying.stdout.readline() == "c:1.1\n"
        with running(RepliesConsumer(valkey_url, gap_seconds=1), second):
            with running(RepliesConsumer(valkey_url, gap_seconds=1), first):
                put(valkey_url, *(reply(f"1.{number}") for number in range(2, 20)))
                assert [dying.stdout.readline() for _ in range(18)] == [f"c:1.{number}\n" for number in range(2, 20)]
                assert first.seen == second.seen == []
                wait_until(lambda: nothing_left(valkey_url))  # it has acked: nothing of this is shown again
                dying.kill()
                killed = time.monotonic()
                put(valkey_url, *(reply(f"1.{number}") for number in range(20, 30)))
                wait_until(lambda: len(first.seen) + len(second.seen) >= 10, limit=10)
                assert time.monotonic() - killed < 5
                assert [] in (first.seen, second.seen)
                stood_by = first if second.seen else second
            leaves = stood_by is second  # then the holder has left
            put(valkey_url, reply("1.30"), reply("2.1"))
            wait_until(second.has(2 if leaves else 12), limit=3)
            wait_until(lambda: nothing_left(valkey_url))


def test_each_reply_has_three_seconds_also_behind_many_others(valkey_url: str) -> None:
    """They come together; the lease must not run out while the first ones are shown."""
    gateway, leases = Gateway(), []

    def show(reply: Reply) -> None:
        leases.append(client.pttl(queues.holder_key("replies")))
        time.sleep(0.15)
        gateway(reply)

    put(valkey_url, *(reply(f"1.{number}") for number in range(1, 11)))
    with redis.Redis.from_url(valkey_url) as client:
        assert RepliesConsumer(valkey_url).run(show, until=gateway.has(10), timeout=20)
    assert min(leases) > 2200


def test_who_has_lost_the_queue_shows_nothing_more_of_what_it_had_taken(valkey_url: str) -> None:
    gateway, holder = Gateway(), queues.holder_key("replies") or ""

    def show(reply: Reply) -> None:
        assert client.get(holder) != b"another"
        gateway(reply)
        if reply.id == "c:1.3":
            time.sleep(redis_queue.RENEW_SECONDS)
            client.set(f"{holder}_last", "another")
            client.set(holder, "another", px=700)

    put(valkey_url, *(reply(f"1.{number}") for number in range(1, 11)))
    with redis.Redis.from_url(valkey_url) as client:
        assert RepliesConsumer(valkey_url).run(show, until=gateway.has(10), timeout=20)
    assert gateway.seen == [f"c:1.{number}" for number in range(1, 11)]


def lose_the_queue(client: "redis.Redis", seconds: float) -> None:
    """Another gateway has it for so long."""
    holder = queues.holder_key("replies") or ""
    client.set(f"{holder}_last", "another")
    client.set(holder, "another", px=int(seconds * 1000))


def test_what_was_shown_too_slowly_is_not_acked_by_who_has_lost_the_queue(valkey_url: str) -> None:
    """Who has it now has not found it in the record, and would wait for it in vain."""
    gateway = Gateway()

    def show(reply: Reply) -> None:
        gateway(reply)
        if reply.id == "c:1.2":
            time.sleep(redis_queue.RENEW_SECONDS)
            lose_the_queue(client, 0.7)

    put(valkey_url, reply("1.1"), reply("1.2"))
    with redis.Redis.from_url(valkey_url) as client:
        consumer = RepliesConsumer(valkey_url)
        assert consumer.run(show, until=gateway.has(2), timeout=20)
        assert "c:1.2" not in acks(valkey_url)
        assert consumer.run(show, until=lambda: nothing_left(valkey_url), timeout=20)
    assert acks(valkey_url)[-1] == "c:1.2"
    assert gateway.seen == ["c:1.1", "c:1.2"]


def test_what_waited_when_the_queue_was_lost_is_not_shown_from_memory(valkey_url: str) -> None:
    record: list[Reply] = []
    gateway, holder = Gateway(), queues.holder_key("replies") or ""
    consumer = RepliesConsumer(valkey_url, gap_seconds=2.0, shown=lambda: record)
    with redis.Redis.from_url(valkey_url) as client, running(consumer, gateway):
        put(valkey_url, reply("1.2"))
        wait_until(lambda: left(valkey_url) == (0, 1))
        own = client.get(holder)
        lose_the_queue(client, 0.3)
        record += [decode_reply(reply("1.1")), decode_reply(reply("1.2"))]  # the other one has shown both
        client.delete("replies.unacked", "replies.unacked_index")
        wait_until(lambda: client.get(holder) == own and consumer._order.seconds_to_wait(time.monotonic()) is None)
    assert gateway.seen == []


def test_a_reply_that_is_told_again_is_no_ack_of_the_reply_itself(valkey_url: str) -> None:
    gateway = Gateway()
    put(valkey_url, reply("1.2", repeats="e1"), reply("1.1"))
    assert RepliesConsumer(valkey_url).run(gateway, until=lambda: nothing_left(valkey_url), timeout=20)
    assert gateway.seen == ["c:1.2", "c:1.1"]
    assert acks(valkey_url) == ["c:1.1"]


def test_the_next_gateway_knows_what_the_one_before_has_shown(valkey_url: str) -> None:
    """It has stood by all the while: what it read of the record at its start is outdated."""
    record: list[Reply] = []
    second = RepliesConsumer(valkey_url, gap_seconds=60, shown=lambda: record)
    with contextlib.ExitStack() as first:
        first.enter_context(running(RepliesConsumer(valkey_url, gap_seconds=60, shown=lambda: record), record.append))
        put(valkey_url, reply("1.1"))
        wait_until(lambda: len(record) == 1)
        with running(second, record.append):
            put(valkey_url, reply("1.2"), reply("1.3"))
            wait_until(lambda: len(record) == 3)
            first.close()
            put(valkey_url, reply("1.3"), reply("1.4"))
            wait_until(lambda: len(record) == 4, limit=10)
    assert [reply.id for reply in record] == ["c:1.1", "c:1.2", "c:1.3", "c:1.4"]


def test_what_a_dead_gateway_had_taken_goes_to_the_next_at_once(valkey_url: str) -> None:
    dead = PlainConsumer(valkey_url, "replies")
    put(valkey_url, reply("1.1"), reply("1.2"))
    assert wait_until(lambda: dead.receive(0.2))
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(queues.holder_key("replies") or "")  # its lease has ended
    gateway = Gateway()
    began = time.monotonic()
    assert RepliesConsumer(valkey_url).run(gateway, until=gateway.has(2), timeout=20)
    assert gateway.seen == ["c:1.1", "c:1.2"]
    assert time.monotonic() - began < queues.VISIBILITY_TIMEOUT - 1
    dead.close()
    assert nothing_left(valkey_url)


def test_a_broker_that_is_full_is_away_until_it_works(server: EmbeddedValkey, caplog: pytest.LogCaptureFixture) -> None:
    """It lets everybody in all the while: two lines, however long it lasts, and it is asked ever less often."""
    caplog.set_level(logging.INFO, "events")
    consumer = PlainConsumer(server.url, "replies")
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 1)
        wait_until(lambda: consumer.receive(0.01) is None and consumer._pause >= 0.8, what="its patience")
        assert isinstance(consumer.problem, BrokerUnavailable)
        client.config_set("maxmemory", 0)
    put(server.url, reply("1.1"))
    assert wait_until(lambda: consumer.receive(0.1), what="a reply") is not None
    assert consumer.problem is None
    consumer.close()
    away, back = lines(caplog)
    assert " is away (OutOfMemoryError" in away
    assert " is back after " in back


def test_a_broker_that_is_a_replica_is_away_until_it_is_the_primary(
    server: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "events")
    consumer = PlainConsumer(server.url, "events")
    assert consumer.receive(0.01) is None
    with redis.Redis.from_url(server.url) as client:
        client.replicaof("127.0.0.1", closed_port())
        wait_until(lambda: consumer.receive(0.01) is None and consumer._pause >= 0.8, what="its patience")
        client.replicaof("NO", "ONE")
    wait_until(lambda: consumer.receive(0.01) is None and consumer.problem is None, what="the primary")
    consumer.close()
    away, back = lines(caplog)
    assert " is away (ReadOnlyError" in away
    assert " is back after " in back


def test_an_ack_for_a_lost_connection_is_not_sent_over_the_new_one(server: EmbeddedValkey) -> None:
    consumer = PlainConsumer(server.url, "replies", publishes=("acks",))
    put(server.url, reply("1.1"))
    delivery = wait_until(lambda: consumer.receive(0.2))
    assert delivery is not None
    kill(server)
    wait_until(lambda: consumer.receive(0.1) is None and not consumer.connected)
    server.start()
    wait_until(lambda: consumer.receive(0.1) is None and consumer.connected)
    assert not consumer.ack(delivery)
    assert consumer.publish("acks", b"{}")
    consumer.close()
    assert not consumer.publish("acks", b"{}")


def test_a_broker_that_was_never_there(caplog: pytest.LogCaptureFixture) -> None:
    consumer = RepliesConsumer(f"redis://user:SECRET@127.0.0.1:{closed_port()}/0")
    with pytest.raises(BrokerUnavailable, match=r"^broker redis://127\.0\.0\.1:\d+/0 is away \(.*refused") as caught:
        consumer.run(print, timeout=0.5)
    assert caught.value.code == "event.broker_unavailable"
    assert "SECRET" not in caplog.text + str(caught.value)
    assert len([record for record in caplog.records if record.name.startswith("events")]) == 1


def test_a_broker_that_never_answers() -> None:
    started = time.monotonic()
    with silent_server() as port:
        consumer = PlainConsumer(f"redis://127.0.0.1:{port}/0", "replies", timeout=2.0)
        assert consumer.receive(0.1) is None
        assert not consumer.connected
        consumer.close()
    assert time.monotonic() - started < 5.0


def test_not_a_queue_but_another_kind_of_key(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    gateway = Gateway()
    with redis.Redis.from_url(valkey_url) as client:
        client.set("replies", "x")
        with running(RepliesConsumer(valkey_url), gateway):
            wait_until(lambda: "WRONGTYPE" in caplog.text)
            client.delete("replies")
            put(valkey_url, reply("1.1"))
            wait_until(gateway.has(1))
    assert caplog.text.count("WRONGTYPE") == 1


def test_a_key_of_another_kind_is_told_once_however_often_it_is_tried(
    valkey_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "LAST_PAUSE", 0.1)
    tries: list[Connection] = []
    open_channel = queues.open_channel

    def counted(broker: Connection) -> Any:
        tries.append(broker)
        return open_channel(broker)

    monkeypatch.setattr(queues, "open_channel", counted)
    caplog.set_level(logging.INFO)
    with redis.Redis.from_url(valkey_url) as client:
        client.xadd("replies", {"reply": "{}"})
        plain = PlainConsumer(valkey_url, "replies")
        try:
            wait_until(lambda: plain.receive(0.05) or len(tries) > 3)
            assert [record.levelname for record in caplog.records] == ["WARNING"]
            client.delete("replies")
            put(valkey_url, reply("1.1"))
            wait_until(lambda: plain.receive(0.05))
        finally:
            plain.close()


def test_the_error_of_the_handler_comes_out_though_the_broker_is_gone(server: EmbeddedValkey) -> None:
    put(server.url, reply("1.1"))

    def breaks(shown: Reply) -> None:
        kill(server)
        raise Broken

    with pytest.raises(Broken):
        RepliesConsumer(server.url).run(breaks)
    server.start()
