"""Every table on one page. `alembic/versions` creates exactly these; a test compares the two catalogs.

All times are Postgres' (`clock_timestamp()`), never a worker's clock. The modules beside this one run SQL of their
own; the classes here only say what the tables are, to Alembic and to readers.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Connection,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: The Alembic revision this code is written for.
SCHEMA_REVISION = "0016"

#: What the schema takes for a shop's domain: the form. `events.shop_domain` has the rule, which is stricter.
SHOP_DOMAIN = r"^[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com$"

NOW = text("clock_timestamp()")
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_LIST = text("'[]'::jsonb")
NONE_YET = text("0")
# Hot tables: dead rows slow the claim down long before the default of 20 % is reached.
OFTEN_VACUUMED = {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0.02}}


class Base(DeclarativeBase):
    # The names that Postgres itself gives, so that the migration need not spell them out.
    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's way
        str: Text,
        datetime: DateTime(timezone=True),
        date: Date,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        bytes: LargeBinary,
        list[str]: ARRAY(Text),
    }


def _id() -> Mapped[int]:
    return mapped_column(BigInteger, Identity(always=True), primary_key=True)


def _cascade(column: str) -> ForeignKey:
    return ForeignKey(column, ondelete="CASCADE")


class MerchantTable(Base):
    __tablename__ = "merchants"
    __table_args__ = (CheckConstraint("char_length(id) BETWEEN 1 AND 200", name="id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
    #: Made up by an import of a shop that nobody named a merchant for, and unheard of since. Who connects the shop, or
    #: is named in its `oauth_complete`, takes its place.
    invented: Mapped[bool] = mapped_column(server_default=text("false"))


class IntegrationTable(Base):
    """A merchant's connection to a provider, mostly a shop. Only `storage.merchants` touches the sealed columns."""

    __tablename__ = "merchant_integrations"
    __table_args__ = (
        UniqueConstraint("merchant_id", "type"),
        # One shop belongs to one merchant at a time.
        Index(
            "merchant_integrations_active_shop",
            "type",
            "shop_domain",
            unique=True,
            postgresql_where=text("is_active"),
        ),
        CheckConstraint("type <> 'shopify' OR shop_domain IS NOT NULL", name="shop"),
        CheckConstraint(f"type <> 'shopify' OR shop_domain ~ '{SHOP_DOMAIN}'", name="shop_domain"),
        CheckConstraint("status IN ('active', 'needs_reauth', 'uninstalled')", name="status"),
        CheckConstraint("is_active = (status = 'active')", name="is_active"),
        CheckConstraint("type <> 'shopify' OR status <> 'active' OR api_key IS NOT NULL", name="active_has_token"),
        CheckConstraint(
            "status <> 'uninstalled' OR (api_key IS NULL AND refresh_token IS NULL)",
            name="uninstalled_has_none",
        ),
    )

    id: Mapped[int] = _id()
    merchant_id: Mapped[str] = mapped_column(_cascade("merchants.id"))
    #: The provider. Only a shop has a domain and a token here.
    type: Mapped[str]
    shop_domain: Mapped[str | None]
    #: Sealed access token, see `storage.vault`.
    api_key: Mapped[bytes | None]
    refresh_token: Mapped[bytes | None]
    access_expires_at: Mapped[datetime | None]
    refresh_expires_at: Mapped[datetime | None]
    #: +1 whenever another token or shop is stored; part of every cache key.
    token_version: Mapped[int] = mapped_column(server_default=text("1"))
    scopes: Mapped[list[str]] = mapped_column(server_default=text("'{}'::text[]"))
    config: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    connected_at: Mapped[datetime] = mapped_column(server_default=NOW)
    uninstalled_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
    #: Until then one process is renewing the token, see `storage.merchants`.
    renewing_until: Mapped[datetime | None]
    #: Earlier connections, the oldest first: {shop_domain, connected_at, uninstalled_at or null}.
    former: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    #: The merchant whom its tokens were sealed for, if the shop was moved since; absent: its own.
    sealed_for: Mapped[str | None]


