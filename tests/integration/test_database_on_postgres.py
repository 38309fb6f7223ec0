"""Access to Postgres: errors that say enough and never reveal a value; a server that crashes, restarts or is full."""

import threading
import time
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.exc import ProgrammingError

from storage import database as storage_database
from storage import silence, sql
from storage.database import Database, Session
from storage.errors import SchemaMissing, StorageError, StorageRefused, StorageUnavailable
from tests.chaos.ground import SOCKET
from tests.proxy import Proxy
from tests.rows import at_once, execute, query
from tests.servers import crash, fast_folder
from tests.tcp import closed_port
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedPostgres

SECRET = "shpat_SECRET_canary"

REFUSED = {
    "unique, with DETAIL": (
        "INSERT INTO merchants (id, name) VALUES ('m1', :secret), ('m2', :secret)",
        StorageRefused,
        "UniqueViolation, table merchants, merchants_name_key",
    ),
    "check, with DETAIL": (
        "INSERT INTO conversations (id, merchant_id, workflow, status) VALUES ('c', 'm', 'w', :secret)",
        StorageRefused,
        "CheckViolation, table conversations, conversations_status_check",
    ),
    "not null, with DETAIL": (
        "INSERT INTO merchants (id, name) VALUES (:secret, NULL)",
        StorageRefused,
        "NotNullViolation, table merchants, name",
    ),
    "bad value, with LINE": ("SELECT CAST(:secret AS integer)", StorageRefused, "InvalidTextRepresentation"),
    "division, no table": ("SELECT 1 / 0, :secret", StorageRefused, "DivisionByZero"),
    "syntax, with LINE": ("SELEC :secret", StorageRefused, "SyntaxError"),
    "no such table, with LINE": ("SELECT :secret FROM nowhere", SchemaMissing, "alembic upgrade head"),
    "no such column, with LINE": ("SELECT :secret, nothing FROM merchants", SchemaMissing, "alembic"),
    "too slow": ("SELECT pg_sleep(10), :secret", StorageUnavailable, "QueryCanceled"),
    "too long for an index": (
        "INSERT INTO merchants (id, name) VALUES ('m1', (SELECT string_agg(:secret || md5(n::text), '')"
        " FROM generate_series(1, 400) AS n))",
        StorageRefused,
        "ProgramLimitExceeded",
    ),
    "a standby": (
        "SET TRANSACTION READ ONLY; INSERT INTO merchants (id, name) VALUES ('m1', :secret)",
        StorageUnavailable,
        "ReadOnlySqlTransaction: cannot execute INSERT in a read-only transaction",
    ),
    "raised by hand": (
        "DO $$ BEGIN RAISE EXCEPTION 'boom' USING DETAIL = 'x'; END $$; SELECT :secret",
        StorageRefused,
        "RaiseException",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_error_says_what_was_wrong_but_no_value(database: Database, case: str) -> None:
    statement, kind, words = REFUSED[case]
    with pytest.raises(kind) as caught:
        execute(database, statement, secret=SECRET)
    assert words in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown


def test_an_error_shows_neither_password_nor_statement_when_nobody_answers() -> None:
    database = Database("postgresql://cj:PASSWORD@127.0.0.1:1/cj")
    with pytest.raises(StorageUnavailable) as caught:
        query(database, "SELECT 1")
    assert "127.0.0.1" in str(caught.value)
    assert "PASSWORD" not in "".join(traceback.format_exception(caught.value))
    database.dispose()


@pytest.mark.parametrize(
    ("right", "wrong", "why"),
    [
        ("//postgres@", "//nobody@", 'FATAL:  role "nobody" does not exist'),
        ("@/test", "@/no_test", 'FATAL:  database "no_test'),
    ],
)
def test_who_is_not_let_in_is_told_why(database_url: str, right: str, wrong: str, why: str) -> None:
    database = Database(database_url.replace(right, wrong))
    with pytest.raises(StorageUnavailable) as caught:
        query(database, "SELECT 1")
    assert str(caught.value).startswith("Postgres is not available: connection to server ")
    assert why in str(caught.value)
    database.dispose()


def test_of_several_servers_each_says_what_is_wrong(database_url: str) -> None:
    """During a failover one is gone and the other is not the primary yet."""
    several = database_url.replace("?host=", "?host=127.0.0.1,") + f"&port={closed_port()},5432"
    with (
        Database(f"{several}&target_session_attrs=standby") as database,
        pytest.raises(StorageUnavailable) as caught,
    ):
        query(database, "SELECT 1")
    assert "Connection refused; connection to server" in str(caught.value)
    assert str(caught.value).endswith("failed: server is not in hot standby mode")


def test_nothing_is_opened_before_the_first_use() -> None:
    Database("postgresql://nobody@nowhere.invalid/x").dispose()


def test_at_the_end_of_its_block_a_database_leaves_no_connection(database: Database, database_url: str) -> None:
    connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cj-block'"
    with Database(database_url, application_name="cj-block") as block:
        query(block, "SELECT 1")
        assert query(database, connections) == [(1,)]
    wait_until(lambda: query(database, connections) == [(0,)], what="the connection to be closed")


def test_short_urls_are_understood(database_url: str) -> None:
    database = Database(database_url.replace("postgresql://", "postgres://"))
    assert query(database, "SELECT 1") == [(1,)]
    database.dispose()


def test_work_is_committed_at_the_end_and_undone_by_an_exception(database: Database) -> None:
    execute(database, "INSERT INTO merchants (id, name) VALUES ('m1', 'one')")

    def fail() -> None:
        with database.transaction() as session:
            session.execute(text("DELETE FROM merchants"))
            raise LookupError("ours")

    with pytest.raises(LookupError, match="ours"):
        fail()
    assert query(database, "SELECT id FROM merchants") == [("m1",)]


def test_processes_can_be_told_apart(database: Database) -> None:
    assert query(database, "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()") == [
        ("cj-test",)
    ]


def test_a_pool_without_a_free_connection_is_reported_soon(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    began = time.monotonic()
    with database.transaction() as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(StorageUnavailable, match="busy"):
            query(database, "SELECT 1")
    assert time.monotonic() - began < 4
    database.dispose()


def test_the_revision_of_a_database_that_was_never_migrated_is_none(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with database.transaction() as session:
        assert storage_database.revision(session) is None
    database.dispose()


# A separate server to break


@pytest.fixture
def fragile() -> Iterator[EmbeddedPostgres]:
    with fast_folder() as folder, EmbeddedPostgres(Path(folder) / "pg", durable=False) as server:
        yield server


def test_after_a_crash_every_thread_goes_on(fragile: EmbeddedPostgres) -> None:
    database = Database(fragile.url, pool_size=4)
    execute(database, "CREATE TABLE kept (n integer)")
    at_once(lambda n: execute(database, "INSERT INTO kept VALUES (:n)", n=n), range(4))
    crash(fragile)
    errors = at_once(lambda _: error_of(database), range(4))
    assert all(isinstance(error, StorageUnavailable) for error in errors), errors
    fragile.start()
    assert at_once(lambda _: query(database, "SELECT count(*) FROM kept"), range(4)) == [[(4,)]] * 4
    database.dispose()


def error_of(database: Database) -> StorageError | None:
    try:
        query(database, "SELECT 1")
    except StorageError as error:
        return error
    return None


def test_a_crash_in_the_middle_leaves_nothing_half_done(fragile: EmbeddedPostgres) -> None:
    database = Database(fragile.url)
    execute(database, "CREATE TABLE kept (n integer)")

    def crash_halfway() -> None:
        with database.transaction() as session:
            session.execute(text("INSERT INTO kept VALUES (1)"))
            crash(fragile)
            session.execute(text("INSERT INTO kept VALUES (2)"))

    with pytest.raises(StorageUnavailable):
        crash_halfway()
    fragile.start()
    assert query(database, "SELECT n FROM kept") == []
    database.dispose()


def test_a_crash_before_the_commit_is_reported(fragile: EmbeddedPostgres) -> None:
    database = Database(fragile.url)
    execute(database, "CREATE TABLE kept (n integer)")

    def crash_at_the_end() -> None:
        with database.transaction() as session:
            session.execute(text("INSERT INTO kept VALUES (1)"))
            crash(fragile)

    with pytest.raises(StorageUnavailable):
        crash_at_the_end()
    fragile.start()
    assert query(database, "SELECT n FROM kept") == []
    database.dispose()


def test_a_server_without_a_free_connection_is_unavailable() -> None:
    with fast_folder() as folder:
        settings = {"max_connections": "5", "superuser_reserved_connections": "0"}
        with EmbeddedPostgres(Path(folder) / "pg", durable=False, settings=settings) as server:
            first, second = (Database(server.url, pool_size=5) for _ in range(2))
            with first.transaction() as a, first.transaction() as b, first.transaction() as c:
                for session in (a, b, c):
                    session.execute(text("SELECT 1"))
                with first.transaction() as d, first.transaction() as e:
                    d.execute(text("SELECT 1"))
                    e.execute(text("SELECT 1"))
                    with pytest.raises(StorageUnavailable, match="too many clients"):
                        query(second, "SELECT 1")
            first.dispose()
            assert query(second, "SELECT 1") == [(1,)]
            second.dispose()


def test_a_server_that_falls_silent_holds_no_thread_for_ever(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler whose server has vanished: the connection stays open, so TCP notices nothing."""
    monkeypatch.setattr(silence, "LIMIT", 0.3)
    monkeypatch.setattr(silence, "LOOK_EVERY", 0.05)
    folder = parse_qs(urlsplit(database_url).query)["host"][0]
    behind = database_url.replace(quote(folder), quote(str(tmp_path)))
    with Proxy.of_socket(Path(folder) / SOCKET, tmp_path / SOCKET) as door, Database(behind) as database:
        assert query(database, "SELECT pg_sleep(0.1)") == [("",)]
        with door.silence():
            [error] = at_once(lambda _: error_of(database), range(1))
        assert isinstance(error, StorageUnavailable)
        assert query(database, "SELECT 1") == [(1,)]


def test_the_watch_over_silent_servers_is_started_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "_watch", threading.Thread())
    before = threading.active_count()
    at_once(lambda _: silence._start(), range(8))
    assert threading.active_count() <= before + 1


def test_a_server_that_became_a_standby_is_left(database: Database) -> None:
    """It answers everything else, so the pool would keep its connection for ever."""
    execute(database, "SELECT 1")
    before = query(database, "SELECT pg_backend_pid()")
    with pytest.raises(StorageUnavailable, match="ReadOnlySqlTransaction"):
        execute(database, "SET TRANSACTION READ ONLY; INSERT INTO merchants (id, name) VALUES ('m1', 'm1')")
    assert query(database, "SELECT pg_backend_pid()") != before


def test_a_standby_is_named(database: Database) -> None:
    with database.transaction() as session:
        assert storage_database.read_only_problem(session) is None


def test_what_is_deferred_runs_in_order_with_the_next_statement_or_the_commit(database: Database) -> None:
    execute(database, "CREATE TABLE kept (n integer, words text)")
    insert = text("INSERT INTO kept VALUES (:n, :words) RETURNING n")
    with database.transaction() as session:
        session.defer(insert, {"n": 1, "words": "100 %(n)s; :words"})
        with session.attempt() as undo:
            session.defer(insert, {"n": 2, "words": "undone"})
            undo()
        assert session.execute(text("SELECT n, words FROM kept")).all() == [(1, "100 %(n)s; :words")]
        session.defer(insert, {"n": 3, "words": "with the commit"})
    assert query(database, "SELECT n FROM kept ORDER BY n") == [(1,), (3,)]
    with database.transaction() as session:
        session.defer(insert, {"n": 4, "words": "nothing else"})
    assert query(database, "SELECT count(*) FROM kept") == [(3,)]


def test_what_is_deferred_and_fails_undoes_all(database: Database) -> None:
    execute(database, "CREATE TABLE kept (n integer PRIMARY KEY)")
    insert = text("INSERT INTO kept VALUES (:n)")

    def fail_with_the_commit() -> None:
        with database.transaction() as session:
            session.execute(insert, {"n": 1})
            session.defer(insert, {"n": 1})

    with pytest.raises(StorageRefused, match="UniqueViolation, table kept"):
        fail_with_the_commit()
    assert query(database, "SELECT count(*) FROM kept") == [(0,)]


def test_a_session_that_only_reads_defers_nothing(database: Database) -> None:
    with database.reading() as session, pytest.raises(TypeError, match="without a transaction"):
        session.defer(text("SELECT 1"))


def test_reading_is_no_transaction_and_leaves_none_behind(database: Database) -> None:
    alone = Database(database._url, pool_size=1)
    with alone.reading() as session:
        first = session.execute(text("SELECT pg_current_xact_id()")).scalar()
        assert session.execute(text("SELECT pg_current_xact_id()")).scalar() != first
    with alone.transaction() as session:
        first = session.execute(text("SELECT pg_current_xact_id()")).scalar()
        assert session.execute(text("SELECT pg_current_xact_id()")).scalar() == first
    alone.dispose()


def test_a_connection_that_was_cut_while_reading_is_not_used_again(database: Database) -> None:
    alone = Database(database._url, pool_size=1)

    def read() -> None:
        with alone.reading() as session:
            pid = session.execute(text("SELECT pg_backend_pid()")).scalar()
            execute(database, f"SELECT pg_terminate_backend({pid})")
            session.execute(text("SELECT 1"))

    with pytest.raises(StorageUnavailable):
        read()
    with alone.transaction() as session:
        assert session.execute(text("SELECT 1")).scalar() == 1
    alone.dispose()


PREPARED = "SELECT name FROM pg_prepared_statements"


def statement(columns: str) -> TextClause:
    prepared = sql.Prepared.of("of_test", f"SELECT {columns} FROM merchants WHERE id = :id", "id text")
    return text(f"SELECT {columns} FROM merchants WHERE id = :id").execution_options(**{sql.PREPARED: prepared})


def test_a_statement_is_prepared_once_and_outlives_its_transaction(database: Database) -> None:
    alone = Database(database._url, pool_size=1)
    with alone.transaction() as session:
        session.execute(statement("name"), {"id": "m1"})
        session.rollback()
    execute(database, "INSERT INTO merchants (id, name) VALUES ('m1', 'M')")
    for _ in range(10):  # since the sixth time by one plan for any value
        with alone.transaction() as session:
            assert session.execute(statement("name"), {"id": "m1"}).scalar() == "M"
    assert query(alone, PREPARED) == [("of_test",)]
    alone.dispose()


def test_what_is_prepared_reads_by_index_even_where_it_was_planned_for_tiny_tables(database: Database) -> None:
    """Such a plan stays until a table that has grown is analyzed."""
    alone = Database(database._url, pool_size=1)
    looked_at = 0
    with alone.reading() as session:
        session.execute(text("VACUUM ANALYZE"))
    with alone.transaction() as session:
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        for path in Path(sql.__file__).parent.glob("*.sql"):
            for clause in sql.load(path.stem).values():
                if (prepared := clause.get_execution_options().get(sql.PREPARED)) is None:
                    continue
                session.execute(text(prepared.prepare))
                values = ", ".join("NULL" for _ in clause.compile().params)
                plan = "\n".join(session.execute(text(f"EXPLAIN EXECUTE {prepared.name} ({values})")).scalars())
                assert "Seq Scan" not in plan, f"{prepared.name}: {plan}"
                looked_at += 1
    assert looked_at > 30
    alone.dispose()


def test_a_transaction_begins_in_one_round_trip_with_its_first_statement(database: Database) -> None:
    alone = Database(database._url, pool_size=1)
    began = text("SELECT now() < statement_timestamp(), pg_current_xact_id_if_assigned() IS NULL")
    insert = text("INSERT INTO tombstones (kind, subject) VALUES ('test', :subject)")
    with pytest.raises(StorageRefused), alone.transaction() as session:
        session.execute(text(f"{insert.text}; SELECT 1 / 0"), {"subject": "refused"})
    with alone.transaction() as session, pytest.raises(TypeError):  # else it would stay, whatever becomes of the rest
        session.exec_driver_sql("INSERT INTO tombstones (kind, subject) VALUES ('test', 'beside')")
    with alone.transaction() as session:
        pass  # nothing to say
    with alone.transaction() as session:
        session.execute(insert, {"subject": "kept"})
        assert tuple(session.execute(began).one()) == (True, False)
    with alone.reading() as session:
        session.execute(insert, {"subject": "at once"})
        assert tuple(session.execute(began).one()) == (False, True)
    assert query(alone, "SELECT subject FROM tombstones ORDER BY 1") == [("at once",), ("kept",)]
    alone.dispose()


def test_an_attempt_is_undone_alone(database: Database) -> None:
    alone = Database(database._url, pool_size=1)
    insert = text("INSERT INTO tombstones (kind, subject) VALUES ('test', :subject)")

    def fails(session: Session, subject: str) -> None:
        with session.attempt():
            session.execute(insert, {"subject": subject})
            session.execute(statement("nothing"))

    def fails_within(session: Session) -> None:
        with session.attempt():
            session.execute(insert, {"subject": "around"})
            fails(session, "within")

    with alone.transaction() as session:
        session.execute(insert, {"subject": "before"})
        for failing in (partial(fails, subject="alone"), fails_within):
            with pytest.raises(ProgrammingError):
                failing(session)
        with session.attempt() as undo:
            session.execute(insert, {"subject": "taken back"})
            undo()
            session.execute(insert, {"subject": "instead"})
        with session.attempt():
            pass
        session.execute(insert, {"subject": "after"})
    kept = query(alone, "SELECT subject FROM tombstones ORDER BY 1")
    assert kept == [("after",), ("before",), ("instead",)]
    alone.dispose()


def test_an_attempt_that_loses_the_connection_is_an_outage(database: Database) -> None:
    with pytest.raises(StorageUnavailable), database.transaction() as session, session.attempt():
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def test_what_a_migration_outdates_is_prepared_anew(database: Database) -> None:
    alone = Database(database._url, pool_size=1)

    def read() -> object:
        with alone.transaction() as session:
            return session.execute(statement("*"), {"id": "m1"}).first()

    read()
    execute(database, "ALTER TABLE merchants ADD COLUMN more text")
    with pytest.raises(StorageUnavailable):  # which is tried again
        read()
    assert read() is None
    alone.dispose()


def test_a_value_that_is_refused_by_the_code_of_an_outdated_plan_is_not_tried_for_ever(database: Database) -> None:
    execute(
        database,
        "CREATE FUNCTION refuse(value text) RETURNS text LANGUAGE plpgsql AS "
        "$$BEGIN IF value = 'bad' THEN RAISE SQLSTATE '0A000'; END IF; RETURN value; END$$",
    )
    alone = Database(database._url, pool_size=1)

    def read(value: str) -> object:
        prepared = sql.Prepared.of("refuse", "SELECT refuse(:value)", "value text")
        refuse = text("SELECT refuse(:value)").execution_options(**{sql.PREPARED: prepared})
        with alone.transaction() as session:
            return session.execute(refuse, {"value": value}).scalar()

    assert read("good") == "good"
    with pytest.raises(StorageUnavailable):  # as if its plan were outdated
        read("bad")
    with pytest.raises(StorageRefused):
        read("bad")
    alone.dispose()


def test_what_cannot_be_prepared_is_an_error_as_any_other(database: Database) -> None:
    with pytest.raises(SchemaMissing), database.transaction() as session:
        session.execute(statement("nothing"), {"id": "m1"})
    with database.transaction() as session:
        assert session.execute(statement("name"), {"id": "m1"}).first() is None
