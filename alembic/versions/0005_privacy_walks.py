"""Privacy requests are walked in batches, and a merchant's earlier connections are known."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

VIEW = """
CREATE {replace} VIEW integrations AS
SELECT merchant_id, type, shop_domain, token_version, scopes, is_active, status,
       access_expires_at, connected_at, updated_at{more}
FROM merchant_integrations
"""


def upgrade() -> None:
    # Neither rewrites a table, and replacing a view keeps who may read it.
    op.execute("ALTER TABLE events ADD COLUMN IF NOT EXISTS progress jsonb")
    op.execute("ALTER TABLE merchant_integrations ADD COLUMN IF NOT EXISTS former jsonb NOT NULL DEFAULT '[]'::jsonb")
    op.execute(VIEW.format(replace="OR REPLACE", more=", former"))
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS turns_waiting_since")
        op.execute("CREATE INDEX CONCURRENTLY turns_waiting_since ON turns (created_at) WHERE status = 'queued'")


def downgrade() -> None:
    op.execute("DROP INDEX turns_waiting_since")
    op.execute("DROP VIEW integrations")
    op.execute(VIEW.format(replace="", more=""))
    op.execute("ALTER TABLE merchant_integrations DROP COLUMN former")
    op.execute("ALTER TABLE events DROP COLUMN progress")
