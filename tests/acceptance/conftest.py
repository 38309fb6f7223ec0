"""One running stack for all acceptance tests of a test process; each test uses its own merchants."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from psycopg2 import sql

from storage.database import TOKENS_ROLE, WORKERS_ROLE
from tests.servers import PostgresForTests
from tests.stack import Stack
from workers.local.embedded import EmbeddedValkey
from workers.local.procfile import Process
from workers.operations import migrations

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def stack(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every kind of process once, on its own database and Valkey, each with its production privileges."""
    folder = tmp_path_factory.mktemp("stack")
    with (
        EmbeddedValkey(folder / "valkey", aof=False) as valkey,
        postgres.migrated_database() as database_url,
    ):
        make_roles(postgres, database_url)
        with Stack(
            database_url,
            valkey.url,
            folder,
            kinds=("intake", "workflow", "agent", "shopify", "ops"),
            environ={"SHOPIFY_CLIENT_ID": "client-id", "SHOPIFY_CLIENT_SECRET": "client-secret"},
            command=lambda process: as_its_role(process, database_url),
        ) as stack:
            yield stack


def make_roles(postgres: PostgresForTests, database_url: str) -> None:
    """Create both roles and migrate again, as an operator does."""
    for role in (WORKERS_ROLE, TOKENS_ROLE):
        make = "DO $$ BEGIN CREATE ROLE {} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        postgres.execute(sql.SQL(make).format(sql.Identifier(role)))
    migrations.upgrade(database_url)


def url_of(role: str, database_url: str) -> str:
    """The database URL for a role."""
    return database_url.replace("//postgres@", f"//{role}@")


def as_its_role(process: Process, database_url: str) -> str:
    """The process's command with the database URL its kind gets in production; `ops` gets the owner's."""
    kind = process.name.partition(".")[0]
    if kind == "ops":
        return process.command
    url = url_of(TOKENS_ROLE if kind == "shopify" else WORKERS_ROLE, database_url)
    return f"export DATABASE_URL='{url}'; {process.command}"


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
