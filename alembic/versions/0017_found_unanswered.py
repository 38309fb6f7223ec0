"""What no model answered is found by its conversation, however much else the merchant is owed."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

NAME = "turns_unanswered"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY {NAME} ON turns (conversation_id) WHERE status = 'done' AND waits_for = 'model'"
        )


def downgrade() -> None:
    op.execute(f"DROP INDEX {NAME}")
