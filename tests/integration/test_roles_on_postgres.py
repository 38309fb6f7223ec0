"""The roles of Postgres: each kind of process may do its own work, and nothing that another kind is for."""

import inspect
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from storage import merchants, roles
from storage.database import Database, engine_of
from storage.errors import StorageRefused
from storage.models import Base
from storage.roles import Standing
from storage.vault import Vault, new_key_text
from tests.as_role import make_roles, may, url_of
from tests.rows import execute, new_event, query, store_event
from tests.servers import PostgresForTests
from workers.cli.check import check_database
from workers.delivery.sweeper import Duties
from workers.operations import migrations, status
from workers.settings import Settings

KINDS = tuple(role.removeprefix("cj_") for role in roles.TABLES)
WORKERS = ("intake", "workflow", "agent")


@pytest.fixture(scope="module")
def url(postgres: PostgresForTests) -> Iterator[str]:
    with postgres.migrated_database() as database_url:
        make_roles(database_url)
        yield database_url


@pytest.fixture
def connected(url: str) -> Iterator[Database]:
    """m1 and m2, each with a shop."""
    database = Database(url, pool_size=2)
    vault = Vault.from_text(new_key_text())
    for name in ("m1", "m2"):
        with database.transaction() as session:
            merchants.connect_shop(
                session,
                vault,
                merchant_id=name,
                shop_domain=f"{name}.myshopify.com",
                access_token=SecretStr("shpat_0123456789"),
                scopes=(),
                emit=False,
            )
    yield database
    execute(database, "TRUNCATE merchants, events CASCADE")
    database.dispose()


WITHOUT_TOKENS = [
    "select api_key from merchant_integrations",
    "select refresh_token from merchant_integrations",
    "select count(*) from merchant_integrations",
    "update merchant_integrations set shop_domain = 'evil.myshopify.com'",
    "insert into merchant_integrations (merchant_id, type, shop_domain) values ('m', 'shopify', 'e.myshopify.com')",
    "set role cj_auth",
    "set role cj_ops",
]
FOR_NOBODY = [
    "delete from merchants",
    "truncate merchants cascade",
    "delete from merchant_integrations",
    "update integrations set shop_domain = 'evil.myshopify.com'",
    "delete from integrations",
    "alter table merchant_integrations add column x int",
    "update alembic_version set version_num = '9999'",
    "create table mine (x int)",
    "copy (select 1) to program 'true'",
]


DUTIES = [name for name, duty in vars(Duties).items() if inspect.isfunction(duty) and not name.startswith("_")]


@pytest.mark.parametrize("kind", ["intake", "workflow"])
@pytest.mark.parametrize("duty", DUTIES)
def test_whoever_sweeps_may_carry_out_every_duty(url: str, kind: str, duty: str) -> None:
    with Database(url_of(f"cj_{kind}", url)) as database, database.transaction() as session:
        getattr(Duties(), duty)(session)


@pytest.mark.parametrize("statement", WITHOUT_TOKENS)
@pytest.mark.parametrize("role", [*(f"cj_{kind}" for kind in WORKERS)])
def test_who_needs_no_token_cannot_reach_one(url: str, role: str, statement: str) -> None:
    assert not may(role, url, statement)


@pytest.mark.parametrize("statement", FOR_NOBODY)
@pytest.mark.parametrize("role", roles.TABLES)
def test_no_role_deletes_a_merchant_or_changes_the_schema(url: str, role: str, statement: str) -> None:
    assert not may(role, url, statement)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("cj_agent", "insert into events (source, id, type, content_hash) values ('/a', 'x', 'shop_redact', '')"),
        ("cj_agent", "update events set status = 'processed'"),
        ("cj_agent", "select * from merchants"),
        ("cj_agent", "select erase_merchant(1)"),
        ("cj_agent", "select disconnect_shop(1)"),
        ("cj_agent", "insert into turns (conversation_id) values ('c1')"),
        ("cj_agent", "delete from turns"),
        ("cj_agent", "select * from tombstones"),
        ("cj_agent", "insert into fetch_answers (request_id, turn_id, answer) values ('r', 1, '{}')"),
        ("cj_intake", "select * from steps"),
        ("cj_intake", "select answer from fetch_answers"),
        ("cj_intake", "update conversations set context = '{}'"),
        ("cj_intake", "insert into turns (conversation_id) values ('c1')"),
        ("cj_intake", "select erase_merchant(1)"),
        ("cj_intake", "select disconnect_shop(1)"),
        ("cj_workflow", "insert into events (source, id, type, content_hash) values ('/a', 'x', 'shop_redact', '')"),
        ("cj_workflow", "update events set type = 'shop_redact'"),
        ("cj_workflow", "update events set merchant_id = 'm1'"),
        ("cj_workflow", "update merchants set name = 'x'"),
        ("cj_workflow", "insert into steps (turn_id, step, assistant) values (1, 1, '{}')"),
        *(("cj_shopify", f"select * from {name}") for name in ("events", "conversations", "turns", "steps", "replies")),
        ("cj_shopify", "select * from fetch_answers"),
        ("cj_shopify", "delete from fetch_answers"),
        ("cj_shopify", "update merchant_integrations set shop_domain = 'evil.myshopify.com'"),
        ("cj_shopify", "update merchant_integrations set merchant_id = 'm2'"),
        *(("cj_auth", f"select * from {name}") for name in ("conversations", "turns", "steps", "replies")),
        ("cj_auth", "update events set status = 'processed'"),
    ],
)
def test_a_kind_does_not_do_the_work_of_another(url: str, role: str, statement: str) -> None:
    assert not may(role, url, statement)


