"""The same processes with RabbitMQ as the broker, selected by `BROKER_URL` alone."""

import os
from collections.abc import Iterator

import pytest
from amqp.exceptions import PreconditionFailed
from kombu import Connection, Queue

from events import queues
from tests.acceptance.conftest import Someone
from tests.rabbitmq import SERVER, RabbitMQ
from tests.servers import PostgresForTests, fast_folder
from tests.stack import Stack
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedValkey

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
    with (
        postgres.migrated_database() as database_url,
        Stack(database_url, valkey.url, folder, broker_url=broker.url) as stack,
    ):
        yield stack


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
        with pytest.raises(PreconditionFailed, match="x-queue-type"):
            Queue(name, durable=True)(connection.channel()).queue_declare()


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
