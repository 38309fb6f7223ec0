"""Text is stored unchanged, whatever encoding server and client use; text that cannot be stored stops nobody else."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from psycopg2 import sql

from events.broker.consumer import Delivery
from events.envelope import Event
from storage import outbox
from storage.database import Database
from storage.errors import SchemaMissing
from storage.inbox import NewEvent
from storage.outbox import NewReply
from tests.rows import claim, execute, query, queue
from tests.servers import PostgresForTests
from workers import bootstrap
from workers.cli import cj
from workers.delivery.wake_ups import WakeUps
from workers.intake.accept import Intake
from workers.operations import migrations

ROOT = Path(__file__).parent.parent.parent
WORDS = "Grüße, 你好 😀 \u200e"


class Message:
    content_type = "application/cloudevents+json"

    def __init__(self, body: bytes) -> None:
        self.message = self
        self.body = body


def said(id: str, words: str = WORDS, **attributes: Any) -> bytes:
    data = {"merchant_id": "m1", "conversation_id": "c1", "text": words}
    envelope = {"specversion": "1.0", "id": id, "source": "/gateway", "type": "message_received", "data": data}
    return json.dumps({**envelope, **attributes}).encode()


class Told:
    keys: Sequence[int] = ()

    def handle_events(self, keys: Sequence[int], after_seconds: float = 0.0) -> None:
        self.keys = [*self.keys, *keys]

    def oldest_events(self, *_of: object, **_how: object) -> None:
        """Nobody's were put off."""


@pytest.fixture
def intake(database: Database) -> Intake:
    return Intake(database, cast(WakeUps, Told()), threading.Event())


def comes(intake: Intake, *bodies: bytes) -> bool:
    return intake.events(cast(Sequence[Delivery], [Message(body) for body in bodies]))


def kept(database: Database) -> list[tuple[Any, ...]]:
    return query(database, "SELECT id, status, error_code FROM events ORDER BY key")


