"""The servers benchmarks run on: temporary, durable Postgres and Valkey."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import PostgresForTests
from workers.local.embedded import EmbeddedValkey


@dataclass(frozen=True)
class Ground:
    """A database at the migration head, a Valkey with its append-only file, and a folder."""

    database_url: str
    valkey: EmbeddedValkey
    folder: Path


@contextmanager
def ground() -> Iterator[Ground]:
    """The servers, while the block runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            PostgresForTests(folder / "postgres", durable=True) as postgres,
            EmbeddedValkey(folder / "valkey") as valkey,
            postgres.migrated_database() as database_url,
        ):
            yield Ground(database_url, valkey, folder)
