"""The commands against a real Postgres and a real broker."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from sqlalchemy import text

from events import queues
from storage import agui, conversations, inbox, outbox, turns
from storage.database import Database
from storage.outbox import NewReply
from storage.turns import Claim, Sender, TurnInput
from tests import rows
from tests.cj import Terminal
from tests.waiting import wait_until

KEY = "1:" + "A" * 43 + "="
TOKEN = "shpat_0123456789abcdef"


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, valkey_url: str) -> Terminal:
    environ = {"DATABASE_URL": database_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url, "CJ_TOKEN_KEYS": KEY}
    return Terminal(tmp_path, monkeypatch, {**environ, "CJ_MODEL": "demo"})


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.dispose()


def messages(broker_url: str, queue: str) -> list[Any]:
    """The messages in a plain queue, as JSON."""
    found = []
    with Connection(broker_url) as connection:
        waiting = queues.plain_queue(queue).bind(connection.channel())
        waiting.declare()
        while (message := waiting.get()) is not None:
            message.ack()
            found.append(json.loads(message.body or ""))
    return found


def tells(database: Database, conversation_id: str, *replies: list[dict[str, Any]], cause: str | None = None) -> None:
    """CJ's replies in a new turn on the event `cause`, as an agent worker commits them."""
    rows.open_conversation(database, conversation_id)
    key = rows.store_event(database, rows.new_event(cause, conversation_id=conversation_id))
    with database.transaction() as session:
        turn_id = turns.queue_turn(
            session,
            conversation_id=conversation_id,
            merchant_id="m1",
            event_key=key,
            action=0,
            input=TurnInput("merchant", "hello"),
        )
        inbox.processed(session, key)
        assert turn_id is not None
        outbox.append(session, turn_id, [NewReply(str(place), data) for place, data in enumerate(replies)])


def says(words: str) -> list[dict[str, Any]]:
    return agui.text("m1", words)


MOVED = agui.workflow_transition("a", "b")
END = agui.run_finished("c1", "turn_1")


def connect(terminal: Terminal, *options: str) -> Any:
    return terminal.json("store-token", "acme.myshopify.com", "--merchant-id", "m1", *options, typed=TOKEN)


def test_check_says_all_is_well(terminal: Terminal) -> None:
    shown = terminal("check").stdout
    assert shown.count("✓") == 8
    assert "✗" not in shown
    assert KEY not in shown
    found = terminal.json("check")
    assert found["ok"]
    assert [one["name"] for one in found["checks"]] == [
        *("settings", "workflows", "database", "token keys", "broker", "redis", "model", "backlog"),
    ]


def test_check_finds_what_is_away(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "a.yaml").write_text("name: 7\n")
    away: dict[str, Any] = {"BROKER_URL": "redis://:hidden@127.0.0.1:1/0", "REDIS_URL": "redis://127.0.0.1:1/1"}
    away |= {"DATABASE_URL": "postgresql://cj:hidden@127.0.0.1:1/cj", "CJ_WORKFLOWS": "flows"}
    shown = terminal("check", code=1, **away).output
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("✗")] == [
        "workflows",
        "database",
        "broker",
        "redis",
    ]
    assert "a.yaml:1:7" in shown
    assert "hidden" not in shown


def test_check_names_the_command_for_a_database_that_is_behind(terminal: Terminal, empty_database_url: str) -> None:
    shown = terminal("check", code=1, DATABASE_URL=empty_database_url).stdout
    assert "✗ database" in shown
    assert "alembic upgrade head" in shown


def test_migrate(terminal: Terminal, empty_database_url: str) -> None:
    there: dict[str, Any] = {"DATABASE_URL": empty_database_url}
    assert "no tables" in terminal("migrate", "--check", code=1, **there).stderr
    assert "up to date" in terminal("migrate", **there).stdout
    assert "up to date" in terminal("migrate", "--check", **there).stdout


def test_publish_puts_the_envelope_on_the_queue(terminal: Terminal, valkey_url: str) -> None:
    pairs = ["merchant_id=m1", "conversation_id=c1", "text=How was my week?"]
    sent = terminal.json("publish", "message_received", *pairs, "--id", "e1", "--source", "/me")
    assert messages(valkey_url, queues.EVENTS) == [sent]
    assert (sent["id"], sent["source"], sent["data"]["text"]) == ("e1", "/me", "How was my week?")
    shown = terminal("publish", "message_received", *pairs).stdout
    (other,) = messages(valkey_url, queues.EVENTS)
    assert shown == f"published message_received, id {other['id']}\n"
    assert terminal.json("publish", "conversation_started", *pairs[:2], "--delivery", "door")["delivery"] == "door"


