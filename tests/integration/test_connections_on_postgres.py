"""Stored facts about a shop, on a real Postgres."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from storage import connections, merchants
from storage.connections import Integration, ShopFacts
from storage.database import Database
from storage.vault import Vault, new_key_text
from tests.rows import execute, query

SHOP = "acme.myshopify.com"
TOLD = ShopFacts(("read_products", "read_orders"), "Asia/Tokyo", "JPY")


@pytest.fixture(scope="module")
def vault() -> Vault:
    return Vault.from_text(new_key_text(1))


def connect(database: Database, vault: Vault, token: str, shop_domain: str = SHOP) -> Integration:
    with database.transaction() as session:
        return merchants.connect_shop(
            session,
            vault,
            merchant_id="m1",
            shop_domain=shop_domain,
            access_token=SecretStr(token),
            scopes=["read_orders"],
            emit=False,
        ).integration


def read(database: Database, integration: Integration) -> ShopFacts | None:
    with database.transaction() as session:
        return connections.shop_facts(session, integration)


def store(database: Database, integration: Integration, **told: Any) -> bool:
    with database.transaction() as session:
        return connections.keep_shop_facts(session, integration, replace(TOLD, **told))


def test_nothing_is_known_before_shopify_was_asked(database: Database, vault: Vault) -> None:
    assert read(database, connect(database, vault, "shpat_1")) is None


def test_what_was_told_is_kept_with_its_age(database: Database, vault: Vault) -> None:
    integration = connect(database, vault, "shpat_1")
    assert store(database, integration)
    facts = read(database, integration)
    assert facts is not None
    assert facts.scopes == ("read_orders", "read_products")
    assert (facts.time_zone, facts.currency) == ("Asia/Tokyo", "JPY")
    assert 0 <= facts.age_seconds < 5
    with database.transaction() as session:
        known = connections.integration_of(session, "m1")
    assert known is not None
    assert known.scopes == facts.scopes


def test_other_settings_of_the_integration_stay(database: Database, vault: Vault) -> None:
    integration = connect(database, vault, "shpat_1")
    execute(database, """UPDATE merchant_integrations SET config = '{"insights": true}'""")
    store(database, integration, time_zone=None, currency=None)
    assert query(database, "SELECT config -> 'insights' FROM merchant_integrations") == [(True,)]
    facts = read(database, integration)
    assert facts is not None
    assert (facts.time_zone, facts.currency) == (None, None)


def test_a_new_connection_begins_with_what_the_auth_service_says(database: Database, vault: Vault) -> None:
    before = connect(database, vault, "shpat_1")
    store(database, before)
    now = connect(database, vault, "shpat_2")
    assert read(database, now) is None
    assert now.scopes == ("read_orders",)


def test_a_late_answer_about_the_former_token_is_not_kept(database: Database, vault: Vault) -> None:
    before = connect(database, vault, "shpat_1")
    now = connect(database, vault, "shpat_2")
    assert not store(database, before)
    assert read(database, now) is None


def test_another_shop_has_other_facts(database: Database, vault: Vault) -> None:
    store(database, connect(database, vault, "shpat_1"))
    other = connect(database, vault, "shpat_2", "other.myshopify.com")
    execute(database, "UPDATE merchant_integrations SET connected_at = connected_at - interval '1 hour'")
    assert read(database, other) is None


def test_a_disconnected_shop_takes_no_facts(database: Database, vault: Vault) -> None:
    integration = connect(database, vault, "shpat_1")
    with database.transaction() as session:
        connections.mark_needs_reauth(session, "m1", token_version=integration.token_version)
    assert not store(database, integration)
