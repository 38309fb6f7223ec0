"""Behind a PgBouncer that gives each transaction another connection: nothing that a session sets may stay."""

import threading
from collections.abc import Iterator

import psycopg2
import pytest
from alembic.util import CommandError
from sqlalchemy import text

from storage import roles, turns
from storage.database import SESSION_SETTINGS, Database
from storage.errors import UnfitDatabase
from tests.pgbouncer import PgBouncer
from tests.rows import execute, query
from tests.servers import PostgresForTests, fast_folder
from workers.operations import migrations

#: What the migration holds; see alembic/env.py.
LOCK = 0x434A_4D49


@pytest.fixture
def pool(empty_database_url: str) -> Iterator[PgBouncer]:
    with fast_folder() as folder:
        folder.chmod(0o755)
        with PgBouncer(folder / "pgbouncer", empty_database_url) as pool:
            yield pool


def test_migrating_through_it_leaves_neither_a_lock_nor_a_setting(pool: PgBouncer, empty_database_url: str) -> None:
    migrations.upgrade(pool.url)
    migrations.upgrade(pool.url)
    direct = Database(empty_database_url, pool_size=1)
    assert query(direct, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    through = psycopg2.connect(pool.url)
    with through.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_settings WHERE source = 'session' AND name ~ 'timeout'")
        assert cursor.fetchall() == []
    through.close()
    direct.dispose()


def test_a_pooler_without_transactions_is_named(empty_database_url: str) -> None:
    """All that psycopg2 has of PgBouncer's words is that the connection was closed."""
    with fast_folder() as folder:
        folder.chmod(0o755)
        with PgBouncer(folder / "pgbouncer", empty_database_url, mode="statement") as pool:
            assert "pool_mode=statement" in str(migrations.problem(pool.url))
            with pytest.raises(UnfitDatabase, match="set pool_mode=transaction"):
                migrations.upgrade(pool.url)


def test_roles_bring_the_settings_so_that_no_session_sets_them(postgres: PostgresForTests, database_url: str) -> None:
    admin = Database(database_url, pool_size=1)
    with admin.transaction() as session:
        roles.create(session)
    set_by_role = query(admin, "SELECT unnest(setconfig) FROM pg_db_role_setting s WHERE setrole = 'cj_agent'::regrole")
    execute(admin, "GRANT CONNECT ON DATABASE " + database_url.split("/")[3].split("?")[0] + " TO cj_agent")
    agent = Database(database_url.replace("//postgres@", "//cj_agent@"), pool_size=1)
    with agent.transaction() as session:
        found = session.execute(
            text("SELECT name, source FROM pg_settings WHERE name = ANY (:names)"), {"names": list(SESSION_SETTINGS)}
        ).all()
    assert {tuple(row) for row in found} == {(name, "user") for name in SESSION_SETTINGS}
    assert {one.partition("=")[0] for (one,) in set_by_role} == set(SESSION_SETTINGS)
    admin.dispose()
    agent.dispose()


def test_a_migration_that_another_holds_up_says_so(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = Database(empty_database_url, pool_size=1)
    over, holds = threading.Event(), threading.Event()

    def hold() -> None:
        with holder.transaction() as session:
            session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            holds.set()
            over.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert holds.wait(10)
        with pytest.raises(CommandError, match="another migration of this database has been running"):
            migrations.upgrade(empty_database_url, patience_seconds=1)
    finally:
        over.set()
        other.join()
        holder.dispose()


def test_nothing_is_prepared_where_the_next_statement_may_find_another_connection(
    pool: PgBouncer, empty_database_url: str
) -> None:
    migrations.upgrade(empty_database_url)
    through, direct = Database(pool.url, pool_size=2), Database(empty_database_url, pool_size=1)
    for database, prepared in ((through, 0), (direct, 1)):
        with database.transaction() as session:
            turns.usage_of(session, 1)
            assert session.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar() == prepared
        database.dispose()
