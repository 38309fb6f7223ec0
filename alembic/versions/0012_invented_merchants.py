"""Merchants that an import invented, and shops that move to another merchant."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE OR REPLACE FUNCTION stays_known() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'a merchant who is known does not become invented';
END $$;
CREATE OR REPLACE TRIGGER stays_known BEFORE UPDATE OF invented ON merchants FOR EACH ROW
WHEN (NEW.invented AND NOT OLD.invented) EXECUTE FUNCTION stays_known();
CREATE OR REPLACE FUNCTION move_shop(shop text, target text) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    WITH had AS (
        SELECT * FROM merchant_integrations
        WHERE type = 'shopify' AND shop_domain = shop AND status <> 'uninstalled' AND merchant_id <> target
        ORDER BY is_active DESC, connected_at DESC LIMIT 1 FOR UPDATE
    ), left_behind AS (
        UPDATE merchant_integrations i SET
            status = 'uninstalled', is_active = false, api_key = NULL, refresh_token = NULL, access_expires_at = NULL,
            refresh_expires_at = NULL, renewing_until = NULL, sealed_for = NULL, uninstalled_at = clock_timestamp(),
            updated_at = clock_timestamp()
        FROM had WHERE i.id = had.id RETURNING i.id
    ), moved AS (
        INSERT INTO merchant_integrations AS i
            (merchant_id, type, shop_domain, api_key, refresh_token, access_expires_at, refresh_expires_at, scopes,
             config, is_active, status, connected_at, sealed_for)
        SELECT target, had.type, had.shop_domain, had.api_key, had.refresh_token, had.access_expires_at,
               had.refresh_expires_at, had.scopes, had.config, had.is_active, had.status, had.connected_at,
               coalesce(had.sealed_for, had.merchant_id)
        FROM had JOIN left_behind ON left_behind.id = had.id
        ON CONFLICT (merchant_id, type) DO UPDATE SET
            shop_domain = excluded.shop_domain, api_key = excluded.api_key, refresh_token = excluded.refresh_token,
            access_expires_at = excluded.access_expires_at, refresh_expires_at = excluded.refresh_expires_at,
            scopes = excluded.scopes, config = excluded.config, is_active = excluded.is_active,
            status = excluded.status, connected_at = excluded.connected_at, sealed_for = excluded.sealed_for,
            token_version = i.token_version + 1, uninstalled_at = NULL, renewing_until = NULL,
            updated_at = clock_timestamp(),
            former = i.former || jsonb_build_array(jsonb_build_object(
                'shop_domain', i.shop_domain, 'connected_at', i.connected_at, 'uninstalled_at', i.uninstalled_at))
        WHERE i.status = 'uninstalled' OR i.shop_domain = excluded.shop_domain
        RETURNING i.id
    ), ended AS (
        UPDATE turns t SET waits_for = NULL FROM had
        WHERE t.merchant_id = had.merchant_id AND t.status = 'done' AND t.waits_for IS NOT NULL
    ), due AS (
        UPDATE turns t SET run_after = clock_timestamp() + interval '5 seconds' FROM had
        WHERE t.merchant_id = target AND t.status = 'done' AND t.waits_for = 'store'
    )
    SELECT had.merchant_id FROM had, moved;
END;
CREATE OR REPLACE FUNCTION drop_invented(shop text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    DELETE FROM merchants m USING merchant_integrations i
    WHERE m.invented AND i.merchant_id = m.id AND i.type = 'shopify' AND i.shop_domain = shop RETURNING true;
END;
CREATE OR REPLACE FUNCTION claim_shop(event bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    WITH owner AS (
        SELECT i.shop_domain, e.merchant_id FROM events e
        JOIN merchant_integrations i ON i.type = 'shopify' AND i.shop_domain = e.data ->> 'shop_domain'
        JOIN merchants m ON m.id = i.merchant_id
        WHERE e.key = event AND e.status = 'received' AND m.invented AND i.status <> 'uninstalled'
          AND (e.type IN ('app_uninstalled', 'customers_data_request', 'customers_redact', 'shop_redact')
               OR (e.type = 'oauth_complete' AND e.data ->> 'provider' = 'shopify' AND e.data ->> 'success' = 'true'))
        FOR UPDATE OF m
    )
    SELECT move_shop(shop_domain, merchant_id) FROM owner;
    SELECT drop_invented(i.shop_domain) FROM events e
    JOIN merchant_integrations i ON i.merchant_id = e.merchant_id AND i.type = 'shopify' AND i.status <> 'uninstalled'
    WHERE e.key = event AND i.shop_domain = e.data ->> 'shop_domain';
END;
REVOKE ALL ON FUNCTION move_shop(text, text), drop_invented(text), claim_shop(bigint) FROM PUBLIC
"""


def upgrade() -> None:
    # Neither rewrites a table.
    op.execute("ALTER TABLE merchants ADD COLUMN IF NOT EXISTS invented boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE merchant_integrations ADD COLUMN IF NOT EXISTS sealed_for text")
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS stays_known ON merchants")
    op.execute("DROP FUNCTION IF EXISTS stays_known()")
    op.execute("DROP FUNCTION IF EXISTS claim_shop(bigint)")
    op.execute("DROP FUNCTION IF EXISTS drop_invented(text)")
    op.execute("DROP FUNCTION IF EXISTS move_shop(text, text)")
    # In a restored database the function depends on every column of the table.
    op.execute("""
        DO $$ DECLARE made text := pg_get_functiondef('connect_account'::regproc);
        BEGIN
            DROP FUNCTION connect_account(bigint);
            ALTER TABLE merchant_integrations DROP COLUMN IF EXISTS sealed_for;
            EXECUTE made;
            REVOKE ALL ON FUNCTION connect_account(bigint) FROM PUBLIC;
        END $$
        """)
    op.execute("ALTER TABLE merchants DROP COLUMN IF EXISTS invented")
