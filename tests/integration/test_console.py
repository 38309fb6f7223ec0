"""The operators' console: who gets in, what it may do, and what a person sees in a browser."""

import asyncio
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from storage import agui, inbox, outbox, roles
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.outbox import NewReply
from tests import npm, rows
from tests.as_role import url_of
from workers.operations.console import Console
from workers.settings import Settings

PASSWORD = "a-password-of-the-tests"
OFFICIAL = Path(__file__).parent.parent / "official"
WORDS = "<b>How many orders?</b>"
PATHS = ("/", "/console.js", "/status", "/case?name=m1", "/timeline?name=m1", "/refused", "/failed", "/privacy")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A refused event, a failed turn, an answered one, and a privacy request, of merchant m1."""
    database = Database(database_url, pool_size=2)
    with database.transaction() as session:
        roles.create(session)
        roles.grant(session)
    turn = rows.claim(database, rows.queue(database, WORDS))
    with database.transaction() as session:
        outbox.append(session, turn.turn_id, [NewReply("0:text", agui.text("m0", "You have <b>7</b> orders."))])
    rows.finish(database, turn)
    rows.finish(database, rows.claim(database, rows.queue(database)))
    rows.execute(database, "UPDATE turns SET error = 'model_unavailable' WHERE seq = 2")
    shop = "INSERT INTO merchant_integrations (merchant_id, type, shop_domain, status, is_active) VALUES"
    rows.execute(database, f"{shop} ('m1', 'shopify', 'acme.myshopify.com', 'needs_reauth', false)")
    key = rows.store_event(database, rows.new_event("refused-1"))
    with database.transaction() as session:
        inbox.take(session, key)
        inbox.refuse(session, key, "event.unknown_merchant", "there is no merchant <b>m9</b>")
    data = {"merchant_id": "m1", "shop_domain": "acme.myshopify.com", "customer_id": "7"}
    rows.store_event(database, rows.new_event("asked-1", type="customers_data_request", data=data))
    yield database
    database.dispose()


@contextmanager
def serving(database_url: str, valkey_url: str, *, may_retry: bool = False) -> Iterator[str]:
    """The console as `cj_ops`, at this URL."""
    environ = {"DATABASE_URL": url_of("cj_ops", database_url), "BROKER_URL": valkey_url}
    settings = Settings.read({**environ, "CJ_CONSOLE_PASSWORD": PASSWORD}, needed=())
    ready, port, loop = threading.Event(), [0], asyncio.new_event_loop()

    def run(console: Console) -> None:
        runner = web.AppRunner(console.application(), access_log=None)
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        port[0] = runner.addresses[0][1]
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    with Console(settings, may_retry=may_retry) as console:
        thread = threading.Thread(target=run, args=(console,), daemon=True)
        thread.start()
        assert ready.wait(10)
        yield f"http://127.0.0.1:{port[0]}"
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def post(url: str, path: str, body: Any, *, origin: str | None = None, **headers: str) -> httpx.Response:
    sent = {"Origin": origin or url, **headers}
    return httpx.post(url + path, json=body, auth=("cj", PASSWORD), headers=sent)


def states(database: Database) -> Mapping[str, int]:
    counted = "SELECT status, count(*) FROM events GROUP BY 1 UNION SELECT 'turns', count(*) FROM turns"
    return {str(name): int(number) for name, number in rows.query(database, counted)}


def test_without_the_password_nothing_is_shown(database: Database, database_url: str, valkey_url: str) -> None:
    with serving(database_url, valkey_url) as url:
        for path in PATHS:
            refused = httpx.get(url + path)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"].startswith("Basic ")
            assert refused.json() == {"message": "wrong password"}
            assert httpx.get(url + path, auth=("cj", PASSWORD), timeout=60).status_code == 200, path
        assert httpx.get(url + "/nothing", auth=("cj", PASSWORD)).status_code == 404
        page = httpx.get(url, auth=("cj", PASSWORD))
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "style=" not in page.text


def test_it_only_shows_unless_it_was_started_to_retry(database: Database, database_url: str, valkey_url: str) -> None:
    before = states(database)
    with serving(database_url, valkey_url) as url:
        assert post(url, "/refused", {"source": "/gateway", "id": "refused-1"}).status_code == 403
        assert post(url, "/failed", {"id": 2}).status_code == 403
    with serving(database_url, valkey_url, may_retry=True) as url:
        for foreign in ("https://evil.example", "null", "http://127.0.0.1:1"):
            assert post(url, "/failed", {"id": 2}, origin=foreign).status_code == 403
        assert httpx.post(f"{url}/failed", json={"id": 2}, auth=("cj", PASSWORD)).status_code == 403, "no origin"
        assert post(url, "/failed", {"id": 2}, **{"Content-Type": "text/plain"}).status_code == 415
        wrongs: list[Any] = [[], {"id": "2"}, {}, {"source": 1, "id": "refused-1"}]
        for wrong in wrongs:
            assert post(url, "/refused", wrong).status_code == 400
        assert post(url, "/failed", {"id": 10**9}).status_code == 409
        assert states(database) == before, "nothing was written so far"
        assert post(url, "/failed", {"id": 2}).json() == {"message": "turn 2 is queued as turn 3"}
        assert post(url, "/failed", {"id": 2}).status_code == 409, "once"
        assert post(url, "/refused", {"source": "/gateway", "id": "refused-1"}).status_code == 200
    settings = Settings.read({"DATABASE_URL": database_url, "CJ_CONSOLE_PASSWORD": PASSWORD}, needed=())
    with Console(settings, may_retry=True) as console, pytest.raises(StorageUnavailable, match="read-only"):
        console._ask(lambda session: inbox.retry(session, ("/gateway", "refused-1")))
    assert states(database) == {"processed": before["processed"], "received": before["received"] + 1, "turns": 3}


@pytest.mark.skipif(
    shutil.which("chromium") is None and "CI" not in os.environ, reason="chromium is not installed: apt-get install it"
)
def test_a_person_finds_what_is_wrong_and_retries_it(database: Database, database_url: str, valkey_url: str) -> None:
    npm.installed(OFFICIAL)
    with serving(database_url, valkey_url, may_retry=True) as url:
        asked = json.dumps({"url": url, "password": PASSWORD, "picture": os.environ.get("PAGE_PICTURE")})
        done = subprocess.run(
            ["node", "console.mjs", asked], cwd=OFFICIAL, capture_output=True, text=True, timeout=90, check=True
        )
    found = json.loads(done.stdout)
    seen = found["seen"]
    assert "no agent worker answers" in seen["problems"]
    assert "cj check --kind agent" in seen["problems"]
    assert "replies" in seen["waiting"]
    assert "target" in seen["speeds"]
    assert "turns" in seen["queues"]
    assert seen["whose"] == "Merchant m1, acme.myshopify.com, needs_reauth"
    assert "has refused the connection" in seen["reasons"]
    assert "c1" in seen["conversations"]
    for said in ("message_received", WORDS, "You have <b>7</b> orders.", "turn 1", " ms"):
        assert said in seen["timeline"]
    assert "refused-1" in seen["refused"]
    assert "there is no merchant <b>m9</b>" in seen["refused"]
    assert "model_unavailable" in seen["failed"]
    assert "customers_data_request asked-1" in seen["privacy"]
    assert seen["refused then"] == "retrying event refused-1"
    assert seen["failed then"] == "turn 2 is queued as turn 3"
    assert all(left >= 0 and left + width <= 100.1 for left, width in found["bars"])
    assert (found["rules"], found["problems"], found["markup"], found["asked"]) == ([], [], 0, ["127.0.0.1"])