class EventTable(Base):
    """The inbox. received -> processed, or -> rejected with a code and a sentence.

    No foreign keys: an event may name a merchant or a conversation that does not exist (yet).
    """

    __tablename__ = "events"
    __table_args__ = (
        # One accepted event per (source, id); any number of different refused ones.
        Index(
            "events_identity",
            "source",
            "id",
            unique=True,
            postgresql_where=text("status <> 'rejected'"),
        ),
        Index(
            "events_refused_bytes",
            "source",
            "id",
            "content_hash",
            unique=True,
            postgresql_where=text("status = 'rejected'"),
        ),
        Index("events_wake", "hinted_at", "run_after", postgresql_where=text("status = 'received'")),
        Index("events_of_merchant", "merchant_id", "key", postgresql_where=text("status = 'received'")),
        Index("events_in_order", "conversation_id", "key", postgresql_where=text("status = 'received'")),
        Index("events_rejected", "processed_at", postgresql_where=text("status = 'rejected'")),
        # What privacy requests ask of everybody's events.
        Index(
            "events_privacy",
            "received_at",
            "key",
            postgresql_where=text("type IN ('customers_data_request', 'customers_redact', 'shop_redact')"),
        ),
        Index(
            "events_named",
            text("(data ->> 'merchant_id')"),
            "key",
            postgresql_where=text("merchant_id IS NULL OR merchant_id <> (data ->> 'merchant_id')"),
        ),
        Index("events_merchant", "merchant_id", "key"),
        Index(
            "events_refused_at_door",
            "merchant_id",
            "conversation_id",
            "key",
            postgresql_where=text("by_door AND status = 'rejected'"),
        ),
        Index("events_ended", "processed_at", postgresql_where=text("status IN ('processed', 'rejected')")),
        CheckConstraint("status IN ('received', 'processed', 'rejected')", name="status"),
        CheckConstraint("pg_column_size(data) < 131072", name="data"),
        OFTEN_VACUUMED,
    )

    key: Mapped[int] = _id()
    source: Mapped[str]
    id: Mapped[str]
    type: Mapped[str]
    time: Mapped[datetime | None]
    subject: Mapped[str | None]
    traceparent: Mapped[str | None]
    #: Of the producer's choice; every reply that the event sets off repeats it.
    correlation_id: Mapped[str | None]
    #: Whether the replies of a conversation that it opens are read at the door, instead of going to the queue.
    by_door: Mapped[bool] = mapped_column(server_default=text("false"))
    data: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    #: sha256 over type and data: the same id with other content is refused.
    content_hash: Mapped[bytes]
    merchant_id: Mapped[str | None]
    conversation_id: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=text("'received'"))
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    #: How often handling was postponed.
    attempts: Mapped[int] = mapped_column(server_default=NONE_YET)
    run_after: Mapped[datetime] = mapped_column(server_default=NOW)
    #: When a wake-up was last sent for it. In the future: its merchant has so many unhandled events that it is left out
    #: until it is one of the oldest, see `inbox.wake_oldest`.
    hinted_at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(server_default=NOW)
    processed_at: Mapped[datetime | None]
    #: How far a long handling has come (`storage.privacy.Walk`); absent before and after it.
    progress: Mapped[dict[str, Any] | None]
    #: How often the same refused bytes arrived.
    times: Mapped[int] = mapped_column(server_default=text("1"))


