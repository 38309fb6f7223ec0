"""The transactions of a running turn on a real Postgres."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from storage import agui, merchants, turns
from storage.database import Database, Session
from storage.errors import StorageUnavailable
from storage.outbox import NewReply
from storage.vault import Vault, new_key_text
from tests import rows
from workers.agent.cost_limits import CostLimits
from workers.agent.state import NewResults, TurnState
from workers.agent.transactions import Message, NewStep, NextCall, TurnTransactions
from workers.settings import Settings
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
        told += [event["type"] for reply in replies for event in reply.body["data"]]
        transactions.release(state.claim)
    assert told == ["RUN_STARTED"]


def connect(database: Database) -> None:
    owner: dict[str, Any] = {"merchant_id": "m1", "shop_domain": "acme.myshopify.com"}
    vault, token = Vault.from_text(new_key_text()), SecretStr("shpat_0123456789abcdef")
    with database.transaction() as session:
        merchants.connect_shop(session, vault, **owner, access_token=token, scopes=[], emit=False)


def said(database: Database) -> list[str]:
    events = "SELECT e ->> 'delta' FROM replies, jsonb_array_elements(body -> 'data') AS e ORDER BY turn_id, sequence"
    found = rows.query(database, events)
    return [str(words) for (words,) in found if words is not None]


def test_whoever_wrote_them_words_leave_as_plain_text(database: Database) -> None:
    """A model's answer, a workflow's own text and a sentence about an error take the same way out."""
    connect(database)
    transactions = TurnTransactions(database, load_folder(), lease_seconds=60.0, owner="test", reply_characters=500)
    evil = "![x](https://evil.test/p.png?d=Anna) [orders](https://admin.shopify.com/store/acme/orders) <b>hi</b>"
    for way in ("step", "replies", "answer", "error", "long"):
        opened = transactions.open(rows.queue(database, way))
        assert isinstance(opened, tuple)
        state = opened[0]
        message = Message("m", evil if way != "long" else "word " * 1000)
        answer = NewStep(0, {"role": "assistant", "content": evil})
        if way == "step":
            transactions.add_step(state, answer, message, unless_newer=None)
        elif way == "replies":
            transactions.add_replies(state, [NewReply(way, agui.text(message.id, message.words))])
        error = ("some.code", evil) if way == "error" else None
        transactions.finish(state, message=message if way in ("answer", "long") else None, error=error)
    words = said(database)
    assert words[:4] == ["x orders (https://admin.shopify.com/store/acme/orders) hi"] * 4
    assert len(words[4]) <= 500


def test_the_shops_own_website_is_known_from_its_data(database: Database) -> None:
    connect(database)
    transactions = TurnTransactions(database, load_folder(), lease_seconds=60.0, owner="test")
    opened = transactions.open(rows.queue(database))
    assert isinstance(opened, tuple)
    state = opened[0]
    call = {"id": "c", "type": "function", "function": {"name": "shopify_data", "arguments": "{}"}}
    asks = NewStep(0, {"role": "assistant", "content": None, "tool_calls": [call]})
    transactions.add_step(state, asks, None, unless_newer=None)
    content = {"success": True, "data_type": "overview", "data": {"shop": {"website": "www.acme.example"}}}
    result = {"tool_call_id": "c", "name": "shopify_data", "content": content}
    state.keep_later(NewResults(0, [result], NewReply("0:results", []), state.now()))
    words = "Yours is www.acme.example/sale, not www.evil.example/sale."
    transactions.finish(state, message=Message("m", words))
    assert said(database) == ["Yours is www.acme.example/sale, not (link removed)."]


CALL = {"id": "c", "type": "function", "function": {"name": "shopify_data", "arguments": "{}"}}
ASKS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
FOUND = {"tool_call_id": "c", "name": "shopify_data", "content": {"success": True, "data_type": "counts"}}
NO_LIMITS = replace(CostLimits.of(Settings()), turns_per_minute=0, tokens_per_day=0)


def begins_with_a_call(transactions: TurnTransactions, turn_id: int) -> TurnState:
    """A turn whose first answer asks for data, and the call behind it is begun with that."""
    opened = transactions.open(turn_id, lambda _state: NextCall(0, NO_LIMITS, None))
    assert isinstance(opened, tuple)
    state, _ = opened
    state.begun = False  # the model is asked, and answers
    announced = NewReply("0:calls", agui.tool_call("m0-c0", "shopify_data", "m0", "counts"))
    transactions.add_step(
        state, NewStep(0, ASKS), None, [announced], unless_newer=None, next_call=lambda _: NextCall(1, NO_LIMITS, None)
    )
    assert state.begun
    return state


def kept(database: Database) -> list[tuple[Any, ...]]:
    """(calls counted, results kept, keys of the replies)"""
    return rows.query(
        database,
        "SELECT t.model_calls, (SELECT count(tool_results) FROM steps s WHERE s.turn_id = t.id),"
        " array(SELECT key FROM replies r WHERE r.turn_id = t.id ORDER BY sequence) FROM turns t",
    )


def test_what_tools_answer_at_once_is_kept_and_told_with_the_next_answer(database: Database) -> None:
    transactions = TurnTransactions(database, load_folder(), lease_seconds=60.0, owner="test")
    state = begins_with_a_call(transactions, rows.queue(database))
    state.keep_later(NewResults(0, [FOUND], NewReply("0:results", agui.tool_result("m0-c0", None)), state.now()))
    assert state.results() == [FOUND["content"]]
    answered = state.unkept.at if state.unkept is not None else None
    assert kept(database) == [(2, 0, ["started", "0:calls"])]
    state.begun = False
    said, more = Message("m1", "You have 7."), NewReply("1:calls", agui.tool_call("m1-c0", "shopify_data", "m1", None))
    [told] = transactions.add_step(state, NewStep(1, {**ASKS, "content": "x"}), said, [more], unless_newer=None) or []
    assert [event["type"] for event in told.body["data"]] == [
        "TOOL_CALL_RESULT",
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"),
        *("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"),
    ]
    assert kept(database) == [(2, 1, ["started", "0:calls", "1:calls"])]
    assert state.unkept is None
    assert rows.query(database, "SELECT finished_at FROM steps WHERE step = 0") == [(answered,)]


@pytest.mark.parametrize("end", ["finished", "released"])
def test_results_that_wait_for_an_answer_are_kept_if_none_comes(database: Database, end: str) -> None:
    transactions = TurnTransactions(database, load_folder(), lease_seconds=60.0, owner="test")
    state = begins_with_a_call(transactions, rows.queue(database))
    state.keep_later(NewResults(0, [FOUND], NewReply("0:results", agui.tool_result("m0-c0", None)), state.now()))
    if end == "finished":
        transactions.finish(state, error=("some.code", "Sorry."))
    else:
        transactions.keep_results(state)
    assert kept(database) == [(2, 1, ["started", "0:calls", "end" if end == "finished" else "0:results"])]


def test_a_call_is_counted_before_the_tools_are_asked_whatever_dies(database: Database) -> None:
    """The worker dies before it has kept anything of what the tools or the model answered."""
    transactions = TurnTransactions(database, load_folder(), lease_seconds=60.0, owner="test")
    turn_id = rows.queue(database)
    begins_with_a_call(transactions, turn_id)
    rows.let_lease_run_out(database, turn_id)
    with database.transaction() as session:
        turns.expire(session)
    opened = transactions.open(turn_id)
    assert isinstance(opened, tuple)
    assert (opened[0].model_calls, opened[0].fruitless) == (2, 1)


def test_a_commit_that_is_tried_again_counts_one_call(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    transactions = TurnTransactions(database, load_folder(), lease_seconds=60.0, owner="test")
    hold, tries = turns.hold, list[int]()

    def away_once(session: Session, claim: turns.Claim) -> turns.Held:
        tries.append(len(tries))
        held = hold(session, claim)
        if len(tries) == 2:
            raise StorageUnavailable("away")
        return held

    monkeypatch.setattr(turns, "hold", away_once)
    state = begins_with_a_call(transactions, rows.queue(database))
    transactions.keep_results(state, lambda _state: NextCall(1, NO_LIMITS, None))
    assert (state.model_calls, kept(database)[0][0]) == (2, 2)
    assert len(tries) == 3


def test_a_commit_of_a_turn_takes_two_round_trips(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """To hold it, and for all else together with the commit; to count a call takes one more."""
    transactions = TurnTransactions(database, load_folder(), lease_seconds=60.0, owner="test")
    turn_id = rows.queue(database)
    asked = rows.statements_seen(monkeypatch)
    state = begins_with_a_call(transactions, turn_id)
    assert len(asked) == 3 + 2  # the claim lines up first
    asked.clear()
    state.keep_later(NewResults(0, [FOUND], NewReply("0:results", agui.tool_result("m0-c0", None)), state.now()))
    transactions.add_step(state, NewStep(1, ASKS), None, [NewReply("1:calls", [])], unless_newer=None)
    assert len(asked) == 1
    asked.clear()
    transactions.finish(state, message=Message("m", "That is it."))
    assert len(asked) == 3  # what it cost is told, and whether others wait
