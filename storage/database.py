"""Access to Postgres: a pool, short transactions, and errors that never show a value.

    with database.transaction() as session:     # commit at the end, roll back on any exception
        answers = inbox.accept(session, events)
    with database.reading() as session:         # no transaction: one round trip instead of three
        found = merchants.integration_of(session, …)

`session.execute(…)` takes a round trip; `session.defer(…)`, for what returns nothing, goes with the next one.

Errors: StorageUnavailable (away, busy, or too slow), StorageRefused, SchemaMissing; see `storage.errors`.

psycopg2 writes values into the SQL text, so Postgres' LINE and DETAIL and SQLAlchemy's rendering of a statement show
them. Our errors therefore contain only the SQLSTATE, the names of the table and constraint and, for error classes about
the server rather than the data, the first sentence of the message.

Each kind of process connects with its own role; see `storage.roles`.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property, lru_cache, partial
from types import MappingProxyType
from typing import Any, NoReturn, Self

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    IteratorResult,
    TextClause,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from storage import silence
from storage.errors import SchemaMissing, StorageError, StorageRefused, StorageUnavailable
from storage.sql import PREPARED, Prepared

#: Seconds a thread waits for a free connection from the pool.
POOL_TIMEOUT = 2
#: Seconds after which a server that does not answer counts as unavailable.
CONNECT_TIMEOUT = 3

#: Limits on waiting for a lock, running a statement, and idling in a transaction.
SESSION_SETTINGS: Mapping[str, str] = {
    "lock_timeout": "2s",
    "statement_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",
    "TimeZone": "UTC",
}
SET_MISSING = """
SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)
WHERE current_setting(name) <> value
"""

#: Our locks and fences expect each statement to see what others have committed, whatever isolation is the server's
#: default.
BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED;"
_COMMIT = text("COMMIT")
#: Seconds after which an idle connection of the pool is checked before use.
PING_AFTER_SECONDS = 0.5
#: The Alembic revision this code is written for.
SCHEMA_REVISION = "0019"
#: How our migrations are named.
_REVISION = re.compile(r"\d{4}")
#: Tables of the first migration whose names other applications may use as well.
_FIRST_TABLES = frozenset({"merchants", "merchant_integrations", "conversations", "events", "turns", "replies"})
LAST_USED = "cj.last_used"
#: The tables that the current role may read, and of which row-level security lets it see nothing: without a policy.
_HIDDEN_TABLES = text("""
    SELECT relname FROM pg_class c
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND row_security_active(c.oid)
      AND has_any_column_privilege(c.oid, 'SELECT') AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)
    ORDER BY relname""")

# A peer that vanished silently is noticed within some 20 seconds (TCP only; Unix sockets ignore these).
KEEPALIVES = {
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}

#: Overrides the URL, the environment, and the settings of database and role: in another encoding no emoji can be sent.
CLIENT_ENCODING = {"client_encoding": "utf8"}
SERVER_ENCODING = "UTF8"
#: The oldest major version of Postgres that our tables and functions work on.
OLDEST_SERVER = 14

# SQLSTATE classes about the server, not about data (25 includes a server that became a standby):
# https://www.postgresql.org/docs/current/errcodes-appendix.html
ABOUT_THE_SERVER = ("08", "25", "28", "3D", "40", "53", "55", "57", "58")
#: "Program limit exceeded", e.g. a text too long for an index; psycopg2 raises it as an OperationalError.
TOO_LARGE = "54"
UNDEFINED = ("42P01", "42703")
#: "Read-only SQL transaction": a server that was the primary and is a standby now.
READ_ONLY = "25006"
#: "Feature not supported": a prepared statement whose column types changed with a migration.
OUTDATED_PLAN = "0A000"

#: "Insufficient privilege": the message names a table or function, never a value.
NOT_ALLOWED = "42501"


class Rows(IteratorResult[*tuple[Any, ...]]):
    """A statement's result, read completely."""

    def __init__(self, names: tuple[str, ...], rows: Sequence[Any], count: int) -> None:
        super().__init__(_columns(names), iter(rows))
        self.rowcount = count
        """How many rows it returned or changed."""


