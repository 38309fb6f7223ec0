"""A conversation says whether its replies are read at the door; an event, whether one that it opens is."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

REFUSED = "events_refused_at_door"


def upgrade() -> None:
    # Neither rewrites a table.
    for table in ("events", "conversations"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS by_door boolean NOT NULL DEFAULT false")
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {REFUSED}")
        op.execute(f"""
            CREATE INDEX CONCURRENTLY {REFUSED} ON events (merchant_id, conversation_id, key)
            WHERE by_door AND status = 'rejected'""")


def downgrade() -> None:
    op.execute(f"DROP INDEX {REFUSED}")
    for table in ("events", "conversations"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN by_door")
