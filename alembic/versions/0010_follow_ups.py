"""A workflow's follow-up waits for its time."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ALLOW = """
ALTER TABLE turns
    DROP CONSTRAINT IF EXISTS turns_waits_for_check,
    ADD CONSTRAINT turns_waits_for_check CHECK (waits_for IN ({})) NOT VALID
"""


def _allow(values: str) -> None:
    op.execute(ALLOW.format(values))
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE turns VALIDATE CONSTRAINT turns_waits_for_check")


def upgrade() -> None:
    _allow("'model', 'store', 'data', 'time'")


def downgrade() -> None:
    op.execute("UPDATE turns SET waits_for = NULL WHERE waits_for = 'time'")
    _allow("'model', 'store', 'data'")
