"""Time that passes in a scenario: rows, cache and broker become older together."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from sqlalchemy import text

from storage.database import Database
from storage.models import Base
from workers.scenario import pending
from workers.scenario.aging import age_broker, age_cache, age_rows
from workers.scenario.pending import Pending

HOUR = 3600.0
ROWS = """
INSERT INTO merchants (id, name) VALUES ('m', 'm');
INSERT INTO conversations (id, merchant_id, workflow) VALUES ('c', 'm', 'w');
INSERT INTO events (source, id, type, content_hash) VALUES ('/a', '1', 'x', 'x');
INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, input, status, lease_until, started_at)
    SELECT 'c', 'm', 1, key, 0, '{}', 'running', clock_timestamp(), clock_timestamp() FROM events;
INSERT INTO steps (turn_id, step, assistant, tool_results)
    SELECT id, 0, '{}', '[{"content": {"as_of": "2026-11-22T10:00:00+00:00", "data": {"n": 1}}}]' FROM turns;
"""
#: Behind the running turn another one of its conversation; in a second conversation one that pauses; a reply.
MORE_ROWS = """
UPDATE events SET status = 'processed';
UPDATE turns SET lease_owner = 'agent@here:1:a';
INSERT INTO events (source, id, type, content_hash, status) VALUES ('/a', '2', 'x', 'y', 'received');
INSERT INTO conversations (id, merchant_id, workflow) VALUES ('d', 'm', 'w');
INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, input, run_after)
    SELECT 'c', 'm', 2, key, 1, jsonb '{}', clock_timestamp() FROM events WHERE id = '1'
    UNION ALL
    SELECT 'd', 'm', 1, key, 2, '{}', clock_timestamp() + interval '1 minute' FROM events WHERE id = '1';
INSERT INTO replies (id, turn_id, conversation_id, sequence, key, body)
    SELECT 'turn_1:000001', id, 'c', 1, 'started', '{}' FROM turns WHERE status = 'running';
"""
PARKED = """
INSERT INTO merchant_integrations (merchant_id, type, shop_domain, api_key, status, is_active, token_version)
    VALUES ('m', 'shopify', 'a.myshopify.com', 'sealed', 'needs_reauth', false, 3);
UPDATE conversations SET context = '{"reconnect_asked": 3}'
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    opened = redis.Redis.from_url(valkey_url)
    yield opened
    opened.close()


def test_every_time_moves_back_but_for_leases(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text(ROWS))
    with database.transaction() as session:
        age_rows(session, HOUR)
    with database.transaction() as session:
        ages = session.execute(
            text(
                "SELECT clock_timestamp() - t.created_at, clock_timestamp() - t.started_at, "
                "clock_timestamp() - e.received_at, clock_timestamp() - c.updated_at, clock_timestamp() - s.created_at "
                "FROM turns t, events e, conversations c, steps s"
            )
        ).one()
        lease = session.execute(text("SELECT clock_timestamp() - lease_until FROM turns")).scalar_one()
        result = session.execute(text("SELECT tool_results FROM steps")).scalar_one()
    assert all(timedelta(hours=1) <= age < timedelta(hours=1, minutes=1) for age in ages)
    assert lease < timedelta(minutes=1)
    assert result == [{"content": {"as_of": "2026-11-22T09:00:00+00:00", "data": {"n": 1}}}]


def test_the_lease_of_a_dead_worker_moves_back_too(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text(ROWS))
        session.execute(text("UPDATE turns SET lease_owner = 'agent@here:1:a'"))
        age_rows(session, HOUR, lives=lambda owner: owner == "agent@here:1:a")
        kept = session.execute(text("SELECT clock_timestamp() - lease_until FROM turns")).scalar_one()
        age_rows(session, HOUR, lives=lambda owner: owner == "agent@here:2:b")
        lost = session.execute(text("SELECT clock_timestamp() - lease_until FROM turns")).scalar_one()
    assert kept < timedelta(minutes=1)
    assert timedelta(hours=1) <= lost < timedelta(hours=1, minutes=1)


def test_what_is_under_way(database: Database) -> None:
    events = {("/a", "1"), ("/a", "2")}
    with database.transaction() as session:
        assert not pending.look(session, published=(), shown=0).is_anything
        assert pending.look(session, published=events, shown=0) == Pending(2, 0, ())
        session.execute(text(ROWS))
        session.execute(text(MORE_ROWS))
    with database.transaction() as session:
        found = pending.look(session, published=events, shown=0)
    running, paused = sorted(found.turns, key=lambda turn: turn.turn_id)
    assert (found.events, found.replies) == (1, 1)
    assert running.owner == "agent@here:1:a"
    assert -5 < running.seconds < 0
    assert paused.owner is None
    assert 55 < paused.seconds <= 60
    with database.transaction() as session:
        assert pending.look(session, published=events, shown=1).replies == 0


def test_a_turn_that_waits_for_the_merchant_is_not_under_way(database: Database) -> None:
    """Shopify refuses the token and CJ has asked to connect again: nothing goes on by itself."""
    with database.transaction() as session:
        session.execute(text(ROWS))
        session.execute(text(f"{PARKED}; UPDATE turns SET status = 'queued', lease_until = NULL"))
        assert pending.look(session, published=(), shown=0).turns == ()
        session.execute(text("UPDATE merchant_integrations SET status = 'active', is_active = true"))
        assert len(pending.look(session, published=(), shown=0).turns) == 1


def test_no_column_is_forgotten(database: Database) -> None:
    """Whatever holds a time in the database is known to the models, from which the columns are taken."""
    with database.transaction() as session:
        found = session.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns "
                "WHERE table_schema = 'public' AND data_type LIKE 'timestamp%' AND table_name <> 'integrations'"
            )
        ).all()
    known = {(table.name, column.name) for table in Base.metadata.sorted_tables for column in table.columns}
    assert found
    assert {tuple(row) for row in found} <= known


def test_what_expires_in_the_cache_does_so_earlier(client: redis.Redis) -> None:
    data = {"as_of": "2026-11-22T10:00:00+00:00", "data": {"n": 1}}
    client.set("cj:data:old", json.dumps(data), ex=1800)
    client.set("cj:data:young", json.dumps(data), ex=7200)
    client.set("cj:flight:m:1:counts", "1", px=900)
    client.sadd("cj:kept", "a")
    client.expire("cj:kept", 86400)
    client.set("forever", "not JSON")
    age_cache(client, HOUR)
    assert client.get("cj:data:old") is None
    assert json.loads(client.get("cj:data:young") or b"") == {**data, "as_of": "2026-11-22T09:00:00+00:00"}
    assert 3590 < int(client.ttl("cj:data:young")) <= 3600
    assert 0 < int(client.pttl("cj:flight:m:1:counts")) <= 900
    assert 82790 < int(client.ttl("cj:kept")) <= 82800
    assert client.get("forever") == b"not JSON"


def test_messages_of_dead_consumers_are_due_earlier(client: redis.Redis) -> None:
    now = time.time()
    client.zadd("plain.unacked_index", {"tag": now})
    client.set("plain.unacked_mutex", "held")
    age_broker(client, 31.0)
    assert client.zscore("plain.unacked_index", "tag") == pytest.approx(now - 31.0)
    assert client.get("plain.unacked_mutex") is None