def test_replies_are_watched_and_left_to_the_gateway(terminal: Terminal, database: Database, valkey_url: str) -> None:
    tells(database, "before", says("not shown: it is old"))
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.1):
            tells(database, "c1", says("Hello \x1b[2J there"))

    cj = threading.Thread(target=work)
    cj.start()
    first, second = terminal("replies", "--once", "2").stdout.splitlines()
    shown = json.loads(terminal("replies", "--once", "1", "--json").stdout)
    ended.set()
    cj.join()
    assert first == second.replace("turn 2", "turn 1") == "c1 turn 1: CJ: Hello \N{REPLACEMENT CHARACTER}[2J there"
    assert (shown["subject"], shown["data"][1]["delta"]) == ("c1", "Hello \x1b[2J there")
    assert messages(valkey_url, queues.ACKS) == []


def test_chat_publishes_what_is_typed_and_shows_the_answer(
    terminal: Terminal, database: Database, valkey_url: str
) -> None:
    """The answer comes in parts; another conversation's replies, and all that lie on the queue, are not the chat's."""
    heard: list[Any] = []

    def answer() -> None:
        heard[:] = wait_until(lambda: messages(valkey_url, queues.EVENTS), what="the merchant's message")
        tells(database, "another", says("not for you"))
        begins = agui.text("m1", "Quiet.", ends=False)
        goes_on = [*agui.text("m1", " 3 orders.", begins=False), *END]
        tells(database, "c1", MOVED, begins, goes_on, cause=heard[0]["id"])

    tells(database, "c1", [*says("Said before."), *END])
    tells(database, "c1", says("Just begun."))
    cj = threading.Thread(target=answer)
    cj.start()
    shown = terminal("chat", "m1", "--conversation", "c1", typed="\nHow was my week?\n").stdout
    cj.join()
    data = {"merchant_id": "m1", "conversation_id": "c1", "text": "How was my week?"}
    assert [(event["type"], event["data"]) for event in heard] == [("message_received", data)]
    before, said = shown.split("CJ:", 1)
    assert re.fullmatch(r"(you> event-\d+\n){2}", before)
    assert said == " Said before.\nCJ: Just begun.\nCJ: Quiet.\n    3 orders.\n"
    assert messages(valkey_url, queues.ACKS) == [], "the conversation is the gateway's"


def test_a_new_chat_is_nobody_elses_and_acks_what_it_shows(
    terminal: Terminal, database: Database, valkey_url: str
) -> None:
    def answer() -> None:
        [heard] = wait_until(lambda: messages(valkey_url, queues.EVENTS), what="the merchant's message")
        tells(database, heard["data"]["conversation_id"], [*says("Hello."), *END], cause=heard["id"])

    cj = threading.Thread(target=answer)
    cj.start()
    assert terminal("chat", "m1", typed="hello\n").stdout == "CJ: Hello.\n"
    cj.join()
    [(reply,)] = rows.query(database, "SELECT id FROM replies")
    assert messages(valkey_url, queues.ACKS) == [{"id": reply}]


def test_an_argument_that_is_not_utf_8_is_refused(terminal: Terminal) -> None:
    assert terminal("why", "caf\udce9", code=2).stderr == "cj: an argument is not UTF-8\n"


def test_chat_shows_why_a_message_was_refused(terminal: Terminal, database: Database, valkey_url: str) -> None:
    def refuse() -> None:
        [heard] = wait_until(lambda: messages(valkey_url, queues.EVENTS), what="the merchant's message")
        new = rows.new_event(heard["id"], conversation_id="c1")
        key = rows.store_event(database, replace(new, source=heard["source"]))
        refused = outbox.RefusedEvent(key, heard["id"], "m1", "c1")
        with database.transaction() as session:
            outbox.append_apart(session, refused, "event.unknown_merchant", "I do not know you.")

    cj = threading.Thread(target=refuse)
    cj.start()
    shown = terminal("chat", "m1", "--conversation", "c1", typed="hello\n").stdout
    cj.join()
    assert shown == "CJ: I do not know you. (failed, event.unknown_merchant)\n"


