"""Replies name the event's correlation id, and a refused event is answered even where it opens no conversation."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE events ADD COLUMN IF NOT EXISTS correlation_id text")
    op.execute("""
        ALTER TABLE replies
            ALTER COLUMN conversation_id DROP NOT NULL,
            ALTER COLUMN turn_id DROP NOT NULL,
            ADD COLUMN IF NOT EXISTS event_key bigint,
            DROP CONSTRAINT IF EXISTS replies_event_key_fkey,
            ADD CONSTRAINT replies_event_key_fkey
                FOREIGN KEY (event_key) REFERENCES events (key) ON DELETE CASCADE NOT VALID""")
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE replies VALIDATE CONSTRAINT replies_event_key_fkey")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS replies_apart")
        op.execute("""
            CREATE UNIQUE INDEX CONCURRENTLY replies_apart ON replies (event_key) WHERE event_key IS NOT NULL""")


def downgrade() -> None:
    op.execute("DELETE FROM replies WHERE event_key IS NOT NULL")
    op.execute("""
        ALTER TABLE replies
            DROP COLUMN event_key,
            ALTER COLUMN turn_id SET NOT NULL,
            ALTER COLUMN conversation_id SET NOT NULL""")
    op.execute("ALTER TABLE events DROP COLUMN correlation_id")
