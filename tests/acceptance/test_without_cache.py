"""The cache's Redis takes nothing, while broker and Postgres work: merchants hear of their store all the same."""

import re
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import redis

from tests.acceptance.conftest import Someone, as_its_role
from tests.as_role import make_roles
from tests.servers import PostgresForTests, fast_folder, kill
from tests.stack import Stack
from workers.local.embedded import EmbeddedValkey

Break = Callable[[EmbeddedValkey], object]


@pytest.fixture(scope="module")
def cache() -> Iterator[EmbeddedValkey]:
    with fast_folder() as folder, EmbeddedValkey(folder / "cache", aof=False) as server:
        yield server


@pytest.fixture(scope="module")
def stack(
    cache: EmbeddedValkey,
    valkey: EmbeddedValkey,
    postgres: PostgresForTests,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Each process with its production privileges."""
    folder = tmp_path_factory.mktemp("without_cache")
    with postgres.migrated_database() as database_url:
        make_roles(database_url)
        with Stack(
            database_url,
            cache.url,
            folder,
            broker_url=valkey.url,
            command=lambda process: as_its_role(process, database_url),
        ) as stack:
            yield stack


def told(cache: EmbeddedValkey, *commands: str) -> None:
    with redis.Redis.from_url(cache.url) as client:
        for command in commands:
            client.execute_command(*command.split())


def replica(cache: EmbeddedValkey) -> None:
    told(cache, "REPLICAOF 127.0.0.1 1")


def full(cache: EmbeddedValkey) -> None:
    told(cache, "CONFIG SET maxmemory 1")


def refusing(cache: EmbeddedValkey) -> None:
    told(cache, "ACL SETUSER default -@all +@connection")


@pytest.fixture(params=[kill, replica, full, refusing], ids=lambda how: how.__name__)
def broken(request: pytest.FixtureRequest, stack: Stack, cache: EmbeddedValkey) -> Iterator[None]:
    how: Break = request.param
    how(cache)
    yield
    if how is not kill:
        kill(cache)
    cache.start()


@pytest.mark.usefixtures("broken")
def test_merchants_hear_of_their_store_and_shopify_is_not_asked_again_and_again(stack: Stack, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
    stack.gateway.wait_for_ends(someone.conversation_id)
    customers = stack.store.truth(someone.shop_domain)["customers"]
    said = " ".join(stack.gateway.texts(someone.conversation_id))
    assert f"You have {customers} customers in your store" in said
    assert re.search("recent activity: your latest 10 orders.*best-stocked product.*last seven days there were", said)
    assert not re.search("could not see|does not answer|right now", said)
    asked = Counter(request["operation"] for request in stack.store.requests(someone.shop_domain))
    assert asked.keys() >= {"Counts", "RecentOrders", "StoreOverview", "WeekOrders"}
    assert max(asked.values()) <= 3, "once; if Redis is only full, ahead of the turn, too; on a slow machine, again"

    later = f"{someone.conversation_id}_later"
    stack.say(someone.merchant_id, later, "How many customers do I have?")
    stack.gateway.wait_for_ends(later)
    [answer] = stack.gateway.texts(later)
    assert answer.startswith(f"You have {customers} customers in your store")
