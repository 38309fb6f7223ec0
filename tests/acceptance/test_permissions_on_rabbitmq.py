"""The permissions that workers/README.md gives for RabbitMQ: the whole flow under them, and what they refuse."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import amqp
import httpx
import pytest
from kombu import Connection

from events import Publisher, queues
from tests.rabbitmq import SERVER, RabbitMQ
from tests.servers import PostgresForTests
from tests.stack import ROOT, Gateway, Stack
from tests.tcp import closed_port
from tests.waiting import wait_until
from workers.cli.check import check_broker
from workers.local.embedded import EmbeddedValkey
from workers.settings import Settings

KINDS = ("workflow", "agent", "shopify")
#: Users with less than a worker needs.
LACKING = {"undeclaring": ("^$", ".*", ".*"), "silent": (".*", "^$", ".*"), "deaf": (".*", ".*", "^$")}
MERCHANT, SHOP, CONVERSATION = "m_rabbit", "rabbit.myshopify.com", "conv_rabbit"


def permissions() -> dict[str, tuple[str, str, str]]:
    """User → configure, write and read, from the table in the README."""
    rows = re.findall(r"^  \| (\w+) \| `(.*)` \| `(.*)` \| `(.*)` \|$", (ROOT / "workers/README.md").read_text(), re.M)
    found = {user: (configure, write, read) for user, configure, write, read in rows}
    return {
        user: (a.replace("\\|", "|"), b.replace("\\|", "|"), c.replace("\\|", "|")) for user, (a, b, c) in found.items()
    }


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    assert permissions().keys() == {"auth", "gateway", "workers", "flower"}
    if not SERVER.exists() and "CI" not in os.environ:  # where its absence is a failure
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), permissions={**permissions(), **LACKING}) as broker:
        yield broker


@pytest.fixture(scope="module")
def stack(broker: RabbitMQ, postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with (
        EmbeddedValkey(folder / "valkey", aof=False) as valkey,
        postgres.migrated_database() as database_url,
    ):
        stack = Stack(database_url, valkey.url, folder, broker_url=broker.url_of("workers"), kinds=("intake", *KINDS))
        stack.gateway = Gateway(broker.url_of("gateway"))
        stack.publisher = Publisher(broker.url_of("auth"))
        with stack:
            yield stack


def test_the_whole_flow(stack: Stack, broker: RabbitMQ) -> None:
    stack.connect(SHOP, MERCHANT, size="tiny")
    stack.connected(MERCHANT, SHOP, CONVERSATION)
    stack.gateway.wait_for_ends(CONVERSATION)
    with Publisher(broker.url_of("gateway")) as publisher:
        data = {"merchant_id": MERCHANT, "conversation_id": CONVERSATION, "text": "What did I sell this week?"}
        publisher.publish("message_received", data, source="/gateway")
        stack.gateway.wait_for_ends(CONVERSATION, 2)
    stack.wait_row("select count(*) from replies where acked_at is null", lambda rows: rows == [(0,)])


def test_our_own_users_lack_nothing(broker: RabbitMQ) -> None:
    queues.check(broker.url_of("workers"))
    queues.check(broker.url_of("auth"), only_sends=True)


@pytest.mark.parametrize("user", LACKING)
def test_what_another_user_lacks_is_named(broker: RabbitMQ, user: str) -> None:
    """A worker would end again and again: Unrecoverable error: AccessRefused."""
    found = check_broker(Settings(broker_url=broker.url_of(user)))
    assert not found.ok
    assert "its user lacks a permission: see workers/README.md" in found.detail


def test_flower_sees_the_workers(stack: Stack, broker: RabbitMQ) -> None:
    port = closed_port()
    flower = [sys.executable, "-m", "celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
    environ = {**stack.environ(), "BROKER_URL": broker.url_of("flower"), "FLOWER_BASIC_AUTH": "me:secret"}
    with (
        subprocess.Popen(
            [*flower, "--read_only=True"], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("me", "secret"), trust_env=False) as client,
    ):
        try:
            wait_until(lambda: all(f"{kind}-" in page(client) for kind in KINDS), limit=40, what="workers")
        finally:
            process.terminate()
            process.wait(10)


def page(client: httpx.Client) -> str:
    try:
        return client.get("/workers").raise_for_status().text
    except httpx.HTTPError:
        return ""


@pytest.mark.parametrize("user", ["auth", "gateway", "flower"])
@pytest.mark.parametrize("queue", [queues.EVENTS, queues.TURNS, queues.OPS])
def test_who_is_no_worker_takes_nothing_from_these_queues(
    stack: Stack, broker: RabbitMQ, user: str, queue: str
) -> None:
    with Connection(broker.url_of(user)) as connection:
        channel: Any = connection.channel()
        with pytest.raises(amqp.exceptions.AccessRefused):
            channel.basic_get(queue)


@pytest.mark.parametrize("user", ["auth", "gateway"])
def test_nor_broadcasts_to_the_workers(stack: Stack, broker: RabbitMQ, user: str) -> None:
    with Connection(broker.url_of(user)) as connection:
        channel: Any = connection.channel()
        channel.basic_publish(amqp.Message("x"), exchange="celery.pidbox")
        with pytest.raises(amqp.exceptions.AccessRefused):
            connection.drain_events(timeout=5)
