"""One process at a time renews a token; workers that may not read tokens can still wipe them."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DISCONNECT = """
CREATE FUNCTION disconnect_shop(merchant text, shop text, happened_at timestamptz) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    UPDATE merchant_integrations SET
        status = 'uninstalled', is_active = false, api_key = NULL, refresh_token = NULL, access_expires_at = NULL,
        refresh_expires_at = NULL, renewing_until = NULL, uninstalled_at = happened_at, updated_at = clock_timestamp()
    WHERE merchant_id = merchant AND type = 'shopify' AND shop_domain = shop AND status <> 'uninstalled'
      AND connected_at <= happened_at
    RETURNING true;
END;
REVOKE ALL ON FUNCTION disconnect_shop FROM PUBLIC
"""


def upgrade() -> None:
    op.execute("ALTER TABLE merchant_integrations ADD COLUMN IF NOT EXISTS renewing_until timestamptz")
    op.execute(DISCONNECT)


def downgrade() -> None:
    op.execute("DROP FUNCTION disconnect_shop(text, text, timestamptz)")
    op.execute("ALTER TABLE merchant_integrations DROP COLUMN renewing_until")
