"""Who may do what in Postgres: one role for each kind of process, each with a list of its privileges.

    cj_intake     events in, acks, and the sweeper
    cj_workflow   events → conversations and turns, privacy webhooks, and the sweeper
    cj_agent      turns, steps and replies. It talks to a model, so it can read no token and insert no event
    cj_shopify    tokens, handing over what it fetched; nothing of conversations
    cj_gateway    the door: inserts events; reads merchants' messages, and replies with the columns that order them
    cj_auth       the auth service: merchants, their tokens, and recording `oauth_complete`
    cj_ops        the ops worker and `cj`: reads everything, retries, reseals and imports tokens. Migrates nothing

The owner runs migrations. An operator creates the roles (`compose.yaml` and `cj up` do); every migration then revokes
all their privileges and grants what is listed here, so only its owner can read a table that is not listed.

No role may delete a merchant, which would delete the tokens, too, except one that an import invented; and a trigger
prevents that a known merchant is marked as invented. The workflow worker erases a merchant, wipes a shop's tokens or
transfers an invented merchant's shop through functions (`storage.models`) that take an event and do only what it asks
for. It can neither insert an event nor change its merchant.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from storage import sql
from storage.database import SESSION_SETTINGS, Session

Grants = Mapping[str, str]
"""Table or view → privileges, as GRANT has them."""

#: Kinds of process that may read tokens.
READ_TOKENS = ("shopify", "auth", "ops")

EVERYONE: Grants = {"integrations": "SELECT", "alembic_version": "SELECT"}
_SWEEPER: Grants = {
    "turns": "SELECT, UPDATE, DELETE",
    "replies": "SELECT, INSERT, UPDATE",
    "conversations": "SELECT, DELETE, UPDATE (updated_at)",  # to lock a row takes the right to update some of it
    "usage": "SELECT, DELETE",
    "turn_rates": "SELECT, DELETE",
    "fetch_answers": "SELECT (created_at), DELETE",
}
# Not an event's merchant or type, on which the functions below rely.
_HANDLING = (
    "SELECT, DELETE, UPDATE (status, error_code, error, attempts, run_after, hinted_at, processed_at, times, data,"
    " subject, conversation_id, progress, traceparent)"
)
# Not its merchant, nor the domain that a token is sent to.
_RENEWING = (
    "SELECT, UPDATE (api_key, refresh_token, access_expires_at, refresh_expires_at, token_version, scopes, config,"
    " is_active, status, updated_at, renewing_until)"
)

TABLES: Mapping[str, Grants] = {
    "cj_intake": {
        **EVERYONE,
        **_SWEEPER,
        "events": "SELECT, INSERT, UPDATE, DELETE",
    },
    "cj_workflow": {
        **EVERYONE,
        **_SWEEPER,
        "events": _HANDLING,
        "conversations": "SELECT, INSERT, UPDATE, DELETE",
        "turns": "SELECT, INSERT, UPDATE, DELETE",
        "steps": "SELECT, UPDATE",
        "fetch_answers": "SELECT, DELETE",
        "tombstones": "SELECT, INSERT, UPDATE",
        "merchants": "SELECT, INSERT, UPDATE (updated_at, invented)",
        "merchant_messages": "SELECT",
    },
    "cj_agent": {
        **EVERYONE,
        "events": "SELECT",
        "conversations": "SELECT, UPDATE",
        "turns": "SELECT, UPDATE",
        "steps": "SELECT, INSERT, UPDATE",
        "fetch_answers": "SELECT, DELETE",
        "replies": "SELECT, INSERT, UPDATE",
        "workflow_versions": "SELECT, INSERT",
        "usage": "SELECT, INSERT, UPDATE",
        "turn_rates": "SELECT, INSERT, UPDATE",
    },
    "cj_shopify": {
        **EVERYONE,
        "merchant_integrations": _RENEWING,
        "fetch_answers": "INSERT",
    },
    "cj_gateway": {
        "alembic_version": "SELECT",
        "events": (
            "SELECT (key, source, id, status, content_hash, merchant_id, conversation_id, hinted_at, run_after,"
            " received_at, by_door), INSERT, UPDATE (hinted_at)"
        ),
        "conversations": "SELECT (id, merchant_id, last_turn, by_door)",
        "turns": "SELECT (id, conversation_id, merchant_id, seq, event_key, status)",
        "replies": "SELECT, UPDATE (acked_at)",
        "merchant_messages": "SELECT",
    },
    "cj_auth": {
        **EVERYONE,
        "merchants": "SELECT, INSERT, UPDATE (name, updated_at, invented)",
        "merchant_integrations": "SELECT, INSERT, UPDATE",
        "events": "SELECT, INSERT, UPDATE (hinted_at)",
    },
    "cj_ops": {
        **EVERYONE,
        "merchants": "SELECT, INSERT, UPDATE (name, updated_at, invented)",
        "merchant_integrations": "SELECT, INSERT, UPDATE",
        "events": "SELECT, INSERT, UPDATE",
        "conversations": "SELECT, UPDATE",
        "turns": "SELECT, INSERT, UPDATE",
        "steps": "SELECT",
        "fetch_answers": "SELECT",
        "replies": "SELECT",
        "workflow_versions": "SELECT",
        "tombstones": "SELECT",
        "merchant_messages": "SELECT",
        "usage": "SELECT",
        "turn_rates": "SELECT",
    },
}
FUNCTIONS: Mapping[str, Collection[str]] = {
    "cj_workflow": (
        "erase_merchant(bigint)",
        "disconnect_shop(bigint)",
        "connect_account(bigint)",
        "claim_shop(bigint)",
    ),
    "cj_auth": ("drop_invented(text)",),
    "cj_ops": ("drop_invented(text)", "move_shop(text, text)"),
}

#: In a list of privileges: one of them, and its columns.
_PRIVILEGE = re.compile(r"([A-Z]+)(?: \(([^)]*)\))?")

SQL = sql.load("roles")


@dataclass(frozen=True)
class Standing:
    """The rights of a connection's role."""

    role: str
    #: Attributes and memberships that let it obtain every other right; for a superuser only that.
    powers: tuple[str, ...]
    #: Whether it owns the tables, or may act as their owner.
    is_owner: bool
    #: Whether it may read sealed tokens, or act as a role that may.
    reads_tokens: bool
    #: Whether the server logs failed statements, which contain customers' words.
    logs_statements: bool


