"""The transactions of a running turn on a real Postgres."""

from collections.abc import Iterator

import pytest

from storage.database import Database
from tests import rows
from workers.agent.transactions import TurnTransactions
from workflows.loader import load_folder


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.dispose()


def test_a_turn_tells_once_that_it_has_begun(database: Database) -> None:
    rows.open_conversation(database)
    turn_id = rows.queue(database)
    transactions = TurnTransactions(database, load_folder(), lease_seconds=60.0, owner="test")
    told: list[str] = []
    for _ in range(3):  # it pauses between its messages, and is claimed again
        opened = transactions.open(turn_id)
        assert isinstance(opened, tuple)
        state, replies = opened
        told += [reply.body["data"]["type"] for reply in replies]
        transactions.release(state.claim)
    assert told == ["RUN_STARTED"]
