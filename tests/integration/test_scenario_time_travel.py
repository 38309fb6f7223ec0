"""Time that passes in a scenario: for rows, cache and broker together."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from sqlalchemy import text

from storage.database import Database
from workers.operations import migrations
from workers.scenario import time_travel
from workers.scenario.time_travel import Pending, advance, expire_earlier

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


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    """A database with a clock that can be advanced."""
    time_travel.install(empty_database_url)
    migrations.upgrade(empty_database_url)
    opened = Database(empty_database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    opened = redis.Redis.from_url(valkey_url)
    yield opened
    opened.close()


def test_every_row_is_older(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text(ROWS))
    with database.transaction() as session:
        advance(session, HOUR, lives=lambda _owner: False, lease_seconds=2.0)
    with database.transaction() as session:
        ages = session.execute(
            text(
                "SELECT clock_timestamp() - t.created_at, clock_timestamp() - t.started_at, "
                "clock_timestamp() - t.lease_until, "
                "clock_timestamp() - e.received_at, clock_timestamp() - c.updated_at, clock_timestamp() - s.created_at "
                "FROM turns t, events e, conversations c, steps s"
            )
        ).one()
    assert all(timedelta(hours=1) <= age < timedelta(hours=1, minutes=1) for age in ages)


def test_what_is_written_then_has_the_later_time_until_the_clock_is_reset(database: Database) -> None:
    def ahead() -> float:
        with database.transaction() as session:
            session.execute(text("DELETE FROM merchants"))
            session.execute(text("INSERT INTO merchants (id, name) VALUES ('m', 'm')"))
            seconds = "SELECT extract(epoch FROM created_at - pg_catalog.clock_timestamp()) FROM merchants"
            return float(session.execute(text(seconds)).scalar_one())

    with database.transaction() as session:
        advance(session, HOUR, lives=lambda _owner: False, lease_seconds=2.0)
        advance(session, HOUR, lives=lambda _owner: False, lease_seconds=2.0)
    assert ahead() == pytest.approx(2 * HOUR, abs=5)
    with database.transaction() as session:
        time_travel.reset(session)
    assert ahead() == pytest.approx(0, abs=5)


def test_the_lease_of_a_living_worker_is_renewed(database: Database) -> None:
    left = text("SELECT extract(epoch FROM lease_until - clock_timestamp()) FROM turns")
    with database.transaction() as session:
        session.execute(text(ROWS))
        session.execute(text("UPDATE turns SET lease_owner = 'agent@here:1:a'"))
        advance(session, HOUR, lives=lambda owner: owner == "agent@here:1:a", lease_seconds=30.0)
        kept = session.execute(left).scalar_one()
        advance(session, HOUR, lives=lambda owner: owner == "agent@here:2:b", lease_seconds=30.0)
        lost = session.execute(left).scalar_one()
    assert 25 < kept <= 30
    assert lost < -HOUR + 30


def test_what_is_under_way(database: Database) -> None:
    events = {("/a", "1"), ("/a", "2")}
    with database.transaction() as session:
        assert not Pending.look(session, published=(), shown=0).is_anything
        assert Pending.look(session, published=events, shown=0) == Pending(2, 0, ())
        session.execute(text(ROWS))
        session.execute(text(MORE_ROWS))
    with database.transaction() as session:
        found = Pending.look(session, published=events, shown=0)
    running, paused = sorted(found.turns, key=lambda turn: turn.turn_id)
    assert (found.events, found.replies) == (1, 1)
    assert running.owner == "agent@here:1:a"
    assert -5 < running.seconds < 0
    assert paused.owner is None
    assert 55 < paused.seconds <= 60
    with database.transaction() as session:
        assert Pending.look(session, published=events, shown=1).replies == 0


def test_a_turn_that_waits_for_the_merchant_is_not_under_way(database: Database) -> None:
    """Shopify refuses the token and CJ has asked to connect again: nothing goes on by itself."""
    with database.transaction() as session:
        session.execute(text(ROWS))
        ended = "UPDATE turns SET status = 'done', finished_at = now(), lease_until = NULL, waits_for = "
        session.execute(text(f"{ended} 'store'"))
        assert Pending.look(session, published=(), shown=0).turns == ()
        for what in ("data", "model"):
            session.execute(text(f"{ended} '{what}'"))
            assert len(Pending.look(session, published=(), shown=0).turns) == 1


def test_no_time_comes_from_another_clock(database: Database) -> None:
    """Defaults of columns are bound to a function when the table is made."""
    named = text(
        "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_class ON pg_class.oid = adrelid "
        "WHERE relnamespace = 'public'::regnamespace AND pg_get_expr(adbin, adrelid) LIKE '%()%'"
    )
    with_schema = text(
        "SELECT pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef "
        "JOIN pg_catalog.pg_class ON pg_class.oid = adrelid "
        "WHERE pg_catalog.pg_get_expr(adbin, adrelid) LIKE '%timestamp%'"
    )
    with database.transaction() as session:
        defaults = session.execute(named).scalars().all()
        session.execute(text("SET LOCAL search_path = ''"))
        bound = session.execute(with_schema).scalars().all()
    assert "clock_timestamp()" in defaults
    assert set(bound) <= {"public.clock_timestamp()"}, bound


def test_what_expires_in_redis_does_so_earlier(client: redis.Redis) -> None:
    client.set("cj:data:old", "x", ex=1800)
    client.set("cj:data:young", "x", ex=7200)
    client.set("cj:flight:m:1:counts", "1", px=900)
    client.sadd("cj:kept", "a")
    client.expire("cj:kept", 86400)
    client.set("forever", "x")
    expire_earlier(client, HOUR)
    assert client.get("cj:data:old") is None
    assert 3590 < int(client.ttl("cj:data:young")) <= 3600
    assert 0 < int(client.pttl("cj:flight:m:1:counts")) <= 900
    assert 82790 < int(client.ttl("cj:kept")) <= 82800
    assert client.get("forever") == b"x"


def test_messages_of_dead_consumers_are_due_earlier(client: redis.Redis) -> None:
    now = time.time()
    indexes = ("plain.unacked_index", "replies.unacked_index")
    for name in (*indexes, "ranks"):
        client.zadd(name, {"tag": now})
    expire_earlier(client, 31.0)
    assert [client.zscore(name, "tag") for name in indexes] == [pytest.approx(now - 31.0)] * 2
    assert client.zscore("ranks", "tag") == pytest.approx(now)
