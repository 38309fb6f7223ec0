"""Merchants, shops and tokens on a real Postgres."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.engine import Engine

from events import parse
from storage import connections, inbox, merchants
from storage.connections import Integration
from storage.database import Database
from storage.errors import (
    InvalidShopDomain,
    MerchantNameTaken,
    ShopConnectedElsewhere,
    StorageRefused,
    TokenUnreadable,
    UnknownTokenKey,
)
from storage.merchants import AccessToken, Connected, Renewal
from storage.vault import Vault, new_key_text
from tests.rows import at_once, execute, query, uninstall

SHOP = "acme.myshopify.com"
TOKEN = SecretStr("shpat_0123456789abcdef")
REFRESH = SecretStr("shprt_0123456789abcdef")

KEY_1, KEY_2 = new_key_text(1), new_key_text(2)


@pytest.fixture
def vault() -> Vault:
    return Vault.from_text(KEY_1)


def connect(
    database: Database,
    vault: Vault,
    merchant_id: str = "m1",
    shop_domain: str = SHOP,
    token: SecretStr = TOKEN,
    scopes: Sequence[str] = ("read_orders",),
    **more: Any,
) -> Connected:
    with database.transaction() as session:
        return merchants.connect_shop(
            session,
            vault,
            merchant_id=merchant_id,
            shop_domain=shop_domain,
            access_token=token,
            scopes=scopes,
            **more,
        )


def test_where_the_replies_go_is_said_with_the_connection(database: Database, vault: Vault) -> None:
    connect(database, vault, delivery="door")
    connect(database, vault, "m2", "other.myshopify.com")
    assert query(database, "SELECT by_door FROM events ORDER BY key") == [(True,), (False,)]


def read(database: Database, vault: Vault, merchant_id: str = "m1") -> AccessToken | None:
    with database.transaction() as session:
        return merchants.read_access_token(session, vault, merchant_id)


def integration(database: Database, merchant_id: str = "m1") -> Integration | None:
    with database.transaction() as session:
        return connections.integration_of(session, merchant_id)


# Connecting


def test_a_connected_shop_has_a_token_an_event_and_a_merchant(database: Database, vault: Vault) -> None:
    connected = connect(
        database,
        vault,
        scopes=[" write_x", "read_orders", "read_orders", ""],
        conversation_id="c1",
        access_expires_in=3600,
        refresh_token=REFRESH,
        refresh_expires_in=7200,
    )
    found = integration(database)
    assert found == connected.integration
    assert found is not None
    assert (found.merchant_id, found.shop_domain) == ("m1", SHOP)
    assert (found.status, found.is_active, found.token_version) == ("active", True, 1)
    assert found.scopes == ("read_orders", "write_x")
    token = read(database, vault)
    assert token is not None
    assert token.secret == TOKEN
    assert token.integration == found
    expires_at = token.integration.access_expires_at
    assert expires_at is not None
    assert timedelta(minutes=59) < expires_at - datetime.now(UTC) < timedelta(minutes=61)
    assert connected.fresh
    assert query(database, "SELECT id, name FROM merchants") == [("m1", "m1")]
    assert query(database, "SELECT key, source, id, type, data, conversation_id FROM events") == [
        (
            connected.event_key,
            "/auth",
            connected.event_id,
            "oauth_complete",
            {
                "provider": "shopify",
                "success": True,
                "shop_domain": SHOP,
                "merchant_id": "m1",
                "scopes": ["read_orders", "write_x"],
                "conversation_id": "c1",
            },
            "c1",
        )
    ]


def test_the_recorded_event_is_the_one_the_catalog_reads(database: Database, vault: Vault) -> None:
    """The auth service may publish a copy under the same id: it must count as the same event."""
    connected = connect(database, vault, conversation_id="c1")
    copy = {
        "specversion": "1.0",
        "id": connected.event_id,
        "source": "/auth",
        "type": "oauth_complete",
        "data": connected.event_data,
    }
    parsed = parse(json.dumps(copy).encode())
    stored = query(database, "SELECT content_hash, data FROM events")
    assert [(bytes(stored[0][0]), stored[0][1])] == [(parsed.content_hash, parsed.payload)]


def test_connecting_again_counts_up_and_records_another_event(database: Database, vault: Vault) -> None:
    first = connect(database, vault)
    second = connect(database, vault, token=SecretStr("shpat_another"))
    assert (first.integration.token_version, second.integration.token_version) == (1, 2)
    assert first.event_id != second.event_id
    token = read(database, vault)
    assert token is not None
    assert token.secret.get_secret_value() == "shpat_another"


def test_a_call_that_is_run_again_is_the_same_connection(database: Database, vault: Vault) -> None:
    """A commit's response was lost: the caller cannot know, and runs it again."""
    first = connect(database, vault, conversation_id="c1")
    again = connect(database, vault, conversation_id="c1")
    assert again == Connected(first.integration, first.event_key, first.event_id, first.event_data, fresh=False)
    assert query(database, "SELECT count(*) FROM events") == [(1,)]


