"""What operators ask for and what retention deletes is found by index, however many rows there are."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEXES = {
    "conversations_updated": "conversations (updated_at)",
    "events_merchant": "events (merchant_id, key)",
    "turns_failed": "turns (finished_at) WHERE status IN ('done', 'dead') AND error IS NOT NULL",
}


def upgrade() -> None:
    # Concurrently: nobody waits for them. One that was interrupted is left invalid, so it is made anew.
    with op.get_context().autocommit_block():
        for name, what in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {what}")


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