def test_a_table_that_is_not_listed_is_for_nobody(url: str, connected: Database) -> None:
    """Also not when somebody granted it: the next migration takes that back."""
    execute(connected, "CREATE TABLE next_secret (words text)")
    for role in roles.TABLES:
        execute(connected, f"GRANT SELECT ON next_secret TO {role}")
    migrations.upgrade(url)
    assert [role for role in roles.TABLES if may(role, url, "select * from next_secret")] == []


def test_every_table_is_listed() -> None:
    listed = {table for granted in roles.TABLES.values() for table in granted}
    assert listed - {"integrations", "merchant_messages", "alembic_version"} == set(Base.metadata.tables)


def test_the_workflow_worker_erases_only_whom_the_event_names(url: str, connected: Database) -> None:
    other = store_event(connected, new_event(merchant_id="m1"))
    key = store_event(connected, new_event(type="shop_redact", merchant_id="m1", data={}))
    workflow = Database(url_of("cj_workflow", url), pool_size=1)
    assert query(workflow, "SELECT erase_merchant(:key)", key=other) == [(None,)]
    assert query(workflow, "SELECT erase_merchant(:key)", key=key) == [(True,)]
    assert query(connected, "SELECT merchant_id FROM merchant_integrations") == [("m2",)]
    execute(workflow, "UPDATE events SET status = 'processed', processed_at = clock_timestamp(), traceparent = 't'")
    execute(connected, "INSERT INTO merchants (id, name) VALUES ('m1', 'm1')")
    assert query(workflow, "SELECT erase_merchant(:key)", key=key) == [(None,)], "that event is done"
    workflow.dispose()


def test_the_workflow_worker_wipes_only_the_tokens_of_the_shop_that_the_event_names(
    url: str, connected: Database
) -> None:
    def uninstalled(merchant_id: str, shop_domain: str) -> int:
        data = {"merchant_id": merchant_id, "shop_domain": shop_domain}
        return store_event(connected, new_event(type="app_uninstalled", merchant_id=merchant_id, data=data))

    workflow = Database(url_of("cj_workflow", url), pool_size=1)
    wrong = uninstalled("m1", "m2.myshopify.com")
    assert query(workflow, "SELECT disconnect_shop(:key)", key=wrong) == [(None,)]
    right = uninstalled("m1", "m1.myshopify.com")
    assert query(workflow, "SELECT disconnect_shop(:key)", key=right) == [(True,)]
    left = "SELECT merchant_id FROM merchant_integrations WHERE api_key IS NOT NULL"
    assert query(connected, left) == [("m2",)]
    workflow.dispose()


def test_a_refusal_names_the_table(url: str) -> None:
    agent = Database(url_of("cj_agent", url), pool_size=1)
    with pytest.raises(StorageRefused, match=r"permission denied for table merchant_integrations.*storage/roles\.py"):
        query(agent, "SELECT api_key FROM merchant_integrations")
    agent.dispose()


# What a process finds out about itself


def standing(url: str) -> Standing:
    database = Database(url, pool_size=1)
    with database.transaction() as session:
        found = roles.standing(session)
    database.dispose()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_role_of_its_kind_lacks_nothing(url: str, kind: str) -> None:
    with Database(url_of(f"cj_{kind}", url), pool_size=1) as database, database.transaction() as session:
        assert roles.lacking(session, [kind]) is None


