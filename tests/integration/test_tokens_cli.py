"""`cj tokens` and `cj privacy` on a real Postgres and a real Valkey."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from storage import merchants
from storage.database import Database
from storage.vault import Vault, new_key_text
from tests.cj import Terminal
from tests.rows import execute, new_event, open_conversation, query, store_event, uninstall
from workers.operations import token_keys

OLD, NEW = new_key_text(1), new_key_text(2)
#: Another key under the id of the first.
SECOND = new_key_text(1)
TOKEN = "shpat_0123456789abcdef"


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, valkey_url: str) -> Terminal:
    environ = {"DATABASE_URL": database_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url, "CJ_TOKEN_KEYS": OLD}
    return Terminal(tmp_path, monkeypatch, environ)


@pytest.fixture
def old(valkey_url: str) -> Iterator["redis.Redis"]:
    """The earlier auth service's Redis."""
    client = redis.Redis.from_url(valkey_url)
    yield client
    client.close()


def keep(client: Any, shop: str, token: str = TOKEN, **more: Any) -> str:
    key = f"merchant:{shop}.myshopify.com"
    client.set(key, json.dumps({"shop_domain": f"{shop}.myshopify.com", "access_token": token, **more}))
    return key


def connect(database: Database, merchant_id: str, shop: str | None = None, token: str = TOKEN) -> None:
    with database.transaction() as session:
        merchants.connect_shop(
            session,
            Vault.from_text(OLD),
            merchant_id=merchant_id,
            shop_domain=f"{shop or merchant_id}.myshopify.com",
            access_token=SecretStr(token),
            refresh_token=SecretStr(token + "_refresh"),
            scopes=[],
            emit=False,
        )


def stored(database: Database, merchant_id: str, keys: str = OLD) -> str | None:
    with database.transaction() as session:
        token = merchants.read_access_token(session, Vault.from_text(keys), merchant_id)
    return None if token is None else token.secret.get_secret_value()


# Tokens in Redis


def test_tokens_come_over_once(terminal: Terminal, database: Database, old: Any) -> None:
    for number in range(30):
        keep(old, f"shop-{number}", f"{TOKEN}_{number}", scopes="read_orders,read_products", merchant_id=f"m{number}")
    old.set("merchants:1", "not ours")
    report = terminal.json("tokens", "migrate-from-redis")
    assert {name: report[name] for name in ("migrated", "skipped", "failed", "deleted")} == {
        "migrated": 30,
        "skipped": 0,
        "failed": 0,
        "deleted": 0,
    }
    assert stored(database, "m7") == f"{TOKEN}_7"
    assert query(database, "SELECT DISTINCT scopes FROM merchant_integrations") == [(["read_orders", "read_products"],)]
    assert query(database, "SELECT count(*) FROM events") == [(0,)]
    before = query(database, "SELECT * FROM merchant_integrations ORDER BY id")
    again = terminal.json("tokens", "migrate-from-redis")
    assert (again["migrated"], again["skipped"]) == (0, 30)
    assert query(database, "SELECT * FROM merchant_integrations ORDER BY id") == before


def test_a_dry_run_changes_nothing(terminal: Terminal, database: Database, old: Any) -> None:
    keep(old, "acme")
    shown = terminal("tokens", "migrate-from-redis", "--dry-run", "--delete").stdout
    assert "migrated  merchant:acme.myshopify.com  would be migrated" in shown
    assert "dry run: nothing changed" in shown
    assert query(database, "SELECT count(*) FROM merchants") == [(0,)]
    assert old.dbsize() == 1


def test_who_would_be_invented_is_reported(terminal: Terminal, old: Any) -> None:
    keep(old, "acme")
    keep(old, "other", merchant_id="m2")
    report = terminal.json("tokens", "migrate-from-redis", "--dry-run")
    assert report["invented"] == 1
    assert [(key["merchant_id"], key["is_invented"]) for key in report["keys"]] == [("acme", True), ("m2", False)]
    shown = terminal("tokens", "migrate-from-redis", "--dry-run").stdout
    assert "would be migrated; merchant acme is invented" in shown
    assert "the merchants of 1 of these shops are unknown" in shown


