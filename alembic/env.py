"""Runs migrations: from the command line (`alembic upgrade head`) and from `workers.operations.migrations`.

The database URL comes from `workers.operations.migrations`, else from `-x url=…`, else from DATABASE_URL.

Workers go on meanwhile, on tables of any size, so a migration keeps nobody waiting: each is a transaction of statements
that look at no row, and behind it, in an `autocommit_block`, what takes its time and locks nobody out (CREATE INDEX
CONCURRENTLY, VALIDATE CONSTRAINT). Whoever waits for a lock makes everybody wait who comes later, so a migration gives
up soon and is tried again: each can be run twice. tests/integration/test_migrations.py holds them to that, and
`python -m bench.upgrade` measures it.

Never add an `__init__.py` to this folder: it would hide the library of the same name.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from logging.config import fileConfig

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from storage import roles
from storage.database import (
    CLIENT_ENCODING,
    SCHEMA_REVISION,
    engine_of,
    read_only_problem,
    revision,
    translated,
    unfit,
)
from storage.models import Base

#: Allows one migration at a time per database ("CJMI"); the second finds nothing left to do.
MIGRATION_LOCK = 0x434A_4D49
#: Seconds for which the second one waits.
PATIENCE_SECONDS = 60
POLL_SECONDS = 0.2
#: For how long a statement of a migration may wait for a lock: at first, longer each time, and at most; and the pause
#: before the migration is tried again. Where statements take long, nobody is ever gone within the first.
LOCK_MS, LOCK_MS_MORE, LOCK_MS_MOST = 200, 50, 800
PAUSE_SECONDS = 0.7
#: Lock not available; deadlock detected.
IN_THE_WAY = ("55P03", "40P01")
#: What to do where Postgres refuses a statement, by SQLSTATE.
ANSWERS = {
    "42501": "migrate as the owner of the database, who may create tables in its schema",
    "3F000": "search_path names no schema that this role may use: ALTER ROLE … SET search_path = public",
    "57014": "large tables take time: ALTER ROLE … SET statement_timeout = 0 for the role that migrates; run it again",
}


def database_url() -> str:
    named = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True).get("url")
    if named is None:
        from workers.settings import Settings  # the one reader of the environment

        named = Settings.read(needed=["DATABASE_URL"]).database_url
    return str(named)


def patience() -> float:
    return float(context.config.attributes.get("patience_seconds") or PATIENCE_SECONDS)


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Keep other migrations of this database out, by a lock that a transaction of its own holds: whatever becomes of
    this process, and whatever pools connections in between, it ends with that transaction. Raises CommandError."""
    until = time.monotonic() + patience()
    with engine.connect() as holder:
        # Asked again and again: whoever waits within a statement is waited for by CREATE INDEX CONCURRENTLY.
        while not holder.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK}).scalar():
            holder.rollback()
            if time.monotonic() > until:
                raise CommandError(
                    f"another migration of this database has been running for over {patience():g} s: wait for it, or "
                    f"look for who holds the advisory lock {MIGRATION_LOCK} in pg_locks"
                )
            time.sleep(POLL_SECONDS)
        holder.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield
        holder.rollback()


@contextmanager
def explained() -> Iterator[None]:
    """Turn what Postgres refuses into a sentence. Raises CommandError."""
    try:
        yield
    except DBAPIError as error:
        answer = ANSWERS.get(getattr(error.orig, "pgcode", None) or "")
        raise CommandError("; ".join([str(translated(error)), *([answer] if answer else [])])) from error


def migrated(connection: Connection) -> bool:
    """Run what is left to do; False if somebody holds a lock that it needs."""
    context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
    try:
        with context.begin_transaction():
            context.run_migrations()
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) not in IN_THE_WAY:
            raise
        connection.rollback()
        return False
    return True


def migrate_online() -> None:
    # CREATE INDEX CONCURRENTLY waits for whoever holds a snapshot, as `alone` would at a stricter isolation level.
    engine = engine_of(
        database_url(),
        poolclass=NullPool,
        isolation_level="READ COMMITTED",
        hide_parameters=True,
        connect_args=CLIENT_ENCODING,
    )
    with explained(), alone(engine), engine.connect() as connection:
        if problem := unfit(connection) or read_only_problem(connection):
            raise CommandError(problem)
        connection.commit()
        tries = count()
        lock_ms = LOCK_MS

        def limit(begun: Connection) -> None:
            """For each transaction by itself: behind PgBouncer what a session sets would stay for the next client."""
            begun.execute(text(f"SET LOCAL lock_timeout = '{lock_ms}ms'"))

        event.listen(connection, "begin", limit)
        reached, since = None, time.monotonic()
        while not migrated(connection):
            if (found := revision(connection)) != reached:
                reached, since, tries = found, time.monotonic(), count()
            connection.rollback()
            if time.monotonic() > since + patience():
                raise CommandError(
                    f"for {patience():g} s others have held locks that the migration after {reached} needs: see "
                    "pg_stat_activity for the oldest transaction, and run it again; nothing is lost by that"
                )
            time.sleep(PAUSE_SECONDS)
            lock_ms = min(LOCK_MS + LOCK_MS_MORE * next(tries), LOCK_MS_MOST)
        if revision(connection) == SCHEMA_REVISION:  # what is granted are the tables and columns of today
            roles.grant(connection)
        connection.commit()


def print_statements() -> None:
    context.configure(
        url="postgresql://",
        target_metadata=Base.metadata,
        literal_binds=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


# Only the command line has a config file and wants progress output; a worker's logging stays as it is.
if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

if context.is_offline_mode():
    print_statements()
else:
    migrate_online()
