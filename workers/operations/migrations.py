"""Migrates a database to the schema this code needs, and detects one that is behind.

migrations.problem(url)     None, or what to do; every process checks this at startup
migrations.upgrade(url)     does what `alembic upgrade head` does, for the embedded database and the tests
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.pool import NullPool

from storage import database, roles
from storage.database import SCHEMA_REVISION, Database
from storage.errors import StorageUnavailable, UnfitDatabase

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).resolve().parents[2] / "alembic"
COMMAND = "alembic upgrade head"
CLOSED = "server closed the connection"
NO_TRANSACTIONS = "DATABASE_URL leads to a pooler without transactions (pool_mode=statement): set pool_mode=transaction"


class NoMigrations(Exception):
    """The migrations exist only in a checkout, and this is an installed package."""


def upgrade(database_url: str, revision: str = "head", *, patience_seconds: float | None = None) -> None:
    """Migrate up to `revision`. Waits up to `patience_seconds` for another migration to finish.

    Raises NoMigrations, UnfitDatabase for a database that is not UTF8 or has another application's tables, or alembic's
    own errors, which are meant for people.
    """
    from alembic import command  # imported here, because workers only call `problem`

    if (unfit := _look(database_url)[0]) is not None:
        raise UnfitDatabase(unfit)
    config = _config(database_url)
    config.attributes["patience_seconds"] = patience_seconds
    command.upgrade(config, revision)


def make_roles(database_url: str) -> None:
    """Create the roles of all kinds of process, without passwords; for the embedded database, as its superuser."""
    engine = database.engine_of(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        roles.create(connection)


def downgrade(database_url: str, revision: str) -> None:
    """Migrate down to `revision`; "base" removes everything."""
    from alembic import command

    command.downgrade(_config(database_url), revision)


def current(database_url: str) -> str | None:
    """The database's revision; None if it is empty. Raises StorageUnavailable."""
    return _look(database_url)[1]


def _look(database_url: str) -> tuple[str | None, str | None]:
    """Why the database is unfit (None if it is fit), and its revision."""
    # Through PgBouncer, the migration may get the server connection that this one leaves.
    with Database(database_url, application_name="cj-migrations", session_settings={}) as connection:
        try:
            with connection.transaction() as session:
                return database.unfit(session), database.revision(session)
        except StorageUnavailable:
            if _allows_only_statements(connection):
                return NO_TRANSACTIONS, None
            raise


def _allows_only_statements(connection: Database) -> bool:
    """Whether a statement works and a transaction does not: PgBouncer then closes the connection, and libpq loses what
    it said."""
    with connection.reading() as session:
        session.execute(text("SELECT 1"))
    try:
        with connection.transaction() as session:
            session.execute(text("SELECT 1"))
    except StorageUnavailable as error:
        return CLOSED in str(error)
    return False


def problem(database_url: str) -> str | None:
    """Why this code cannot use the database, and the command to run; None if it can.

    A newer schema is fine: migrations are additive, and during a deployment workers of the previous version restart on
    it. Raises StorageUnavailable.
    """
    unfit, found = _look(database_url)
    if unfit is not None:
        return unfit
    if found is not None and found >= SCHEMA_REVISION:
        return None
    if found is None:
        return f"the database has no tables yet; run: {COMMAND}"
    return f"the database is at revision {found}, this code needs {SCHEMA_REVISION}; run: {COMMAND}"


def _config(database_url: str) -> "Config":
    from alembic.config import Config

    if not (FOLDER / "env.py").is_file():
        raise NoMigrations(f"no migrations at {FOLDER}: run `{COMMAND}` in a checkout of this version")
    # No ini file: env.py must not touch a worker's logging. The URL is not an option: options treat % specially.
    config = Config(attributes={"url": database_url})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
