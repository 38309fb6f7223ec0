"""What `cj status`, `cj why`, `cj merchant`, `cj timeline` and the gauges say, on rows as the product leaves them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from events import queues
from storage import agui, backlog, connections, inbox, merchants, outbox, privacy, turns
from storage.agui import Events
from storage.backlog import Waiting
from storage.database import Database, Session
from storage.errors import StorageUnavailable
from storage.outbox import NewReply
from storage.vault import Vault, new_key_text
from tests import rows
from tests.cj import Terminal
from tests.servers import PostgresForTests
from tests.tcp import closed_port
from workers.operations import failed_turns, replay, status, timeline, why
from workers.operations.status import Status
from workers.operations.timeline import EVENTS
from workers.settings import Settings

SHOP = "acme.myshopify.com"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.dispose()


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, valkey_url: str) -> Terminal:
    environ = {"DATABASE_URL": database_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url}
    return Terminal(tmp_path, monkeypatch, {**environ, "CJ_MODEL": "demo"})


def connect(database: Database, *, needs_reauth: bool = False) -> None:
    with database.transaction() as session:
        connected = merchants.connect_shop(
            session,
            Vault.from_text(new_key_text()),
            merchant_id="m1",
            shop_domain=SHOP,
            access_token=SecretStr("shpat_0123456789abcdef"),
            scopes=["read_orders"],
            emit=False,
        )
        if needs_reauth:
            version = connected.integration.token_version
            connections.mark_needs_reauth(session, "m1", token_version=version)


def says(words: str) -> Events:
    return agui.text("m0", words)


def reasons(database: Database, name: str) -> str:
    with database.transaction() as session:
        target = why.resolve(session, name)
        assert target is not None
        return "\n".join(reason.sentence for reason in why.reasons(why.read(session, target)))


def earlier(database: Database, table: str, column: str, span: str) -> None:
    rows.execute(database, f"UPDATE {table} SET {column} = {column} - interval '{span}'")


def refuse(database: Database) -> None:
    key = rows.store_event(database, rows.new_event())
    with database.transaction() as session:
        inbox.take(session, key)
        inbox.refuse(session, key, "event.unknown_merchant", "there is no merchant m1")


def no_rule(database: Database) -> None:
    key = rows.store_event(database, rows.new_event())
    with database.transaction() as session:
        inbox.processed(session, key)


def put_off(database: Database) -> None:
    key = rows.store_event(database, rows.new_event())
    with database.transaction() as session:
        inbox.take(session, key)
        inbox.postpone(session, key, 30.0)


def behind(database: Database) -> None:
    rows.claim(database, rows.queue(database), owner="agent@host:7:abc")
    rows.queue(database)


def owed(database: Database) -> None:
    connect(database, needs_reauth=True)
    rows.finish(database, rows.claim(database, rows.queue(database)))
    rows.execute(database, "UPDATE turns SET waits_for = 'store'")


def forgotten(database: Database) -> None:
    rows.queue(database)
    earlier(database, "turns", "run_after", "5 min")


def without_model(database: Database) -> None:
    claimed = rows.claim(database, rows.queue(database))
    with database.transaction() as session:
        turns.finish(session, claimed, promised="model", again_after=9.0)
    with database.reading() as session:
        found = [one.sentence for one in status.problems(Status(backlog.read(session), {}, None, None))]
    assert "answers owed because no language model answers: 1; the agents' log says why" in found
    with database.reading() as session:
        told = timeline.read(session, "c1")
    assert told is not None
    assert "waits for a model" in "\n".join(told.lines())


def declined(database: Database) -> None:
    rows.finish(database, rows.claim(database, rows.queue(database)))
    rows.execute(database, "UPDATE turns SET error = 'too_many_waiting'")
    with database.reading() as session:
        found = Status(backlog.read(session), {}, None, None, flooder=backlog.declined(session))
    sentences = [one.sentence for one in status.problems(found)]
    flood = "messages of merchant m1 that were declined in the last hour: 1; it sends them faster than CJ answers"
    assert flood in sentences


def silent(database: Database) -> None:
    rows.let_lease_run_out(database, rows.claim(database, rows.queue(database)).turn_id)


def failed(database: Database) -> None:
    claimed = rows.claim(database, rows.queue(database))
    with database.transaction() as session:
        turns.finish(session, claimed, error="model_unavailable")


def stopped(database: Database) -> None:
    rows.claim(database, rows.queue(database))
    data = {"merchant_id": "m1", "conversation_id": "c1"}
    key = rows.store_event(database, rows.new_event(type="stop_requested", data=data, conversation_id="c1"))
    with database.transaction() as session:
        turns.stop(session, "c1", everything=False)
        inbox.processed(session, key)


def test_what_a_merchant_stopped_has_not_failed(database: Database) -> None:
    stopped(database)
    [(turn_id,)] = rows.query(database, "SELECT id FROM turns")
    with database.transaction() as session:
        assert backlog.read(session).failed == 0
        assert failed_turns.failed(session) == []
        assert failed_turns.ask_again(session, turn_id) is None
    assert "led to no turn" not in reasons(database, "m1")


def unacked(database: Database, *, published: bool = True) -> None:
    claimed = rows.claim(database, rows.queue(database))
    with database.transaction() as session:
        [reply] = outbox.append(session, claimed.turn_id, [NewReply("0:text", says("68 customers."))])
        turns.finish(session, claimed)
    if published:
        with database.transaction() as session:
            outbox.mark_published(session, [reply.id])


def unpublished(database: Database) -> None:
    unacked(database, published=False)


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        (refuse, "was refused: event.unknown_merchant: there is no merchant m1"),
        (no_rule, "led to no turn: no rule of the workflow took it"),
        (put_off, "unhandled events: 1; the first, message_received, came 0 s ago, put off once"),
        (behind, "turn 1 of c1 has been running for 0 s on agent@host:7:abc"),
        (behind, "turn 2 of c1 waits behind turn 1 of its conversation"),
        (owed, "has refused the connection of acme.myshopify.com for 0 s: the merchant must reconnect"),
        (forgotten, "turn 1 of c1 has been due for 5 min, and no agent claims it"),
        (without_model, "turn 1 of c1, the last one, ended 0 s ago and waits for a model: none answers"),
        (declined, "because too many of the merchant's turns waited: 1 (CJ_MAX_WAITING_TURNS)"),
        (silent, "is held by test, which is silent: another worker takes over"),
        (failed, "ended 0 s ago with model_unavailable: no model answered"),
        (stopped, "turn 1 of c1, the last one, ended 0 s ago: the merchant stopped it"),
        (unacked, "unacked replies of c1: 1, the oldest for 0 s, published once: the chat gateway is down"),
        (unpublished, "unacked replies of c1: 1, which could not be published for 0 s: the broker is down"),
    ],
)
def test_why_cj_does_not_answer(database: Database, arrange: object, said: str) -> None:
    assert callable(arrange)
    with database.transaction() as session:
        merchants.add_merchant(session, "m1")
    arrange(database)
    # However slow the machine is: seconds are as good as none.
    assert said in re.sub(r"\b\d+ s\b", "0 s", reasons(database, "m1"))


def test_a_merchant_is_found_by_conversation_id_shop_and_its_first_part(terminal: Terminal, database: Database) -> None:
    connect(database)
    turn_id = rows.queue(database)
    rows.finish(database, rows.claim(database, turn_id))
    [(event_id,)] = rows.query(database, "SELECT id FROM events")
    logged = (event_id, str(turn_id))
    copied = (f"https://{SHOP}/admin/orders?tab=1", "https://admin.shopify.com/store/acme/products", f"http://{SHOP}")
    for name in ("c1", "m1", SHOP, SHOP.upper(), "acme", *copied, *logged):
        assert "turn 1 of c1, the last one, ended" in terminal("why", name).stdout, name
    shown = terminal("merchant", "acme").stdout
    assert "acme.myshopify.com, active, connected" in shown
    assert "talk     c1, ad_hoc_support" in shown
    assert terminal.json("merchant", "m1")["shop"]["scopes"] == ["read_orders"]
    assert "shpat" not in str(terminal.json("merchant", "m1"))
    for nobody in ("nobody", "9" * 30, "https://acme.example/admin", "https://", ""):
        assert f"there is no conversation, merchant or shop {nobody!r}" in terminal("why", nobody, code=1).stderr


def test_a_refused_event_is_found_by_its_id(terminal: Terminal, database: Database) -> None:
    refuse(database)
    rows.execute(database, "UPDATE events SET merchant_id = NULL")
    [(event_id, kind)] = rows.query(database, "SELECT id, type FROM events")
    assert f"the event with this id, {kind} {event_id} of" in terminal("why", event_id, code=1).stderr


def test_why_knows_how_many_turns_may_run_at_a_time(terminal: Terminal, database: Database) -> None:
    for conversation in ("c1", "c2"):
        rows.claim(database, rows.queue(database, conversation_id=conversation))
    rows.queue(database, conversation_id="c3")
    told = "waits while 2 other turns of the merchant run"
    for command in ("why", "timeline"):
        assert told in terminal(command, "c3", CJ_TURNS_AT_A_TIME="2").stdout
        assert told not in terminal(command, "c3", CJ_TURNS_AT_A_TIME="3").stdout


LONG = """
WITH e AS (
    INSERT INTO events (source, id, type, data, content_hash, merchant_id, conversation_id, status, processed_at)
    SELECT '/x', g::text, 'message_received', jsonb_build_object('text', repeat('x', 1000)), '', 'm' || c, 'c' || c,
           'processed', clock_timestamp()
    FROM generate_series(1, 2000) g, LATERAL (SELECT CASE WHEN g % 2 = 0 THEN 1 ELSE g END AS c)
    RETURNING key, merchant_id, conversation_id
), t AS (
    INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, workflow, input, status, finished_at)
    SELECT conversation_id, merchant_id, 1 + row_number() OVER (ORDER BY key), key, 0, 'ad_hoc_support',
           jsonb_build_object('sender', 'merchant', 'text', repeat('x', 1000)), 'done', clock_timestamp()
    FROM e WHERE conversation_id = 'c1'
    RETURNING id
)
INSERT INTO replies (id, conversation_id, turn_id, sequence, key, body) SELECT id, 'c1', id, 1, '0:text', '{}' FROM t
"""
"""A conversation of a thousand turns, and as many events of others."""


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (str(EVENTS), {"conversation": "c2", "merchant": "m2"}),
        (str(outbox.SQL["after"]), {"conversation_id": "c1", "turn": 1000, "sequence": 1, "limit": 1000}),
        (str(replay.SINCE), {"types": ["message_received"], "seconds": 60.0, "limit": 5}),
    ],
    ids=["timeline", "chat", "replay"],
)
def test_a_look_costs_what_it_shows(database: Database, statement: str, values: dict[str, Any]) -> None:
    """Not what else there is."""
    rows.finish(database, rows.claim(database, rows.queue(database)))
    rows.execute(database, LONG)
    rows.execute(database, "ANALYZE")
    [[[plan]]] = rows.query(database, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", **values)
    blocks = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    assert blocks < 100, plan


def test_status_knows_what_waits_though_speeds_take_too_long(
    terminal: Terminal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> dict[str, backlog.Speed]:
        raise StorageUnavailable("canceling statement due to statement timeout")

    monkeypatch.setattr(backlog, "speeds", late)
    rows.queue(database)
    found = terminal.json("status", code=1)
    assert (found["waiting"]["turns"]["count"], found["speeds"]) == (1, {})


def test_the_timeline_says_what_came_and_what_did_not(terminal: Terminal, database: Database) -> None:
    """A 503 and a 401 are no answers; a reply nobody acked is not delivered; what waits says what for."""
    connect(database)
    claimed = rows.claim(database, rows.queue(database))
    calls = [
        {
            "id": data_type,
            "type": "function",
            "function": {"name": "shopify_data", "arguments": f'{{"d":"{data_type}"}}'},
        }
        for data_type in ("counts", "overview", "week_orders")
    ]
    contents = [
        {"success": False, "error_code": "shopify.unavailable", "error": "…"},
        {"success": True, "cached": True, "as_of": "10:00", "stale": {"code": "shopify.throttled", "reason": "…"}},
        {
            "success": True,
            "cached": True,
            "missing": [{"part": "orders", "code": "shopify.access_denied", "reason": "…"}],
        },
    ]
    results = [{"tool_call_id": call["id"], "content": content} for call, content in zip(calls, contents, strict=True)]
    with database.transaction() as session:
        turns.add_step(session, claimed, 0, {"role": "assistant", "content": None, "tool_calls": calls})
        turns.add_results(session, claimed, 0, results)
        outbox.append(session, claimed.turn_id, [NewReply("0:text", says("Hm."))])
    rows.queue(database)
    shown = terminal("timeline", "acme").stdout
    for said in (
        "shopify_data(counts): shopify.unavailable",
        "shopify_data(overview): old data of 10:00, for shopify.throttled",
        "shopify_data(week_orders): ok, cached, without shopify.access_denied",
        "Hm.  (not published)",
        "turn 2   now       waits behind turn 1 of its conversation",
        " UTC\n",
    ):
        assert said in shown, said


def test_status_says_in_words_what_is_wrong(terminal: Terminal, database: Database) -> None:
    """Gateway away, turns waiting, broker flushed: all was silent and green."""
    healthy = terminal("status", code=1).stdout  # no worker runs here
    assert "✗ no agent worker answers; wake-ups on its queue: 0" in healthy
    assert "cj check --kind agent" in healthy
    assert "✓ backlog" in terminal("check").stdout
    failed(database)
    unacked(database)
    rows.queue(database, conversation_id="c2")
    rows.store_event(database, rows.new_event())
    refuse(database)
    for table, column in (("turns", "run_after"), ("replies", "created_at"), ("events", "received_at")):
        earlier(database, table, column, "20 min")
    shown = terminal("status", code=1).stdout
    for said in (
        "✗ unhandled events: 1, the oldest for 20 min",
        "✗ turns that wait for an agent: 1, the oldest for 20 min",
        "✗ unacked replies: 1, the oldest for 20 min; the chat gateway consumes `replies` and does not ack",
        "✗ turns that failed in the last hour: 1",
        "cj turns failed --since 1h",
        "! events refused in the last hour: 1",
    ):
        assert said in shown, said
    assert len(shown.splitlines()) <= 40
    found = terminal.json("status", code=1)
    assert (found["ok"], found["waiting"]["turns"]["count"], found["queues"]["replies"]) == (False, 1, 0)
    assert "✗ backlog" in terminal("check", code=1).stdout
    assert "backlog" not in terminal("check", "--kind", "intake").stdout  # nobody restarts an intake for this


def test_what_waits_is_counted_as_it_is(database: Database) -> None:
    with database.transaction() as session:
        assert backlog.read(session).turns == Waiting(0, 0.0)
    owed(database)
    rows.queue(database, conversation_id="c2", merchant_id="m2")
    later = rows.claim(database, rows.queue(database, conversation_id="c3", merchant_id="m3"))
    with database.transaction() as session:
        turns.release(session, later, after_seconds=60.0)
        found = backlog.read(session)
    assert (found.turns.count, found.owed, found.running) == (1, 1, 0)
    assert found.integrations == {"active": 0, "needs_reauth": 1, "uninstalled": 0}
    rows.finish(database, rows.claim(database, rows.query(database, "SELECT max(id) - 1 FROM turns")[0][0]))
    earlier(database, "turns", "finished_at", "33 days")
    with database.transaction() as session:
        assert round(backlog.read(session).overdue_seconds / 86_400) == 3


def test_speeds_are_measured_from_the_rows(database: Database) -> None:
    unacked(database)
    with database.transaction() as session:
        found = backlog.speeds(session, window_seconds=60.0)
    assert {what: speed.count for what, speed in found.items()} == dict.fromkeys(
        ("event handled", "turn claimed", "first words", "turn ended"), 1
    )
    for action in (turns.REFUSAL - 1, turns.RETRY):  # a promise that was kept, and what an operator had tried again
        rows.execute(
            database,
            """INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, input, status, started_at,
                                  finished_at)
               SELECT conversation_id, merchant_id, 5000 + :action, event_key, :action, '{}', 'done', started_at,
                      finished_at FROM turns WHERE action = 0""",
            action=action,
        )
    with database.transaction() as session:
        found = backlog.speeds(session, window_seconds=60.0)
    assert {what: speed.count for what, speed in found.items()} == {
        "event handled": 1, "turn claimed": 3, "first words": 1, "turn ended": 1
    }  # fmt: skip
    assert "workers        could not be asked" in list(
        status.lines(status.Status(None, {}, dict.fromkeys(queues.ALL, 0), None))
    )
    slow = status.Status(None, {"first words": backlog.Speed(9, 3.0, 11.0)}, None, None)
    assert "first words: the 95th percentile is 11 s, the target 10 s" in "\n".join(status.lines(slow))


def test_what_merchants_wait_for_is_said_first(database: Database) -> None:
    failed(database)
    with database.transaction() as session:
        found = replace(backlog.read(session), clock_ahead_seconds=90.0)
    said = status.problems(status.Status(found, {}, None, None))
    assert [one.alarming for one in said] == [True, True, False]


OTHERS = """
INSERT INTO merchants (id, name) SELECT 'other' || n, 'other' || n FROM generate_series(1, 40) n;
INSERT INTO conversations (id, merchant_id, workflow, last_turn)
SELECT 'other_c' || n, 'other' || n % 40 + 1, 'ad_hoc_support', 10 FROM generate_series(1, 600) n;
INSERT INTO events (source, id, type, content_hash, status, merchant_id, conversation_id, data, processed_at,
                    received_at)
