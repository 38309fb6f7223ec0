"""The migrations on a real Postgres: up, down, up again, with no difference from the models."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from storage.database import SCHEMA_REVISION, Database, engine_of
from storage.errors import UnfitDatabase
from storage.models import Base
from tests.rows import query
from tests.servers import PostgresForTests
from tests.waiting import wait_until
from workers.operations import migrations

ROOT = Path(__file__).parent.parent.parent

CATALOG = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0
          AND NOT a.attisdropped AND c.relname <> 'alembic_version'""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'""",
    "indexes": """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'""",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'",
    "options": """
        SELECT relname, reloptions FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL""",
}


def catalog(connection: Connection) -> dict[str, list[str]]:
    return {name: sorted(str(tuple(row)) for row in connection.execute(text(sql))) for name, sql in CATALOG.items()}


def catalog_of(database_url: str) -> dict[str, list[str]]:
    engine = engine_of(database_url)
    try:
        with engine.connect() as connection:
            return catalog(connection)
    finally:
        engine.dispose()


@pytest.fixture
def modelled_url(postgres: PostgresForTests) -> Iterator[str]:
    """A database created from the models, without migrations."""
    with postgres.empty_database() as url:
        engine = engine_of(url)
        with engine.begin() as connection:
            Base.metadata.create_all(connection)
        engine.dispose()
        yield url


def test_the_migrations_make_exactly_what_the_models_say(database_url: str, modelled_url: str) -> None:
    migrated, modelled = catalog_of(database_url), catalog_of(modelled_url)
    assert migrated.keys() == modelled.keys()
    for kind, rows in migrated.items():
        assert rows == modelled[kind], kind
        assert rows, f"compared nothing: {kind}"


