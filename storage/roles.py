"""Two roles share the database, so that a process which loads a model's client cannot read a token.

    cj_workers   intake, workflow and agent workers: everything but `merchant_integrations`; of shops they see the view
                 `integrations`. They wipe a shop's tokens through `disconnect_shop` (storage.models), which can do
                 nothing else.
    cj_tokens    the Shopify worker and the auth service: merchants, their tokens, and recording `oauth_complete`.

Migrations, `cj tokens` and the ops worker are the owner's. The roles are made by an operator; every migration grants
them what they need, so running `alembic upgrade head` again is all it takes after making them.
"""

from sqlalchemy import Connection

from storage import sql

WORKERS, TOKENS = "cj_workers", "cj_tokens"

SQL = sql.load("roles")


def grant(connection: Connection) -> None:
    """Grant the roles that exist what they need. Nothing happens without them, or on an empty database."""
    connection.execute(SQL["grant"])