def test_the_same_token_for_another_conversation_is_another_connection(database: Database, vault: Vault) -> None:
    connect(database, vault, conversation_id="c1")
    assert connect(database, vault, conversation_id="c2").fresh
    assert query(database, "SELECT conversation_id FROM events ORDER BY key") == [("c1",), ("c2",)]


def test_the_same_token_much_later_is_another_connection(database: Database, vault: Vault) -> None:
    connect(database, vault)
    execute(database, "UPDATE merchant_integrations SET connected_at = clock_timestamp() - interval '61 s'")
    assert connect(database, vault).integration.token_version == 2


def test_the_same_token_with_other_scopes_is_another_connection(database: Database, vault: Vault) -> None:
    connect(database, vault)
    again = connect(database, vault, scopes=["read_products"])
    assert (again.integration.token_version, again.integration.scopes) == (2, ("read_products",))
    quiet = connect(database, vault, scopes=["read_orders"], emit=False)
    assert (quiet.integration.token_version, quiet.integration.scopes) == (3, ("read_orders",))


def test_a_token_can_be_stored_without_an_event(database: Database, vault: Vault) -> None:
    quiet = connect(database, vault, emit=False)
    assert (quiet.event_key, quiet.event_id, quiet.event_data) == (None, None, None)
    assert connect(database, vault, emit=False).integration.token_version == 1
    assert query(database, "SELECT count(*) FROM events") == [(0,)]
    loud = connect(database, vault)
    assert loud.event_key is not None
    assert loud.integration.token_version == 1


