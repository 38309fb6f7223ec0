"""Conversations on a real Postgres."""

from datetime import timedelta

import pytest

from storage import conversations, turns
from storage.conversations import PastTurn
from storage.database import Database
from storage.errors import ConversationOfAnotherMerchant
from storage.turns import TurnInput
from tests import rows
from tests.rows import claim, execute, give_up, open_conversation, query, queue


def history(database: Database, *, before_seq: int = 100, max_turns: int = 100) -> list[PastTurn]:
    with database.transaction() as session:
        return conversations.history(session, "c1", before_seq=before_seq, max_turns=max_turns)


def answer(database: Database, turn_id: int, words: str) -> None:
    claimed = claim(database, turn_id)
    with database.transaction() as session:
        turns.add_step(session, claimed, 0, {"content": words})
        turns.finish(session, claimed)


def test_what_was_read_before_the_store_was_connected_is_left_out(database: Database) -> None:
    open_conversation(database)
    for words in (None, "Let me look."):
        claimed = claim(database, queue(database, "How many?"))
        called = {"role": "assistant", "content": words, "tool_calls": [{"id": "c"}]}
        with database.transaction() as session:
            turns.add_step(session, claimed, 0, called)
            turns.add_results(session, claimed, 0, [{"tool_call_id": "c", "content": {"success": True}}])
            turns.add_step(session, claimed, 1, {"content": "7."})
            turns.finish(session, claimed)
    [[(between,)]] = [query(database, "SELECT clock_timestamp()")]
    with database.transaction() as session:
        before, since = (
            conversations.history(session, "c1", before_seq=9, max_turns=9, connected_at=at)
            for at in (between - timedelta(days=1), between)
        )
    assert [[bool(step.tool_results) for step in turn.steps] for turn in before] == [[True, False]] * 2
    assert [[step.assistant.get("content") for step in turn.steps] for turn in since] == [
        ["7."],
        ["Let me look.", "7."],
    ]
    assert not any(step.tool_results or step.assistant.get("tool_calls") for turn in since for step in turn.steps)


def test_opening_twice_finds_the_first(database: Database) -> None:
    open_conversation(database)
    with database.transaction() as session:
        again = conversations.open(session, id="c1", merchant_id="m1", workflow="other", context={"x": 1})
    assert (again.workflow, again.context, again.status, again.last_turn) == ("ad_hoc_support", {}, "open", 0)


def test_somebody_elses_conversation_is_not_opened(database: Database) -> None:
    open_conversation(database, "c1", "m1")
    open_conversation(database, "c2", "m2")
    with pytest.raises(ConversationOfAnotherMerchant), database.transaction() as session:
        conversations.open(session, id="c1", merchant_id="m2", workflow="w", context={})


def test_get_finds_what_is_there(database: Database) -> None:
    open_conversation(database)
    with database.transaction() as session:
        assert conversations.get(session, "nowhere") is None
        assert conversations.get(session, "nowhere", lock=True) is None
        found = conversations.get(session, "c1", lock=True)
    assert found is not None
    assert (found.id, found.merchant_id) == ("c1", "m1")


def test_a_locked_conversation_is_locked(database: Database) -> None:
    open_conversation(database)
    nowait = "SELECT 1 FROM conversations FOR NO KEY UPDATE NOWAIT"
    with database.transaction() as session:
        conversations.get(session, "c1")
        query(database, nowait)
        conversations.get(session, "c1", lock=True)
        with pytest.raises(Exception, match="LockNotAvailable"):
            query(database, nowait)


def test_context_is_merged_key_by_key(database: Database) -> None:
    open_conversation(database)
    with database.transaction() as session:
        conversations.change(session, "c1", {"a": {"deep": 1}, "b": None})
        conversations.change(session, "c1", {"a": [1], "c": "\x00"})
        found = conversations.get(session, "c1")
    assert found is not None
    assert found.context == {"a": [1], "b": None, "c": "\ufffd"}


def test_a_conversation_moves(database: Database) -> None:
    open_conversation(database)
    with database.transaction() as session:
        conversations.change(session, "c1", {"a": 1}, workflow="shopify_onboarding")
        conversations.change(session, "c1", {})
    assert query(database, "SELECT workflow, context FROM conversations") == [("shopify_onboarding", {"a": 1})]


def test_the_latest_open_conversation_is_where_something_happened_last(database: Database) -> None:
    for name in ("c1", "c2", "c3"):
        open_conversation(database, name)
    open_conversation(database, "x1", "m2")
    for name in ("c1", "c3"):
        with database.transaction() as session:
            conversations.change(session, name, {})
    execute(database, "UPDATE conversations SET status = 'closed' WHERE id = 'c3'")
    with database.transaction() as session:
        found = conversations.latest_open(session, "m1", lock=True)
        assert found is not None
        assert found.id == "c1"
        assert conversations.latest_open(session, "m3") is None


def test_history_tells_ended_turns_in_order(database: Database) -> None:
    for words in ("one", "two", "three"):
        answer(database, queue(database, words), f"answer to {words}")
    queue(database, "not yet answered")
    told = history(database)
    assert [(turn.seq, turn.input.text) for turn in told] == [(1, "one"), (2, "two"), (3, "three")]
    assert [step.assistant for turn in told for step in turn.steps] == [
        {"content": f"answer to {words}"} for words in ("one", "two", "three")
    ]
    assert [turn.seq for turn in history(database, before_seq=3)] == [1, 2]
    assert [turn.seq for turn in history(database, max_turns=2)] == [2, 3]


def test_history_knows_what_was_stopped(database: Database) -> None:
    claim(database, queue(database, "one"))
    with database.transaction() as session:
        turns.stop(session, "c1", everything=True)
    answer(database, queue(database, "two"), "answer")
    assert [(turn.input.text, turn.was_stopped) for turn in history(database)] == [("one", True), ("two", False)]


def test_history_has_the_messages_a_turn_took_in(database: Database) -> None:
    first = claim(database, queue(database, "one"))
    queue(database, "two")
    with database.transaction() as session:
        turns.absorb(session, first, rows.ROOM, at_step=1)
        turns.finish(session, first)
    (told,) = history(database)
    assert [(item.at_step, item.input) for item in told.absorbed] == [(1, TurnInput("merchant", "two"))]


def test_history_leaves_out_calls_without_results(database: Database) -> None:
    """A turn died between a call and its result: no model would accept such a history."""
    claimed = claim(database, queue(database))
    calls = {"content": None, "tool_calls": [{"id": "a"}]}
    with database.transaction() as session:
        turns.add_step(session, claimed, 0, calls)
        turns.add_results(session, claimed, 0, [{"tool_call_id": "a"}])
        turns.add_step(session, claimed, 1, calls)
    give_up(database, claimed)
    (told,) = history(database)
    assert [step.step for step in told.steps] == [0]


def test_history_of_nothing_is_nothing(database: Database) -> None:
    assert history(database) == []


def test_a_workflow_text_is_kept_once(database: Database) -> None:
    with database.transaction() as session:
        conversations.remember_workflow(session, "abc", "onboarding", "first text")
        conversations.remember_workflow(session, "abc", "onboarding", "other text")
        assert conversations.workflow_text(session, "abc") == "first text"
        assert conversations.workflow_text(session, "xyz") is None
