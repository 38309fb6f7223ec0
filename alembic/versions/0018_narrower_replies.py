"""A reply is found by its turn: its conversation needs neither an index nor a reference of its own."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEX, REFERENCE = "replies_conversation", "replies_conversation_id_fkey"


def upgrade() -> None:
    op.execute(f"ALTER TABLE replies DROP CONSTRAINT IF EXISTS {REFERENCE}")
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")


def downgrade() -> None:
    op.execute(f"CREATE INDEX {INDEX} ON replies (conversation_id)")
    op.execute(
        f"ALTER TABLE replies ADD CONSTRAINT {REFERENCE} "
        "FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE"
    )
