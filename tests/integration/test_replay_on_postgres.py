"""Stored events against an edited folder: what would differ, without sending or writing anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from storage import conversations, outbox, turns
from storage.database import Database
from storage.turns import TurnChange
from tests import rows
from tests.cj import Terminal
from workers.workflow.handler import handle
from workflows.loader import load_folder
from workflows.workflow import WorkflowSet

GREETING = """\
name: greeting
description: Stops when told to
behavior: {initiator: cj, initial_action: {type: process_message, message: begin}}
system_events:
  oauth_complete: {actions: [{type: process_message, message: connected}]}
  message_received:
    - condition: "text == 'stop'"
      actions: [{type: process_message, message: "{{text}} it"}]
  custom:
    - condition: "name == 'plan_changed'"
      actions: [{type: update_context, data: {plan: "{{data.plan}}"}}]
prompts: {cj: {system: You are CJ.}}
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.dispose()


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Terminal:
    return Terminal(tmp_path, monkeypatch, {"DATABASE_URL": database_url, "CJ_WORKFLOWS": str(tmp_path / "flows")})


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "greeting.yaml").write_text(GREETING)
    return tmp_path / "flows"


def happened(database: Database, workflows: WorkflowSet, id: str, type: str, data: dict[str, Any]) -> None:
    """The event was handled, and its turns have begun under the workflows of then."""
    whole = {"merchant_id": "m1", "conversation_id": "c1", **data}
    key = rows.store_event(database, rows.new_event(id, type=type, data=whole))
    with database.transaction() as session:
        effects = handle(session, workflows, key)
    assert effects is not None
    for turn_id in effects.turn_ids:
        with database.transaction() as session:
            claim = turns.claim(session, turn_id, lease_seconds=30, owner="test")
            if not isinstance(claim, turns.Claim):
                continue  # it had nothing to say
            conversation = conversations.get(session, "c1")
            assert conversation is not None
            workflow = workflows.get(claim.workflow or conversation.workflow)
            conversations.remember_workflow(session, workflow.hash, workflow.name, workflow.text)
            change = TurnChange(workflow=workflow.name, workflow_hash=workflow.hash)
            outbox.append_held(session, claim, turns.hold(session, claim), [], maybe_known=False, change=change)
            turns.finish(session, claim)


@pytest.fixture
def a_day(database: Database, flows: Path) -> None:
    then = load_folder(flows)
    happened(database, then, "e1", "conversation_started", {})
    happened(database, then, "e2", "message_received", {"text": "hello"})
    happened(database, then, "e3", "message_received", {"text": "stop"})
    happened(database, then, "e4", "custom", {"name": "plan_changed", "data": {"plan": "pro"}})
    happened(database, then, "e5", "custom", {"name": "unknown", "data": {}})


def kept(database: Database) -> list[Any]:
    with database.transaction() as session:
        return [
            tuple(row)
            for table in ("events", "turns", "replies", "conversations")
            for row in session.execute(text(f"SELECT count(*), max(xmin::text) FROM {table}"))
        ]


@pytest.mark.usefixtures("a_day")
def test_a_replay_says_what_would_differ_and_changes_nothing(
    terminal: Terminal, database: Database, flows: Path
) -> None:
    before = kept(database)
    assert terminal("workflows", "replay").stdout.startswith("5 events: 0 would be handled differently\n")
    edited = GREETING.replace("text == 'stop'", "text == 'hello'").replace("message: begin", "message: welcome")
    (flows / "greeting.yaml").write_text(edited)
    told = terminal("workflows", "replay", "--since", "2h").stdout
    assert told.startswith("5 events: 3 would be handled differently\n")
    assert (
        "1 message_received: then no rule of greeting, on its own; today rule 1 (line 7) of greeting; e.g. e2:\n"
        '    + turn on a system message: "hello it"\n'
    ) in told
    assert (
        "1 message_received: then rule 1 (line 7) of greeting; today no rule of greeting, on its own; e.g. e3:\n"
        '    - turn on a system message: "stop it"\n'
    ) in told
    assert "1 conversation_started: " in told
    assert told.rstrip().endswith("1  message_received      rule 1 (line 7) of greeting")
    found = {one["id"]: one for one in terminal.json("workflows", "replay")}
    assert {id for id, one in found.items() if one["differs"]} == {"e1", "e2", "e3"}
    assert found["e4"]["today"]["actions"] == [{"type": "update_context", "values": {"plan": "pro"}}]
    assert kept(database) == before


@pytest.mark.usefixtures("a_day")
def test_another_folder_is_tried_and_what_it_would_refuse_is_said(
    terminal: Terminal, flows: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "review.yaml").write_text(GREETING.replace("name: greeting", "name: review"))
    told = terminal("workflows", "replay", "--workflows", str(tmp_path / "other")).stdout
    assert told.startswith("5 events: 5 would be handled differently")
    assert "then rule 1 (line 7) of greeting; today rule 1 (line 7) of review; e.g. e3" in told
    assert terminal("workflows", "replay", "--limit", "2").stdout.startswith(
        "2 events (the latest 2; there may be more"
    )
    assert "0 events: 0 would" in terminal("workflows", "replay", "--since", "0s").stdout


@pytest.mark.usefixtures("a_day")
def test_a_stored_event_is_explained_in_its_conversation(terminal: Terminal, flows: Path) -> None:
    told = terminal("workflows", "explain", "--stored", "e3").stdout
    assert told.startswith("message_received from /gateway, received 20")
    assert "it reached conversation c1, in greeting\n" in told
    assert "rule 1 (line 7) takes it" in told
    assert "differently" not in told
    assert "opens a conversation in greeting" in terminal("workflows", "explain", "--stored", "e1").stdout
    (flows / "greeting.yaml").write_text(GREETING.replace("text == 'stop'", "text == 'halt'"))
    told = terminal("workflows", "explain", "--stored", "e3").stdout
    assert "it was handled differently:\n  then rule 1 (line 7) of greeting; today no rule of greeting" in told
    (one,) = terminal.json("workflows", "explain", "--stored", "e3")
    assert (one["differs"], one["conversation_id"], one["then"]["taken"], one["today"]["taken"]) == (
        True,
        "c1",
        0,
        None,
    )
    assert "there is no event 'nothing'" in terminal("workflows", "explain", "--stored", "nothing", code=1).output
    assert "pass EVENT.json, or --stored" in terminal("workflows", "explain", code=2).output
