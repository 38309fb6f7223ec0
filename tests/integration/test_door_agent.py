"""The official AG-UI client at the door: `HttpAgent` says something, and CJ is played by rows."""

import concurrent.futures
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage import inbox, turns
from storage.database import Database
from storage.turns import TurnInput
from tests import npm, rows
from tests.door import KEYS, DoorForTests, as_merchant, end, open_at_door, say, token
from tests.integration.test_official_clients import OFFICIAL, official  # noqa: F401 - a fixture
from workers.local.stack import wait_until
from workers.settings import environment

pytestmark = pytest.mark.usefixtures("official")


class Frontend:
    """agent.mjs: what it hears, line by line, and then its history."""

    def __init__(self, urls: list[str], *says: str, conversation_id: str = "c1", connects: bool = False) -> None:
        npm.installed(OFFICIAL)
        asked = {"urls": urls, "token": token(), "threadId": conversation_id, "says": says, "connects": connects}
        self._process = subprocess.Popen(
            ["node", "agent.mjs", json.dumps(asked)], cwd=OFFICIAL, stdout=subprocess.PIPE, text=True
        )
        self.warnings: list[str] = []

    def hears(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def history(self) -> list[str]:
        """Everything it was told and said, once it has ended."""
        while "messages" not in (found := self.hears()):
            pass
        self.warnings = found["warnings"]
        with self._process:
            assert self._process.wait(10) == 0
        return [str(message.get("content")) for message in found["messages"]]


def begin(database: Database, number: int = 1, *, conversation_id: str = "c1") -> int:
    """A workflow worker takes the conversation's event of this number, and a turn begins; its id."""
    query = "SELECT key FROM events WHERE conversation_id = :id ORDER BY key LIMIT 1 OFFSET :skip"
    [(key,)] = wait_until(
        lambda: rows.query(database, query, id=conversation_id, skip=number - 1), what=f"event {number}"
    )
    open_at_door(database, conversation_id)
    with database.transaction() as session:
        whose = {"conversation_id": conversation_id, "merchant_id": "m1", "event_key": key, "action": 0}
        turn_id = turns.queue_turn(session, **whose, input=TurnInput("merchant", "hi"))
        inbox.processed(session, key)
    assert turn_id is not None
    return turn_id


@pytest.fixture
def door(database_url: str) -> Iterator[DoorForTests]:
    with DoorForTests(database_url) as running:
        yield running


def test_two_messages_and_what_nobody_asked_for(door: DoorForTests, database: Database) -> None:
    frontend = Frontend([door.url], "one?", "two?", "")
    turn = begin(database)
    say(database, turn, "First.")
    assert frontend.hears() == {"said": "First."}, "while the run goes on"
    end(database, turn)
    unasked = rows.queue(database)
    say(database, unasked, "By the way.")
    end(database, unasked)
    turn = begin(database, 3)
    say(database, turn, "Second.")
    end(database, turn)
    assert sorted(frontend.history()) == ["By the way.", "First.", "Second.", "one?", "two?"]
    assert frontend.warnings == []


def test_who_connects_has_everything_once(door: DoorForTests, database: Database) -> None:
    """The history, the run under way from its beginning, and then what is said."""
    open_at_door(database)
    earlier = rows.queue(database, "How was my week?")
    say(database, earlier, "Good.")
    end(database, earlier)
    running = rows.queue(database, "And today?")
    say(database, running, "Let me look.")
    rows.queue(database, "Hello?")
    frontend = Frontend([door.url], "Never mind.", connects=True)
    assert frontend.hears() == {"ended": "success", "pending": []}, "the history is a run by itself"
    assert frontend.hears() == {"said": "Let me look."}
    say(database, running, "Good, too.")
    end(database, running)
    [(waiting,)] = rows.query(database, "SELECT id FROM turns WHERE seq = 3")
    say(database, waiting, "Yes?")
    end(database, waiting)
    turn = begin(database, 4)
    say(database, turn, "Fine.")
    end(database, turn)
    before, after = ["How was my week?", "Good.", "And today?", "Hello?"], ["Let me look.", "Good, too.", "Yes?"]
    assert frontend.history() == [*before, *after, "Never mind.", "Fine."]
    assert frontend.warnings == []


@contextmanager
def process(database_url: str, broker_url: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """A door as operators start it."""
    servers = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, "REDIS_URL": broker_url}
    environ = {**environment(), **servers, **KEYS, "CJ_GATEWAY_LISTEN": f"127.0.0.1:{port}"}
    command = [sys.executable, "-m", "workers.gateway"]
    with subprocess.Popen(
        command, env=environ, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True
    ) as own:
        try:
            assert own.stderr is not None
            assert any("the door is open" in line for line in own.stderr)
            yield own
        finally:
            own.kill()


def test_a_door_dies_in_the_middle_of_a_word(
    door: DoorForTests, database: Database, database_url: str, valkey_url: str
) -> None:
    """The client goes on at the other one: everything once, in order."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with process(database_url, valkey_url, port) as dying:
        frontend = Frontend([f"http://127.0.0.1:{port}", door.url], "well?")
        turn = begin(database)
        say(database, turn, "One.", "Two.")
        assert [frontend.hears(), frontend.hears()] == [{"said": "One."}, {"said": "Two."}]
        os.kill(dying.pid, signal.SIGKILL)
        assert "broke" in frontend.hears()
    say(database, turn, "Three.")
    end(database, turn)
    assert frontend.history() == ["well?", "One.", "Two.", "Three."]
    assert frontend.warnings == []
    assert rows.query(database, "SELECT count(*) FROM events") == [(1,)], "the message was sent twice, and is one"


def test_a_message_whose_request_failed_comes_with_the_next(door: DoorForTests, database: Database) -> None:
    """Also if something in the history cannot be stored, or an answer was lost before its first word."""
    open_at_door(database)
    said = ["Cut \ud83d", "x" * 8001, "one?", "two?", "three?"]
    history = [{"id": str(number), "role": "user", "content": words} for number, words in enumerate(said)]
    asked = {"threadId": "c1", "runId": "r", "messages": history}
    headers = {**as_merchant(), "Content-Type": "application/json"}
    turns_begun = []

    def ask(upto: int) -> str:
        body = json.dumps({**asked, "messages": history[:upto]})
        return httpx.post(f"{door.url}/agent", content=body, headers=headers, timeout=10).text

    assert "half of a character" in ask(1)
    assert "got 8001" in ask(2)
    with concurrent.futures.ThreadPoolExecutor() as others:
        heard = others.submit(ask, 3)
        turns_begun.append(begin(database))
        say(database, turns_begun[0], "First.")
        end(database, turns_begun[0])
        assert '"First."' in heard.result()
        heard = others.submit(ask, 5)
        for number in (2, 3):
            turns_begun.append(begin(database, number))
            say(database, turns_begun[-1], f"Number {number}.")
            end(database, turns_begun[-1])
        told = heard.result()
    assert [words in told for words in ("First.", "Number 2.", "Number 3.")] == [True] * 3
    stored = rows.query(database, "SELECT data ->> 'text' FROM events ORDER BY key")
    assert stored == [("one?",), ("two?",), ("three?",)]


def test_what_was_sent_otherwise_is_not_asked_again(door: DoorForTests, database: Database) -> None:
    """A client has it from the history, and gets its run; other words under the same id are a new message."""
    open_at_door(database)
    rows.store_event(database, rows.new_event("e9", data={"merchant_id": "m1", "text": "Hello?"}))
    history = [{"id": "e9", "role": "user", "content": words} for words in ("Hello?", "And now?")]

    def ask(upto: int) -> str:
        body = {"threadId": "c1", "runId": "r", "messages": history[:upto]}
        return httpx.post(f"{door.url}/agent", json=body, headers=as_merchant(), timeout=10).text

    with concurrent.futures.ThreadPoolExecutor() as others:
        heard = others.submit(ask, 1)
        turn = begin(database)
        say(database, turn, "Hi.")
        end(database, turn)
        assert '"Hi."' in heard.result()
        heard = others.submit(ask, 2)
        turn = begin(database, 2)
        say(database, turn, "Now, too.")
        end(database, turn)
        assert ['"Hi."' in heard.result(), '"Now, too."' in heard.result()] == [True, True]
    stored = rows.query(database, "SELECT id, data ->> 'text' FROM events ORDER BY key")
    assert stored == [("e9", "Hello?"), ("c1/e9", "And now?")]
