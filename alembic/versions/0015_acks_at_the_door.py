"""What a client at the door has is noted without reading the whole conversation."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NAME = "replies_at_the_door"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY {NAME} ON replies (conversation_id) WHERE acked_at IS NULL AND publishes < 0"
        )


def downgrade() -> None:
    op.execute(f"DROP INDEX {NAME}")
