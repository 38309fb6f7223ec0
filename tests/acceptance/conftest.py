"""One running stack for all acceptance tests of a test process; each test uses its own merchants."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.as_role import make_roles, url_of
from tests.door import KEYS
from tests.servers import PostgresForTests
from tests.stack import Stack
from workers.local.embedded import EmbeddedValkey, free_port
from workers.local.procfile import Process

_numbers = itertools.count(1)
PAGE_PORT = free_port()


@pytest.fixture(scope="session")
def stack(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every kind of process once, on its own database and Valkey, each with its production privileges."""
    folder = tmp_path_factory.mktemp("stack")
    with (
        EmbeddedValkey(folder / "valkey", aof=False) as valkey,
        postgres.migrated_database() as database_url,
    ):
        make_roles(database_url)
        with Stack(
            database_url,
            valkey.url,
            folder,
            kinds=("intake", "workflow", "agent", "shopify", "ops", "gateway"),
            environ={
                "SHOPIFY_CLIENT_ID": "client-id",
                "SHOPIFY_CLIENT_SECRET": "client-secret",
                **KEYS,
                "CJ_GATEWAY_LISTEN": f"127.0.0.1:{free_port()}",
                "CJ_GATEWAY_ORIGINS": f"http://127.0.0.1:{PAGE_PORT}",
            },
            command=lambda process: as_its_role(process, database_url),
        ) as stack:
            yield stack


def as_its_role(process: Process, database_url: str) -> str:
    """The process's command with the database URL its kind gets in production."""
    kind = process.name.partition(".")[0]
    return f"export DATABASE_URL='{url_of(f'cj_{kind}', database_url)}'; {process.command}"


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
