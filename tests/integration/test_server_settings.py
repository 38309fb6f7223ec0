"""Servers as others have set them up: CJ works there, or one sentence says what to change."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
import redis
from alembic.util import CommandError
from kombu.exceptions import OperationalError
from sqlalchemy import text

from events import queues
from storage import database as storage_database
from storage import redis_server, roles
from storage.database import Database, engine_of
from tests.as_role import make_roles, may, url_of
from tests.rows import execute, query
from workers import bootstrap
from workers.cli.check import check_broker
from workers.operations import migrations
from workers.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def alter(url: str, setting: str) -> None:
    """Set a default for the whole database."""
    admin = psycopg2.connect(url)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        [(name,)] = cursor.fetchall()
        cursor.execute(f"ALTER DATABASE {name} SET {setting}")
    admin.close()


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_whatever_isolation_is_the_default_ours_is_read_committed(empty_database_url: str, isolation: str) -> None:
    """A migration that holds a snapshot waits for itself."""
    alter(empty_database_url, f"default_transaction_isolation = '{isolation}'")
    alter(empty_database_url, "statement_timeout = '5s'")
    migrations.upgrade(empty_database_url)
    database = Database(empty_database_url, pool_size=1)
    assert query(database, "SHOW transaction_isolation") == [("read committed",)]
    with database.transaction() as session:
        assert session.execute(text("SHOW transaction_isolation")).scalar() == "read committed"
    database.dispose()


def test_a_server_that_is_set_to_be_read_only_is_named(empty_database_url: str) -> None:
    alter(empty_database_url, "default_transaction_read_only = on")
    with pytest.raises(CommandError, match="default_transaction_read_only is on"):
        migrations.upgrade(empty_database_url)
    database = Database(empty_database_url, pool_size=1)
    with database.transaction() as session:
        assert "default_transaction_read_only is on" in str(storage_database.read_only_problem(session))
    database.dispose()


def test_an_old_server_is_refused_before_anything_is_made(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_database, "OLDEST_SERVER", 99)
    assert "CJ needs 99 or later" in str(migrations.problem(empty_database_url))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("search_path = ''", "ALTER ROLE … SET search_path = public"),
        ("search_path = pg_catalog", "permission denied .*migrate as the owner of the database"),
    ],
)
def test_what_a_migration_may_not_do_is_a_sentence(empty_database_url: str, setting: str, said: str) -> None:
    alter(empty_database_url, setting)
    environ = {**os.environ, "DATABASE_URL": empty_database_url}
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    refused = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    with pytest.raises(CommandError, match=said):
        migrations.upgrade(empty_database_url)


def test_tables_hidden_by_row_level_security_are_named(database_url: str) -> None:
    make_roles(database_url)
    admin = Database(database_url, pool_size=1)
    execute(admin, "ALTER TABLE turns ENABLE ROW LEVEL SECURITY")
    execute(admin, "ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY")
    agent = url_of("cj_agent", database_url)
    assert "hides every row of alembic_version, turns" in str(migrations.problem(agent))
    assert migrations.problem(database_url) is None, "the owner sees them"
    for table in ("turns", "alembic_version"):
        execute(admin, f"CREATE POLICY all_rows ON {table} USING (true)")
    assert migrations.problem(agent) is None, "somebody has thought of it"
    admin.dispose()


def test_the_tables_may_be_in_another_schema(empty_database_url: str) -> None:
    alter(empty_database_url, "search_path = cj")
    admin = Database(empty_database_url, pool_size=1)
    execute(admin, "CREATE SCHEMA cj")
    make_roles(empty_database_url)
    assert may("cj_agent", empty_database_url, "SELECT count(*) FROM turns")
    assert not may("cj_agent", empty_database_url, "SELECT api_key FROM merchant_integrations")
    shopify = Database(url_of("cj_shopify", empty_database_url), pool_size=1)
    with shopify.transaction() as session:
        assert roles.standing(session).reads_tokens
    admin.dispose()
    shopify.dispose()


@pytest.mark.parametrize(
    "made",
    [
        "CREATE PROCEDURE tidy(int) LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION \"Odd Name\"(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)",
        'CREATE TABLE "Odd ""Table" (id int)',
    ],
)
def test_what_else_is_in_the_schema_does_not_stop_a_migration(empty_database_url: str, made: str) -> None:
    engine = engine_of(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text(made))
    engine.dispose()
    make_roles(empty_database_url)
    assert migrations.problem(empty_database_url) is None


def test_a_process_does_not_start_with_a_redis_that_can_never_do(database_url: str, valkey_url: str) -> None:
    cache = valkey_url.rpartition("/")[0] + "/99"
    environ = {**os.environ, "DATABASE_URL": database_url, "BROKER_URL": valkey_url, "REDIS_URL": cache}
    intake = [sys.executable, "-m", "workers.intake"]
    refused = subprocess.run(intake, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == bootstrap.REFUSED
    assert "/99 refuses the database of its URL (DB index is out of range): name database 0" in refused.stderr


def test_a_key_in_a_queues_place_that_is_no_list_is_named(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        client.xadd("events", {"event": "{}"})
        settings = Settings(broker_url=valkey_url)
        said = check_broker(settings)
        assert not said.ok
        assert "queue 'events'" in said.detail
        assert "`DEL events`" in said.detail
        assert check_broker(settings, only_sends=True).ok, "who only sends may not look"
        with queues.connection(valkey_url) as broker, pytest.raises(redis.ResponseError) as refused:
            queues.put(broker.Producer(), "events", b"{}")
        assert "a queue's key is no list" in queues.cause(refused.value)
        client.delete("events")
    assert check_broker(settings).ok


def test_a_queue_with_a_prefix_is_named(valkey_url: str) -> None:
    """Otherwise nobody learns that what a client with a key prefix sends does not arrive."""
    with redis.Redis.from_url(valkey_url) as client:
        client.lpush("events", "{}")
        assert "CJ does not read" not in check_broker(Settings(broker_url=valkey_url)).detail
        for name in ("shop:events", "bull:acks:wait", "web-events", "devevents", "events:old"):
            client.lpush(name, "{}")
        client.set("a:events", "no list")
        told = check_broker(Settings(broker_url=valkey_url))
        assert told.ok, "they may be somebody else's"
        named = [line.split("'")[1] for line in told.detail.splitlines()[1:]]
        assert named == ["bull:acks:wait", "shop:events", "web-events"]
        client.flushdb()


def test_what_a_broker_says_of_itself_comes_before_what_its_transport_makes_of_it(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kombu has nothing but an OperationalError for a Redis that cannot save."""

    def unable(*_: object, **__: object) -> None:
        raise OperationalError

    monkeypatch.setattr(queues, "check", unable)
    monkeypatch.setattr(redis_server, "problems", lambda *_, **__: ["cannot write to its disk"])
    assert "cannot write to its disk" in check_broker(Settings(broker_url=valkey_url)).detail