def test_a_file_names_the_merchants_before_or_after_the_import(
    terminal: Terminal, database: Database, old: Any, tmp_path: Path
) -> None:
    """Whom an earlier run invented gives way; what contradicts, or is nowhere, is said."""
    for shop in ("early", "late", "kept"):
        keep(old, shop)
    keep(old, "said", merchant_id="m9")
    file = tmp_path / "merchants.csv"
    file.write_text("early.myshopify.com,m1\n")
    terminal("tokens", "migrate-from-redis", "--merchants", str(file))
    more = "late.myshopify.com,m2\nearly.myshopify.com,m1\nsaid.myshopify.com,m8\ntypo.myshopify.com,m5\n"
    file.write_text("shop,merchant\n" + more)
    shown = terminal("tokens", "migrate-from-redis", "--merchants", str(file), "--dry-run", code=1).stdout
    assert "was imported before, and would be moved from the invented merchant late" in shown
    report = terminal.json("tokens", "migrate-from-redis", "--merchants", str(file), "--delete", code=1)
    assert query(database, "SELECT id, invented FROM merchants ORDER BY id") == [
        ("kept", True),
        ("m1", False),
        ("m2", False),
        ("m9", False),
    ]
    assert (stored(database, "m1"), stored(database, "m2")) == (TOKEN, TOKEN)
    reasons = {key["key"]: key["reason"] for key in report["keys"] if key["result"] == "failed"}
    assert reasons == {
        "merchant:said.myshopify.com": f"the value names merchant m9, line 4 of {file} merchant m8",
        f"{file}, line 5": "typo.myshopify.com is not in Redis and was never connected",
    }
    assert [key.decode() for key in old.scan_iter()] == ["merchant:said.myshopify.com"]
    refused = terminal("tokens", "migrate-from-redis", "--merchants", str(tmp_path / "none.csv"), code=2)
    assert "No such file" in refused.stderr


def test_a_token_that_is_stored_by_hand_goes_to_the_shops_merchant(terminal: Terminal, database: Database) -> None:
    """Whose that is nobody says: the shop's present merchant, or one that gives way to the real one."""
    first = terminal.json("store-token", "acme.myshopify.com", typed=TOKEN)
    assert (first["merchant_id"], first["invented"]) == ("acme", True)
    again = terminal("store-token", "acme.myshopify.com", typed=TOKEN + "_2").stdout
    assert "this merchant is invented: whoever connects the shop takes it over" in again
    connect(database, "m1", "acme", TOKEN + "_3")
    kept = terminal.json("store-token", "acme.myshopify.com", typed=TOKEN + "_4")
    assert (kept["merchant_id"], kept["invented"]) == ("m1", False)
    assert query(database, "SELECT id, invented FROM merchants") == [("m1", False)]


def test_a_shop_is_moved_to_another_merchant(terminal: Terminal, database: Database) -> None:
    connect(database, "m1", "acme")
    open_conversation(database, "c1", "m1")
    moved = terminal.json("merchants", "move", "acme.myshopify.com", "--to", "m2")
    assert moved == {"shop_domain": "acme.myshopify.com", "merchant_id": "m2", "moved_from": "m1", "is_new": True}
    assert (stored(database, "m1"), stored(database, "m2")) == (None, TOKEN)
    rows = "SELECT merchant_id, status, sealed_for FROM merchant_integrations ORDER BY id"
    assert query(database, rows) == [("m1", "uninstalled", None), ("m2", "active", "m1")]
    again = terminal("merchants", "move", "acme.myshopify.com", "--to", "m2").stdout
    assert again == "acme.myshopify.com already belongs to merchant m2\n"
    assert terminal.json("tokens", "reseal", CJ_TOKEN_KEYS=OLD)["count"] == 1
    assert query(database, rows) == [("m1", "uninstalled", None), ("m2", "active", None)]
    assert stored(database, "m2") == TOKEN
    terminal("merchants", "move", "acme.myshopify.com", "--to", "m1")  # and back, though it had one before
    assert stored(database, "m1") == TOKEN
    assert query(database, "SELECT merchant_id FROM conversations") == [("m1",)]


def test_a_shop_that_cannot_be_moved_stays_and_the_reason_is_said(terminal: Terminal, database: Database) -> None:
    connect(database, "m1", "acme")
    connect(database, "m2", "other")
    before = query(database, "SELECT * FROM merchant_integrations ORDER BY id")
    refused = terminal("merchants", "move", "acme.myshopify.com", "--to", "m2", code=1).stderr
    assert "merchant m2 has another shop, other.myshopify.com, and a merchant has one" in refused
    assert "is not connected" in terminal("merchants", "move", "none.myshopify.com", "--to", "m3", code=1).stderr
    assert "myshopify.com" in terminal("merchants", "move", "acme", "--to", "m3", code=1).stderr
    terminal("merchants", "move", "acme.myshopify.com", "--to", "", code=2)
    assert query(database, "SELECT * FROM merchant_integrations ORDER BY id") == before
    assert query(database, "SELECT count(*) FROM merchants") == [(2,)]


