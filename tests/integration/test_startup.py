"""A Shopify worker starts only if it can open every stored token."""

import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from storage import merchants
from storage.database import Database
from storage.vault import Vault, new_key_text
from workers.settings import environment

ROOT = Path(__file__).parent.parent.parent
OLD, NEW = new_key_text(1), new_key_text(2)
START = "from workers import bootstrap; from workers.celery import app; bootstrap.start(app, ['shopify'])"


def test_a_key_that_stored_tokens_need_must_not_be_dropped(
    database: Database, database_url: str, valkey_url: str
) -> None:
    environ = {"DATABASE_URL": database_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url, "CJ_TOKEN_KEYS": NEW}
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
    assert "CJ_TOKEN_KEYS lacks key 1, which seals stored tokens" in refused.stderr