# The client's encoding


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252"])
def test_the_client_speaks_utf8_whatever_it_is_set_to(
    database_url: str, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    joined = "&" if "?" in database_url else "?"
    for url in (database_url, f"{database_url}{joined}client_encoding={encoding}"):
        database = Database(url)
        execute(database, "CREATE TEMPORARY TABLE said (words text)")
        assert query(database, "SHOW client_encoding") == [("UTF8",)]
        assert query(database, "SELECT CAST(:words AS text)", words=WORDS) == [(WORDS,)]
        database.dispose()


def test_a_database_or_role_set_to_another_encoding_does_not_matter(database: Database, valkey_url: str) -> None:
    [(name,)] = query(database, "SELECT current_database()")
    execute(database, f"ALTER DATABASE {name} SET client_encoding = 'LATIN1'")
    database.dispose()
    intake = Intake(database, cast(WakeUps, Told()), threading.Event())
    assert comes(intake, said("one"), said("two", "plain"))
    assert query(database, "SELECT data ->> 'text' FROM events ORDER BY key") == [(WORDS,), ("plain",)]


# The server's encoding


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def foreign_url(postgres: PostgresForTests, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with another encoding than UTF8."""
    name = sql.Identifier(f"foreign_{request.param.lower()}")
    options = "TEMPLATE template0 ENCODING {} LOCALE_PROVIDER libc LOCALE 'C'"
    postgres.execute(sql.SQL("CREATE DATABASE {} " + options).format(name, sql.Literal(request.param)))
    try:
        yield postgres.url_of(f"foreign_{request.param.lower()}")
    finally:
        postgres.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_another_server_encoding_is_refused_by_migrate(foreign_url: str) -> None:
    environ = {**os.environ, "DATABASE_URL": foreign_url}
    for command in (["alembic", "upgrade", "head"], ["workers", "migrate"]):
        refused = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
        assert refused.returncode != 0
        assert "must be UTF8" in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr
    database = Database(foreign_url)
    assert query(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    database.dispose()


def test_another_server_encoding_is_refused_at_the_start(foreign_url: str, valkey_url: str) -> None:
    problem = migrations.problem(foreign_url)
    assert problem is not None
    assert "must be UTF8" in problem
    environ = {**os.environ, "DATABASE_URL": foreign_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url}
    intake = [sys.executable, "-m", "workers.intake"]
    refused = subprocess.run(intake, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == bootstrap.REFUSED
    assert "must be UTF8" in refused.stderr


def test_another_server_encoding_is_refused_by_check(
    foreign_url: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("DATABASE_URL", foreign_url), ("BROKER_URL", valkey_url), ("REDIS_URL", valkey_url)):
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cj, ["check", "--kind", "intake", "--json"])
    assert result.exit_code == 1
    [found] = [check for check in json.loads(result.output)["checks"] if check["name"] == "database"]
    assert not found["ok"]
    assert "must be UTF8" in found["detail"]


# One message that cannot be stored

STORED = ["good 1", "good 2"]


def refusing(problem: str) -> str:
    """Let the database refuse the rows of one message."""
    return f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.data ->> 'text' = 'bad' THEN {problem}; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()"""


@pytest.mark.parametrize(
    "state",
    ["22P05", "22021", "22P02", "22001", "22003", "23514", "54000", "XX000", "P0001", "42804", "38000", "0A000"],
)
def test_one_message_the_database_refuses_is_set_aside_alone(database: Database, intake: Intake, state: str) -> None:
    execute(database, refusing(f"RAISE EXCEPTION 'no' USING ERRCODE = '{state}'"))
    assert comes(intake, said("good 1"), said("bad", "bad"), said("good 2"))
    assert sorted(kept(database)) == sorted(
        [*((id, "received", None) for id in STORED), (aside(said("bad", "bad")), "rejected", "event.not_storable")]
    )


def aside(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()[:32]}"


@pytest.mark.parametrize("error", [ValueError("A string literal cannot contain NUL"), UnicodeError(), RecursionError()])
def test_one_message_the_client_cannot_send_is_set_aside_alone(
    database: Database, intake: Intake, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    whole = NewEvent.of.__func__  # type: ignore[attr-defined]

    def of(cls: type[NewEvent], event: Event, traceparent: str | None = None) -> NewEvent:
        if event.id == "bad":
            raise error
        made: NewEvent = whole(cls, event)
        return made

    monkeypatch.setattr(NewEvent, "of", classmethod(of))
    assert comes(intake, said("good 1"), said("bad", "bad"), said("good 2"))
    assert [row for row in kept(database) if row[1] == "received"] == [(id, "received", None) for id in STORED]
    assert [row[2] for row in kept(database) if row[1] == "rejected"] == ["event.not_storable"]


@pytest.mark.parametrize(
    "attributes", [{"traceparent": f"00-{'a' * 32}-{'b' * 16}-01-\x01\x7f"}, {"subject": "😀" * 200}, {"source": "😀"}]
)
def test_what_stands_around_the_words_is_storable_too(
    database: Database, intake: Intake, attributes: dict[str, Any]
) -> None:
    assert comes(intake, said("good 1"), said("odd", **attributes), said("good 2"))
    assert len(kept(database)) == 3


def test_what_is_wrong_with_the_database_is_no_messages_fault(database: Database, intake: Intake) -> None:
    """Then the process ends, and the broker keeps what it has."""
    execute(database, "ALTER TABLE events RENAME COLUMN hinted_at TO hinted_before")
    with pytest.raises(SchemaMissing):
        comes(intake, said("one"), said("two"))
    execute(database, "ALTER TABLE events RENAME COLUMN hinted_before TO hinted_at")
    assert kept(database) == []


@pytest.mark.parametrize("id", ["turn_1:000001\x00", "turn_1:000001\ud800", "\x00", "turn_9:0x", "x" * 200, None, 7])
def test_an_ack_that_names_nothing_of_ours_stops_no_other(database: Database, intake: Intake, id: object) -> None:
    claimed = claim(database, queue(database))
    with database.transaction() as session:
        [reply] = outbox.append(session, claimed.turn_id, [NewReply("a", [{}])])
    acks = [json.dumps({"id": id}).encode(), json.dumps({"id": reply.id}).encode()]
    assert intake.acks(cast(Sequence[Delivery], [Message(ack) for ack in acks]))
    assert query(database, "SELECT acked_at IS NOT NULL FROM replies") == [(True,)]


def test_the_inbox_counts_what_is_set_aside_again(database: Database, intake: Intake) -> None:
    execute(database, refusing("RAISE EXCEPTION 'no'"))
    for _ in range(2):
        assert comes(intake, said("bad", "bad"))
    assert query(database, "SELECT times, error_code FROM events WHERE status = 'rejected'") == [
        (2, "event.not_storable")
    ]
