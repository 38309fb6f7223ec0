"""Postgres as the role of one kind of process sees it."""

import sqlalchemy.exc
from psycopg2 import errorcodes
from sqlalchemy import text

from storage import roles
from storage.database import engine_of
from workers.operations import migrations


def make_roles(database_url: str) -> None:
    """Create the roles and migrate again, as an operator does."""
    engine = engine_of(database_url)
    with engine.begin() as connection:
        roles.create(connection)
    engine.dispose()
    migrations.upgrade(database_url)


def url_of(role: str, database_url: str) -> str:
    """The database URL for a role."""
    return database_url.replace("//postgres@", f"//{role}@")


def may(role: str, database_url: str, statement: str) -> bool:
    """Whether the role is allowed to run the statement, which leaves nothing behind."""
    engine = engine_of(url_of(role, database_url))
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
            connection.rollback()
    except sqlalchemy.exc.DBAPIError as refused:
        if getattr(refused.orig, "pgcode", None) == errorcodes.INSUFFICIENT_PRIVILEGE:
            return False
        raise
    finally:
        engine.dispose()
    return True
