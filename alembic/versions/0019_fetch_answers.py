"""What a Shopify worker fetched reaches the agent while Redis is away."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE fetch_answers (
            request_id text NOT NULL PRIMARY KEY,
            turn_id bigint NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
            answer jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )""")
    op.execute("CREATE INDEX fetch_answers_turn ON fetch_answers (turn_id)")
    op.execute("CREATE INDEX fetch_answers_created ON fetch_answers (created_at)")


def downgrade() -> None:
    op.execute("DROP TABLE fetch_answers")
