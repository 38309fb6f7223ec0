"""A new folder of workflows is deployed while conversations and turns of the old one are in progress."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from storage import conversations, merchants
from storage.database import Database
from tests import rows
from workers.agent.state import TurnState
from workers.agent.transactions import TurnTransactions
from workers.bootstrap import Resources
from workers.settings import Settings
from workers.workflow import runner
from workflows import loader
from workflows.loader import load_folder
from workflows.workflow import WorkflowSet

FORMER = "winter_sale"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.dispose()


@pytest.fixture
def former(tmp_path: Path) -> WorkflowSet:
    """The shipped workflows, plus one that is missing from the next folder."""
    shipped = Path(loader.__file__).parent
    for path in shipped.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    text = (shipped / "ad_hoc_support.yaml").read_text()
    (tmp_path / f"{FORMER}.yaml").write_text(text.replace("name: ad_hoc_support", f"name: {FORMER}"))
    return load_folder(tmp_path)


class Silent:
    """Accepts wake-ups and cache calls and ignores them."""

    def __getattr__(self, name: str) -> object:
        return lambda *args, **values: None


def say(database: Database, workflows: WorkflowSet, said: str) -> None:
    """A message of merchant m in conversation c, handled."""
    data = {"merchant_id": "m", "conversation_id": "c", "text": said}
    key = rows.store_event(database, rows.new_event(said, merchant_id="m", conversation_id="c", data=data))
    tools = SimpleNamespace(
        database=database, workflows=workflows, wake_ups=Silent(), cache=Silent(), settings=Settings()
    )
    runner.run(cast(Resources, tools), key)


def conversation_in(database: Database, workflow: str) -> None:
    with database.transaction() as session:
        merchants.add_merchant(session, "m")
        conversations.open(session, id="c", merchant_id="m", workflow=workflow, context={})


def opened(database: Database, workflows: WorkflowSet) -> TurnState:
    """The conversation's first turn that can be claimed."""
    transactions = TurnTransactions(database, workflows, lease_seconds=60.0, owner="test")
    for (turn_id,) in rows.query(database, "SELECT id FROM turns WHERE status = 'queued' ORDER BY seq LIMIT 1"):
        found = transactions.open(turn_id)
        assert isinstance(found, tuple)
        return found[0]
    raise AssertionError("no turn waits")


def test_a_conversation_whose_workflow_is_gone_begins_anew_and_is_answered(
    database: Database, former: WorkflowSet
) -> None:
    conversation_in(database, FORMER)
    say(database, load_folder(), "Are you there?")
    first = load_folder().default.name
    assert rows.query(database, "SELECT status, error_code FROM events") == [("processed", None)]
    assert rows.query(database, "SELECT workflow FROM conversations") == [(first,)]
    [(said,)] = rows.query(database, "SELECT input FROM turns ORDER BY seq")
    assert [(move["source"], move["target"]) for move in said["moves"]] == [(FORMER, first)]
    assert said["text"] == "Are you there?"


def test_a_turn_that_was_queued_for_a_workflow_that_is_gone_is_run_and_ended(
    database: Database, former: WorkflowSet
) -> None:
    conversation_in(database, FORMER)
    say(database, former, "Are you there?")
    state = opened(database, load_folder())
    assert state.workflow == load_folder().default
    assert TurnTransactions(database, load_folder(), lease_seconds=60.0, owner="test").finish(state) is not None
    assert rows.query(database, "SELECT status FROM turns") == [("done",)]


def test_a_running_turn_ends_under_the_text_it_began_with_though_the_file_is_gone(
    database: Database, former: WorkflowSet
) -> None:
    conversation_in(database, FORMER)
    say(database, former, "Are you there?")
    assert opened(database, former).workflow.name == FORMER
    rows.execute(database, "UPDATE turns SET status = 'queued', lease_until = NULL")
    assert opened(database, load_folder()).workflow == former.get(FORMER)


def test_a_text_that_this_code_no_longer_takes_is_replaced(database: Database, former: WorkflowSet) -> None:
    conversation_in(database, FORMER)
    say(database, former, "Are you there?")
    opened(database, former)
    rows.execute(database, "UPDATE turns SET status = 'queued', lease_until = NULL")
    rows.execute(database, "UPDATE workflow_versions SET text = 'unknown: key'")
    assert opened(database, load_folder()).workflow == load_folder().default
