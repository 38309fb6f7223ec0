"""Nobody's work grows with what waits: the sweeper finds what is due by index, and a merchant's backlog is his own."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WAKE_PARKED = """
CREATE OR REPLACE FUNCTION wake_parked_turns() RETURNS trigger
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
CREATE OR REPLACE TRIGGER wake_parked_turns AFTER UPDATE OF status, token_version ON merchant_integrations
FOR EACH ROW WHEN (OLD.status = 'needs_reauth' AND (NEW.status <> OLD.status OR NEW.token_version <> OLD.token_version))
EXECUTE FUNCTION wake_parked_turns()
"""

INDEXES = {
    "turns_wake": "turns (wake_at) WHERE status = 'queued'",
    "turns_merchant_waiting": "turns (merchant_id, run_after, id) WHERE status = 'queued'",
    "turns_ended": "turns (finished_at) WHERE status IN ('done', 'dead')",
    "events_wake": "events (hinted_at, run_after) WHERE status = 'received'",
    "events_of_merchant": "events (merchant_id, key) WHERE status = 'received'",
    "events_ended": "events (processed_at) WHERE status IN ('processed', 'rejected')",
    "replies_due": "replies (LEAST(publishes, 7), COALESCE(published_at, created_at)) WHERE acked_at IS NULL",
}
FORMER = ("turns_ready", "turns_merchant_queued", "events_due", "replies_open")

FORMER_INDEXES = """
CREATE INDEX turns_ready ON turns (run_after) WHERE status = 'queued';
CREATE INDEX turns_merchant_queued ON turns (merchant_id) WHERE status = 'queued';
CREATE INDEX events_due ON events (run_after) WHERE status = 'received';
CREATE INDEX replies_open ON replies (published_at NULLS FIRST) WHERE acked_at IS NULL;
DROP INDEX turns_wake, turns_merchant_waiting, turns_ended, events_wake, events_of_merchant, events_ended, replies_due
"""


def upgrade() -> None:
    # A default that is the same for every row needs no rewriting of the table; then the one for new rows.
    op.execute("ALTER TABLE turns ADD COLUMN IF NOT EXISTS wake_at timestamptz NOT NULL DEFAULT now()")
    op.execute("ALTER TABLE turns ALTER COLUMN wake_at SET DEFAULT clock_timestamp()")
    op.execute(WAKE_PARKED)
    with op.get_context().autocommit_block():
        for name, what in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {what}")
        for name in FORMER:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def downgrade() -> None:
    op.execute("DROP TRIGGER wake_parked_turns ON merchant_integrations")
    op.execute("DROP FUNCTION wake_parked_turns")
    op.execute(FORMER_INDEXES)
    op.execute("ALTER TABLE turns DROP COLUMN wake_at")
