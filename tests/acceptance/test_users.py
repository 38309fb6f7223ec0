"""The whole flow under the users of `workers/users.acl`: each may do what it has to, and nothing else."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
import redis

from events import Publisher, queues
from tests.acceptance.conftest import as_its_role
from tests.as_role import make_roles
from tests.guarded_valkey import GuardedValkey
from tests.servers import PostgresForTests
from tests.stack import ROOT, Gateway, Stack
from tests.tcp import closed_port
from tests.waiting import wait_until

MERCHANT, SHOP, CONVERSATION = "m_users", "users.myshopify.com", "conv_users"
KINDS = ("workflow", "agent", "shopify", "ops")
UNACKED = "select count(*) from replies where acked_at is null"


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedValkey]:
    with GuardedValkey(tmp_path_factory.mktemp("users") / "valkey") as server:
        yield server


@pytest.fixture(scope="module")
def stack(
    valkey: GuardedValkey, postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Every kind of process with its role and its users; the auth service and the gateway with theirs."""
    with postgres.migrated_database() as database_url:
        make_roles(database_url)
        stack = Stack(
            database_url,
            valkey.urls["cache"],
            tmp_path_factory.mktemp("stack"),
            broker_url=valkey.urls["workers"],
            kinds=("intake", *KINDS),
            command=lambda process: as_its_role(process, database_url),
        )
        stack.gateway = Gateway(valkey.urls["gateway"])
        stack.publisher = Publisher(valkey.urls["auth"])
        with stack:
            yield stack


def test_the_whole_flow_and_nothing_is_refused(stack: Stack, valkey: GuardedValkey) -> None:
    stack.connect(SHOP, MERCHANT, size="tiny")
    stack.connected(MERCHANT, SHOP, CONVERSATION)
    stack.gateway.wait_for_ends(CONVERSATION)
    assert "customers in your store" in stack.gateway.texts(CONVERSATION)[0]
    with Publisher(valkey.urls["gateway"]) as publisher:
        data = {"merchant_id": MERCHANT, "conversation_id": CONVERSATION, "text": "What did I sell this week?"}
        publisher.publish("message_received", data, source="/gateway")
        stack.gateway.wait_for_ends(CONVERSATION, 2)
    stack.wait_row(UNACKED, lambda rows: rows == [(0,)])
    stack.publish("app_uninstalled", {"merchant_id": MERCHANT, "shop_domain": SHOP})
    wiped = "select count(*) from integrations where status = 'uninstalled'"
    stack.wait_row(wiped, lambda rows: rows == [(1,)])
    assert valkey.denied() == []


@pytest.mark.parametrize(
    ("unacked", "queue"), [("unacked", "workflow"), ("plain.unacked", "events"), ("replies.unacked", "replies")]
)
def test_what_a_dead_consumer_had_taken_is_restored(
    stack: Stack, valkey: GuardedValkey, unacked: str, queue: str
) -> None:
    message = {
        "body": "bm90IGpzb24=",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {"delivery_tag": "lost", "body_encoding": "base64", "delivery_info": {}, "priority": 0},
    }
    with redis.Redis.from_url(valkey.url) as admin:
        admin.hset(unacked, "lost", json.dumps([message, "", queue]))
        admin.zadd(f"{unacked}_index", {"lost": time.time() - 3600})
        wait_until(lambda: not admin.hexists(unacked, "lost"), limit=30, what="the restored message")
    assert valkey.denied() == []


def test_celery_and_flower_see_every_worker(stack: Stack, valkey: GuardedValkey) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "workers", "inspect", "ping", "--timeout", "5"],
        cwd=ROOT,
        env=stack.environ(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert all(f"{kind}-" in answer.stdout for kind in KINDS), answer.stderr
    port = closed_port()
    flower = [sys.executable, "-m", "celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
    environ = {**stack.environ(), "BROKER_URL": valkey.urls["flower"], "FLOWER_BASIC_AUTH": "me:secret"}
    with (
        subprocess.Popen(
            [*flower, "--read_only=True"], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("me", "secret"), trust_env=False) as client,
    ):
        try:
            wait_until(lambda: all(f"{kind}-" in page(client, "/workers") for kind in KINDS), limit=40, what="workers")

            def counted() -> bool:
                stack.publish("conversation_started", {"merchant_id": MERCHANT, "conversation_id": "conv_flower"})
                return "cj.handle_event" in page(client, "/metrics")

            wait_until(counted, limit=40, what="a task in Flower")
            assert queues.TURNS in page(client, "/broker")
        finally:
            process.terminate()
            process.wait(10)
    assert valkey.denied() == []


def page(client: httpx.Client, path: str) -> str:
    try:
        return client.get(path).raise_for_status().text
    except httpx.HTTPError:
        return ""