class ConversationTable(Base):
    __tablename__ = "conversations"
    __table_args__ = (
        Index("conversations_merchant", "merchant_id"),
        Index("conversations_updated", "updated_at"),
        CheckConstraint("char_length(id) BETWEEN 1 AND 200", name="id"),
        CheckConstraint("status IN ('open', 'closed')", name="status"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(_cascade("merchants.id"))
    workflow: Mapped[str]
    context: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    status: Mapped[str] = mapped_column(server_default=text("'open'"))
    #: The highest `turns.seq`; whoever raises it holds this row's lock, so turns commit in the order of their seq.
    last_turn: Mapped[int] = mapped_column(server_default=NONE_YET)
    #: Whether its replies are read at the door; else they go to the queue. Never both, and it never changes.
    by_door: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class TurnTable(Base):
    """The queue of the agent workers: one row per message to answer.

    queued -> running   claimed: attempt + 1, a lease
    running -> queued   released, or the lease ran out (failures + 1)
    running -> done     ended
    running -> dead     its lease ran out too often
    queued -> done      an earlier turn absorbed its message (absorbed_by)
    born done           the merchant had too many waiting turns (error; it never started), or it is a follow-up that
                        waits for its time (waits_for)
    """

    __tablename__ = "turns"
    __table_args__ = (
        UniqueConstraint("conversation_id", "seq"),
        UniqueConstraint("event_key", "action"),
        # The claim ensures it; with this a bug in the claim is an error instead of two voices.
        Index("turns_one_running", "conversation_id", unique=True, postgresql_where=text("status = 'running'")),
        Index("turns_wake", "wake_at", postgresql_where=text("status = 'queued'")),
        Index("turns_leases", "lease_until", postgresql_where=text("status = 'running'")),
        Index(
            "turns_open",
            "conversation_id",
            "seq",
            postgresql_where=text("status IN ('queued', 'running')"),
        ),
        Index("turns_merchant_running", "merchant_id", postgresql_where=text("status = 'running'")),
        Index("turns_merchant_waiting", "merchant_id", "run_after", "id", postgresql_where=text("status = 'queued'")),
        Index("turns_ended", "finished_at", postgresql_where=text("status IN ('done', 'dead')")),
        Index("turns_failed", "finished_at", postgresql_where=text("status IN ('done', 'dead') AND error IS NOT NULL")),
        Index("turns_waiting_since", "created_at", postgresql_where=text("status = 'queued'")),
        CheckConstraint("status IN ('queued', 'running', 'done', 'dead')", name="status"),
        Index("turns_silent", "words_due", postgresql_where=text("words_due IS NOT NULL")),
        Index("turns_promises", "run_after", postgresql_where=text("status = 'done' AND waits_for IS NOT NULL")),
        Index(
            "turns_owed",
            "merchant_id",
            "id",
            postgresql_where=text("status = 'done' AND waits_for IS NOT NULL"),
        ),
        CheckConstraint("waits_for IN ('model', 'store', 'data', 'time')", name="waits_for"),
        CheckConstraint("(status = 'running') = (lease_until IS NOT NULL)", name="lease"),
        CheckConstraint("(status IN ('done', 'dead')) = (finished_at IS NOT NULL)", name="finished"),
        OFTEN_VACUUMED,
    )

    id: Mapped[int] = _id()
    conversation_id: Mapped[str] = mapped_column(_cascade("conversations.id"))
    merchant_id: Mapped[str]
    seq: Mapped[int]
    event_key: Mapped[int] = mapped_column(ForeignKey("events.key"))
    action: Mapped[int]
    #: Absent until the first claim; then the conversation's workflow at that moment, and the hash of its text.
    workflow: Mapped[str | None]
    workflow_hash: Mapped[str | None]
    input: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default=text("'queued'"))
    #: +1 per claim. Every write of a running turn is fenced by it.
    attempt: Mapped[int] = mapped_column(server_default=NONE_YET)
    #: Claims that ended by a lease running out.
    failures: Mapped[int] = mapped_column(server_default=NONE_YET)
    #: Sequence of the turn's last reply.
    last_sequence: Mapped[int] = mapped_column(server_default=NONE_YET)
    run_after: Mapped[datetime] = mapped_column(server_default=NOW)
    lease_until: Mapped[datetime | None]
    lease_owner: Mapped[str | None]
    #: When the sweeper looks at it: wakes an agent worker if it can run, else puts it off.
    wake_at: Mapped[datetime] = mapped_column(server_default=NOW)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]
    #: The turn that answered this one's message too. No foreign key: the two may be pruned in any order.
    absorbed_by: Mapped[int | None] = mapped_column(BigInteger)
    absorbed_at_step: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    #: How often a model was asked for it, answered or not.
    model_calls: Mapped[int] = mapped_column(server_default=NONE_YET)
    #: Most bytes of its prompts since a model refused one; absent: the settings'.
    prompt_limit: Mapped[int | None]
    #: What it cannot go on without (queued: a model), or what the merchant was promised words about (done: the store
    #: is connected again, Shopify gives the data, the time of a workflow's follow-up). `run_after` says when to look.
    waits_for: Mapped[str | None]
    #: When the merchant must have heard something of it; absent: nothing more is due.
    words_due: Mapped[datetime | None]