class Session(Connection):
    """Runs statements: SQLAlchemy's connection, with or without a transaction.

    SQLAlchemy's own path from text to result takes longer than Postgres needs for a short statement, so texts go
    directly to psycopg2. Its exceptions go back to SQLAlchemy, which knows when a connection is lost.
    """

    first = b""
    """SQL sent in one round trip with the next statement: BEGIN, a savepoint, what was deferred."""
    has_outdated_plan = False
    """Whether a migration has made its prepared statements useless."""
    _has_old_plans = False
    """Whether a statement of this round trip was prepared before it."""

    def execute(self, statement: TextClause, parameters: Mapping[str, Any] | None = None) -> Rows:  # type: ignore[override]
        """Run a text with named parameters; as a prepared statement if it is meant to be and the connection allows
        it."""
        with self._cursor() as cursor:
            self._send(cursor, self._rendered(cursor, statement, parameters))
            described = cursor.description
            rows = cursor.fetchall() if described else []
        return Rows(tuple(column[0] for column in described or ()), rows, cursor.rowcount)

    def defer(self, statement: TextClause, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a text in one round trip with the transaction's next one or its commit, which raise its errors; what it
        returns is not read. Raises TypeError outside of a transaction."""
        if not self.in_transaction():
            raise TypeError("without a transaction nothing follows that would send it")
        with self._cursor() as cursor:
            rendered = self._rendered(cursor, statement, parameters)
            self.first += rendered + b";"

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        cursor = self.connection.cursor()
        try:
            yield cursor
        except BaseException as error:  # noqa: BLE001 - SQLAlchemy raises it again
            # A statement that was not prepared before may fail with the same code because of a value.
            self.has_outdated_plan = self._has_old_plans and getattr(error, "pgcode", None) == OUTDATED_PLAN
            self._handle_dbapi_exception(error, None, None, cursor, None)
        cursor.close()

    def _send(self, cursor: Any, statement: bytes) -> None:
        first, self.first = self.first, b""
        cursor.execute(first + statement)
        self._has_old_plans = False

    def _rendered(self, cursor: Any, statement: TextClause, parameters: Mapping[str, Any] | None) -> bytes:
        """The statement with its values; prepares it first, if that is still to be done."""
        done: set[str] | None = self.info.get(PREPARED)
        wanted: Prepared | None = None if done is None else statement.get_execution_options().get(PREPARED)
        if done is not None and wanted is not None:
            if wanted.name in done:
                self._has_old_plans = True
            else:
                self._send(cursor, wanted.prepare.encode())
                done.add(wanted.name)
        rendered: bytes = cursor.mogrify(wanted.execute if wanted else _for_psycopg2(statement.text), parameters or {})
        return rendered

    def exec_driver_sql(self, *_: Any, **__: Any) -> NoReturn:
        """Raises TypeError: it would run outside of the transaction, which begins in `execute`."""
        raise TypeError("a session takes texts: session.execute(text(…))")

    @contextmanager
    def attempt(self) -> Iterator[Callable[[], object]]:
        """A savepoint: undone if the block raises or calls the function it is given; the transaction goes on."""
        undo = partial(self.execute, text("ROLLBACK TO SAVEPOINT attempt"))
        self.first += b"SAVEPOINT attempt;"
        try:
            yield undo
        except BaseException:
            if not self.invalidated:  # otherwise the transaction is lost anyway
                undo()
            raise
        finally:
            self.first += b"RELEASE SAVEPOINT attempt;"


@lru_cache(maxsize=1000)
def _for_psycopg2(statement: str) -> str:
    """Turn `:name` into `%(name)s`."""
    return _PARAMETER.sub(r"%(\1)s", statement.replace("%", "%%")).replace("\\:", ":")


_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


@lru_cache(maxsize=1000)
def _columns(names: tuple[str, ...]) -> SimpleResultMetaData:
    return SimpleResultMetaData(names)


class Database:
    """One process's access to Postgres, safe to share among its threads. Opened on first use; as a context manager,
    closed at the end of the block."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        application_name: str = "cj",
        session_settings: Mapping[str, str] = SESSION_SETTINGS,
    ) -> None:
        self._url = url
        self._session_settings = session_settings
        self._pool_size = pool_size
        self._application_name = application_name

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose work is committed at the end of the block and rolled back if it raises."""
        with _translating(), closing(Session(self._engine)) as session, session.begin():
            session.first = BEGIN
            yield session
            if session.first != BEGIN:  # with what was deferred; SQLAlchemy's own commit finds nothing left to do
                session.execute(_COMMIT)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading without a transaction: two statements may see two states of the database."""
        with _translating(), closing(Session(self._engine)) as session:
            yield session

    @property
    def in_use(self) -> int:
        """How many connections of the pool are in use."""
        return int(self._engine.pool.checkedout()) if "_engine" in self.__dict__ else 0  # type: ignore[attr-defined]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def dispose(self) -> None:
        """Close the pool's connections; the next transaction opens new ones."""
        if "_engine" in self.__dict__:
            self._engine.dispose()

    @cached_property
    def _engine(self) -> Engine:
        engine = engine_of(
            self._url,
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT,
            pool_use_lifo=True,
            hide_parameters=True,
            connect_args={
                "connection_factory": _Driver,
                # Without limits at the server (a migration), silence means nothing.
                "cursor_factory": silence.Cursor if self._session_settings else None,
                "connect_timeout": CONNECT_TIMEOUT,
                **CLIENT_ENCODING,
                "application_name": self._application_name,
                **KEEPALIVES,
            },
        )
        event.listen(engine, "connect", partial(_set_up, self._session_settings))
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_ping_if_idle, engine))
        event.listen(engine, "handle_error", _leave_standby)
        return engine