def test_up_down_and_up_again(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    first = catalog_of(empty_database_url)
    migrations.downgrade(empty_database_url, "base")
    assert catalog_of(empty_database_url) == {kind: [] for kind in CATALOG}
    assert migrations.current(empty_database_url) is None
    migrations.upgrade(empty_database_url)
    assert catalog_of(empty_database_url) == first
    assert migrations.current(empty_database_url) == SCHEMA_REVISION


def test_a_restored_database_can_be_downgraded(empty_database_url: str) -> None:
    """`pg_restore` makes functions last, with all columns there are: they then depend on columns they never name."""
    migrations.upgrade(empty_database_url)
    engine = engine_of(empty_database_url)
    with engine.begin() as connection:
        connection.execute(
            text("""DO $$ DECLARE made text; BEGIN
                FOR made IN SELECT pg_get_functiondef(oid) FROM pg_proc
                            WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' AND prosqlbody IS NOT NULL
                LOOP EXECUTE made; END LOOP; END $$""")
        )
    engine.dispose()
    migrations.downgrade(empty_database_url, "base")
    assert catalog_of(empty_database_url) == {kind: [] for kind in CATALOG}


def test_two_who_migrate_at_once_do_not_disturb_each_other(empty_database_url: str) -> None:
    command = [sys.executable, "-m", "alembic", "-x", f"url={empty_database_url}", "upgrade", "head"]
    running = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert sum("-> 0001" in words for words in said) == 1, said
    assert migrations.problem(empty_database_url) is None


def test_the_command_line_takes_the_database_from_the_environment(empty_database_url: str) -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    environment = {**os.environ, "DATABASE_URL": empty_database_url}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert migrations.current(empty_database_url) == SCHEMA_REVISION


@pytest.fixture(scope="module")
def printed() -> str:
    """The statements of all migrations."""
    command = [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_statements_can_be_had_without_a_database(printed: str) -> None:
    assert "CREATE TABLE merchant_integrations" in printed


#: What reads or writes a whole table while it keeps others out, or cannot be run twice.
KEEPS_WAITING = {
    "CREATE INDEX": r"CREATE (UNIQUE )?INDEX(?! CONCURRENTLY)",
    "VALIDATE, which belongs behind the transaction": r"VALIDATE CONSTRAINT",
    "ADD CONSTRAINT without NOT VALID": r"ADD CONSTRAINT(?:(?!NOT VALID|ADD CONSTRAINT|;\n).)*(;\n|ADD CONSTRAINT)",
    "ADD COLUMN … REFERENCES": r"ADD COLUMN[^,;]*REFERENCES",
    "SET NOT NULL": r"ALTER COLUMN \w+ SET NOT NULL",
    "ALTER COLUMN … TYPE": r"ALTER COLUMN \w+ (SET DATA )?TYPE",
    "a default that differs in each row": r"ADD COLUMN[^,;]*DEFAULT (clock_timestamp|gen_random_uuid|random|nextval)",
    "ADD COLUMN without IF NOT EXISTS": r"ADD COLUMN (?!IF NOT EXISTS)",
    "DROP without IF EXISTS": r"DROP (CONSTRAINT|COLUMN|TRIGGER|FUNCTION) (?!IF EXISTS)",
    "rows changed all at once": r"\n\n(UPDATE|DELETE FROM) (?!alembic_version)",
}


def kept_waiting(printed: str) -> list[str]:
    """What of this would keep workers waiting. Statements between COMMIT and BEGIN lock nobody out."""
    transactions = [_on_full_tables(one) for one in re.findall(r"(?ms)^BEGIN;$(.*?)^COMMIT;$", printed)]
    behind = re.sub(r"(?ms)^BEGIN;$(.*?)^COMMIT;$", "", printed)
    found = [
        what
        for what, pattern in KEEPS_WAITING.items()
        if any(re.search(pattern, transaction, re.DOTALL) for transaction in transactions)
    ]
    if re.search(r"ALTER TABLE \w+ (?!VALIDATE)|(CREATE|DROP) (UNIQUE )?INDEX(?! CONCURRENTLY)", behind):
        found.append("a lock that nothing limits, behind the transaction")
    return found


def _on_full_tables(transaction: str) -> str:
    """Without indexes of tables that it makes."""
    for table in re.findall(r"CREATE TABLE (\w+)", transaction):
        transaction = re.sub(rf"CREATE INDEX \w+ ON {table} ", "", transaction)
    return transaction


def test_no_migration_keeps_workers_waiting(printed: str) -> None:
    """Those after the first, which makes the tables."""
    assert kept_waiting(printed.split("-- Running upgrade 0001 -> 0002")[1].join(("BEGIN;\n", ""))) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("CREATE INDEX a ON turns (id);", "CREATE INDEX"),
        ("CREATE UNIQUE INDEX a ON turns (id);", "CREATE INDEX"),
        ("ALTER TABLE turns VALIDATE CONSTRAINT a;", "VALIDATE, which belongs behind the transaction"),
        ("ALTER TABLE turns ADD CONSTRAINT a CHECK (x > 0);", "ADD CONSTRAINT without NOT VALID"),
        (
            "ALTER TABLE turns ADD CONSTRAINT a CHECK (x > 0), ADD CONSTRAINT b CHECK (y > 0) NOT VALID;",
            "ADD CONSTRAINT without NOT VALID",
        ),
        ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a bigint REFERENCES events (key);", "ADD COLUMN … REFERENCES"),
        ("ALTER TABLE t ALTER COLUMN a SET NOT NULL;", "SET NOT NULL"),
        ("ALTER TABLE t ALTER COLUMN a TYPE bigint;", "ALTER COLUMN … TYPE"),
        (
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS a timestamptz NOT NULL DEFAULT clock_timestamp();",
            "a default that differs in each row",
        ),
        ("ALTER TABLE t ADD COLUMN a text;", "ADD COLUMN without IF NOT EXISTS"),
        ("DROP TRIGGER a ON t;", "DROP without IF EXISTS"),
        ("CREATE TABLE t (id bigint);\nCREATE INDEX a ON turns (id);", "CREATE INDEX"),
        ("UPDATE turns SET wake_at = clock_timestamp();", "rows changed all at once"),
    ],
)
def test_what_keeps_workers_waiting_is_found(statement: str, what: str) -> None:
    assert kept_waiting(f"BEGIN;\n\n{statement}\n\nCOMMIT;\n") == [what]
    assert kept_waiting("COMMIT;\n\nALTER TABLE t ADD COLUMN IF NOT EXISTS a text;\n\nBEGIN;\n")
    assert not kept_waiting("BEGIN;\n\nCREATE TABLE t (id bigint);\n\nCREATE INDEX a ON t (id);\n\nCOMMIT;\n")