def test_every_key_that_cannot_come_over_has_a_reason_and_stops_no_other(
    terminal: Terminal, database: Database, old: Any
) -> None:
    connect(database, "newer", token="shpat_a_newer_one")
    connect(database, "moved", "moved-elsewhere")
    connect(database, "someone", "taken")
    connect(database, "gone")
    with database.transaction() as session:
        assert uninstall(session, "gone", "gone.myshopify.com", at=datetime.now(UTC))
    connect(database, "namesake", "another")
    for shop in ("good", "newer", "gone", "namesake"):
        keep(old, shop)
    for shop in ("moved", "taken"):
        keep(old, shop, merchant_id=shop)
    old.set("merchant:broken", f'{{"access_token": "{TOKEN}"')
    old.hset("merchant:hash", "access_token", TOKEN)
    shown = terminal("tokens", "migrate-from-redis", "--delete", code=1)
    found = {
        line.split()[1].removeprefix("merchant:"): line for line in shown.stdout.splitlines() if "merchant:" in line
    }
    assert found["good.myshopify.com"].endswith(
        "stored, read back and opened, deleted from Redis; merchant good is invented"
    )
    assert "Postgres has a newer token" in found["newer.myshopify.com"]
    assert "is now connected to moved-elsewhere.myshopify.com" in found["moved.myshopify.com"]
    assert "cj merchants move taken.myshopify.com --to taken" in found["taken.myshopify.com"]
    assert "the existing merchant namesake may be somebody else" in found["namesake.myshopify.com"]
    assert "is uninstalled" in found["gone.myshopify.com"]
    assert "not JSON" in found["broken"]
    assert "not a string" in found["hash"]
    assert shown.stdout.splitlines()[-1] == "1 migrated, 3 skipped, 4 failed, 1 deleted"
    assert TOKEN not in shown.output
    assert stored(database, "newer") == "shpat_a_newer_one"
    assert old.exists("merchant:good.myshopify.com") == 0
    assert old.dbsize() == 7


def test_what_came_over_before_is_deleted_later(terminal: Terminal, database: Database, old: Any) -> None:
    key = keep(old, "acme")
    terminal("tokens", "migrate-from-redis")
    assert old.exists(key) == 1
    assert terminal.json("tokens", "migrate-from-redis", "--delete")["deleted"] == 1
    assert old.exists(key) == 0
    assert stored(database, "acme") == TOKEN


def test_an_interrupted_migration_goes_on(terminal: Terminal, database: Database, old: Any) -> None:
    for number in range(5):
        keep(old, f"shop-{number}")
    execute(
        database,
        """CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT count(*) FROM merchants) > 3 THEN RAISE disk_full; END IF; RETURN new; END $$;
        CREATE TRIGGER full_up AFTER INSERT ON merchants FOR EACH ROW EXECUTE FUNCTION full_up()""",
    )
    terminal("tokens", "migrate-from-redis", code=1)
    assert query(database, "SELECT count(*) FROM merchants") == [(3,)]
    execute(database, "DROP TRIGGER full_up ON merchants")
    report = terminal.json("tokens", "migrate-from-redis")
    assert (report["migrated"], report["skipped"]) == (2, 3)


def test_a_redis_that_is_away_is_a_sentence(terminal: Terminal) -> None:
    shown = terminal("tokens", "migrate-from-redis", code=1, REDIS_URL="redis://127.0.0.1:1/0")
    assert "REDIS_URL does not answer: ConnectionError" in shown.stderr


# Changing the key


def test_keys_are_changed_while_tokens_are_in_use(terminal: Terminal, database: Database) -> None:
    for number in range(40):
        connect(database, f"m{number}", token=f"{TOKEN}_{number}")
    both, over, wrong = f"{NEW},{OLD}", threading.Event(), list[str]()

    def use() -> None:
        while not over.is_set():
            for number in range(0, 40, 7):
                if stored(database, f"m{number}", both) != f"{TOKEN}_{number}":
                    wrong.append(f"m{number}")

    user = threading.Thread(target=use)
    user.start()
    try:
        done = terminal.json("tokens", "reseal", "--batch", "3", CJ_TOKEN_KEYS=both)
    finally:
        over.set()
        user.join()
    assert done == {"count": 40, "unreadable": [], "keys_in_use": [2], "complete": True}
    assert wrong == []
    assert stored(database, "m39", NEW) == f"{TOKEN}_39"
    again = terminal("tokens", "reseal", CJ_TOKEN_KEYS=both).stdout
    assert "resealed 0 rows" in again
    assert "all other keys can be removed" in again