class _Driver(psycopg2.extensions.connection):
    """psycopg2 in autocommit mode: `Session` begins transactions itself."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.autocommit = True

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        if self.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
            with self.cursor() as cursor:
                cursor.execute(how)


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        # Without its cause, whose text contains values.
        raise translated(error) from None


def engine_of(url: str, *, connect_args: Mapping[str, Any] = MappingProxyType({}), **options: Any) -> Engine:
    """SQLAlchemy's engine for `url`. Only libpq reads it, whose URLs name several hosts, sockets and services in more
    ways than SQLAlchemy knows; `connect_args` take precedence."""
    address = psycopg2.extensions.parse_dsn(libpq_url(url))
    return create_engine("postgresql+psycopg2://", connect_args={**address, **connect_args}, **options)


def libpq_url(url: str) -> str:
    """`url` in libpq's form: `postgres://` and SQLAlchemy's `postgresql+psycopg2://` are accepted, too."""
    return "postgresql://" + url.partition("://")[2]


def revision(session: Session) -> str | None:
    """The Alembic revision of the database; None if it was never migrated."""
    if session.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    found = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def read_only_problem(connection: Connection) -> str | None:
    """Why this server accepts no writes, and what to do; None if it accepts them."""
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar():
        return (
            "DATABASE_URL names a standby, which takes no writes: name the primary, or all of them and the parameter "
            "target_session_attrs=read-write"
        )
    if connection.execute(text("SHOW default_transaction_read_only")).scalar() == "on":
        return (
            "Postgres takes no writes, because default_transaction_read_only is on: providers set it while a disk is "
            "full (free space); else ALTER DATABASE or ALTER ROLE … SET default_transaction_read_only = off"
        )
    return None


def unfit(connection: Session) -> str | None:
    """Why our tables cannot be in this database, and what to do; None if they can."""
    version = int(str(connection.execute(text("SHOW server_version_num")).scalar())) // 10000
    if version < OLDEST_SERVER:
        return f"the server is Postgres {version}, and CJ needs {OLDEST_SERVER} or later: upgrade it, or name another"
    encoding = connection.execute(text("SHOW server_encoding")).scalar()
    if encoding != SERVER_ENCODING:
        return (
            f"the database's encoding is {encoding}, and it must be {SERVER_ENCODING}: with another one a merchant's "
            "emoji cannot be stored; make a new database with: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'"
        )
    if hidden := connection.execute(_HIDDEN_TABLES).scalars().all():
        return (
            f"row-level security hides every row of {', '.join(hidden)} from this role: run, for each of them, "
            "ALTER TABLE … DISABLE ROW LEVEL SECURITY; what each process may do its role says already"
        )
    if (found := revision(connection)) is not None:
        if _REVISION.fullmatch(found):
            return None
        others = f"is migrated by something else (alembic_version holds {found[:40]!r})"
    else:
        # Only those in our schema; in another schema they do no harm.
        names = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        ).scalars()
        ours = sorted(_FIRST_TABLES & set(names))
        if not ours:
            return None
        others = f"has tables of the same names already ({', '.join(ours)})"
    return f"the database {others}: give CJ a database of its own, with CREATE DATABASE, and name it in DATABASE_URL"


def translated(error: DBAPIError | PoolTimeout) -> StorageError:
    """Turn SQLAlchemy's error into ours, without values."""
    if isinstance(error, PoolTimeout):
        return StorageUnavailable(f"all connections to Postgres were busy for {POOL_TIMEOUT} s")
    state = getattr(error.orig, "pgcode", None)
    if state in UNDEFINED:
        return SchemaMissing("a table or column is missing in the database; run: alembic upgrade head")
    kind = (state or "")[:2]
    away = isinstance(error, OperationalError | InterfaceError) and kind != TOO_LARGE
    if error.connection_invalidated or away or kind in ABOUT_THE_SERVER:
        return StorageUnavailable(f"Postgres is not available: {_first_sentence(error, state)}")
    if state == NOT_ALLOWED:
        said = f"{_first_sentence(error, state)}; what each process may do is listed in storage/roles.py"
        return StorageRefused(f"Postgres refused the statement: {said}")
    return StorageRefused(f"Postgres refused the statement: {_rule(error, state)}")