SELECT '/others', n, 'message_received', sha256(convert_to(CAST(n AS text), 'UTF8')), 'processed', c.merchant_id, c.id,
       jsonb_build_object('merchant_id', c.merchant_id), clock_timestamp() - interval '1 day' * n / 250,
       clock_timestamp() - interval '1 day' * n / 250
FROM generate_series(0, 5999) n JOIN conversations c ON c.id = 'other_c' || n / 10 + 1;
INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, input, status, started_at, finished_at,
                   created_at)
SELECT conversation_id, merchant_id, CAST(id AS int) % 10 + 1, key, 0, '{}', 'done', processed_at,
       processed_at, processed_at
FROM events WHERE source = '/others';
INSERT INTO replies (id, conversation_id, turn_id, sequence, key, body, acked_at)
SELECT 'reply' || id, conversation_id, id, 1, '0', '{"data": []}', clock_timestamp() FROM turns
WHERE merchant_id <> 'm1';
ANALYZE events; ANALYZE turns; ANALYZE replies; ANALYZE conversations
"""
READ = "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_user_tables"


@pytest.mark.parametrize(
    ("question", "most"),
    [
        (lambda session: backlog.read(session), 300),
        (lambda session: backlog.declined(session), 50),
        (lambda session: why.read(session, why.Target("m1")), 200),
        (lambda session: why.read(session, why.Target("m1", "c1")), 200),
        (lambda session: timeline.read(session, "c1"), 400),
        (lambda session: inbox.rejected(session, 100), 50),
        (lambda session: failed_turns.failed(session), 50),
        (lambda session: privacy.requests(session, limit=100), 50),
        (lambda session: list(privacy._events(session, "m1", privacy.Walk("events", ""))), 100),
    ],
)
def test_what_is_asked_does_not_cost_more_because_others_talk(
    others: Database, question: Callable[[Session], object], most: int
) -> None:
    """Rows that are read, not time: whole tables were walked for one merchant's answer."""
    with others.transaction() as session:
        before = session.execute(text(READ)).scalar_one()  # of earlier transactions, too
        question(session)
        read = session.execute(text(READ)).scalar_one() - before
    assert read <= most


