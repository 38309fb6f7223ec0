"""Who owns an imported shop: the first merchant who connects it, unless a real merchant already has it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from storage import connections, merchants
from storage.database import Database
from storage.errors import ShopConnectedElsewhere, StorageRefused
from storage.vault import Vault, new_key_text
from tests.as_role import make_roles, url_of
from tests.rows import at_once, execute, new_event, query, store_event, uninstall
from workers.workflow.handler import handle
from workflows.loader import load_folder

VAULT = Vault.from_text(new_key_text())
SHOP = "acme.myshopify.com"
OLD, NEW = "shpat_0123456789abcdef", "shpat_fedcba9876543210"
WORKFLOWS = load_folder()


def connect(database: Database, merchant_id: str, token: str = NEW, shop: str = SHOP, **more: Any) -> None:
    with database.transaction() as session:
        merchants.connect_shop(
            session,
            VAULT,
            merchant_id=merchant_id,
            shop_domain=shop,
            access_token=SecretStr(token),
            scopes=["read_orders"],
            emit=False,
            **more,
        )


def imported(database: Database) -> None:
    connect(database, "acme", OLD, invented=True, refresh_token=SecretStr(OLD + "_refresh"))


def tell(database: Database, merchant_id: str, kind: str = "oauth_complete", **data: Any) -> int:
    known = {"provider": "shopify", "success": True, "shop_domain": SHOP} if kind == "oauth_complete" else {}
    data = {**known, "merchant_id": merchant_id, **data}
    conversation_id = data.get("conversation_id")
    return store_event(
        database, new_event(type=kind, merchant_id=merchant_id, conversation_id=conversation_id, data=data)
    )


def do(database: Database, key: int) -> str | None:
    """Handle the event; why it was refused, if it was."""
    execute(database, "UPDATE events SET run_after = clock_timestamp() - interval '1 s' WHERE key = :key", key=key)
    while_too_early = (
        "UPDATE events SET received_at = received_at - interval '10 s' WHERE key = :key AND type = 'oauth_complete'"
    )
    execute(database, while_too_early, key=key)
    with database.transaction() as session:
        handle(session, WORKFLOWS, key)
    [(code,)] = query(database, "SELECT error_code FROM events WHERE key = :key", key=key)
    return None if code is None else str(code)


def owner(database: Database) -> list[tuple[Any, ...]]:
    return query(
        database,
        "SELECT m.id, m.invented, i.status FROM merchants m JOIN merchant_integrations i ON i.merchant_id = m.id "
        "WHERE i.shop_domain = :shop AND i.status <> 'uninstalled'",
        shop=SHOP,
    )


def token_of(database: Database, merchant_id: str) -> str | None:
    with database.transaction() as session:
        found = merchants.read_access_token(session, VAULT, merchant_id)
    return None if found is None else found.secret.get_secret_value()


def test_the_auth_service_connects_an_imported_shop_for_its_merchant(database: Database, database_url: str) -> None:
    make_roles(database_url)
    imported(database)
    auth = Database(url_of("cj_auth", database_url), pool_size=1)
    connect(auth, "m1")
    auth.dispose()
    assert owner(database) == [("m1", False, "active")]
    assert token_of(database, "m1") == NEW
    assert query(database, "SELECT id FROM merchants") == [("m1",)]


@pytest.mark.parametrize("role", ["cj_workflow", "cj_auth", "cj_ops"])
def test_nobody_can_call_a_known_merchant_invented(database: Database, database_url: str, role: str) -> None:
    """Otherwise an attacker in one process could give any shop away or delete its merchant."""
    make_roles(database_url)
    connect(database, "m1")
    process = Database(url_of(role, database_url), pool_size=1)
    with pytest.raises(StorageRefused):
        execute(process, "UPDATE merchants SET invented = true WHERE id = 'm1'")
    process.dispose()
    assert owner(database) == [("m1", False, "active")]


def test_an_oauth_complete_alone_claims_it_with_its_tokens(database: Database, database_url: str) -> None:
    """The token that was imported is read, and renewed, for its new merchant; nobody who handles events sees it."""
    make_roles(database_url)
    imported(database)
    workflow = Database(url_of("cj_workflow", database_url), pool_size=2)
    key = tell(database, "m1")
    with workflow.transaction() as session:
        assert handle(session, WORKFLOWS, key) is not None
    workflow.dispose()
    assert owner(database) == [("m1", False, "active")]
    assert query(database, "SELECT id FROM merchants") == [("m1",)]
    assert token_of(database, "m1") == OLD
    [(merchant_id, context)] = query(database, "SELECT merchant_id, context FROM conversations")
    assert (merchant_id, context["shop_domain"]) == ("m1", SHOP)
    with database.transaction() as session:
        renewal = merchants.begin_renewal(session, VAULT, "m1", token_version=1)
        assert renewal is not None
        assert renewal.refresh_token.get_secret_value() == OLD + "_refresh"
        more: dict[str, Any] = {"access_expires_in": 60, "refresh_token": None, "refresh_expires_in": None}
        assert merchants.store_renewal(session, VAULT, renewal, access_token=SecretStr(NEW), **more)
    assert token_of(database, "m1") == NEW
    with database.transaction() as session:
        assert merchants.reseal(session, VAULT).count == 1
        assert merchants.reseal(session, VAULT).count == 0
    assert token_of(database, "m1") == NEW
    connect(database, "m1", OLD)
    assert token_of(database, "m1") == OLD


def test_a_shop_that_a_merchant_left_is_claimed_again(database: Database) -> None:
    """The merchant had this or another shop, without a token now."""
    for shop in (SHOP, "former.myshopify.com"):
        execute(database, "TRUNCATE merchants, events CASCADE")
        connect(database, "m1", shop=shop)
        with database.transaction() as session:
            assert uninstall(session, "m1", shop, at=datetime.now(UTC))
        imported(database)
        assert do(database, tell(database, "m1")) is None
        assert owner(database) == [("m1", False, "active")]
        assert token_of(database, "m1") == OLD
        with database.transaction() as session:
            assert [former.shop_domain for former in connections.former(session, "m1")] == [shop]


def test_a_real_merchants_shop_is_not_to_be_had(database: Database) -> None:
    """Whether it was connected by them, imported with their name, or imported and heard of since."""
    connect(database, "acme", OLD)
    assert do(database, tell(database, "m1")) == "event.shop_merchant_mismatch"
    with pytest.raises(ShopConnectedElsewhere):
        connect(database, "m1")
    for heard in ("conversation_started", "message_received", "oauth_complete"):
        execute(database, "TRUNCATE merchants, events, conversations CASCADE")
        imported(database)
        data: dict[str, Any] = {"conversation_id": "c1"} | ({"text": "Hi"} if heard == "message_received" else {})
        assert do(database, tell(database, "acme", heard, **data)) is None
        assert owner(database) == [("acme", False, "active")]
        assert do(database, tell(database, "m1")) == "event.shop_merchant_mismatch"
        with pytest.raises(ShopConnectedElsewhere):
            connect(database, "m1")
    assert token_of(database, "acme") == OLD
    assert query(database, "SELECT id FROM merchants") == [("acme",)]


def test_an_uninstallation_wipes_the_tokens_of_an_imported_shop(database: Database) -> None:
    """And privacy requests are carried out, though they name a merchant that nobody knew."""
    imported(database)
    assert do(database, tell(database, "m1", "customers_redact", shop_domain=SHOP, order_ids=["1"])) is None
    assert owner(database) == [("m1", False, "active")]
    assert do(database, tell(database, "m1", "app_uninstalled", shop_domain=SHOP)) is None
    rows = "SELECT merchant_id, status, api_key, refresh_token FROM merchant_integrations"
    assert query(database, rows) == [("m1", "uninstalled", None, None)]
    for status in ("active", "needs_reauth"):
        execute(database, "TRUNCATE merchants, events CASCADE")
        imported(database)
        execute(
            database,
            "UPDATE merchant_integrations SET status = :status, is_active = :status = 'active'",
            status=status,
        )
        assert do(database, tell(database, "m2", "app_uninstalled", shop_domain=SHOP)) is None
        assert query(database, rows) == [("m2", "uninstalled", None, None)]


def test_operators_are_told_whose_shop_it_is(database: Database) -> None:
    connect(database, "m1")
    for kind in ("oauth_complete", "app_uninstalled"):
        connect(database, "m2", shop="other.myshopify.com")
        key = tell(database, "m2", kind, shop_domain=SHOP)
        assert do(database, key) == "event.shop_merchant_mismatch"
        said = query(database, "SELECT error FROM events WHERE key = :key", key=key)
        assert said == [("shop_domain 'acme.myshopify.com' is merchant m1's (active), not the event's merchant's",)]


def test_who_has_another_shop_does_not_get_it_by_an_event(database: Database) -> None:
    connect(database, "m1", shop="other.myshopify.com")
    imported(database)
    assert do(database, tell(database, "m1")) == "event.shop_merchant_mismatch"
    assert owner(database) == [("acme", True, "active")]
    assert token_of(database, "acme") == OLD


def test_a_failed_connection_claims_nothing(database: Database) -> None:
    imported(database)
    do(database, tell(database, "m1", success=False))
    assert owner(database) == [("acme", True, "active")]


@pytest.mark.parametrize("by", ["events", "tokens", "both"])
def test_of_two_who_claim_it_at_once_one_gets_it(database: Database, by: str) -> None:
    imported(database)
    names = ("m1", "m2")
    keys = {name: tell(database, name) for name in names}

    def claim(name: str) -> bool:
        if by == "tokens" or (by == "both" and name == "m2"):
            try:
                connect(database, name)
            except ShopConnectedElsewhere:
                return False
            return True
        return do(database, keys[name]) is None

    assert sorted(at_once(claim, names)) == [False, True]
    [(winner, invented, _)] = owner(database)
    assert (winner in names, invented) == (True, False)
    assert query(database, "SELECT count(*) FROM merchants WHERE id = 'acme'") == [(0,)]


def test_what_waits_for_a_store_is_looked_at_when_one_is_moved_there(database: Database) -> None:
    """And what the former merchant was promised about it ends."""
    connect(database, "m1")
    for name in ("m1", "m2"):
        assert do(database, tell(database, name, "conversation_started", conversation_id=f"of_{name}")) is None
        assert do(database, tell(database, name, "message_received", conversation_id=f"of_{name}", text="Hi")) is None
    execute(
        database,
        "UPDATE turns SET status = 'done', finished_at = clock_timestamp(), waits_for = 'store', "
        "run_after = clock_timestamp() + interval '1 hour'",
    )
    with database.transaction() as session:
        assert merchants.move_shop(session, SHOP, "m2") == "m1"
    waits = """SELECT DISTINCT merchant_id FROM turns
        WHERE waits_for = 'store' AND run_after <= clock_timestamp() + interval '5 s' AND input ->> 'text' = 'Hi'"""
    assert query(database, waits) == [("m2",)]
    assert do(database, tell(database, "m1", "message_received", conversation_id="of_m1", text="Hi")) is None
    context = "SELECT context ->> 'shopify_connected' FROM conversations WHERE merchant_id = :id"
    assert query(database, context, id="m1") == [("false",)]
