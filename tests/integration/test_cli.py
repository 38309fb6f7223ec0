"""The commands against a real Postgres and a real broker."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from sqlalchemy import text

from events import queues
from events.replies import Reply
from storage import agui, conversations, inbox, outbox, turns
from storage.database import Database
from storage.outbox import NewReply
from storage.turns import Claim, TurnInput
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


def put_reply(
    broker_url: str, conversation_id: str, sequence: int, data: list[dict[str, Any]], cause: str = "e1", turn: int = 1
) -> None:
    reply = Reply(
        specversion="1.0",
        id=f"turn_{conversation_id}{'' if turn == 1 else turn}:{sequence:06}",
        source="/cj",
        type="cj.reply",
        subject=conversation_id,
        merchantid="m1",
        time=datetime.now(UTC),
        turn=turn,
        sequence=f"{sequence:06}",
        causationid=cause,
        data=data,
    )
    with Connection(broker_url) as connection:
        queues.put(connection.Producer(auto_declare=False), queues.REPLIES, reply.encode())


def says(words: str) -> list[dict[str, Any]]:
    return agui.text("m1", words)


MOVED = agui.workflow_transition("a", "b")
END = agui.run_finished("c1", "turn_1")


def connect(terminal: Terminal, *options: str) -> Any:
    return terminal.json("store-token", "acme.myshopify.com", "--merchant-id", "m1", *options, typed=TOKEN)


def test_check_says_all_is_well(terminal: Terminal) -> None:
    shown = terminal("check").stdout
    assert shown.count("✓") == 6
    assert "✗" not in shown
    assert KEY not in shown
    found = terminal.json("check")
    assert found["ok"]
    assert [one["name"] for one in found["checks"]] == ["settings", "workflows", "database", "broker", "redis", "model"]


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


def test_replies_are_shown_and_acked(terminal: Terminal, valkey_url: str) -> None:
    put_reply(valkey_url, "c1", 1, says("Hello \x1b[2J there"))
    put_reply(valkey_url, "c1", 2, END)
    first, second = terminal("replies", "--once", "2").stdout.splitlines()
    assert first == "c1 turn 1: CJ: Hello \N{REPLACEMENT CHARACTER}[2J there"
    assert second == "c1 turn 1: (run finished)"
    assert messages(valkey_url, queues.ACKS) == [{"id": "turn_c1:000001"}, {"id": "turn_c1:000002"}]


def test_replies_as_json(terminal: Terminal, valkey_url: str) -> None:
    put_reply(valkey_url, "c1", 1, says("Hello"))
    shown = json.loads(terminal("replies", "--once", "1", "--json").stdout)
    assert (shown["subject"], shown["data"][1]["delta"]) == ("c1", "Hello")


def test_chat_publishes_what_is_typed_and_shows_the_answer(terminal: Terminal, valkey_url: str) -> None:
    heard: list[Any] = []

    def answer() -> None:
        heard[:] = wait_until(lambda: messages(valkey_url, queues.EVENTS), what="the merchant's message")
        put_reply(valkey_url, "another", 1, says("not for you"), cause="x")
        put_reply(valkey_url, "c1", 1, says("Quiet, 3 orders."), cause=heard[0]["id"])
        put_reply(valkey_url, "c1", 2, END, cause=heard[0]["id"])

    cj = threading.Thread(target=answer)
    cj.start()
    shown = terminal("chat", "m1", "--conversation", "c1", typed="\nHow was my week?\n").stdout
    cj.join()
    data = {"merchant_id": "m1", "conversation_id": "c1", "text": "How was my week?"}
    assert [(event["type"], event["data"]) for event in heard] == [("message_received", data)]
    assert "CJ: Quiet, 3 orders.\n" in shown
    assert "(another conversation) another turn 1: CJ: not for you" in shown


def test_a_scripted_chat_waits_for_the_end_of_the_run(terminal: Terminal, valkey_url: str) -> None:
    """A connected merchant's new conversation starts in another workflow, of which the run tells first."""

    def answer() -> None:
        (heard,) = wait_until(lambda: messages(valkey_url, queues.EVENTS), what="the merchant's message")
        put_reply(valkey_url, "c1", 1, MOVED, cause=heard["id"])
        wait_until(lambda: len(messages(valkey_url, queues.ACKS)) >= 1, what="the gateway's ack")
        put_reply(valkey_url, "c1", 2, [*says("Quiet, 3 orders."), *MOVED, *END], cause=heard["id"])

    cj = threading.Thread(target=answer)
    cj.start()
    shown = terminal("chat", "m1", "--conversation", "c1", typed="How was my week?\n").stdout
    cj.join()
    assert "CJ: Quiet, 3 orders.\n" in shown


def test_store_token_seals_it_and_tells_nobody(terminal: Terminal, database: Database) -> None:
    stored = connect(terminal, "--scopes", "read_orders,read_products")
    scopes = ["read_orders", "read_products"]
    assert stored == {"merchant_id": "m1", "shop_domain": "acme.myshopify.com", "token_version": 1, "scopes": scopes}
    with database.transaction() as session:
        sealed = session.execute(text("SELECT api_key FROM merchant_integrations")).scalar_one()
        assert session.execute(text("SELECT count(*) FROM events")).scalar_one() == 0
    assert TOKEN.encode() not in bytes(sealed)
    assert connect(terminal)["token_version"] == 2
    shown = terminal("store-token", "other.myshopify.com", typed=TOKEN).output
    assert "stored for merchant other" in shown
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
        for source in ("/a", "/b"):
            inbox.reject(
                session,
                source=source,
                id="e1",
                type="message_received",
                content_hash=source.encode(),
                code="event.unknown_merchant",
                message="merchant m1 is not known",
                data=data,
            )
    rows = terminal.json("events", "rejected")
    assert {tuple(row) for row in rows} == {("id", "source", "type", "error_code", "error", "received_at")}
    assert {row["source"] for row in rows} == {"/a", "/b"}
    assert "event.unknown_merchant: merchant m1 is not known" in terminal("events", "rejected").stdout
    assert "name one with --source" in terminal("events", "retry", "e1", code=1).stderr
    assert "retrying event e1" in terminal("events", "retry", "e1", "--source", "/a").stdout
    assert [row["source"] for row in terminal.json("events", "rejected")] == ["/b"]
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
    assert "not dead" in terminal("turns", "retry", str(claim.turn_id), code=1).stderr
    with database.transaction() as session:
        turns.finish(session, claim, status="dead", error="its worker fell silent 3 times")
    (dead,) = terminal.json("turns", "dead")
    assert (dead["id"], dead["conversation_id"], dead["seq"]) == (claim.turn_id, "c1", 1)
    assert "turn 1 of c1: its worker fell silent 3 times" in terminal("turns", "dead").stdout
    terminal("turns", "retry", str(claim.turn_id))
    with database.transaction() as session:
        rows = session.execute(text("SELECT seq, status, input ->> 'text', workflow FROM turns ORDER BY seq")).all()
    asked = ("How was my week?", "ad_hoc_support")
    assert [tuple(row) for row in rows] == [(1, "dead", *asked), (2, "queued", *asked)]
    assert terminal.json("turns", "dead") == []
    assert "already retried" in terminal("turns", "retry", str(claim.turn_id), code=1).stderr


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
    assert "there is no conversation 'c9'" in terminal("timeline", "c9", code=1).stderr