@pytest.fixture(scope="module")
def others(postgres: PostgresForTests) -> Iterator[Database]:
    """A refused event, a failed turn and a privacy request of m1, beside 6,000 events, turns and replies of others."""
    with postgres.migrated_database() as url:
        database = Database(url, pool_size=2)
        refuse(database)
        failed(database)
        data = {"merchant_id": "m1", "shop_domain": SHOP, "customer_id": "7"}
        rows.store_event(database, rows.new_event(type="customers_data_request", data=data))
        rows.execute(database, OTHERS)
        yield database
        database.dispose()


def test_a_privacy_request_finds_what_names_the_merchant_under_another_ones_name_too(database: Database) -> None:
    """Refused bytes are nobody's; an older version's rows may be another's."""
    named = [
        rows.store_event(database, rows.new_event(merchant_id=whose, data={"merchant_id": "m1"}))
        for whose in ("m1", "m2", "m3")
    ]
    rows.execute(database, "UPDATE events SET merchant_id = NULL WHERE key = :key", key=named[2])
    rows.store_event(database, rows.new_event(merchant_id="m2", data={"merchant_id": "m2"}))
    rows.execute(database, "UPDATE events SET merchant_id = NULL WHERE data ->> 'merchant_id' = 'm2'")
    with database.transaction() as session:
        found = list(privacy._events(session, "m1", privacy.Walk("events", "")))
    assert [key for batch in found for key in batch] == named


