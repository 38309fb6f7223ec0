"""What merchants said, for the door, which may read nothing else of an event."""

from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

VIEW = """
CREATE VIEW merchant_messages AS
SELECT key, source, id, correlation_id, merchant_id, conversation_id, status, received_at, data ->> 'text' AS text
FROM events WHERE type = 'message_received'
"""


def upgrade() -> None:
    op.execute(VIEW)


def downgrade() -> None:
    op.execute("DROP VIEW merchant_messages")
