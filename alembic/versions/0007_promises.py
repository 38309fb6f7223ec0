"""What a merchant is owed: a turn waits for a model, a promise for the store or for data, and words are due."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STORE_IS_BACK = """
CREATE FUNCTION store_is_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE turns SET run_after = clock_timestamp() + interval '5 seconds'
    WHERE id IN (
        SELECT id FROM turns WHERE merchant_id = NEW.merchant_id AND status = 'done' AND waits_for = 'store'
        ORDER BY id LIMIT 100);
    RETURN NULL;
END
$$;
CREATE TRIGGER store_is_back AFTER UPDATE OF status ON merchant_integrations
FOR EACH ROW WHEN (NEW.status = 'active' AND OLD.status <> 'active' AND NEW.type = 'shopify')
EXECUTE FUNCTION store_is_back()
"""

#: As in 0003: what workers of the former version park.
WAKE_PARKED = """
CREATE FUNCTION wake_parked_turns() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE turns t SET wake_at = clock_timestamp()
    WHERE t.merchant_id = NEW.merchant_id AND t.status = 'queued' AND t.wake_at > clock_timestamp()
      AND t.seq = (
          SELECT o.seq FROM turns o WHERE o.conversation_id = t.conversation_id AND o.status IN ('queued', 'running')
          ORDER BY o.seq LIMIT 1);
    RETURN NULL;
END
$$;
CREATE TRIGGER wake_parked_turns AFTER UPDATE OF status, token_version ON merchant_integrations
FOR EACH ROW WHEN (OLD.status = 'needs_reauth' AND (NEW.status <> OLD.status OR NEW.token_version <> OLD.token_version))
EXECUTE FUNCTION wake_parked_turns()
"""


#: What the former version parked waits no more: it is answered, or promised. Each thousand is a transaction.
WAKE_ALL = """
DO $$
DECLARE
    latest bigint := 0;
BEGIN
    LOOP
        WITH parked AS (
            SELECT id FROM turns WHERE status = 'queued' AND wake_at > clock_timestamp() AND id > latest
            ORDER BY id LIMIT 1000
        ), woken AS (
            UPDATE turns t SET wake_at = clock_timestamp() FROM parked p
            WHERE t.id = p.id AND t.status = 'queued' AND t.wake_at > clock_timestamp()
        )
        SELECT max(id) INTO latest FROM parked;
        EXIT WHEN latest IS NULL;
        COMMIT;
    END LOOP;
END $$
"""

CONNECT_ACCOUNT = """
CREATE FUNCTION connect_account(event bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    INSERT INTO merchant_integrations (merchant_id, type, connected_at)
    SELECT e.merchant_id, e.data ->> 'provider', coalesce(e.time, e.received_at) FROM events e
    WHERE e.key = event AND e.type = 'oauth_complete' AND e.status = 'received' AND e.data ->> 'provider' <> 'shopify'
      AND e.data ->> 'success' = 'true'
    ON CONFLICT (merchant_id, type) DO UPDATE SET
        status = 'active', is_active = true, connected_at = excluded.connected_at, updated_at = clock_timestamp();
END;
REVOKE ALL ON FUNCTION connect_account(bigint) FROM PUBLIC
"""


INDEXES = {
    "turns_silent": "turns (words_due) WHERE words_due IS NOT NULL",
    "turns_promises": "turns (run_after) WHERE status = 'done' AND waits_for IS NOT NULL",
    "turns_owed": "turns (merchant_id, id) WHERE status = 'done' AND waits_for IS NOT NULL",
}


def upgrade() -> None:
    op.execute("""
        ALTER TABLE merchant_integrations
            ALTER COLUMN shop_domain DROP NOT NULL,
            DROP CONSTRAINT IF EXISTS merchant_integrations_active_has_token_check,
            ADD CONSTRAINT merchant_integrations_active_has_token_check
                CHECK (type <> 'shopify' OR status <> 'active' OR api_key IS NOT NULL) NOT VALID,
            DROP CONSTRAINT IF EXISTS merchant_integrations_shop_check,
            ADD CONSTRAINT merchant_integrations_shop_check
                CHECK (type <> 'shopify' OR shop_domain IS NOT NULL) NOT VALID;
        DROP TRIGGER IF EXISTS wake_parked_turns ON merchant_integrations;
        DROP FUNCTION IF EXISTS wake_parked_turns;
        DROP FUNCTION IF EXISTS connect_account;
        DROP TRIGGER IF EXISTS store_is_back ON merchant_integrations;
        DROP FUNCTION IF EXISTS store_is_back
        """)
    op.execute(CONNECT_ACCOUNT)
    op.execute("""
        ALTER TABLE turns
            ADD COLUMN IF NOT EXISTS waits_for text,
            ADD COLUMN IF NOT EXISTS words_due timestamptz,
            DROP CONSTRAINT IF EXISTS turns_waits_for_check,
            ADD CONSTRAINT turns_waits_for_check CHECK (waits_for IN ('model', 'store', 'data')) NOT VALID
        """)
    op.execute(STORE_IS_BACK)
    with op.get_context().autocommit_block():
        for name, what in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {what}")
        op.execute("ALTER TABLE turns VALIDATE CONSTRAINT turns_waits_for_check")
        for name in ("active_has_token", "shop"):
            op.execute(f"ALTER TABLE merchant_integrations VALIDATE CONSTRAINT merchant_integrations_{name}_check")
        op.execute(WAKE_ALL)


def downgrade() -> None:
    op.execute("DROP FUNCTION connect_account")
    op.execute("DELETE FROM merchant_integrations WHERE shop_domain IS NULL")
    op.execute("""
        ALTER TABLE merchant_integrations DROP CONSTRAINT merchant_integrations_shop_check;
        ALTER TABLE merchant_integrations DROP CONSTRAINT merchant_integrations_active_has_token_check;
        ALTER TABLE merchant_integrations ADD CONSTRAINT merchant_integrations_active_has_token_check
            CHECK (status <> 'active' OR api_key IS NOT NULL);
        ALTER TABLE merchant_integrations ALTER COLUMN shop_domain SET NOT NULL
        """)
    op.execute("DROP TRIGGER store_is_back ON merchant_integrations")
    op.execute("DROP FUNCTION store_is_back")
    op.execute(WAKE_PARKED)
    op.execute("DROP INDEX turns_owed, turns_promises, turns_silent")
    op.execute("ALTER TABLE turns DROP COLUMN words_due, DROP COLUMN waits_for")