@pytest.mark.parametrize("command", ["timeline", "why", "merchant"])
@pytest.mark.parametrize("name", ["conv_9", "m9"])
def test_whom_only_a_refused_event_names_is_not_just_unknown(
    terminal: Terminal, database: Database, command: str, name: str
) -> None:
    key = rows.store_event(database, rows.new_event("lost-1", merchant_id="m9", conversation_id="conv_9"))
    with database.transaction() as session:
        inbox.take(session, key)
        inbox.refuse(session, key, "event.unknown_merchant", "there is no merchant m9")
    said = terminal(command, name, code=1).stderr
    assert f"shop {name!r}: the last event that names it, message_received lost-1 of " in said
    assert "was refused: event.unknown_merchant: there is no merchant m9; then `cj events retry lost-1`" in said
    assert "no such event was accepted; see `cj events rejected`" in terminal(command, "conv_8", code=1).stderr


def test_status_says_why_it_has_no_rows(empty_database_url: str, valkey_url: str) -> None:
    """It used to say that Postgres does not answer, where only the migrations were missing."""

    def said(database_url: str) -> str:
        environ = {"DATABASE_URL": database_url, "BROKER_URL": valkey_url}
        found = status.read_rows(Settings.read(environ, needed=tuple(environ)))
        return status.problems(found)[0].sentence

    nothing = "no event is stored and nothing is answered: "
    assert said(empty_database_url).startswith(f"{nothing}a table or column is missing")
    assert said(f"postgresql://cj@127.0.0.1:{closed_port()}/cj").startswith(f"{nothing}Postgres is not available: conn")
