"""Privacy requests and refused events are found by index, however many events others have."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

REQUESTS = "type IN ('customers_data_request', 'customers_redact', 'shop_redact')"
INDEXES = {
    "events_rejected": "(processed_at) WHERE status = 'rejected'",
    "events_privacy": f"(received_at, key) WHERE {REQUESTS}",
    "events_named": (
        "((data ->> 'merchant_id'), key) WHERE merchant_id IS NULL OR merchant_id <> (data ->> 'merchant_id')"
    ),
}
FORMER = "events_refused"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, what in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON events {what}")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {FORMER}")


def downgrade() -> None:
    op.execute(f"CREATE INDEX {FORMER} ON events (received_at) WHERE status = 'rejected'")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