def test_rows_that_do_not_open_are_named(terminal: Terminal, database: Database) -> None:
    connect(database, "m1")
    connect(database, "m2")
    [(bad,)] = query(database, "SELECT id FROM merchant_integrations WHERE merchant_id = 'm1'")
    execute(database, "UPDATE merchant_integrations SET shop_domain = 'moved.myshopify.com' WHERE id = :id", id=bad)
    shown = terminal("tokens", "reseal", code=1, CJ_TOKEN_KEYS=f"{NEW},{OLD}")
    assert "resealed 1 row with" in shown.stdout
    assert "keys still in use: 1, 2; keep them" in shown.stdout
    assert f"opens none of these rows of merchant_integrations: {bad};" in shown.stderr


def test_another_key_under_the_id_of_the_right_one_is_found_out(terminal: Terminal, database: Database) -> None:
    """The id of a key says nothing about the key: only a token that opens does."""
    connect(database, "m1")
    wrong = new_key_text(1)
    done = terminal.json("tokens", "reseal", code=1, CJ_TOKEN_KEYS=wrong)
    assert (done["complete"], len(done["unreadable"])) == (False, 1)
    assert "can be removed" not in terminal("tokens", "reseal", code=1, CJ_TOKEN_KEYS=wrong).stdout
    shown = terminal("check", code=1, CJ_TOKEN_KEYS=wrong, CJ_MODEL="demo").stdout
    assert "CJ_TOKEN_KEYS has another key under the id 1 than the one that seals stored tokens" in shown
    assert "CJ_TOKEN_KEYS lacks key 1" in terminal("check", code=1, CJ_TOKEN_KEYS=NEW, CJ_MODEL="demo").stdout
    terminal("check", CJ_TOKEN_KEYS=OLD, CJ_MODEL="demo")


def test_keys_that_changed_under_one_id_are_seen_though_the_latest_tokens_open(database: Database) -> None:
    connect(database, "early")
    with database.transaction() as session:
        for number in range(12):
            merchants.connect_shop(
                session,
                Vault.from_text(SECOND),
                merchant_id=f"m{number}",
                shop_domain=f"m{number}.myshopify.com",
                access_token=SecretStr(TOKEN),
                scopes=[],
                emit=False,
            )
        trials = merchants.try_keys(session, Vault.from_text(SECOND))
    assert list(token_keys.problems(trials, Vault.from_text(SECOND))) == []
    [said] = token_keys.warnings(trials, Vault.from_text(SECOND))
    assert said.startswith("2 of 10 tokens sealed with key 1 do not open")


def test_a_new_key_gets_an_id_that_no_other_had(terminal: Terminal, database: Database) -> None:
    def new_id(*arguments: str, **environ: Any) -> str:
        return terminal("tokens", "new-key", *arguments, **environ).stdout.partition(":")[0]

    assert new_id() == "2"
    assert new_id(CJ_TOKEN_KEYS=f"{NEW},{OLD}") == "3"
    connect(database, "m1")
    assert new_id(CJ_TOKEN_KEYS="") == "2"  # the keys are lost, but not that key 1 sealed something
    assert new_id(CJ_TOKEN_KEYS="", DATABASE_URL="") == "1"
    refused = terminal("tokens", "new-key", "--id", "1", code=2).stderr
    assert "key 1 exists already" in refused
    terminal("tokens", "new-key", code=2, CJ_TOKEN_KEYS=new_key_text(255))


# Customers' requests


def test_a_customers_request_is_answered(terminal: Terminal, database: Database) -> None:
    assert terminal("privacy", "requests").stdout == "no requests\n"
    data = {"merchant_id": "m1", "shop_domain": "m1.myshopify.com", "customer_id": "1", "order_ids": ["2"]}
    store_event(database, new_event("request-1", type="customers_data_request", data=data))
    execute(database, "UPDATE events SET status = 'processed'")
    assert "request-1  merchant m1, m1.myshopify.com" in terminal("privacy", "requests").stdout
    answer = json.loads(terminal("privacy", "export", "request-1").stdout)
    assert (answer["request"], answer["customer_id"], answer["orders"]) == ("request-1", "1", [])
    assert "cj privacy requests" in terminal("privacy", "export", "request-2", code=1).stderr