def test_what_a_role_lacks_is_said(url: str) -> None:
    """A database restored without its rights, or a role created later than the tables: `cj check` said all is well."""
    with Database(url, pool_size=1) as database, database.transaction() as session:
        session.execute(text("REVOKE INSERT ON steps FROM cj_agent"))
        session.execute(text("REVOKE UPDATE (traceparent) ON events FROM cj_workflow"))
        session.execute(text("REVOKE EXECUTE ON FUNCTION claim_shop(bigint) FROM cj_workflow"))
        session.execute(text("SET LOCAL ROLE cj_agent"))
        said = roles.lacking(session, ["agent"])
        session.execute(text("SET LOCAL ROLE cj_workflow"))
        other = roles.lacking(session, ["workflow"])
        session.rollback()
    assert said is not None
    assert said.startswith("DATABASE_URL connects as cj_agent, which lacks INSERT on steps: connect as cj_agent")
    assert other is not None
    assert "lacks UPDATE on events, EXECUTE on claim_shop(bigint): connect" in other


def test_operators_hear_of_a_restore_without_rights(
    postgres: PostgresForTests, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a role cannot read which migrations were made either, and that is all that `cj check` used to say."""
    with postgres.migrated_database() as database_url:
        make_roles(database_url)
        with Database(database_url, pool_size=1) as database:
            execute(database, "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM cj_agent, cj_ops")
        environ = {"DATABASE_URL": url_of("cj_agent", database_url), "BROKER_URL": valkey_url}
        monkeypatch.setenv("DATABASE_URL", environ["DATABASE_URL"])
        checked = check_database(Settings.read(environ, needed=tuple(environ)), "agent")
        environ["DATABASE_URL"] = url_of("cj_ops", database_url)
        looked = status.read_rows(Settings.read(environ, needed=tuple(environ)))
    assert "DATABASE_URL connects as cj_agent, which lacks SELECT" in checked.detail
    assert checked.detail.endswith(
        "connect as cj_agent, to which `alembic upgrade head`, run as the owner, grants what it needs"
    )
    assert status.problems(looked)[0].sentence.startswith("the backlog cannot be read: ")


@pytest.mark.parametrize("kind", KINDS)
def test_the_role_of_its_kind_can_do_nothing_too_much(url: str, kind: str) -> None:
    assert list(roles.excess(standing(url_of(f"cj_{kind}", url)), [kind])) == []


@pytest.mark.parametrize("kind", [*WORKERS, "shopify", "ops"])
def test_a_superuser_is_told(url: str, kind: str) -> None:
    [said] = roles.excess(standing(url), [kind])
    assert said == f"DATABASE_URL connects as postgres, which is superuser: connect as cj_{kind}"


@pytest.mark.parametrize("kind", WORKERS)
@pytest.mark.parametrize("role", ["cj_shopify", "cj_auth", "cj_ops"])
def test_who_could_read_tokens_it_must_not_is_told(url: str, kind: str, role: str) -> None:
    [said] = roles.excess(standing(url_of(role, url)), [kind])
    assert said == f"DATABASE_URL connects as {role}, which may read tokens: connect as cj_{kind}"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        ("CREATE ROLE odd LOGIN NOINHERIT; GRANT cj_shopify TO odd", "may read tokens"),
        ("CREATE ROLE odd LOGIN; GRANT pg_read_all_data TO odd", "may read tokens"),
        ("CREATE ROLE odd LOGIN; GRANT SELECT (api_key) ON merchant_integrations TO odd", "may read tokens"),
        ("CREATE ROLE odd LOGIN CREATEROLE", "allowed to create roles"),
        ("CREATE ROLE odd LOGIN REPLICATION", "allowed to replicate"),
        ("CREATE ROLE odd LOGIN; GRANT pg_execute_server_program TO odd", "member of pg_execute_server_program"),
        ("CREATE ROLE odd LOGIN; ALTER TABLE merchants OWNER TO odd", "the owner of the tables"),
    ],
)
def test_other_ways_to_the_tokens_are_told(url: str, make: str, says: str) -> None:
    engine = engine_of(url)
    try:
        with engine.begin() as connection:
            connection.execute(text(make))
        [said] = roles.excess(standing(url_of("odd", url)), ["agent"])
        assert says in said
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE merchants OWNER TO postgres"))
            connection.execute(text("DROP OWNED BY odd"))
            connection.execute(text("DROP ROLE odd"))
        engine.dispose()


def test_a_server_that_logs_customers_words_is_told() -> None:
    loud = Standing("cj_agent", (), is_owner=False, reads_tokens=False, logs_statements=True)
    [said] = roles.excess(loud, ["agent"])
    assert "log_min_error_statement=panic" in said
