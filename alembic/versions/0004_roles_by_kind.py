"""Functions for a role that may neither touch tokens nor delete merchants: each does what one event asks for.

Grants are not here: `storage.roles` gives them after every migration.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION disconnect_shop(event bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    UPDATE merchant_integrations i SET
        status = 'uninstalled', is_active = false, api_key = NULL, refresh_token = NULL, access_expires_at = NULL,
        refresh_expires_at = NULL, renewing_until = NULL, uninstalled_at = coalesce(e.time, e.received_at),
        updated_at = clock_timestamp()
    FROM events e
    WHERE e.key = event AND e.type = 'app_uninstalled' AND e.status = 'received' AND i.merchant_id = e.merchant_id
      AND i.type = 'shopify' AND i.shop_domain = e.data ->> 'shop_domain' AND i.status <> 'uninstalled'
      AND i.connected_at <= coalesce(e.time, e.received_at)
    RETURNING true;
END;
CREATE FUNCTION erase_merchant(event bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    DELETE FROM merchants m USING events e
    WHERE e.key = event AND e.type = 'shop_redact' AND e.status = 'received' AND m.id = e.merchant_id
    RETURNING true;
END;
REVOKE ALL ON FUNCTION disconnect_shop(bigint), erase_merchant(bigint) FROM PUBLIC
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute("DROP FUNCTION erase_merchant(bigint), disconnect_shop(bigint)")
