"""The same processes with RabbitMQ as the broker, selected by `BROKER_URL` alone."""

import json
import os
import threading
import time
from collections.abc import Iterator

import pytest
from amqp.exceptions import PreconditionFailed
from kombu import Connection, Queue

from events import decode_reply, queues
from events.broker.consumer import PlainConsumer
from events.errors import WrongQueue
from events.replies import RepliesConsumer, Reply
from tests.acceptance.conftest import Someone
from tests.rabbitmq import SERVER, RabbitMQ
from tests.servers import PostgresForTests, fast_folder
from tests.stack import Stack
from tests.waiting import wait_until
from workers.cli.check import check_broker
from workers.delivery.wake_ups import WakeUps, broker_breaker, sender
from workers.local.embedded import EmbeddedValkey
from workers.settings import Settings

QUEUES = (queues.EVENTS, queues.WORKFLOW, queues.TURNS, queues.SHOPIFY, queues.REPLIES, queues.ACKS)
IN_FLIGHT = 6


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitMQ]:
    if not SERVER.exists() and "CI" not in os.environ:  # where its absence is a failure
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")
    with fast_folder() as folder, RabbitMQ(folder) as server:
        yield server


@pytest.fixture(scope="module")
def stack(
    broker: RabbitMQ, postgres: PostgresForTests, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("rabbitmq")
    with postgres.migrated_database() as database_url:
        stack = Stack(database_url, valkey.url, folder, broker_url=broker.url)
        stack.gateway.record = ()  # what the broker forgets when it is killed may be sent again after seconds
        with stack:
            yield stack


def test_a_wake_up_finds_its_queue_after_the_broker_lost_it(broker: RabbitMQ) -> None:
    app = sender(broker.url)
    wake_ups = WakeUps(app, broker_breaker())
    for _ in range(2):
        wait_until(lambda: wake_ups._send("cj.test", queues.OPS, []))
        with queues.connection(broker.url) as connection, queues.open_channel(connection) as channel:
            # RabbitMQ counts a message only after its publisher has gone on.
            wait_until(lambda channel=channel: queues.length(queues.OPS, channel) == 1)  # type: ignore[misc]
            queues.plain_queue(queues.OPS)(channel).delete()
        with app.producer_or_acquire() as producer:  # a broker that loses its queues ends its connections
            producer.channel.connection.close()
    app.close()


def connect(stack: Stack, merchant_id: str, conversation_id: str) -> None:
    shop_domain = f"{merchant_id.replace('_', '-')}.myshopify.com"
    stack.connect(shop_domain, merchant_id, size="tiny")
    stack.connected(merchant_id, shop_domain, conversation_id)


def is_whole(stack: Stack, conversation_id: str) -> bool:
    """Each turn was shown completely: no gap, no duplicate, one end."""
    replies = stack.gateway.of(conversation_id)
    turns = [[reply for reply in replies if reply.turn == turn] for turn in sorted({reply.turn for reply in replies})]
    return all(
        [reply.sequence for reply in turn] == [f"{n:06d}" for n in range(1, len(turn) + 1)]
        and [reply.final for reply in turn] == [False] * (len(turn) - 1) + [True]
        for turn in turns
    )


def shown(stack: Stack, conversation_id: str) -> list[tuple[int, str, tuple[str, ...], bool]]:
    """What a conversation was shown, for failure messages."""
    return [(reply.turn, reply.sequence, reply.kinds, reply.final) for reply in stack.gateway.of(conversation_id)]


def wait_until_acked(stack: Stack) -> None:
    stack.wait_row("select count(*) from replies where acked_at is null", lambda rows: rows[0][0] == 0, limit=40)


def test_a_store_is_connected_and_the_conversation_goes_on(stack: Stack, someone: Someone) -> None:
    connect(stack, someone.merchant_id, someone.conversation_id)
    stack.gateway.wait_for_ends(someone.conversation_id)
    assert "customers in your store" in "\n".join(stack.gateway.texts(someone.conversation_id))
    stack.say(someone.merchant_id, someone.conversation_id, "How many customers do I have?")
    stack.gateway.wait_for_ends(someone.conversation_id, 2)
    assert is_whole(stack, someone.conversation_id), shown(stack, someone.conversation_id)
    wait_until_acked(stack)


@pytest.mark.parametrize("name", QUEUES)
def test_every_queue_is_a_quorum_queue(stack: Stack, broker: RabbitMQ, name: str) -> None:
    with Connection(broker.url) as connection:
        queues.plain_queue(name)(connection.channel()).queue_declare(passive=True)
        classic = {key: value for key, value in queues.arguments(name).items() if key == "x-single-active-consumer"}
        with pytest.raises(PreconditionFailed, match="x-queue-type"):
            Queue(name, durable=True, queue_arguments=classic)(connection.channel()).queue_declare()


def test_a_restart_in_the_middle_of_turns_loses_and_repeats_nothing(stack: Stack, broker: RabbitMQ) -> None:
    before = stack.supervisor.pids()
    conversations = [f"in_flight_{number}" for number in range(IN_FLIGHT)]
    for number, conversation in enumerate(conversations):
        connect(stack, f"rabbit_{number}", conversation)
    wait_until(lambda: any(stack.gateway.texts(conversation) for conversation in conversations), what="first words")
    wait_until(lambda: broker.has_saved(QUEUES), what="the queues on the disk")
    broker.kill()
    broker.start()
    for number, conversation in enumerate(conversations):
        stack.say(f"rabbit_{number}", conversation, "How many customers do I have?")
    for conversation in conversations:
        stack.gateway.wait_for_ends(conversation, 2, limit=40)
        assert is_whole(stack, conversation), shown(stack, conversation)
    wait_until_acked(stack)
    assert stack.supervisor.pids() == before


def test_a_queue_of_another_kind_is_named_with_what_to_do(broker: RabbitMQ, monkeypatch: pytest.MonkeyPatch) -> None:
    with Connection(broker.url) as connection:
        Queue("classic", durable=True)(connection.channel()).declare()
    monkeypatch.setattr(queues, "ALL", ("classic",))
    with pytest.raises(WrongQueue, match="rabbitmqctl delete_queue classic"):
        queues.check(broker.url)
    with pytest.raises(WrongQueue):
        RepliesConsumer(broker.url, source_queue="classic").run(lambda _reply: None, timeout=5.0)
    assert "delete_queue classic" in check_broker(Settings(broker_url=broker.url)).detail


def test_the_next_consumer_takes_over_from_one_that_leaves(broker: RabbitMQ, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two gateways at once, as in a rolling deploy: one shows everything, then the other does."""
    shown: list[tuple[str, int]] = []
    stops = {name: threading.Event() for name in ("first", "second")}
    consumers = {
        name: threading.Thread(
            target=RepliesConsumer(broker.url, source_queue="for_two", ack_queue="acks_of_two").run,
            args=(lambda reply, name=name: shown.append((name, int(reply.sequence))),),
            kwargs={"stop": stop},
        )
        for name, stop in stops.items()
    }
    monkeypatch.setattr(queues, "REPLIES", "for_two")
    with Connection(broker.url) as connection:
        queue = queues.plain_queue("for_two")(connection.channel())
        queue.declare()

        def put(sequence: int) -> None:
            body = {"specversion": "1.0", "id": f"r{sequence}", "source": "/cj", "type": "cj.reply", "subject": "c"}
            place = {"merchantid": "m", "turn": 1, "sequence": f"{sequence:06}", "data": [{"type": "CUSTOM"}]}
            queues.put(connection.Producer(auto_declare=False), "for_two", json.dumps({**body, **place}).encode())

        consumers["first"].start()
        put(1)
        wait_until(lambda: shown, limit=20, what="the first reply")
        consumers["second"].start()
        for sequence in range(2, 20):
            put(sequence)
        wait_until(lambda: len(shown) == 19, limit=20, what="the others")
        assert {name for name, _ in shown} == {"first"}
        stops["first"].set()
        consumers["first"].join(10)
        began = time.monotonic()
        put(20)
        wait_until(lambda: ("second", 20) in shown, limit=10, what="the second consumer")
        assert time.monotonic() - began < 5
        stops["second"].set()
        consumers["second"].join(10)
    assert [sequence for _, sequence in shown] == list(range(1, 21))


def frame(sequence: int) -> bytes:
    reply = {
        "specversion": "1.0", "id": f"turn_1:{sequence:06d}:{sequence:016x}", "source": "/cj", "type": "cj.reply",
        "subject": "c", "merchantid": "m", "time": "2026-11-22T10:00:01Z", "turn": 1, "sequence": f"{sequence:06d}",
        "data": [{"type": "RUN_STARTED", "threadId": "c", "runId": "r"}],
    }  # fmt: skip
    return json.dumps(reply).encode()


@pytest.mark.parametrize("how", ["dies", "is frozen"])
def test_a_gateway_that_stands_by_takes_over_and_knows_what_was_shown(
    broker: RabbitMQ, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    queue, acks = f"replies of who {how}", f"acks of who {how}"
    monkeypatch.setattr(queues, "REPLIES", queue)
    monkeypatch.setattr(
        queues, "HOLDER_HEARTBEAT_SECONDS", 2
    )  # this process may be kept from giving signs of life for a while
    record: list[Reply] = []
    stop = threading.Event()
    standby = RepliesConsumer(broker.url, source_queue=queue, ack_queue=acks, shown=lambda: list(record))
    held = PlainConsumer(broker.url, queue)
    assert held.receive(0.1) is None  # it has the queue
    thread = threading.Thread(target=standby.run, args=(record.append,), kwargs={"stop": stop})
    thread.start()
    with queues.connection(broker.url) as connection:
        channel = queues.open_channel(connection)
        wait_until(lambda: held.receive(0.05) is None and standby._plain.connected, what="the one that stands by")
        assert held.receive(0.5) is None  # longer than that one waits before it looks around
        for sequence in (1, 2):
            queues.put(connection.Producer(channel), queue, frame(sequence))
    try:
        taken = wait_until(lambda: held.receive(0.1), what="the first reply")
        record.append(decode_reply(taken.body))
        if how == "dies":  # before its ack
            held.close()
        wait_until(lambda: len(record) > 1, limit=3 * queues.HOLDER_HEARTBEAT_SECONDS + 4, what="the next gateway")
        assert held.holds() is (how == "dies"), "who was frozen knows it"
    finally:
        held.close()
        stop.set()
        thread.join(10)
    assert [reply.sequence for reply in record] == ["000001", "000002"]


def test_a_gateway_may_take_three_seconds_for_a_reply_and_one_that_is_stuck_loses_the_queue(
    broker: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, acks = "replies of who is slow", "acks of who is slow"
    monkeypatch.setattr(queues, "REPLIES", queue)
    record: list[tuple[str, Reply]] = []
    stop, is_over = threading.Event(), threading.Event()

    def slow(reply: Reply) -> None:
        is_over.wait(2.4 if reply.sequence == "000001" else 60)
        if reply.sequence == "000001":
            record.append(("slow", reply))

    def consumer() -> RepliesConsumer:
        return RepliesConsumer(
            broker.url, source_queue=queue, ack_queue=acks, shown=lambda: [reply for _, reply in record]
        )

    holder, standby = consumer(), consumer()
    threads = [
        threading.Thread(target=holder.run, args=(slow,), kwargs={"stop": stop}),
        threading.Thread(
            target=standby.run, args=(lambda reply: record.append(("standby", reply)),), kwargs={"stop": stop}
        ),
    ]
    try:
        threads[0].start()
        wait_until(lambda: holder._plain.connected, what="the one that has the queue")
        threads[1].start()
        wait_until(lambda: standby._plain.connected, what="the one that stands by")
        with queues.connection(broker.url) as connection:
            channel = queues.open_channel(connection)
            is_over.wait(
                0.9
            )  # RabbitMQ looks once a second, from when they connected: without signs it would wait 2.1 s
            for sequence in (1, 2):
                queues.put(connection.Producer(channel), queue, frame(sequence))
        wait_until(lambda: len(record) == 2, limit=20, what="both replies")
    finally:
        stop.set()
        is_over.set()
        for thread in threads:
            thread.join(10)
    assert [(name, reply.sequence) for name, reply in record] == [("slow", "000001"), ("standby", "000002")]