def test_store_token_seals_it_and_tells_nobody(terminal: Terminal, database: Database) -> None:
    stored = connect(terminal, "--scopes", "read_orders,read_products")
    known = {"merchant_id": "m1", "shop_domain": "acme.myshopify.com", "invented": False}
    assert stored == {**known, "token_version": 1, "scopes": ["read_orders", "read_products"]}
    with database.transaction() as session:
        sealed = session.execute(text("SELECT api_key FROM merchant_integrations")).scalar_one()
        assert session.execute(text("SELECT count(*) FROM events")).scalar_one() == 0
    assert TOKEN.encode() not in bytes(sealed)
    assert connect(terminal)["token_version"] == 2
    shown = terminal("store-token", "other.myshopify.com", typed=TOKEN).output
    assert "stored for merchant other" in shown
    assert "this merchant is invented" in shown
    assert TOKEN not in shown


def test_store_token_can_also_record_the_event(terminal: Terminal, database: Database) -> None:
    connect(terminal, "--emit")
    with database.transaction() as session:
        assert session.execute(text("SELECT type FROM events")).scalars().all() == ["oauth_complete"]


def test_a_shop_of_another_merchant_is_a_problem(terminal: Terminal) -> None:
    connect(terminal)
    said = terminal("store-token", "acme.myshopify.com", "--merchant-id", "m2", typed=TOKEN, code=1).stderr
    assert "acme.myshopify.com" in said
    assert TOKEN not in said


def test_refused_events_can_be_seen_and_tried_again(terminal: Terminal, database: Database) -> None:
    assert terminal("events", "rejected").stdout == "no refused events\n"
    data = {"merchant_id": "m1", "conversation_id": "c1", "text": "hello"}
    with database.transaction() as session:
        for source, content in (("/a", b"1"), ("/a", b"2"), ("/b", b"1")):
            inbox.reject(
                session,
                source=source,
                id="e1",
                type="message_received",
                content_hash=content,
                code="event.unknown_merchant",
                message="merchant m1 is not known",
                data=data,
            )
    rows = terminal.json("events", "rejected")
    assert {tuple(row) for row in rows} == {("id", "source", "type", "error_code", "error", "received_at")}
    assert {row["source"] for row in rows} == {"/a", "/b"}
    assert "event.unknown_merchant: merchant m1 is not known" in terminal("events", "rejected").stdout
    assert "was refused from /a, /b: choose one with --source" in terminal("events", "retry", "e1", code=1).stderr
    assert "retrying event e1" in terminal("events", "retry", "e1", "--source", "/a").stdout
    assert [row["source"] for row in terminal.json("events", "rejected")] == ["/b", "/a"]
    assert "no refused event" in terminal("events", "retry", "e9", code=1).stderr


def accept(database: Database, event_id: str) -> int:
    event = inbox.NewEvent(
        source="/gateway",
        id=event_id,
        type="message_received",
        data={},
        content_hash=event_id.encode(),
        merchant_id="m1",
        conversation_id="c1",
    )
    with database.transaction() as session:
        [accepted] = inbox.accept(session, [event])
    assert isinstance(accepted, inbox.Accepted)
    return accepted.key


def claimed_turn(database: Database, event_key: int) -> Claim:
    with database.transaction() as session:
        conversations.open(session, id="c1", merchant_id="m1", workflow="ad_hoc_support", context={})
        turn_id = turns.queue_turn(
            session,
            conversation_id="c1",
            merchant_id="m1",
            event_key=event_key,
            action=0,
            input=TurnInput("merchant", "How was my week?"),
            workflow="ad_hoc_support",
        )
        inbox.processed(session, event_key)
    assert turn_id is not None
    with database.transaction() as session:
        claim = turns.claim(session, turn_id, lease_seconds=10, owner="test")
    assert isinstance(claim, Claim)
    return claim


def test_dead_turns_are_asked_again_as_new_turns(terminal: Terminal, database: Database) -> None:
    connect(terminal)
    claim = claimed_turn(database, accept(database, "e1"))
    assert terminal("turns", "dead").stdout == "no dead turns\n"
    assert "has not failed" in terminal("turns", "retry", str(claim.turn_id), code=1).stderr
    rows.give_up(database, claim)
    (dead,) = terminal.json("turns", "dead")
    assert (dead["id"], dead["conversation_id"], dead["seq"]) == (claim.turn_id, "c1", 1)
    said = "turn 1 of c1 (message_received): turn_lost, dead"
    assert said in terminal("turns", "dead").stdout
    assert said in terminal("turns", "failed").stdout
    terminal("turns", "retry", str(claim.turn_id))
    found = rows.query(database, "SELECT seq, status, input ->> 'text', workflow FROM turns ORDER BY seq")
    asked = ("How was my week?", "ad_hoc_support")
    assert found == [(1, "dead", *asked), (2, "queued", *asked)]
    assert terminal.json("turns", "dead") == []
    assert "already retried" in terminal("turns", "retry", str(claim.turn_id), code=1).stderr