class StepTable(Base):
    """One answer of the model within a turn, and the results of its tool calls."""

    __tablename__ = "steps"

    turn_id: Mapped[int] = mapped_column(BigInteger, _cascade("turns.id"), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    assistant: Mapped[dict[str, Any]]
    tool_results: Mapped[list[Any] | None]
    model: Mapped[str | None]
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    finished_at: Mapped[datetime | None]


class UsageTable(Base):
    """Tokens that a merchant used of a model on a day (UTC)."""

    __tablename__ = "usage"
    __table_args__ = (Index("usage_day", "day"),)

    merchant_id: Mapped[str] = mapped_column(_cascade("merchants.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    calls: Mapped[int]
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)


class TurnRateTable(Base):
    """How many turns of a merchant asked a model since the present minute of theirs began."""

    __tablename__ = "turn_rates"

    merchant_id: Mapped[str] = mapped_column(_cascade("merchants.id"), primary_key=True)
    since: Mapped[datetime]
    turns: Mapped[int]


class ReplyTable(Base):
    """The outbox. A reply is finished when the gateway has acked it, not when it was published."""

    __tablename__ = "replies"
    __table_args__ = (
        UniqueConstraint("turn_id", "sequence"),
        UniqueConstraint("turn_id", "key"),
        Index("replies_conversation", "conversation_id"),
        Index("replies_apart", "event_key", unique=True, postgresql_where=text("event_key IS NOT NULL")),
        Index(
            "replies_due",
            text("LEAST(publishes, 7)"),  # the steps of outbox.BACKOFF_SECONDS
            text("COALESCE(published_at, created_at)"),
            postgresql_where=text("acked_at IS NULL"),
        ),
        Index(
            "replies_at_the_door",
            "conversation_id",
            postgresql_where=text("acked_at IS NULL AND publishes < 0"),
        ),
        OFTEN_VACUUMED,
    )

    #: "turn_<turn id>:<sequence, six digits>:<16 random hexadecimal digits>", or "event_<key>:000001:…"
    id: Mapped[str] = mapped_column(primary_key=True)
    conversation_id: Mapped[str | None] = mapped_column(_cascade("conversations.id"))
    turn_id: Mapped[int | None] = mapped_column(BigInteger, _cascade("turns.id"))
    #: Instead of conversation and turn: the refused event that it answers, where there is no conversation to do it in.
    event_key: Mapped[int | None] = mapped_column(BigInteger, _cascade("events.key"))
    sequence: Mapped[int]
    #: Makes a repeated append harmless, e.g. "2:text".
    key: Mapped[str]
    #: The whole envelope.
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    published_at: Mapped[datetime | None]
    acked_at: Mapped[datetime | None]
    #: -1: never to be, since it is read at the door.
    publishes: Mapped[int] = mapped_column(server_default=NONE_YET)


class WorkflowVersionTable(Base):
    """Every workflow text a turn began with, so that a turn ends under the text it began with."""

    __tablename__ = "workflow_versions"

    hash: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    text: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class TombstoneTable(Base):
    """What was erased: a replayed old event must not bring it back."""

    __tablename__ = "tombstones"

    kind: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


#: What everyone reads who needs no token. No secrets.
INTEGRATIONS_VIEW = """
CREATE VIEW integrations AS
SELECT merchant_id, type, shop_domain, token_version, scopes, is_active, status,
       access_expires_at, connected_at, updated_at, former
FROM merchant_integrations
"""

#: What merchants said, for who may read nothing else of an event: the door.
MESSAGES_VIEW = """
CREATE VIEW merchant_messages AS
SELECT key, source, id, correlation_id, merchant_id, conversation_id, status, received_at, data ->> 'text' AS text
FROM events WHERE type = 'message_received'
"""

#: The workflow worker may neither touch tokens nor delete merchants, but what an uninstalled or erased shop leaves must
#: be gone in the very transaction that handles the event. So it may call these, which run with the owner's rights and
#: do only what the event being handled asks for. BEGIN ATOMIC binds the tables' names now, whatever search_path a
#: caller sets: https://www.postgresql.org/docs/current/sql-createfunction.html
EVENT_FUNCTIONS = """
CREATE FUNCTION disconnect_shop(event bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    UPDATE merchant_integrations i SET
        status = 'uninstalled', is_active = false, api_key = NULL, refresh_token = NULL, access_expires_at = NULL,
        refresh_expires_at = NULL, renewing_until = NULL, uninstalled_at = coalesce(e.time, e.received_at),
        updated_at = clock_timestamp()
    FROM events e
    WHERE e.key = event AND e.type = 'app_uninstalled' AND e.status = 'received' AND i.merchant_id = e.merchant_id
      AND i.type = 'shopify' AND i.shop_domain = e.data ->> 'shop_domain' AND i.status <> 'uninstalled'
      AND i.connected_at <= coalesce(e.time, e.received_at)
    RETURNING true;
END;
CREATE FUNCTION connect_account(event bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    INSERT INTO merchant_integrations (merchant_id, type, connected_at)
    SELECT e.merchant_id, e.data ->> 'provider', coalesce(e.time, e.received_at) FROM events e
    WHERE e.key = event AND e.type = 'oauth_complete' AND e.status = 'received' AND e.data ->> 'provider' <> 'shopify'
      AND e.data ->> 'success' = 'true'
    ON CONFLICT (merchant_id, type) DO UPDATE SET
        status = 'active', is_active = true, connected_at = excluded.connected_at, updated_at = clock_timestamp();
END;
CREATE FUNCTION erase_merchant(event bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    DELETE FROM merchants m USING events e
    WHERE e.key = event AND e.type = 'shop_redact' AND e.status = 'received' AND m.id = e.merchant_id
    RETURNING true;
END;
REVOKE ALL ON FUNCTION disconnect_shop(bigint), erase_merchant(bigint), connect_account(bigint) FROM PUBLIC
"""

#: The functions below take a shop from an invented merchant, and delete that one: so nobody can call a known one that.
#:
#: A shop moves with its tokens: nobody needs a key for it, nor sees them. Whom it leaves keeps the memory of it, as
#: after an uninstallation, unless it was only invented; what it was promised about the shop ends, and what the other
#: merchant asked without a store is looked at soon. Nothing is returned if nobody else has the shop; and nothing is
#: written for a merchant who has another one: who calls it looks what became of it, and rolls back.
MOVE_FUNCTIONS = """
CREATE FUNCTION stays_known() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'a merchant who is known does not become invented';
END $$;
CREATE TRIGGER stays_known BEFORE UPDATE OF invented ON merchants FOR EACH ROW
WHEN (NEW.invented AND NOT OLD.invented) EXECUTE FUNCTION stays_known();
CREATE FUNCTION move_shop(shop text, target text) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    WITH had AS (
        SELECT * FROM merchant_integrations
        WHERE type = 'shopify' AND shop_domain = shop AND status <> 'uninstalled' AND merchant_id <> target
        ORDER BY is_active DESC, connected_at DESC LIMIT 1 FOR UPDATE
    ), left_behind AS (
        UPDATE merchant_integrations i SET
            status = 'uninstalled', is_active = false, api_key = NULL, refresh_token = NULL, access_expires_at = NULL,
            refresh_expires_at = NULL, renewing_until = NULL, sealed_for = NULL, uninstalled_at = clock_timestamp(),
            updated_at = clock_timestamp()
        FROM had WHERE i.id = had.id RETURNING i.id
    ), moved AS (
        INSERT INTO merchant_integrations AS i
            (merchant_id, type, shop_domain, api_key, refresh_token, access_expires_at, refresh_expires_at, scopes,
             config, is_active, status, connected_at, sealed_for)
        SELECT target, had.type, had.shop_domain, had.api_key, had.refresh_token, had.access_expires_at,
               had.refresh_expires_at, had.scopes, had.config, had.is_active, had.status, had.connected_at,
               coalesce(had.sealed_for, had.merchant_id)
        FROM had JOIN left_behind ON left_behind.id = had.id
        ON CONFLICT (merchant_id, type) DO UPDATE SET
            shop_domain = excluded.shop_domain, api_key = excluded.api_key, refresh_token = excluded.refresh_token,
            access_expires_at = excluded.access_expires_at, refresh_expires_at = excluded.refresh_expires_at,
            scopes = excluded.scopes, config = excluded.config, is_active = excluded.is_active,
            status = excluded.status, connected_at = excluded.connected_at, sealed_for = excluded.sealed_for,
            token_version = i.token_version + 1, uninstalled_at = NULL, renewing_until = NULL,
            updated_at = clock_timestamp(),
            former = i.former || jsonb_build_array(jsonb_build_object(
                'shop_domain', i.shop_domain, 'connected_at', i.connected_at, 'uninstalled_at', i.uninstalled_at))
        WHERE i.status = 'uninstalled' OR i.shop_domain = excluded.shop_domain
        RETURNING i.id
    ), ended AS (
        UPDATE turns t SET waits_for = NULL FROM had
        WHERE t.merchant_id = had.merchant_id AND t.status = 'done' AND t.waits_for IS NOT NULL
    ), due AS (
        UPDATE turns t SET run_after = clock_timestamp() + interval '5 seconds' FROM had
        WHERE t.merchant_id = target AND t.status = 'done' AND t.waits_for = 'store'
    )
    SELECT had.merchant_id FROM had, moved;
END;
CREATE FUNCTION drop_invented(shop text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    DELETE FROM merchants m USING merchant_integrations i
    WHERE m.invented AND i.merchant_id = m.id AND i.type = 'shopify' AND i.shop_domain = shop RETURNING true;
END;
CREATE FUNCTION claim_shop(event bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
BEGIN ATOMIC
    WITH owner AS (
        SELECT i.shop_domain, e.merchant_id FROM events e
        JOIN merchant_integrations i ON i.type = 'shopify' AND i.shop_domain = e.data ->> 'shop_domain'
        JOIN merchants m ON m.id = i.merchant_id
        WHERE e.key = event AND e.status = 'received' AND m.invented AND i.status <> 'uninstalled'
          AND (e.type IN ('app_uninstalled', 'customers_data_request', 'customers_redact', 'shop_redact')
               OR (e.type = 'oauth_complete' AND e.data ->> 'provider' = 'shopify' AND e.data ->> 'success' = 'true'))
        FOR UPDATE OF m
    )
    SELECT move_shop(shop_domain, merchant_id) FROM owner;
    SELECT drop_invented(i.shop_domain) FROM events e
    JOIN merchant_integrations i ON i.merchant_id = e.merchant_id AND i.type = 'shopify' AND i.status <> 'uninstalled'
    WHERE e.key = event AND i.shop_domain = e.data ->> 'shop_domain';
END;
REVOKE ALL ON FUNCTION move_shop(text, text), drop_invented(text), claim_shop(bigint) FROM PUBLIC
"""

#: What waits for the store is looked at soon, whoever reconnects the shop: the auth service may not touch turns. Not at
#: once: the event of the connection comes right behind, and what it says is said first.
STORE_IS_BACK_TRIGGER = """
CREATE FUNCTION store_is_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE turns SET run_after = clock_timestamp() + interval '5 seconds'
    WHERE id IN (
        SELECT id FROM turns WHERE merchant_id = NEW.merchant_id AND status = 'done' AND waits_for = 'store'
        ORDER BY id LIMIT 100);
    RETURN NULL;
END
$$;
CREATE TRIGGER store_is_back AFTER UPDATE OF status ON merchant_integrations
FOR EACH ROW WHEN (NEW.status = 'active' AND OLD.status <> 'active' AND NEW.type = 'shopify')
EXECUTE FUNCTION store_is_back()
"""


@event.listens_for(Base.metadata, "after_create")
def _create_view_and_functions(_metadata: MetaData, connection: Connection, **_options: object) -> None:
    for statements in (
        INTEGRATIONS_VIEW,
        MESSAGES_VIEW,
        EVENT_FUNCTIONS,
        MOVE_FUNCTIONS,
        STORE_IS_BACK_TRIGGER,
    ):
        connection.execute(text(statements))
