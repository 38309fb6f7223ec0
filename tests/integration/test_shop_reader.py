"""Permissions that change while a shop is connected, over a real Postgres and the development store."""

import time
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from shopify.client import ShopifyClient
from shopify.data.fetched import Fetched
from shopify.development_store import DevelopmentStore, token_for
from shopify.errors import AccessDenied, StoreUnavailable
from storage import merchants
from storage.database import Database
from storage.merchants import AccessToken
from storage.vault import Vault, new_key_text
from tests.rows import at_once, execute, query
from workers.shop.reader import ShopReader

SHOP, MERCHANT = "reader.myshopify.com", "m1"
ALL = ("read_customers", "read_orders", "read_products")
WITHOUT_ORDERS = ("read_customers", "read_products")


class Shop:
    """A connected shop and its reader."""

    def __init__(self, database: Database, store: DevelopmentStore, http: httpx.Client) -> None:
        self.database, self.store, self.http = database, store, http
        self.vault = Vault.from_text(new_key_text(1))
        self.reader = ShopReader(database, self._client)
        store.reset()

    def connect(self, *, believed: tuple[str, ...], granted: tuple[str, ...]) -> None:
        self.grant(granted)
        with self.database.transaction() as session:
            merchants.connect_shop(
                session,
                self.vault,
                merchant_id=MERCHANT,
                shop_domain=SHOP,
                access_token=SecretStr(token_for(SHOP)),
                scopes=believed,
                emit=False,
            )

    def grant(self, scopes: tuple[str, ...]) -> None:
        self.store.register(SHOP, "medium", scopes=scopes)

    def read(self, data_type: str) -> Fetched:
        with self.database.transaction() as session:
            token = merchants.read_access_token(session, self.vault, MERCHANT)
        assert token is not None
        return self.reader.read(token, data_type, now=datetime.now(UTC), deadline=time.monotonic() + 8)

    def operations(self) -> list[str]:
        return [str(request["operation"]) for request in self.store.requests(SHOP)]

    def known(self) -> tuple[str, ...]:
        [(scopes,)] = query(self.database, "SELECT scopes FROM merchant_integrations")
        return tuple(scopes)

    def let_pass(self, hours: int) -> None:
        statement = """
            UPDATE merchant_integrations SET connected_at = connected_at - make_interval(hours => :hours),
            config = jsonb_set(config, '{shop,asked_at}', to_jsonb(
                CAST(config #>> '{shop,asked_at}' AS timestamptz) - make_interval(hours => :hours)))"""
        execute(self.database, statement, hours=hours)

    def _client(self, token: AccessToken) -> ShopifyClient:
        return ShopifyClient(SHOP, token.secret, admin_url=self.store.admin_url, http=self.http)


@pytest.fixture
def shop(database: Database, store: DevelopmentStore, http: httpx.Client) -> Shop:
    return Shop(database, store, http)


def codes(fetched: Fetched) -> set[str]:
    return {part["code"] for part in fetched.missing}


def test_known_permissions_are_one_request(shop: Shop) -> None:
    shop.connect(believed=ALL, granted=ALL)
    assert not shop.read("overview").missing
    assert shop.operations() == ["StoreOverview"]


def test_a_permission_that_was_taken_back_is_learnt_once(shop: Shop) -> None:
    shop.connect(believed=ALL, granted=WITHOUT_ORDERS)
    for _ in range(2):
        with pytest.raises(AccessDenied) as caught:
            shop.read("recent_orders")
        assert caught.value.scopes == ("read_orders",)
    assert shop.operations() == ["RecentOrders", "Access"]
    assert shop.known() == WITHOUT_ORDERS


def test_a_permission_that_was_granted_later_is_found_when_it_is_missed(shop: Shop) -> None:
    shop.connect(believed=ALL, granted=WITHOUT_ORDERS)
    assert codes(shop.read("overview")) == {"shopify.access_denied"}
    shop.grant(ALL)
    assert not shop.read("overview").missing
    assert shop.known() == ALL
    assert "Access" not in shop.operations(), "it is said beside the data"


@pytest.mark.parametrize("data_type", ["counts", "recent_orders", "overview", "week_orders"])
def test_what_shopify_says_of_older_orders_is_believed(shop: Shop, data_type: str) -> None:
    """Nothing is refused without read_all_orders: older orders are just left out."""
    everything = ("read_all_orders", *ALL)
    for believed, granted in ((everything, ALL), (ALL, everything)):
        shop.connect(believed=believed, granted=granted)
        window = shop.read(data_type).data_window
        assert window is not None
        assert window["complete_history"] == (granted == everything)
        assert set(shop.known()) == set(granted)


def test_unknown_permissions_are_learnt_from_the_data(shop: Shop) -> None:
    shop.connect(believed=(), granted=ALL)
    read = at_once(lambda data_type: shop.read(data_type), ["overview", "recent_orders", "counts"])
    assert [fetched.missing for fetched in read] == [[]] * 3
    assert sorted(shop.operations()) == ["Counts", "RecentOrders", "StoreOverview"]
    assert shop.known() == ALL


def test_of_several_who_need_the_facts_one_asks(shop: Shop) -> None:
    shop.connect(believed=(), granted=ALL)
    at_once(lambda data_type: shop.read(data_type), ["week_orders"] * 4)
    assert shop.operations().count("Access") == 1


def test_several_who_miss_it_at_once_are_all_helped(shop: Shop) -> None:
    shop.connect(believed=WITHOUT_ORDERS, granted=ALL)
    read = at_once(lambda data_type: shop.read(data_type), ["overview", "recent_orders", "counts"] * 2)
    assert [fetched.missing for fetched in read] == [[]] * 6


@pytest.mark.parametrize("kind", ["status", "throttled", "unauthorized"])
def test_when_shopify_does_not_say_what_may_be_read_the_rest_is_read(shop: Shop, kind: str) -> None:
    shop.connect(believed=WITHOUT_ORDERS, granted=WITHOUT_ORDERS)
    shop.store.fault(SHOP, kind, operation="Access", seconds=30)
    overview = shop.read("overview")
    assert overview.data["best_stocked_products"]
    assert codes(overview) == {"shopify.access_denied"}
    with pytest.raises(AccessDenied):
        shop.read("recent_orders")


def test_permissions_nobody_knows_are_tried_if_shopify_does_not_say(shop: Shop) -> None:
    shop.connect(believed=(), granted=ALL)
    shop.store.fault(SHOP, "status", operation="Access", status=500)
    assert shop.read("recent_orders").data["orders"]
    shop.store.clear_faults()
    shop.store.fault(SHOP, "frozen", operation="Access")
    with pytest.raises(StoreUnavailable):
        shop.read("week_orders")


def test_facts_of_a_day_ago_are_asked_for_anew(shop: Shop) -> None:
    shop.connect(believed=ALL, granted=ALL)
    shop.read("week_orders")
    shop.let_pass(hours=25)
    shop.read("week_orders")
    shop.read("week_orders")
    assert shop.operations() == ["Access", "WeekOrders"] * 2 + ["WeekOrders"]
