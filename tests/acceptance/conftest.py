"""One running stack for all acceptance tests of a test process; each test brings merchants of its own."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.servers import PostgresForTests
from tests.stack import Stack
from workers.embedded import EmbeddedValkey

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def stack(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every kind of process once, on a database and a Valkey of its own."""
    folder = tmp_path_factory.mktemp("stack")
    with (
        EmbeddedValkey(folder / "valkey", aof=False) as valkey,
        postgres.migrated_database() as database_url,
        Stack(database_url, valkey.url, folder, kinds=("intake", "workflow", "agent", "shopify", "ops")) as stack,
    ):
        yield stack


@dataclass(frozen=True)
class Someone:
    """A merchant nobody else uses."""

    merchant_id: str
    shop_domain: str
    conversation_id: str


@pytest.fixture
def someone() -> Someone:
    number = next(_numbers)
    return Someone(f"merchant_{number}", f"shop-{number}.myshopify.com", f"conv_of_{number}")