def _first_sentence(error: DBAPIError, state: str | None) -> str:
    name, lines = _name_of(state), str(error.orig).strip().splitlines()
    if name is None and lines:  # login failed: the message says why, for each server; the exception's name does not
        others = (line for line in lines[1:] if line.startswith("connection to server"))
        return "; ".join(line[:200] for line in (lines[0], *others))
    name = name or type(error.orig).__name__
    return f"{name}: {lines[0][:200]}" if lines else name


def _rule(error: DBAPIError, state: str | None) -> str:
    name = _name_of(state) or type(error.orig).__name__
    diagnostics = getattr(error.orig, "diag", None)
    table = getattr(diagnostics, "table_name", None)
    rule = getattr(diagnostics, "constraint_name", None) or getattr(diagnostics, "column_name", None)
    return name + (f", table {table}" if table else "") + (f", {rule}" if rule else "")


def _name_of(state: str | None) -> str | None:
    if state is None:
        return None
    try:
        return psycopg2.errors.lookup(state).__name__
    except KeyError:
        return f"SQLSTATE {state}"


def _set_up(settings: Mapping[str, str], connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    """Set only what the role does not already set: behind PgBouncer, session settings would leak to the next client.
    Statements are not prepared there either; PgBouncer is recognised by another backend process than at login."""
    cursor = connection.cursor()
    cursor.execute(SET_MISSING, (list(settings), list(settings.values())))
    cursor.execute("SELECT pg_backend_pid()")
    if cursor.fetchone() == (connection.info.backend_pid,):
        record.info[PREPARED] = set()
        # A plan made while a table was tiny is kept until the next ANALYZE, however much the table grows, so sequential
        # scans are off. Those that cannot be avoided then cost so much that, before Postgres 18, jit would start.
        cursor.execute("SET enable_seqscan = off; SET jit = off")
    cursor.close()


def _leave_standby(context: ExceptionContext) -> None:
    """Drop all connections of the pool if the server became a standby, which it would stay, so that the next connection
    goes to the current primary; also if prepared statements are outdated after a migration."""
    is_standby = getattr(context.original_exception, "pgcode", None) == READ_ONLY
    if is_standby or getattr(context.connection, "has_outdated_plan", False):
        context.is_disconnect = True


def _note_use(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[LAST_USED] = time.monotonic()


def _ping_if_idle(engine: Engine, connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Check a connection that was idle, since it may have died unnoticed; one used just now is not worth the round
    trip."""
    idle = time.monotonic() - record.info.get(LAST_USED, time.monotonic())
    if idle < PING_AFTER_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except psycopg2.Error:
        raise DisconnectionError from None  # the pool opens a new one