def test_all_or_nothing(database: Database, vault: Vault) -> None:
    def fail_at_the_end() -> None:
        with database.transaction() as session:
            merchants.connect_shop(session, vault, merchant_id="m1", shop_domain=SHOP, access_token=TOKEN, scopes=[])
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail_at_the_end()
    for table in ("merchants", "merchant_integrations", "events"):
        assert query(database, f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_shop_belongs_to_one_merchant_at_a_time(database: Database, vault: Vault) -> None:
    connect(database, vault, "m1")
    with pytest.raises(ShopConnectedElsewhere, match=SHOP):
        connect(database, vault, "m2")
    assert integration(database, "m2") is None
    assert query(database, "SELECT count(*) FROM events") == [(1,)]
    with database.transaction() as session:
        assert uninstall(session, "m1", SHOP, at=datetime.now(UTC) + timedelta(seconds=1))
    assert connect(database, vault, "m2").integration.is_active
    with pytest.raises(ShopConnectedElsewhere):
        connect(database, vault, "m1")


def test_two_merchants_who_connect_one_shop_at_once(database: Database, vault: Vault) -> None:
    def try_to(merchant_id: str) -> object:
        try:
            return connect(database, vault, merchant_id)
        except ShopConnectedElsewhere as error:
            return error

    for number in range(5):
        results = at_once(try_to, [f"m{number}-{n}" for n in range(6)])
        assert sum(isinstance(result, Connected) for result in results) == (1 if number == 0 else 0)
        assert sum(isinstance(result, ShopConnectedElsewhere) for result in results) == (5 if number == 0 else 6)


def test_one_merchant_who_connects_twice_at_once_is_greeted_once(database: Database, vault: Vault) -> None:
    for version in (1, 2):
        results = at_once(lambda _: connect(database, vault), range(6))
        assert sum(result.fresh for result in results) == 1
        assert {result.integration.token_version for result in results} == {version}
        assert query(database, "SELECT count(*) FROM events") == [(version,)]
        execute(database, "UPDATE merchant_integrations SET connected_at = clock_timestamp() - interval '61 s'")


def test_a_merchant_who_comes_back_after_being_erased_is_greeted(database: Database, vault: Vault) -> None:
    """The earlier connection's event is still in the inbox, and versions start at 1 again."""
    first = connect(database, vault)
    execute(database, "DELETE FROM merchants")
    second = connect(database, vault)
    assert second.fresh
    assert second.event_id != first.event_id


@pytest.mark.parametrize(
    "domain",
    [
        "mycom.myshopify.company",
        "a.myshopify.com\n",
        "a.myshopify.com.evil.com",
        "https://a.myshopify.com",
        "a.myshopify.com/",
        "\u212a.myshopify.com",
        "-a.myshopify.com",
        "",
        "x" * 64 + ".myshopify.com",
        "xn--a.myshopify.com",
    ],
)
def test_a_token_is_only_stored_for_a_shop_of_shopify(database: Database, vault: Vault, domain: str) -> None:
    with pytest.raises(InvalidShopDomain):
        connect(database, vault, shop_domain=domain)
    assert query(database, "SELECT count(*) FROM merchants") == [(0,)]


def test_the_schema_knows_the_form_of_a_shop_domain_too(database: Database, vault: Vault) -> None:
    connect(database, vault)
    for domain in ("mycom.myshopify.company", "a.myshopify.com\n", "A.myshopify.com"):
        with pytest.raises(StorageRefused, match="merchant_integrations_shop_domain_check"):
            execute(database, "UPDATE merchant_integrations SET shop_domain = :domain", domain=domain)


def test_a_domain_in_capitals_is_the_same_shop(database: Database, vault: Vault) -> None:
    assert connect(database, vault, shop_domain="ACME.myshopify.com").integration.shop_domain == SHOP


# Names


def test_a_merchant_is_made_once(database: Database) -> None:
    with database.transaction() as session:
        assert not merchants.merchant_exists(session, "m1")
        merchants.add_merchant(session, "m1", "Acme")
        merchants.add_merchant(session, "m1")
        assert merchants.merchant_exists(session, "m1")
    assert query(database, "SELECT id, name FROM merchants") == [("m1", "Acme")]


def test_a_name_belongs_to_one_merchant(database: Database, vault: Vault) -> None:
    connect(database, vault, "m1", name="Acme")
    with pytest.raises(MerchantNameTaken), database.transaction() as session:
        merchants.add_merchant(session, "m2", "Acme")
    connect(database, vault, "m2", "other.myshopify.com", name="Other")
    with pytest.raises(MerchantNameTaken):
        connect(database, vault, "m2", "other.myshopify.com", name="Acme")
    connect(database, vault, "m2", "other.myshopify.com", name="Better")
    assert query(database, "SELECT name FROM merchants ORDER BY id") == [("Acme",), ("Better",)]


def test_a_merchant_whose_id_is_anothers_name_can_be_made(database: Database) -> None:
    with database.transaction() as session:
        merchants.add_merchant(session, "m1", "m2")
        merchants.add_merchant(session, "m2")
        assert merchants.merchant_exists(session, "m2")


# Reading


def test_nobody_has_a_token_who_has_no_active_shop(database: Database, vault: Vault) -> None:
    assert read(database, vault) is None
    assert integration(database) is None
    with database.transaction() as session:
        assert connections.integration_by_shop(session, SHOP) is None


def test_a_shop_is_found_by_its_domain(database: Database, vault: Vault) -> None:
    connected = connect(database, vault)
    with database.transaction() as session:
        assert connections.integration_by_shop(session, SHOP) == connected.integration


def test_a_token_in_another_row_does_not_open(database: Database, vault: Vault) -> None:
    connect(database, vault, "m1")
    connect(database, vault, "m2", "other.myshopify.com")
    execute(
        database,
        "UPDATE merchant_integrations SET api_key = (SELECT api_key FROM merchant_integrations"
        " WHERE merchant_id = 'm1') WHERE merchant_id = 'm2'",
    )
    assert read(database, vault, "m1") is not None
    with pytest.raises(TokenUnreadable):
        read(database, vault, "m2")


def test_a_token_in_the_other_column_does_not_open(database: Database, vault: Vault) -> None:
    connect(database, vault, refresh_token=REFRESH)
    execute(database, "UPDATE merchant_integrations SET api_key = refresh_token")
    with pytest.raises(TokenUnreadable):
        read(database, vault)


def test_a_token_does_not_open_for_another_domain(database: Database, vault: Vault) -> None:
    """Write access to the table must not be enough to have the token sent elsewhere."""
    connect(database, vault)
    execute(database, "UPDATE merchant_integrations SET shop_domain = 'evil.myshopify.com'")
    with pytest.raises(TokenUnreadable):
        read(database, vault)


@pytest.mark.parametrize("place", [0, 1, 13, -1])
def test_a_changed_byte_is_noticed(database: Database, vault: Vault, place: int) -> None:
    connect(database, vault)
    blob = bytearray(query(database, "SELECT api_key FROM merchant_integrations")[0][0])
    blob[place] ^= 1
    execute(database, "UPDATE merchant_integrations SET api_key = :blob", blob=bytes(blob))
    with pytest.raises(TokenUnreadable):
        read(database, vault)


def test_no_token_is_ever_a_parameter_or_part_of_a_statement(database: Database, vault: Vault) -> None:
    seen: list[str] = []

    def watch(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        seen.append(f"{statement} {parameters!r}")

    sqlalchemy_event.listen(Engine, "before_cursor_execute", watch)
    try:
        connected = connect(database, vault, refresh_token=REFRESH)
        assert renew(database, vault, begin(database, vault))
        read(database, vault)
    finally:
        sqlalchemy_event.remove(Engine, "before_cursor_execute", watch)
    assert len(seen) > 5
    for secret in (TOKEN, REFRESH):
        plain = secret.get_secret_value()
        assert not any(plain in words or plain.encode().hex() in words for words in seen)
    assert TOKEN.get_secret_value() not in repr(connected)


# Later changes reported by Shopify


def test_a_token_that_shopify_refuses_is_not_read_again(database: Database, vault: Vault) -> None:
    connect(database, vault)
    with database.transaction() as session:
        assert connections.mark_needs_reauth(session, "m1", token_version=1)
        assert not connections.mark_needs_reauth(session, "m1", token_version=1)
    found = integration(database)
    assert found is not None
    assert (found.status, found.is_active) == ("needs_reauth", False)
    assert read(database, vault) is None
    assert connect(database, vault).integration.token_version == 2


def test_a_refusal_of_the_former_token_does_not_touch_the_new_one(database: Database, vault: Vault) -> None:
    connect(database, vault)
    connect(database, vault, token=SecretStr("shpat_another"))
    with database.transaction() as session:
        assert not connections.mark_needs_reauth(session, "m1", token_version=1)
    assert read(database, vault) is not None


def test_an_uninstalled_shop_has_no_token_left(database: Database, vault: Vault) -> None:
    connect(database, vault, refresh_token=REFRESH, access_expires_in=60, refresh_expires_in=60)
    now = datetime.now(UTC) + timedelta(seconds=1)
    with database.transaction() as session:
        assert uninstall(session, "m1", SHOP, at=now)
        assert not uninstall(session, "m1", SHOP, at=now)
    secrets = "SELECT api_key, refresh_token, access_expires_at, refresh_expires_at FROM merchant_integrations"
    assert query(database, secrets) == [(None, None, None, None)]
    found = integration(database)
    assert found is not None
    assert (found.status, found.is_active) == ("uninstalled", False)
    assert query(database, "SELECT uninstalled_at FROM merchant_integrations") == [(now,)]


def test_an_old_uninstall_does_not_touch_a_newer_connection(database: Database, vault: Vault) -> None:
    connect(database, vault)
    with database.transaction() as session:
        assert not uninstall(session, "m1", SHOP, at=datetime.now(UTC) - timedelta(minutes=1))
        assert not uninstall(session, "m1", "other.myshopify.com", at=datetime.now(UTC))
    assert read(database, vault) is not None


def test_the_schema_keeps_status_and_tokens_together(database: Database, vault: Vault) -> None:
    connect(database, vault)
    for change, rule in (
        ("api_key = NULL", "active_has_token"),
        ("status = 'uninstalled', is_active = false", "uninstalled_has_none"),
        ("is_active = false", "is_active"),
    ):
        with pytest.raises(StorageRefused, match=f"merchant_integrations_{rule}_check"):
            execute(database, f"UPDATE merchant_integrations SET {change}")


# Renewing


def begin(database: Database, vault: Vault, version: int = 1) -> Renewal:
    """Take the lease on m1's token, which must be free."""
    renewal = try_begin(database, vault, version)
    assert renewal is not None
    return renewal


def try_begin(database: Database, vault: Vault, version: int = 1) -> Renewal | None:
    with database.transaction() as session:
        return merchants.begin_renewal(session, vault, "m1", token_version=version)


def renew(database: Database, vault: Vault, renewal: Renewal, **changes: Any) -> bool:
    pair: dict[str, Any] = {
        "access_token": SecretStr("shpat_new"),
        "access_expires_in": 3600,
        "refresh_token": SecretStr("shprt_new"),
        "refresh_expires_in": 7200,
    }
    with database.transaction() as session:
        return merchants.store_renewal(session, vault, renewal, **(pair | changes))


def expiries(database: Database) -> list[tuple[bool, bool]]:
    columns = "access_expires_at > clock_timestamp(), refresh_expires_at > clock_timestamp() + interval '1 hour'"
    return [(row[0], row[1]) for row in query(database, f"SELECT {columns} FROM merchant_integrations")]


def test_both_tokens_are_replaced_together(database: Database, vault: Vault) -> None:
    connect(database, vault, refresh_token=REFRESH, access_expires_in=10, refresh_expires_in=60)
    renewal = begin(database, vault)
    assert renewal.refresh_token == REFRESH
    assert renew(database, vault, renewal, scopes=["write_x", "read_y"])
    token = read(database, vault)
    assert token is not None
    assert token.secret.get_secret_value() == "shpat_new"
    assert token.integration.token_version == 2
    assert token.integration.scopes == ("read_y", "write_x")
    assert token.seconds_left is not None
    assert 3590 < token.seconds_left <= 3600
    assert begin(database, vault, 2).refresh_token.get_secret_value() == "shprt_new"
    assert expiries(database) == [(True, True)]


def test_without_a_new_refresh_token_the_old_one_stays_with_its_expiry(database: Database, vault: Vault) -> None:
    connect(database, vault, refresh_token=REFRESH, refresh_expires_in=60)
    assert renew(database, vault, begin(database, vault), refresh_token=None, refresh_expires_in=None)
    assert begin(database, vault, 2).refresh_token == REFRESH
    assert expiries(database) == [(True, False)]


def test_one_at_a_time_renews(database: Database, vault: Vault) -> None:
    connect(database, vault, refresh_token=REFRESH)
    begun = at_once(lambda _: try_begin(database, vault), list(range(12)))
    assert sum(renewal is not None for renewal in begun) == 1


def test_who_holds_no_lease_any_more_writes_nothing(database: Database, vault: Vault) -> None:
    """Shopify gave the second process its pair later: only that pair is sure to work."""
    connect(database, vault, refresh_token=REFRESH)
    first = begin(database, vault)
    execute(database, "UPDATE merchant_integrations SET renewing_until = clock_timestamp() - interval '1 s'")
    second = begin(database, vault)
    assert not renew(database, vault, first, access_token=SecretStr("shpat_too_late"))
    assert renew(database, vault, second)
    token = read(database, vault)
    assert token is not None
    assert token.secret.get_secret_value() == "shpat_new"


def test_a_failed_attempt_is_not_repeated_at_once(database: Database, vault: Vault) -> None:
    connect(database, vault, refresh_token=REFRESH)
    renewal = begin(database, vault)
    with database.transaction() as session:
        merchants.put_off_renewal(session, renewal)
    assert try_begin(database, vault) is None
    left = "SELECT extract(epoch FROM renewing_until - clock_timestamp()) FROM merchant_integrations"
    assert 0 < query(database, left)[0][0] <= merchants.PAUSE_SECONDS


def test_a_renewal_that_comes_after_a_new_connection_changes_nothing(database: Database, vault: Vault) -> None:
    connect(database, vault, refresh_token=REFRESH)
    renewal = begin(database, vault)
    connect(database, vault, token=SecretStr("shpat_reconnected"), refresh_token=REFRESH)
    assert not renew(database, vault, renewal)
    token = read(database, vault)
    assert token is not None
    assert token.secret.get_secret_value() == "shpat_reconnected"
    assert begin(database, vault, 2)  # and the old lease does not block it


def test_a_token_that_does_not_expire_cannot_be_renewed(database: Database, vault: Vault) -> None:
    connect(database, vault)
    assert try_begin(database, vault) is None
    token = read(database, vault)
    assert token is not None
    assert (token.renewable, token.seconds_left) == (False, None)


# Changing the key


def test_a_key_can_be_changed(database: Database) -> None:
    old, both, new = Vault.from_text(KEY_1), Vault.from_text(f"{KEY_2},{KEY_1}"), Vault.from_text(KEY_2)
    for number in range(5):
        connect(database, old, f"m{number}", f"shop-{number}.myshopify.com", refresh_token=REFRESH)
    connect(database, both, "m5", "shop-5.myshopify.com")
    with pytest.raises(UnknownTokenKey, match="key 1"):
        read(database, new, "m0")
    with database.transaction() as session:
        assert set(merchants.try_keys(session, both)) == {1, 2}
        first = merchants.reseal(session, both, limit=4)
        assert (first.count, first.unreadable) == (4, ())
        assert first.next is not None
        rest = merchants.reseal(session, both, after=first.next, limit=4)
        assert (rest.count, rest.unreadable, rest.next) == (1, (), None)
        assert set(merchants.try_keys(session, both)) == {2}
        assert merchants.reseal(session, both).count == 0
    for number in range(6):
        token = read(database, new, f"m{number}")
        assert token is not None
        assert token.secret == TOKEN
    with database.transaction() as session:
        renewal = merchants.begin_renewal(session, new, "m0", token_version=1)
    assert renewal is not None
    assert renewal.refresh_token == REFRESH


def test_a_token_that_does_not_open_does_not_stop_the_others(database: Database) -> None:
    old, both = Vault.from_text(KEY_1), Vault.from_text(f"{KEY_2},{KEY_1}")
    connect(database, old, "m1")
    connect(database, old, "m2", "other.myshopify.com")
    bad = query(database, "SELECT id FROM merchant_integrations WHERE merchant_id = 'm1'")[0][0]
    execute(database, "UPDATE merchant_integrations SET shop_domain = 'moved.myshopify.com' WHERE id = :id", id=bad)
    with database.transaction() as session:
        result = merchants.reseal(session, both)
    assert (result.count, result.unreadable) == (1, (bad,))


def test_the_event_waits_in_the_inbox_until_it_is_handled(database: Database, vault: Vault) -> None:
    connected = connect(database, vault)
    with database.transaction() as session:
        lost = inbox.unprocessed(session, older_than_seconds=0, limit=10)
    assert lost == [connected.event_key]
