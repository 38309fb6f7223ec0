"""All tables.

`storage/models.py` explains them; a test compares the two.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MERCHANTS = r"""
CREATE TABLE merchants (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT merchants_id_check CHECK (char_length(id) BETWEEN 1 AND 200)
);
CREATE TABLE merchant_integrations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id text NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    type text NOT NULL,
    shop_domain text NOT NULL,
    api_key bytea,
    refresh_token bytea,
    access_expires_at timestamptz,
    refresh_expires_at timestamptz,
    token_version integer NOT NULL DEFAULT 1,
    scopes text[] NOT NULL DEFAULT '{}'::text[],
    config jsonb NOT NULL DEFAULT '{}'::jsonb,
    is_active boolean NOT NULL DEFAULT true,
    status text NOT NULL DEFAULT 'active',
    connected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    uninstalled_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (merchant_id, type),
    CONSTRAINT merchant_integrations_shop_domain_check
        CHECK (type <> 'shopify' OR shop_domain ~ '^[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com$'),
    CONSTRAINT merchant_integrations_status_check
        CHECK (status IN ('active', 'needs_reauth', 'uninstalled')),
    CONSTRAINT merchant_integrations_is_active_check
        CHECK (is_active = (status = 'active')),
    CONSTRAINT merchant_integrations_active_has_token_check
        CHECK (status <> 'active' OR api_key IS NOT NULL),
    CONSTRAINT merchant_integrations_uninstalled_has_none_check
        CHECK (status <> 'uninstalled' OR (api_key IS NULL AND refresh_token IS NULL))
);
CREATE UNIQUE INDEX merchant_integrations_active_shop
    ON merchant_integrations (type, shop_domain) WHERE is_active;
CREATE VIEW integrations AS
SELECT merchant_id, type, shop_domain, token_version, scopes, is_active, status,
       access_expires_at, connected_at, updated_at
FROM merchant_integrations;
"""

EVENTS = """
CREATE TABLE events (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    id text NOT NULL,
    type text NOT NULL,
    time timestamptz,
    subject text,
    traceparent text,
    data jsonb NOT NULL DEFAULT '{}'::jsonb,
    content_hash bytea NOT NULL,
    merchant_id text,
    conversation_id text,
    status text NOT NULL DEFAULT 'received',
    error_code text,
    error text,
    attempts integer NOT NULL DEFAULT 0,
    run_after timestamptz NOT NULL DEFAULT clock_timestamp(),
    hinted_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    processed_at timestamptz,
    times integer NOT NULL DEFAULT 1,
    CONSTRAINT events_status_check CHECK (status IN ('received', 'processed', 'rejected')),
    CONSTRAINT events_data_check CHECK (pg_column_size(data) < 131072)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX events_identity ON events (source, id) WHERE status <> 'rejected';
CREATE UNIQUE INDEX events_refused_bytes ON events (source, id, content_hash) WHERE status = 'rejected';
CREATE INDEX events_due ON events (run_after) WHERE status = 'received';
CREATE INDEX events_in_order ON events (conversation_id, key) WHERE status = 'received';
CREATE INDEX events_refused ON events (received_at) WHERE status = 'rejected';
"""

CONVERSATIONS = """
CREATE TABLE conversations (
    id text PRIMARY KEY,
    merchant_id text NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    workflow text NOT NULL,
    context jsonb NOT NULL DEFAULT '{}'::jsonb,
    status text NOT NULL DEFAULT 'open',
    last_turn integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT conversations_id_check CHECK (char_length(id) BETWEEN 1 AND 200),
    CONSTRAINT conversations_status_check CHECK (status IN ('open', 'closed'))
);
CREATE INDEX conversations_merchant ON conversations (merchant_id);
CREATE TABLE workflow_versions (
    hash text PRIMARY KEY,
    name text NOT NULL,
    text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

TURNS = """
CREATE TABLE turns (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation_id text NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    merchant_id text NOT NULL,
    seq integer NOT NULL,
    event_key bigint NOT NULL REFERENCES events (key),
    action integer NOT NULL,
    workflow text,
    workflow_hash text,
    input jsonb NOT NULL,
    status text NOT NULL DEFAULT 'queued',
    attempt integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    last_sequence integer NOT NULL DEFAULT 0,
    run_after timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz,
    lease_owner text,
    hinted_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    error text,
    absorbed_by bigint,
    absorbed_at_step integer,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (conversation_id, seq),
    UNIQUE (event_key, action),
    CONSTRAINT turns_status_check CHECK (status IN ('queued', 'running', 'done', 'dead')),
    CONSTRAINT turns_lease_check CHECK ((status = 'running') = (lease_until IS NOT NULL)),
    CONSTRAINT turns_finished_check CHECK ((status IN ('done', 'dead')) = (finished_at IS NOT NULL))
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX turns_one_running ON turns (conversation_id) WHERE status = 'running';
CREATE INDEX turns_ready ON turns (run_after) WHERE status = 'queued';
CREATE INDEX turns_leases ON turns (lease_until) WHERE status = 'running';
CREATE INDEX turns_open ON turns (conversation_id, seq) WHERE status IN ('queued', 'running');
CREATE INDEX turns_merchant_running ON turns (merchant_id) WHERE status = 'running';
CREATE INDEX turns_merchant_queued ON turns (merchant_id) WHERE status = 'queued';
CREATE TABLE steps (
    turn_id bigint NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    step integer NOT NULL,
    assistant jsonb NOT NULL,
    tool_results jsonb,
    model text,
    input_tokens integer,
    output_tokens integer,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    PRIMARY KEY (turn_id, step)
);
"""

REPLIES = """
CREATE TABLE replies (
    id text PRIMARY KEY,
    conversation_id text NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    turn_id bigint NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    sequence integer NOT NULL,
    key text NOT NULL,
    body jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    acked_at timestamptz,
    publishes integer NOT NULL DEFAULT 0,
    UNIQUE (turn_id, sequence),
    UNIQUE (turn_id, key)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX replies_conversation ON replies (conversation_id);
CREATE INDEX replies_open ON replies (published_at NULLS FIRST) WHERE acked_at IS NULL;
CREATE TABLE tombstones (
    kind text NOT NULL,
    subject text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, subject)
);
"""


def upgrade() -> None:
    for statements in (MERCHANTS, EVENTS, CONVERSATIONS, TURNS, REPLIES):
        op.execute(statements)


def downgrade() -> None:
    op.execute("DROP VIEW integrations")
    op.execute(
        "DROP TABLE tombstones, replies, steps, turns, workflow_versions, conversations, events,"
        " merchant_integrations, merchants"
    )
