"""Deletions that the law demands: however much there is, whatever fails, and wherever a name may be."""

import json
import logging
import time
from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis
from celery import Celery
from prometheus_client import REGISTRY

from storage import agui, inbox, outbox, privacy, turns
from storage.cache import Cache
from storage.database import Database
from storage.errors import LostTurn, StorageUnavailable
from storage.mentions import Person
from storage.outbox import NewReply
from storage.redis_server import RedisServer
from storage.turns import TurnInput
from tests.integration.test_privacy_on_postgres import SHOP, WORKFLOWS, connect, everything
from tests.rows import claim, execute, finish, new_event, query, queue, store_event
from workers.bootstrap import Resources
from workers.delivery.reply_publisher import ReplyPublisher
from workers.delivery.wake_ups import broker_breaker
from workers.local.embedded import EmbeddedValkey
from workers.settings import Settings
from workers.workflow import runner
from workers.workflow.handler import handle

NAME, EMAIL, PHONE = "Wilhelmina Öztürk", "wilhelmina.o@example.com", "+49 170 1234567"
ENCRYPTED = "T3BhcXVl"
"""Part of what a model's provider wants back."""
CUSTOMER, ORDER = "gid://shopify/Customer/207119551", "gid://shopify/Order/299938"
REDACT = {"merchant_id": "m1", "shop_domain": SHOP, "customer_id": "207119551", "order_ids": ["299938"]}


class Nobody:
    """Takes every call; the cache can be dropped unless it is away."""

    def __init__(self, *, away: int = 0) -> None:
        self.away = away

    def drop(self, _merchant_id: str) -> bool:
        self.away -= 1
        return self.away < 0

    def __getattr__(self, _name: str) -> Any:
        return lambda *_args, **_values: True


def resources(database: Database, **given: Any) -> Resources:
    parts = {"wake_ups": Nobody(), "cache": Nobody(), "reply_publisher": Nobody(), **given}
    return cast(Resources, SimpleNamespace(database=database, workflows=WORKFLOWS, settings=Settings(), **parts))


def event(database: Database, type: str, data: dict[str, Any], id: str | None = None) -> int:
    given = {"merchant_id": "m1", **data}
    return store_event(database, new_event(id, source="/auth", type=type, data=given, conversation_id=None))


def due_now(database: Database) -> None:
    execute(database, "UPDATE events SET run_after = clock_timestamp()")


def state(database: Database, key: int) -> tuple[Any, ...]:
    return query(database, "SELECT status, attempts, progress FROM events WHERE key = :key", key=key)[0]


def bought(name: str = NAME) -> dict[str, Any]:
    order = {"id": ORDER, "name": "#1001", "customer": {"id": CUSTOMER, "name": name, "orders": 1}}
    return {"success": True, "data_type": "recent_orders", "data": {"orders": [order]}}


def told(database: Database, *, conversation_id: str = "c_m1", ack: bool = False, said: str = NAME) -> int:
    """A finished turn that mentions the customer everywhere a turn can; returns its id."""
    asked = TurnInput("merchant", f"Who is {NAME}?", metadata={"about": {"name": NAME}})
    held = claim(database, queue(database, asked, merchant_id="m1", conversation_id=conversation_id))
    call = {"id": "x", "type": "function", "function": {"name": "f", "arguments": json.dumps({"who": NAME})}}
    with database.transaction() as session:
        turns.add_step(session, held, 0, {"role": "assistant", "content": said, "tool_calls": [call]})
        turns.add_results(session, held, 0, [{"tool_call_id": "x", "name": "f", "content": bought()}])
        [reply] = outbox.append(session, held.turn_id, [NewReply("said", agui.text("m0", said))])
        if ack:
            outbox.acknowledge(session, [reply.id])
    finish(database, held)
    return held.turn_id


# However much there is