def failed_turn(database: Database, sender: Sender, error: str, *, ago: str = "0 s", conversation: str = "c1") -> int:
    """A turn that ended with an error so long ago."""
    turn_id = rows.queue(database, TurnInput(sender, "say it"), conversation_id=conversation)
    claimed = rows.claim(database, turn_id)
    with database.transaction() as session:
        turns.finish(session, claimed, error=error)
    rows.execute(
        database,
        "UPDATE turns SET finished_at = finished_at - CAST(:ago AS interval) WHERE id = :id",
        ago=ago,
        id=turn_id,
    )
    return turn_id


def test_what_an_outage_of_the_model_left_behind_is_retried_at_once(terminal: Terminal, database: Database) -> None:
    """The turns ended with a sentence, so they are done; only their error tells them from answered ones."""
    old = failed_turn(database, "system", "model_unavailable", ago="3 hours", conversation="c0")
    owed = failed_turn(database, "system", "model_unavailable")
    other = failed_turn(database, "system", "turn_timeout", conversation="c2")
    asked = failed_turn(database, "merchant", "model_unavailable", conversation="c3")
    again = failed_turn(database, "merchant", "turn_timeout", conversation="c3")  # the merchant asked again
    assert {one["id"] for one in terminal.json("turns", "failed")} == {old, owed, other, asked, again}
    which = ("--since", "2h", "--error", "model_unavailable")
    assert {one["id"] for one in terminal.json("turns", "failed", *which)} == {owed, asked}
    assert terminal("turns", "retry", "--all", *which).stdout.splitlines()[-1] == "1 turn retried"
    assert terminal("turns", "retry", "--all", *which).stdout == "0 turns retried\n"
    assert rows.query(database, "SELECT conversation_id, seq FROM turns WHERE status = 'queued'") == [("c1", 2)]
    terminal("turns", "retry", str(asked))  # somebody insists, so there is something newer than `again`, too
    assert terminal("turns", "retry", "--all", "--since", "30m").stdout.splitlines()[-1] == "1 turn retried"
    assert "--all" in terminal("turns", "retry", code=2).stderr
    assert "write e.g. 90s" in terminal("turns", "failed", "--since", "soon", code=2).stderr


def test_timeline_tells_the_whole_story_in_order(terminal: Terminal, database: Database) -> None:
    connect(terminal)
    claim = claimed_turn(database, accept(database, "e1"))
    call = {"id": "k", "type": "function", "function": {"name": "shopify_data", "arguments": '{"data_type":"counts"}'}}
    with database.transaction() as session:
        turns.add_step(session, claim, 1, {"role": "assistant", "content": None, "tool_calls": [call]}, model="demo")
        turns.add_results(session, claim, 1, [{"role": "tool", "tool_call_id": "k", "content": "{}"}])
    with database.transaction() as session:
        outbox.append(session, claim.turn_id, [NewReply("1:text", says("68 customers."))])
        turns.finish(session, claim)
    accept(database, "e2")
    found = terminal.json("timeline", "c1")
    first, second = found["events"]
    assert [(moment["kind"], moment["turn"]) for moment in first["moments"]] == [
        ("event", None),
        ("event", None),
        ("claimed", 1),
        ("model", 1),
        ("tools", 1),
        ("reply", 1),
        ("done", 1),
    ]
    assert [moment["ms"] for moment in first["moments"]] == sorted(moment["ms"] for moment in first["moments"])
    assert first["moments"][0]["ms"] == 0
    assert (first["moments"][3]["text"], first["moments"][3]["model"]) == ("asks shopify_data(counts)", "demo")
    assert first["moments"][5]["published_ms"] is None
    assert [moment["text"] for moment in second["moments"]] == ["received"]
    shown = terminal("timeline", "c1").stdout
    assert "c1: merchant m1, workflow ad_hoc_support" in shown
    assert "turn 1   claimed   ad_hoc_support: How was my week?" in shown
    assert "there is no conversation, merchant or shop 'c9'" in terminal("timeline", "c9", code=1).stderr
