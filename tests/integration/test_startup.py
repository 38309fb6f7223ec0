"""A Shopify worker starts only if it can open every stored token; a process says what it could do and should not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from storage import merchants
from storage.database import Database
from storage.vault import Vault, new_key_text
from tests.as_role import make_roles, url_of
from tests.cj import Terminal
from workers.settings import environment

ROOT = Path(__file__).parent.parent.parent
OLD, NEW = new_key_text(1), new_key_text(2)
START = "from workers import bootstrap; from workers.celery import app; bootstrap.start(app, ['shopify'])"


def test_a_key_that_stored_tokens_need_must_neither_be_dropped_nor_replaced(
    database: Database, database_url: str, valkey_url: str
) -> None:
    keys = f"{NEW},{new_key_text(1)}"
    environ = {"DATABASE_URL": database_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url, "CJ_TOKEN_KEYS": keys}
    with database.transaction() as session:
        merchants.connect_shop(
            session,
            Vault.from_text(OLD),
            merchant_id="m1",
            shop_domain="acme.myshopify.com",
            access_token=SecretStr("shpat_0123456789abcdef"),
            scopes=[],
            emit=False,
        )
    refused = subprocess.run(
        [sys.executable, "-c", START],
        cwd=ROOT,
        env={**environment(), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert refused.returncode == 2
    assert "CJ_TOKEN_KEYS has another key under the id 1 than the one that seals stored tokens" in refused.stderr
    assert "none of 1 opens" in refused.stderr


def warnings_of(kind: str, **environ: str) -> list[str]:
    """What a process of this kind logs about its rights when it starts."""
    started = subprocess.run(
        [sys.executable, "-c", START.replace("shopify", kind)],
        cwd=ROOT,
        env={**environment(), **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    lines = [json.loads(line) for line in started.stderr.splitlines() if line.startswith("{")]
    return [line["reason"] for line in lines if line["event"] == "this process has more rights than it needs"]


def test_a_process_tells_what_it_could_do_and_should_not(database_url: str, valkey_url: str) -> None:
    servers = {"DATABASE_URL": database_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url}
    assert warnings_of("intake", **servers, CJ_TOKEN_KEYS=NEW) == [
        "CJ_TOKEN_KEYS is set, which only shopify, ops and auth need: do not give it to intake",
        "DATABASE_URL connects as postgres, which is superuser: connect as cj_intake",
    ]
    make_roles(database_url)
    assert warnings_of("intake", **{**servers, "DATABASE_URL": url_of("cj_intake", database_url)}) == []
    [said] = warnings_of("intake", **{**servers, "DATABASE_URL": url_of("cj_shopify", database_url)})
    assert said == "DATABASE_URL connects as cj_shopify, which may read tokens: connect as cj_intake"


def test_cj_check_tells_it_too(
    database_url: str, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_roles(database_url)
    servers = {"DATABASE_URL": database_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url, "CJ_TOKEN_KEYS": NEW}
    terminal = Terminal(tmp_path, monkeypatch, {**servers, "CJ_MODEL": "demo"})
    assert "! DATABASE_URL connects as postgres, which is superuser" in terminal("check").stdout
    assert terminal.json("check", "--kind", "agent")["problems"] == [
        "CJ_TOKEN_KEYS is set, which only shopify, ops and auth need: do not give it to agent",
        "DATABASE_URL connects as postgres, which is superuser: connect as cj_agent",
    ]
    shopify = Terminal(tmp_path, monkeypatch, {**servers, "DATABASE_URL": url_of("cj_shopify", database_url)})
    assert shopify.json("check", "--kind", "shopify")["problems"] == []
