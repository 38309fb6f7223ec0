"""What a merchant costs is counted: calls of a turn, tokens of a day, turns of a minute."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE turns
            ADD COLUMN IF NOT EXISTS model_calls integer NOT NULL DEFAULT 0,
            ADD COLUMN IF NOT EXISTS prompt_limit integer""")
    op.execute("""
        CREATE TABLE usage (
            merchant_id text NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
            day date NOT NULL,
            model text NOT NULL,
            calls integer NOT NULL,
            input_tokens bigint NOT NULL,
            output_tokens bigint NOT NULL,
            PRIMARY KEY (merchant_id, day, model)
        )""")
    op.execute("CREATE INDEX usage_day ON usage (day)")
    op.execute("""
        CREATE TABLE turn_rates (
            merchant_id text NOT NULL PRIMARY KEY REFERENCES merchants (id) ON DELETE CASCADE,
            since timestamptz NOT NULL,
            turns integer NOT NULL
        )""")


def downgrade() -> None:
    op.execute("DROP TABLE turn_rates")
    op.execute("DROP TABLE usage")
    op.execute("ALTER TABLE turns DROP COLUMN prompt_limit, DROP COLUMN model_calls")