def create(connection: Connection) -> None:
    """Create missing roles, without passwords, as the superuser; for a server that needs none."""
    existing = set(connection.execute(SQL["roles"]).scalars())
    for role in TABLES:
        if role not in existing:
            connection.execute(text(f"CREATE ROLE {role} LOGIN"))
            for name, value in SESSION_SETTINGS.items():
                connection.execute(text(f"ALTER ROLE {role} SET {name} = '{value}'"))


def grant(connection: Connection) -> None:
    """Grant existing roles what is listed, and nothing else, as the owner; called after every migration."""
    existing = (SQL["roles"], SQL["tables"], SQL["functions"])
    roles, tables, functions = (set(connection.execute(query).scalars()) for query in existing)
    schema = str(connection.execute(SQL["schema"]).scalar())
    for statement in _statements(schema, roles, tables, functions):
        connection.execute(text(statement))


def standing(session: Session) -> Standing:
    """What the session's role may do."""
    row = session.execute(SQL["standing"]).one()
    powers = ("superuser",) if "superuser" in row.powers else tuple(row.powers)
    return Standing(row.role, powers, row.is_owner, row.reads_tokens, row.logs_statements)


def excess(found: Standing, kinds: Collection[str]) -> Iterator[str]:
    """Rights that processes of these kinds have and should not have: sentences for operators."""
    wanted = " or ".join(f"cj_{kind}" for kind in kinds) if len(kinds) == 1 else "the owner"
    if found.powers:
        yield f"DATABASE_URL connects as {found.role}, which is {', '.join(found.powers)}: connect as {wanted}"
    elif found.is_owner:
        yield f"DATABASE_URL connects as {found.role}, the owner of the tables: connect as {wanted}"
    elif found.reads_tokens and not set(kinds) & set(READ_TOKENS):
        yield f"DATABASE_URL connects as {found.role}, which may read tokens: connect as {wanted}"
    if found.logs_statements:
        yield (
            "Postgres logs failed statements, with customers' words in them: "
            "set log_min_error_statement=panic and log_error_verbosity=terse"
        )


def lacking(session: Session, kinds: Collection[str]) -> str | None:
    """Rights that processes of these kinds need and the session's role lacks, as in a database that was restored
    without them, or if the role was created later than the tables: a sentence for operators, or None."""
    needed = [
        (table, privilege, column.strip() or None)
        for kind in kinds
        for table, privileges in TABLES.get(f"cj_{kind}", {}).items()
        for privilege, columns in _PRIVILEGE.findall(privileges)
        for column in columns.split(",")
    ]
    needed += [(function, "EXECUTE", None) for kind in kinds for function in FUNCTIONS.get(f"cj_{kind}", ())]
    things, privileges, columns = (list(part) for part in zip(*needed, strict=True)) if needed else ([], [], [])
    found = session.execute(SQL["lacking"], {"things": things, "privileges": privileges, "columns": columns}).all()
    if not found:
        return None
    missing = ", ".join(f"{privilege} on {thing}" for thing, privilege in found)
    role = session.execute(text("SELECT current_user")).scalar_one()
    said = f"DATABASE_URL connects as {role}, which lacks {missing}: connect as"
    if len(kinds) > 1:
        return f"{said} the owner, for a process of several kinds needs the rights of all"
    return f"{said} cj_{next(iter(kinds))}, to which `alembic upgrade head`, run as the owner, grants what it needs"


def _statements(
    schema: str, roles: Collection[str], tables: Collection[str], functions: Collection[str]
) -> Iterator[str]:
    for role, grants in TABLES.items():
        if role not in roles:
            continue
        yield from (f"REVOKE ALL ON TABLE {table} FROM {role}" for table in sorted(tables))
        yield from (f"REVOKE ALL ON ROUTINE {function} FROM {role}" for function in sorted(functions))
        yield f"GRANT USAGE ON SCHEMA {schema} TO {role}"
        for table, privileges in grants.items():
            if table in tables:
                yield f"GRANT {privileges} ON {table} TO {role}"
        for function in FUNCTIONS.get(role, ()):
            if function in functions:
                yield f"GRANT EXECUTE ON FUNCTION {function} TO {role}"
