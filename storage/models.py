"""Every table on one page. `alembic/versions` creates exactly these; a test compares the two catalogs.

All times are Postgres' (`clock_timestamp()`), never a worker's. The other modules run their own SQL; the classes here
only describe the tables, for Alembic and for readers.
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

#: The form of a shop's domain that the schema accepts; the rule in `events.shop_domain` is stricter.
SHOP_DOMAIN = r"^[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com$"

NOW = text("clock_timestamp()")
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_LIST = text("'[]'::jsonb")
NONE_YET = text("0")
# For hot tables: dead rows slow the claim down long before autovacuum's default of 20 %.
OFTEN_VACUUMED = {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0.02}}


class Base(DeclarativeBase):
    # Postgres' own default names, so that migrations need not spell them out.
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
    #: Invented by the import of a shop whose merchant was not named, and not confirmed since. A merchant who connects
    #: the shop or is named in its `oauth_complete` takes its place.
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
    #: End of the lease of the process that is renewing the token, see `storage.merchants`.
    renewing_until: Mapped[datetime | None]
    #: Earlier connections, the oldest first: {shop_domain, connected_at, uninstalled_at or null}.
    former: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    #: The merchant its tokens were sealed for, if the shop has been moved since; absent: its own.
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
        # For privacy requests, which search all merchants' events.
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
    #: Chosen by the producer; every reply that the event causes repeats it.
    correlation_id: Mapped[str | None]
    #: Whether the replies of a conversation that it opens are read at the door instead of going to the queue.
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
    #: When a wake-up was last sent for it. In the future: its merchant has so many unhandled events that it gets none
    #: until it is among the oldest, see `inbox.wake_oldest`.
    hinted_at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(server_default=NOW)
    processed_at: Mapped[datetime | None]
    #: Progress of a long handling (`storage.privacy.Walk`); absent before and after it.
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
    #: Whether its replies are read at the door; otherwise they go to the queue. Never both, and it never changes.
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
        # The claim ensures it; with this index a bug there is an error instead of two turns talking at once.
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
        Index("turns_unanswered", "conversation_id", postgresql_where=text("status = 'done' AND waits_for = 'model'")),
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
    #: Absent until the first claim; then the conversation's workflow at that time and the hash of its text.
    workflow: Mapped[str | None]
    workflow_hash: Mapped[str | None]
    input: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default=text("'queued'"))
    #: +1 per claim. Every write of a running turn is fenced by it.
    attempt: Mapped[int] = mapped_column(server_default=NONE_YET)
    #: Claims whose lease ran out.
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
    #: The turn that answered this one's message as well. No foreign key: the two may be pruned in any order.
    absorbed_by: Mapped[int | None] = mapped_column(BigInteger)
    absorbed_at_step: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    #: How many times a model was asked for it, whether or not it answered.
    model_calls: Mapped[int] = mapped_column(server_default=NONE_YET)
    #: Limit on its prompts (bytes) since a model refused one as too long; absent: the limit in the settings.
    prompt_limit: Mapped[int | None]
    #: What must happen before the merchant gets the answer promised when the turn ended: a model answers, the store is
    #: connected again, Shopify gives the data, a workflow's follow-up is due. `run_after` says when to look.
    waits_for: Mapped[str | None]
    #: By when the merchant must have heard something from it; absent: nothing more is due.
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


class FetchAnswerTable(Base):
    """What a Shopify worker fetched for a turn and could not put into Redis."""

    __tablename__ = "fetch_answers"
    __table_args__ = (Index("fetch_answers_turn", "turn_id"), Index("fetch_answers_created", "created_at"))

    request_id: Mapped[str] = mapped_column(primary_key=True)
    turn_id: Mapped[int] = mapped_column(BigInteger, _cascade("turns.id"))
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


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
    """How many turns of a merchant have asked a model in the merchant's current minute."""

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
    #: Its turn's; deleted with it.
    conversation_id: Mapped[str | None]
    turn_id: Mapped[int | None] = mapped_column(BigInteger, _cascade("turns.id"))
    #: Instead of conversation and turn: the refused event that it answers, if there is no conversation to answer in.
    event_key: Mapped[int | None] = mapped_column(BigInteger, _cascade("events.key"))
    sequence: Mapped[int]
    #: Makes appending it again harmless, e.g. "2:text".
    key: Mapped[str]
    #: The whole envelope.
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    published_at: Mapped[datetime | None]
    acked_at: Mapped[datetime | None]
    #: -1: never published, since it is read at the door.
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


#: For everyone who needs no token. No secrets.
INTEGRATIONS_VIEW = """
CREATE VIEW integrations AS
SELECT merchant_id, type, shop_domain, token_version, scopes, is_active, status,
       access_expires_at, connected_at, updated_at, former
FROM merchant_integrations
"""

#: Merchants' messages, for the door, which may read nothing else of an event.
MESSAGES_VIEW = """
CREATE VIEW merchant_messages AS
SELECT key, source, id, correlation_id, merchant_id, conversation_id, status, received_at, data ->> 'text' AS text
FROM events WHERE type = 'message_received'
"""

# The functions and triggers are in the migrations that created them. They run with the owner's rights and do only what
# the given event asks for: the workflow worker may neither touch tokens nor delete merchants, but an uninstalled shop's
# tokens or an erased merchant must be gone in the transaction that handles the event. BEGIN ATOMIC binds table
# names at creation, whatever search_path a caller sets:
# https://www.postgresql.org/docs/current/sql-createfunction.html
#
#   disconnect_shop(event)     0004  wipes the tokens of the shop that was uninstalled
#   erase_merchant(event)      0004  deletes the merchant whose data was to be erased
#   connect_account(event)     0007  notes the connection to a provider other than Shopify
#   claim_shop(event)          0012  gives an invented merchant's shop to the merchant of the event
#   drop_invented(shop)        0012  deletes the invented merchant who has the shop
#   move_shop(shop, target)    0012  moves a shop with its tokens, without a key and without showing them. The merchant
#                                    who loses it keeps it as a former connection, as after an uninstall, and what they
#                                    were promised about it ends; what the new one asked without a store is checked
#                                    soon. Returns nothing if nobody else has the shop, and writes nothing for a
#                                    merchant who has another one: the caller checks the outcome, and rolls back
#   stays_known (trigger)      0012  nobody can call a known merchant invented: see the three above
#   store_is_back (trigger)    0007  what waits for the store is checked soon, whoever reconnects the shop: the auth
#                                    service may not touch turns. Not at once: the connection's own event follows, and
#                                    the merchant hears about that first


@event.listens_for(Base.metadata, "after_create")
def _create_views(_metadata: MetaData, connection: Connection, **_options: object) -> None:
    for view in (INTEGRATIONS_VIEW, MESSAGES_VIEW):
        connection.execute(text(view))