@pytest.fixture
def busy(database: Database) -> int:
    """2,000 steps of 12.8 KB about 400 orders; returns how many hold one of the customer's orders."""
    connect(database)
    for conversation in range(20):
        first = told(database, conversation_id=f"c{conversation}", ack=True)
        execute(
            database,
            """WITH page AS MATERIALIZED (SELECT jsonb_build_array(jsonb_build_object(
                'tool_call_id', 'x', 'content', jsonb_build_object('data_type', 'recent_orders', 'data',
                (SELECT jsonb_agg(jsonb_build_object('id', 'gid://shopify/Order/' || (1000 + o), 'name', '#' || o,
                    'customer', jsonb_build_object('id', 'gid://shopify/Customer/' || o, 'name', 'Bo Lindqvist ' || o),
                    'total', jsonb_build_object('amount', '9.00', 'currency', 'EUR')))
                 FROM generate_series(1, 80) AS o)))) AS results)
            INSERT INTO steps (turn_id, step, assistant, tool_results)
            SELECT :turn, n, '{"role": "assistant", "content": "Nothing."}', results
            FROM page, generate_series(1, 100) AS n""",
            turn=first,
        )
    travel(database, hours=1)
    return 20


@pytest.mark.timeout(120)
def test_two_thousand_steps_and_four_hundred_orders_are_told_and_deleted_in_short_transactions(
    database: Database, busy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = ["299938", *(str(900_000_000 + n) for n in range(400))]
    with database.transaction() as session:
        found = privacy.find(session, Person("m1", "207119551", tuple(orders)))
    assert [order["id"] for order in found.orders] == [ORDER]
    assert len(found.words) == busy * 2
    key = event(database, "customers_redact", {**REDACT, "order_ids": orders})
    slices: list[float] = []
    began = time.monotonic()
    monkeypatch.setattr(privacy, "SLICE_SECONDS", 0.2)
    keep = inbox.keep_progress

    def noted(*given: Any) -> None:
        slices.append(time.monotonic())
        keep(*given)

    monkeypatch.setattr(inbox, "keep_progress", noted)
    runner.run(resources(database), key)
    assert state(database, key) == ("processed", 0, None)
    assert time.monotonic() - began < 60
    assert len(slices) > 3
    assert max(after - before for before, after in pairwise([began, *slices])) < 5
    for table in ("turns", "steps", "replies"):
        assert query(database, f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%{NAME}%'") == [(0,)]
    assert query(database, "SELECT count(*) FROM steps WHERE tool_results::text LIKE '%Bo Lindqvist%'") == [(2000,)]


def test_a_deletion_goes_on_where_it_was_interrupted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(database)
    for n in range(5):
        told(database, conversation_id=f"c{n}")
    monkeypatch.setattr(privacy, "SLICE_SECONDS", -1.0)  # one step for each transaction
    key = event(database, "customers_redact", REDACT)
    stood = []
    for _ in range(40):
        with database.transaction() as session:  # a worker that dies after each of its commits
            handle(session, WORKFLOWS, key)
        stood.append(state(database, key)[2])
        if stood[-1]["phase"] == "leftovers":
            break
    phases = [walk["phase"] for walk in stood]
    assert phases.count("names") >= 4
    assert phases.count("conversations") >= 4
    assert stood[2]["names"]
    assert all(later["rows"] >= earlier["rows"] for earlier, later in pairwise(stood))
    runner.run(resources(database), key)
    assert state(database, key) == ("processed", 0, None)
    assert NAME not in everything(database)


def test_a_shop_is_erased_in_short_transactions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(database)
    for n in range(5):
        told(database, conversation_id=f"c{n}")
    monkeypatch.setattr(privacy, "SLICE_SECONDS", -1.0)
    key = event(database, "shop_redact", {"shop_domain": SHOP})
    runner.run(resources(database), key)
    assert state(database, key)[:2] == ("processed", 0)
    assert query(database, "SELECT count(*) FROM merchants") == [(0,)]
    assert NAME not in planted(database)


def postponed() -> float:
    labels = {"type": "customers_redact", "result": "postponed"}
    return REGISTRY.get_sample_value("cj_events_total", labels) or 0.0


def too_slow(*_: Any, **__: Any) -> None:
    raise StorageUnavailable("Postgres is not available: canceling statement due to statement timeout")


def test_every_postponement_counts_and_a_deletion_is_never_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(database)
    told(database)
    key, before = event(database, "customers_redact", REDACT), postponed()
    times = runner.MAX_ATTEMPTS + 2
    for failure in (too_slow, lambda *_, **__: 1 // 0):
        with monkeypatch.context() as patch:
            patch.setattr(privacy, "blank_some", failure)
            for _ in range(times):
                runner.run(resources(database), key)
                due_now(database)
    assert state(database, key)[:2] == ("received", 2 * times)
    assert postponed() == before + 2 * times
    with database.transaction() as session:
        [shown] = privacy.requests(session, limit=10)
    assert (shown.type, shown.status, shown.attempts) == ("customers_redact", "received", 2 * times)
    runner.run(resources(database), key)
    assert state(database, key)[0] == "processed"


@pytest.mark.parametrize("type", ["customers_redact", "shop_redact", "app_uninstalled"])
def test_the_cache_is_dropped_again_and_again_until_it_is(database: Database, type: str) -> None:
    connect(database)
    told(database)
    cache = Nobody(away=3)
    key = event(database, type, REDACT if type == "customers_redact" else {"shop_domain": SHOP})
    for attempt in range(3):
        runner.run(resources(database, cache=cache), key)
        assert state(database, key)[:2] == ("received", attempt + 1)
        due_now(database)
    runner.run(resources(database, cache=cache), key)
    assert state(database, key)[0] == "processed"
    assert state(database, key)[2] is None


def test_the_broker_is_cleared_again_and_again_until_it_is(database: Database) -> None:
    connect(database)
    told(database)
    execute(database, "UPDATE replies SET published_at = clock_timestamp()")
    answers = [False, True]
    publisher = SimpleNamespace(purge=lambda: answers.pop(0))
    key = event(database, "customers_redact", REDACT)
    runner.run(resources(database, reply_publisher=publisher), key)
    assert state(database, key)[:2] == ("received", 1)
    due_now(database)
    runner.run(resources(database, reply_publisher=publisher), key)
    assert state(database, key)[0] == "processed"
    assert answers == []


def test_a_turn_that_read_the_cache_too_early_cannot_keep_what_it_read(database: Database) -> None:
    """It was claimed after the rows were blanked, and before the cache was dropped."""
    connect(database)
    told(database)
    late: list[turns.Claim] = []

    class Slow(Nobody):
        def drop(self, merchant_id: str) -> bool:
            late.append(claim(database, queue(database, "hello", conversation_id="c_m1")))
            with database.transaction() as session:
                turns.add_step(session, late[0], 0, {"role": "assistant", "content": NAME})
            return True

    key = event(database, "customers_redact", REDACT)
    runner.run(resources(database, cache=Slow()), key)
    assert state(database, key)[0] == "processed"
    assert NAME not in everything(database)
    with pytest.raises(LostTurn), database.transaction() as session:
        turns.hold(session, late[0])


# A shop that came back


def travel(database: Database, **ago: float) -> None:
    """All that was stored happened so much earlier."""
    by = timedelta(**ago)
    for table, columns in {
        "merchant_integrations": ("connected_at", "uninstalled_at"),
        "conversations": ("created_at", "updated_at"),
        "turns": ("created_at", "started_at", "finished_at"),
        "events": ("time", "received_at", "processed_at"),
        "replies": ("created_at",),
        "tombstones": ("created_at",),
    }.items():
        execute(database, f"UPDATE {table} SET " + ", ".join(f"{c} = {c} - :by" for c in columns), by=by)
    execute(
        database,
        """UPDATE merchant_integrations SET former = (
            SELECT coalesce(jsonb_agg(c || jsonb_build_object(
                'connected_at', CAST(c ->> 'connected_at' AS timestamptz) - :by,
                'uninstalled_at', CAST(c ->> 'uninstalled_at' AS timestamptz) - :by)), '[]')
            FROM jsonb_array_elements(former) AS e (c))""",
        by=by,
    )


def uninstall(database: Database) -> None:
    runner.run(resources(database), event(database, "app_uninstalled", {"shop_domain": SHOP}))


def shop_redact(database: Database, shop: str = SHOP, *, time: datetime | None = None) -> int:
    key = event(database, "shop_redact", {"shop_domain": shop})
    if time is not None:
        execute(database, "UPDATE events SET time = :time WHERE key = :key", time=time, key=key)
    runner.run(resources(database), key)
    assert state(database, key)[0] == "processed"
    return key


def lives(database: Database) -> bool:
    found = query(database, "SELECT is_active, api_key IS NOT NULL FROM merchant_integrations WHERE merchant_id = 'm1'")
    return found == [(True, True)]


OLD, NEW = "an old secret", "a new secret"


def reconnected(database: Database, *, told_of_it: bool = True, hours: float = 47, shop: str = SHOP) -> None:
    """A shop that was uninstalled and, an hour later, connected again, `hours` ago; with words of both lives."""
    connect(database)
    told(database, conversation_id="old", said=OLD)
    told(database, conversation_id="both", said=OLD)
    execute(database, "UPDATE conversations SET context = context || :old", old=json.dumps({"note": OLD, "turns": 1}))
    store_event(database, new_event(data={"merchant_id": "m1", "text": OLD}))
    execute(database, "UPDATE events SET status = 'processed' WHERE status = 'received'")
    if told_of_it:
        uninstall(database)  # and CJ says so in the latest conversation
        execute(database, "UPDATE turns SET status = 'done', finished_at = clock_timestamp() WHERE status = 'queued'")
    travel(database, hours=1)
    connect(database, shop_domain=shop)
    told(database, conversation_id="both", said=NEW)
    told(database, conversation_id="new", said=NEW)
    travel(database, hours=hours)


@pytest.mark.parametrize(
    ("told_of_it", "hours"), [(True, 47), (True, 0), (True, 200), (False, 47), (False, 1)], ids=str
)
def test_a_shop_that_came_back_keeps_its_new_life_and_loses_the_old(
    database: Database, told_of_it: bool, hours: float
) -> None:
    reconnected(database, told_of_it=told_of_it, hours=hours)
    shop_redact(database)
    assert lives(database)
    left = planted(database)
    assert OLD not in left
    assert NEW in left
    assert query(database, "SELECT id FROM conversations ORDER BY id") == [("both",), ("new",)]
    [(context,)] = query(database, "SELECT context FROM conversations WHERE id = 'both'")
    assert (context["turns"], "note" in context) == (1, False)
    again = planted(database)
    if hours < 48:
        shop_redact(database)
        assert lives(database)
        assert planted(database).count(NEW) == again.count(NEW)


def test_the_event_of_the_new_connection_is_not_older_than_it(database: Database) -> None:
    reconnected(database, hours=0)
    shop_redact(database)
    at = query(database, "SELECT connected_at FROM merchant_integrations")[0][0]
    late = event(database, "oauth_complete", {"provider": "shopify", "success": True, "shop_domain": SHOP})
    execute(database, "UPDATE events SET time = :at WHERE key = :key", at=at, key=late)
    runner.run(resources(database), late)
    assert state(database, late)[0] == "processed"


def test_a_shop_whose_uninstallation_nobody_told_is_erased(database: Database) -> None:
    connect(database)
    told(database, said=OLD)
    travel(database, days=90)
    shop_redact(database)
    assert query(database, "SELECT count(*) FROM merchants") == [(0,)]
    assert OLD not in planted(database)


def test_the_second_uninstallation_is_not_taken_for_the_first(database: Database) -> None:
    reconnected(database)
    shop_redact(database)
    travel(database, days=30)
    shop_redact(database)  # uninstalled again, and nobody told
    assert query(database, "SELECT count(*) FROM merchants") == [(0,)]


def test_a_shop_that_the_merchant_has_left_is_erased_and_the_one_he_has_stays(database: Database) -> None:
    reconnected(database, shop="next.myshopify.com")
    shop_redact(database, SHOP)
    assert lives(database)
    assert OLD not in planted(database)
    assert NEW in planted(database)


def test_a_customer_of_a_shop_that_the_merchant_has_left_is_blanked(database: Database) -> None:
    connect(database)
    told(database)
    connect(database, shop_domain="next.myshopify.com")
    key = event(database, "customers_redact", REDACT)
    runner.run(resources(database), key)
    assert state(database, key)[0] == "processed"
    assert NAME not in planted(database)
    other = event(database, "customers_redact", {**REDACT, "shop_domain": "never.myshopify.com"})
    runner.run(resources(database), other)
    assert query(database, "SELECT error_code FROM events WHERE key = :key", key=other) == [
        ("event.shop_merchant_mismatch",)
    ]


@pytest.mark.parametrize("was_known", [True, False])
def test_a_request_about_a_merchant_who_is_gone_keeps_no_address(database: Database, was_known: bool) -> None:
    if was_known:
        connect(database)
        shop_redact(database)
    key = event(database, "customers_redact", {"shop_domain": SHOP, "order_ids": [], "email": EMAIL, "phone": PHONE})
    execute(database, "UPDATE events SET time = clock_timestamp() - interval '1 day' WHERE key = :key", key=key)
    runner.run(resources(database), key)
    assert state(database, key)[0] == ("processed" if was_known else "rejected")
    assert EMAIL not in planted(database)
    assert PHONE not in planted(database)


# Wherever a name may be


def planted(database: Database) -> str:
    """Every table, every column, as text."""
    tables = query(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return "\n".join(str(row[0]) for (table,) in tables for row in query(database, f'SELECT x::text FROM "{table}" x'))


@pytest.fixture
def aof_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path / "valkey", aof=True) as server:
        yield server


def redis_text(client: Any) -> str:
    """Every key and value, messages decoded."""
    found: list[bytes] = []
    for key in client.scan_iter():
        found.append(key)
        match client.type(key):
            case b"string":
                found.append(client.get(key))
            case b"list":
                found += client.lrange(key, 0, -1)
            case b"hash":
                found += [part for pair in client.hgetall(key).items() for part in pair]
            case b"set":
                found += client.smembers(key)
            case b"zset":
                found += client.zrange(key, 0, -1)
    texts = [part.decode("utf-8", "replace") for part in found]
    bodies = [json.loads(text) for text in texts if text.startswith(('{"body"', '[{"body"'))]
    messages = [body[0] if isinstance(body, list) else body for body in bodies]
    return "\n".join([*texts, *(b64decode(message["body"]).decode() for message in messages)])


@pytest.mark.parametrize("by", ["id and order", "e-mail", "phone"])
def test_a_planted_name_is_nowhere_afterwards(
    database: Database, aof_valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture, by: str
) -> None:
    caplog.set_level(logging.DEBUG)
    client: Any = redis.Redis.from_url(aof_valkey.url)
    server = RedisServer(aof_valkey.url)
    publisher = ReplyPublisher(Celery("test", broker=aof_valkey.url), database, broker_breaker())
    tools = resources(database, cache=Cache(server), reply_publisher=publisher)
    connect(database)
    words = {"id and order": NAME, "e-mail": EMAIL.upper(), "phone": "0170/1234 567"}[by]
    secrets = (NAME, "Wilhelmina", "Öztürk", EMAIL, EMAIL.upper(), PHONE, "0170/1234 567")
    content = bought()
    if by != "id and order":
        content["data"]["orders"][0]["customer"] = {
            "id": "gid://shopify/Customer/1",
            "name": NAME,
            "email": EMAIL,
            "phone": PHONE,
        }
    held = told(database, said=f"It was {words}!")
    execute(
        database, "UPDATE steps SET tool_results = jsonb_set(tool_results, '{0,content}', :c)", c=json.dumps(content)
    )
    call = json.dumps(
        [{"id": "x", "type": "function", "function": {"name": "f", "arguments": json.dumps({"q": words})}}]
    )
    execute(
        database,
        "UPDATE steps SET assistant = assistant || jsonb_build_object('tool_calls', CAST(:c AS jsonb), '_extras',"
        " CAST(:e AS jsonb))",
        c=call,
        e=json.dumps({"model": "x", "message": {"thinking_blocks": [{"signature": ENCRYPTED}]}}),
    )
    execute(database, "UPDATE conversations SET context = :c", c=json.dumps({"vip": [words], "shop_domain": SHOP}))
    failed = {"provider": "shopify", "success": False, "error": f"{words} said no"}
    for key in (
        event(database, "message_received", {"conversation_id": "c_m1", "text": f"Ask {words}"}),
        event(database, "oauth_complete", failed),
        event(database, "customers_data_request", {**REDACT, "email": EMAIL, "phone": PHONE}),
    ):
        runner.run(tools, key)
    with database.transaction() as session:
        inbox.reject(
            session, source="/auth", id="bad", type="message_received", content_hash=b"x", code="event.bad_value",
            message=f"text is {words}", data={"merchant_id": "m1", "text": words},
        )  # fmt: skip
    tools.cache.put("m1", 1, "recent_orders", content, 600)
    with database.transaction() as session:
        publisher.publish(outbox.due(session, limit=10, factor=0) or [])
    execute(database, "UPDATE replies SET created_at = created_at - interval '1 minute'")
    with database.transaction() as session:
        assert publisher.publish(outbox.due(session, limit=10)) >= 1
    publisher.note()
    taken = json.loads(client.lrange("replies", -1, -1)[0])
    client.hset("replies.unacked", "tag", json.dumps([taken, "", "replies"]))
    client.zadd("replies.unacked_index", {"tag": time.time()})
    assert any(secret in redis_text(client) for secret in secrets)
    assert any(secret in planted(database) for secret in secrets)

    both = {"email": EMAIL, "phone": PHONE}
    whom: dict[str, dict[str, Any]] = {
        "id and order": {**REDACT, **both},
        "e-mail": {"email": EMAIL},
        "phone": {"phone": PHONE},
    }
    base = {"merchant_id": "m1", "shop_domain": SHOP, "order_ids": []}
    key = event(database, "customers_redact", {**base, **whom[by]})
    runner.run(tools, key)
    assert state(database, key)[0] == "processed"
    client.bgrewriteaof()
    deadline = time.monotonic() + 20
    while client.info("persistence")["aof_rewrite_in_progress"] or client.info("persistence")["aof_rewrite_scheduled"]:
        assert time.monotonic() < deadline
    files = [path for path in aof_valkey.folder.rglob("*") if path.is_file()]
    aof = "".join(path.read_bytes().decode("utf-8", "replace") for path in files if ".aof" in path.name)
    places = {"Postgres": planted(database), "Redis": redis_text(client), "AOF": aof, "logs": caplog.text}
    for place, text in places.items():
        for secret in secrets:
            assert secret not in text, f"{secret} is in {place}"
    assert ENCRYPTED not in places["Postgres"], "reasoning that nobody can search is still there"
    assert query(database, "SELECT seq FROM turns WHERE id = :id", id=held) == [(1,)]
    client.close()
    server.close()