def test_a_migration_that_has_to_wait_keeps_nobody_waiting(empty_database_url: str) -> None:
    """A backup reads all tables for a long time: the migration gives up its place in the queue, and comes again."""
    migrations.upgrade(empty_database_url, "0009")
    reader = Database(empty_database_url, pool_size=1, session_settings={})
    worker = Database(empty_database_url, pool_size=1)
    migrating = threading.Thread(target=migrations.upgrade, args=(empty_database_url,))
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
    with reader.transaction() as session:
        session.execute(text("SELECT 1 FROM turns LIMIT 1"))
        migrating.start()
        for _ in range(2):  # it came, went, and came again
            wait_until(lambda: query(worker, waits) != [(0,)], limit=30, what="its waiting")
            assert query(worker, "SELECT count(*) FROM turns") == [(0,)]
            wait_until(lambda: query(worker, waits) == [(0,)], limit=30, what="its giving up")
    migrating.join(30)
    assert migrations.problem(empty_database_url) is None
    reader.dispose()
    worker.dispose()


def test_the_code_is_written_for_the_latest_revision() -> None:
    script = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))
    assert script.get_heads() == [SCHEMA_REVISION]
    # `problem` compares them as strings.
    assert all(re.fullmatch(r"\d{4}", revision.revision) for revision in script.walk_revisions())


def test_an_empty_database_is_a_problem_with_a_command(empty_database_url: str) -> None:
    problem = migrations.problem(empty_database_url)
    assert problem == "the database has no tables yet; run: alembic upgrade head"


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("CREATE TABLE merchant_integrations (api_key text)", "has tables of the same names already"),
        ("CREATE TABLE merchants (id uuid); CREATE TABLE orders (id int)", r"already \(merchants\)"),
        (
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('ae1027a6acf')",
            r"alembic_version holds 'ae1027a6acf'",
        ),
    ],
)
def test_somebody_elses_database_is_left_as_it_is(empty_database_url: str, made: str, why: str) -> None:
    engine = engine_of(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text(made))
    before = catalog_of(empty_database_url)
    problem = migrations.problem(empty_database_url)
    assert problem is not None
    assert re.search(f"{why}.*give CJ a database of its own", problem)
    with pytest.raises(UnfitDatabase, match=why):
        migrations.upgrade(empty_database_url)
    environ = {**os.environ, "DATABASE_URL": empty_database_url}
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert re.search(why, done.stderr)
    assert "Traceback" not in done.stderr
    assert catalog_of(empty_database_url) == before
    engine.dispose()


def test_other_tables_in_the_database_are_no_problem(empty_database_url: str) -> None:
    engine = engine_of(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id int)"))
    migrations.upgrade(empty_database_url)
    assert migrations.problem(empty_database_url) is None
    engine.dispose()


def test_a_database_that_is_behind_is_a_problem_and_one_that_is_ahead_is_none(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    problem = migrations.problem(database_url)
    assert problem is not None
    assert "revision 0000" in problem
    assert SCHEMA_REVISION in problem
    assert "alembic upgrade head" in problem
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert migrations.problem(database_url) is None
    database.dispose()


def test_a_worker_waits_neither_for_a_migration_nor_makes_it_wait_for_ever(database: Database) -> None:
    """The session settings that keep one stuck process from blocking the others."""
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "TimeZone")
    found = [query(database, f"SHOW {name}")[0][0] for name in names]
    assert found == ["2s", "5s", "5s", "UTC"]


def test_the_folder_does_not_hide_the_library() -> None:
    assert list((ROOT / "alembic").rglob("__init__.py")) == []


def test_everyone_may_see_the_view_because_it_has_no_secret(database: Database) -> None:
    columns = query(database, "SELECT column_name FROM information_schema.columns WHERE table_name = 'integrations'")
    names = {name for (name,) in columns}
    assert "shop_domain" in names
    assert not names & {"api_key", "refresh_token", "config"}


def test_migrating_leaves_the_threads_and_loggers_as_they_were(empty_database_url: str) -> None:
    before = threading.active_count()
    migrations.upgrade(empty_database_url)
    assert threading.active_count() == before
