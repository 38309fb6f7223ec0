"""An event that cannot be handled is postponed and finally refused; it never blocks its conversation forever."""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from storage import inbox, merchants
from storage.database import Database
from storage.errors import StorageUnavailable
from workers.bootstrap import Resources
from workers.settings import Settings
from workers.workflow import runner
from workers.workflow.runner import FAILED, MAX_ATTEMPTS
from workflows import engine, loader
from workflows.loader import load_folder
from workflows.workflow import WorkflowSet

SUPPORT = """\
name: support
description: Stops when told to
system_events:
  message_received:
    - condition: "text == 'stop'"
      actions:
        - type: "update_context"
          data:
            stopped: true
prompts:
  cj:
    system: |
      You are CJ.
"""


class Silent:
    """Accepts wake-ups and cache calls and ignores them."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **values: None


def silent(database: Database, workflows: WorkflowSet) -> Resources:
    nobody = Silent()
    return cast(
        Resources,
        SimpleNamespace(
            database=database,
            workflows=workflows,
            wake_ups=nobody,
            cache=nobody,
            reply_publisher=nobody,
            settings=Settings(),
        ),
    )


def accept(database: Database, id: str, said: str, *, type: str = "message_received") -> int:
    data = {"merchant_id": "m", "conversation_id": "c", "text": said, "name": id}
    with database.transaction() as session:
        merchants.add_merchant(session, "m")
        event = inbox.NewEvent(
            source="/gateway",
            id=id,
            type=type,
            data=data,
            content_hash=id.encode(),
            merchant_id="m",
            conversation_id="c",
        )
        [accepted] = inbox.accept(session, [event])
    assert isinstance(accepted, inbox.Accepted)
    return accepted.key


def without_rule(type: str = "message_received") -> float:
    """How many events of a type no rule took in this process."""
    labels = {"type": type, "workflow": "support"}
    return REGISTRY.get_sample_value("cj_events_without_rule_total", labels) or 0.0


def rows(database: Database, query: str) -> list[Any]:
    with database.transaction() as session:
        return [tuple(row) for row in session.execute(text(query))]


def test_an_event_that_cannot_be_handled_is_refused_at_last_and_the_next_one_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = silent(database, load_folder())
    bad, good = accept(database, "bad", "boom"), accept(database, "good", "hello")
    plan = engine.plan

    def exploding(workflow: Any, event_type: str, data: Mapping[str, Any]) -> Any:
        if data["text"] == "boom":
            raise ZeroDivisionError("a defect nobody foresaw")
        return plan(workflow, event_type, data)

    monkeypatch.setattr(engine, "plan", exploding)
    for attempt in range(MAX_ATTEMPTS):
        assert rows(database, "select count(*) from turns") == [(0,)], attempt
        runner.run(tools, good)
        with database.transaction() as session:
            session.execute(text("update events set run_after = clock_timestamp()"))
    runner.run(tools, good)
    assert rows(database, f"select status, error_code from events where key = {bad}") == [("rejected", FAILED)]
    assert rows(database, f"select status from events where key = {good}") == [("processed",)]
    assert rows(database, "select input ->> 'text' from turns") == [("hello",)]


def test_after_a_long_outage_an_event_is_handled_soon(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that somebody held for minutes kept merchants waiting for minutes more."""
    tools = silent(database, load_folder())
    key = accept(database, "late", "hello")

    def locked(*_: Any) -> Any:
        raise StorageUnavailable("canceling statement due to lock timeout")

    with database.transaction() as session:
        session.execute(text("update events set attempts = 9"))
    monkeypatch.setattr(engine, "plan", locked)
    runner.run(tools, key)
    waits = "extract(epoch from run_after - clock_timestamp()) <= 10.0"
    assert rows(database, f"select status, attempts, {waits} from events") == [("received", 10, True)]


def test_every_line_says_which_event_it_is_about(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = silent(database, load_folder())
    key = accept(database, "bad", "boom")

    def exploding(*_: Any) -> Any:
        raise ZeroDivisionError("a defect nobody foresaw")

    monkeypatch.setattr(engine, "plan", exploding)
    with capture_logs(processors=[merge_contextvars]) as lines:
        runner.run(tools, key)
        with database.transaction() as session:
            session.execute(text("delete from merchants"))
            session.execute(text("update events set run_after = clock_timestamp()"))
        runner.run(tools, key)
    assert [line["event"] for line in lines] == ["event could not be handled", "event postponed", "event refused"]
    assert [(line["event_id"], line["conversation_id"]) for line in lines[1:]] == [("bad", "c")] * 2


def test_when_no_rule_takes_an_event_one_line_says_why_and_no_value_of_the_event(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "support.yaml").write_text(SUPPORT)
    tools = cast(
        Resources,
        SimpleNamespace(
            database=database, workflows=load_folder(tmp_path), wake_ups=Silent(), cache=Silent(), settings=Settings()
        ),
    )
    before = without_rule()

    def said(key: int) -> list[str]:
        with capture_logs(processors=[merge_contextvars]) as lines:
            runner.run(tools, key)
        return [line["why"] for line in lines if line["event"] == "no rule took the event"]

    assert said(accept(database, "none", "hello")) == [], "a message is answered without a rule, too"
    caplog.set_level(logging.DEBUG)
    assert said(accept(database, "one", "secret words")) == [
        "support: no rule takes message_received; rule 1 (line 5): text == 'stop' is false"
    ]
    assert without_rule() == before
    assert rows(database, "select input ->> 'text' from turns order by seq") == [("hello",), ("secret words",)]
    caplog.set_level(logging.INFO)
    assert said(accept(database, "two", "", type="custom")) == ["support: no rule for custom"]
    assert without_rule("custom") == before + 1


@pytest.mark.parametrize(("said", "opened"), [("hello", "shopify_onboarding"), ("stop", "support")])
def test_a_workflow_opens_only_conversations_that_its_rule_takes(
    database: Database, tmp_path: Path, said: str, opened: str
) -> None:
    # Given a further workflow with a rule for the event, as somebody adds it to the shipped ones
    for file in loader.SHIPPED.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "a_support.yaml").write_text(SUPPORT)
    runner.run(silent(database, load_folder(tmp_path)), accept(database, "one", said))
    assert rows(database, "select workflow from conversations") == [(opened,)]
