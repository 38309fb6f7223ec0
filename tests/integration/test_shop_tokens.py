"""Tokens are renewed in time, only once, and never lost: real Postgres, development store over HTTP."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from shopify import oauth
from shopify.client import ShopifyClient
from shopify.data.query import fetch_access
from shopify.development_store.server import DevelopmentStore
from shopify.errors import Forbidden, ShopifyError, Temporary, Unauthorized
from shopify.oauth import ASSUMED_EXPIRES_IN, App, TokenPair
from storage import connections, merchants
from storage.cache import Cache
from storage.connections import Integration
from storage.database import Database
from storage.merchants import AccessToken
from storage.redis_server import RedisServer
from storage.vault import Vault, new_key_text
from tests.rows import at_once, execute, query, statements_seen
from workers.shop import fetch
from workers.shop.fetch import FetchRequest, ShopifyFetcher
from workers.shop.reader import ShopReader
from workers.shop.tokens import TokenKeeper

SHOP = "acme.myshopify.com"
APP = App("client-id", SecretStr("client-secret"))
FIRST, FIRST_REFRESH = "shpat_the_first_of_them", "shprt_the_first_of_them"


@pytest.fixture(scope="module")
def shopify() -> Iterator[DevelopmentStore]:
    with DevelopmentStore().start() as store:
        yield store


@dataclass
class World:
    """One merchant with one shop, and the keeper of its token."""

    database: Database
    shopify: DevelopmentStore
    http: httpx.Client
    vault: Vault = field(default_factory=lambda: Vault.from_text(new_key_text()))

    def connect(self, expires_in: int | None = 60, *, refresh: bool = True, token: str = FIRST) -> None:
        refresh_token = FIRST_REFRESH if refresh else None
        self.shopify.register(SHOP, "new", token, expires_in=expires_in, refresh_token=refresh_token)
        with self.database.transaction() as session:
            merchants.connect_shop(
                session,
                self.vault,
                merchant_id="m1",
                shop_domain=SHOP,
                access_token=SecretStr(token),
                scopes=["read_orders"],
                refresh_token=SecretStr(refresh_token) if refresh_token else None,
                access_expires_in=expires_in,
                refresh_expires_in=7_776_000 if refresh_token else None,
                emit=False,
            )

    def expire(self) -> None:
        """Expire the access token, here and at Shopify."""
        self.shopify.tokens.expire(SHOP)
        execute(self.database, "UPDATE merchant_integrations SET access_expires_at = clock_timestamp()")

    def keeper(self, app: App | None = APP) -> TokenKeeper:
        def refresh(shop: str, token: SecretStr, deadline: float) -> TokenPair:
            assert app is not None
            admin_url = self.shopify.admin_url
            return oauth.refresh(shop, token, app, http=self.http, admin_url=admin_url, deadline=deadline)

        return TokenKeeper(self.database, self.vault, refresh if app is not None else None)

    def current(self, keeper: TokenKeeper | None = None, seconds: float = 8.0) -> AccessToken | None:
        return (keeper or self.keeper()).current("m1", time.monotonic() + seconds)

    def after_refusal(self, token: AccessToken, seconds: float = 8.0) -> AccessToken | None:
        return self.keeper().after_refusal(token, time.monotonic() + seconds)

    def works(self, token: AccessToken | None) -> bool:
        """Whether Shopify accepts the token. Using it also invalidates the previous refresh token."""
        assert token is not None
        client = ShopifyClient(SHOP, token.secret, admin_url=self.shopify.admin_url, http=self.http)
        try:
            fetch_access(client)
        except Unauthorized:
            return False
        return True

    def client(self, token: AccessToken) -> ShopifyClient:
        return ShopifyClient(SHOP, token.secret, admin_url=self.shopify.admin_url, http=self.http)

    def integration(self) -> Integration:
        with self.database.transaction() as session:
            found = connections.integration_of(session, "m1")
        assert found is not None
        return found

    def refreshes(self) -> int:
        return len(self.shopify.requests(SHOP, operation="refresh_token"))


@pytest.fixture
def server(valkey_url: str) -> Iterator[RedisServer]:
    server = RedisServer(valkey_url)
    yield server
    server.close()


@pytest.fixture
def world(database: Database, shopify: DevelopmentStore, http: httpx.Client) -> World:
    shopify.reset()
    return World(database, shopify, http)


def text(token: AccessToken | None) -> str | None:
    return None if token is None else token.secret.get_secret_value()


def test_a_token_that_lasts_is_used_as_it_is(world: World) -> None:
    world.connect(3600)
    assert text(world.current()) == FIRST
    world.connect(None, refresh=False, token="shpat_of_a_custom_app")
    assert text(world.current()) == "shpat_of_a_custom_app"
    assert world.refreshes() == 0


def test_a_token_is_renewed_five_minutes_before_its_end(world: World) -> None:
    world.connect(290)
    token = world.current()
    assert text(token) != FIRST
    assert world.works(token)
    assert world.integration().token_version == 2
    assert world.refreshes() == 1
    assert text(world.current()) != FIRST
    world.connect(310, token="shpat_of_another_day")
    assert text(world.current()) == "shpat_of_another_day"


@pytest.mark.parametrize("expired", [False, True], ids=["about to expire", "expired"])
def test_twenty_who_need_one_token_make_one_request(world: World, expired: bool) -> None:
    world.connect(60)
    if expired:
        world.expire()
    world.shopify.fault(SHOP, "latency", target="oauth", seconds=0.3)
    keepers = [world.keeper() for _ in range(4)]
    tokens = at_once(lambda number: world.current(keepers[number % 4]), list(range(20)))
    assert world.refreshes() == 1
    assert all(world.works(token) for token in tokens)
    if expired:
        assert len({text(token) for token in tokens}) == 1


def test_twenty_who_are_refused_make_one_request(world: World) -> None:
    world.connect(3600)
    refused = world.current()
    assert refused is not None
    world.shopify.tokens.expire(SHOP)
    assert not world.works(refused)
    world.shopify.fault(SHOP, "latency", target="oauth", seconds=0.3)
    tokens = at_once(lambda _: world.after_refusal(refused), list(range(20)))
    assert world.refreshes() == 1
    assert len({text(token) for token in tokens}) == 1
    assert world.works(tokens[0])


@pytest.mark.parametrize("fault", ["lost_answer", "dropped", "truncated", "status"])
def test_an_answer_that_is_lost_is_asked_for_again_with_the_same_token(world: World, fault: str) -> None:
    world.connect(60)
    world.expire()
    details = {"status": 520} if fault == "status" else {}
    world.shopify.fault(SHOP, fault, target="oauth", times=1, **details)
    assert world.works(world.current())
    assert world.refreshes() == 2


def test_a_process_that_died_after_the_answer_is_followed_by_another(world: World) -> None:
    """Shopify issued a pair that nobody stored: the old refresh token is still valid."""
    world.connect(60)
    world.expire()

    def die(shop: str, token: SecretStr, deadline: float) -> TokenPair:
        admin_url = world.shopify.admin_url
        oauth.refresh(shop, token, APP, http=world.http, admin_url=admin_url, deadline=deadline)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.current(TokenKeeper(world.database, world.vault, die))
    with pytest.raises(Temporary):  # the lease is still held
        world.current(seconds=0.2)
    execute(world.database, "UPDATE merchant_integrations SET renewing_until = renewing_until - interval '6 s'")
    assert world.works(world.current())
    assert world.refreshes() == 2


def test_while_a_token_is_good_trouble_at_shopify_costs_nothing(world: World) -> None:
    world.connect(60)
    world.shopify.fault(SHOP, "status", target="oauth", status=503)
    started = time.monotonic()
    assert text(world.current()) == FIRST
    assert world.refreshes() == 2
    assert text(world.current()) == FIRST
    assert world.refreshes() == 2  # not again at once
    assert time.monotonic() - started < 2
    assert world.integration().status == "active"


@pytest.mark.parametrize(
    ("fault", "details"), [("status", {"status": 503}), ("truncated", {}), ("hang", {"seconds": 9.0})]
)
def test_trouble_says_nothing_about_the_token(world: World, fault: str, details: dict[str, Any]) -> None:
    world.connect(60)
    world.expire()
    world.shopify.fault(SHOP, fault, target="oauth", **details)
    with pytest.raises(ShopifyError) as failure:
        world.current(seconds=1.5)
    assert not isinstance(failure.value, Unauthorized)
    assert world.integration().status == "active"
    world.shopify.clear_faults()
    assert world.works(world.current(seconds=4.0))  # before the lease would have expired


def test_an_app_that_shopify_does_not_know_is_the_operators_to_repair(world: World) -> None:
    world.connect(60)
    world.expire()
    with pytest.raises(Forbidden) as failure:
        world.current(world.keeper(App("client-id", SecretStr(""))))
    assert "SHOPIFY_CLIENT_SECRET" in failure.value.operator
    assert "connect" not in failure.value.merchant
    assert world.integration().status == "active"


def test_a_dead_grant_is_marked_once_and_nobody_asks_again(world: World) -> None:
    world.connect(60)
    world.shopify.tokens.revoke(SHOP)

    def outcome(_: int) -> str | None:
        try:
            return text(world.current())
        except Unauthorized as error:
            return error.merchant

    outcomes = at_once(outcome, list(range(8)))
    assert outcomes.count(Unauthorized.blame().sentence) == 1
    assert world.refreshes() == 2  # the second one a second later
    assert (world.integration().status, world.integration().is_active) == ("needs_reauth", False)
    assert world.current() is None
    assert world.refreshes() == 2


def test_a_refused_token_that_cannot_be_renewed_is_tried_again_before_it_is_given_up(world: World) -> None:
    world.connect(None, refresh=False)
    token = world.current()
    assert token is not None
    world.shopify.tokens.revoke(SHOP)
    assert text(world.after_refusal(token)) == FIRST
    assert world.integration().status == "active"
    assert isinstance(world.keeper().give_up(token), Unauthorized)
    assert world.integration().status == "needs_reauth"
    with pytest.raises(Unauthorized):
        world.after_refusal(token)
    world.connect(None, refresh=False, token="shpat_of_a_new_connection")
    # A late refusal concerns the old token: the new one is tried, not marked.
    assert text(world.after_refusal(token)) == "shpat_of_a_new_connection"
    world.keeper().give_up(token)
    assert world.integration().status == "active"


def a_fetcher(world: World, cache: Cache) -> ShopifyFetcher:
    return ShopifyFetcher(world.database, world.keeper(), cache, ShopReader(world.database, world.client))


def fetched(world: World, cache: Cache, data_type: str = "counts") -> dict[str, Any]:
    """The result of one fetch by a Shopify worker."""
    request_id = str(uuid.uuid4())
    a_fetcher(world, cache).fetch(FetchRequest("m1", data_type, request_id))
    found = cache.wait_answer(request_id, 1.0)
    assert found is not None
    return found


def test_the_requests_of_one_message_read_the_token_once(
    world: World, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.connect(None, refresh=False)
    fetcher, token = a_fetcher(world, Cache(server)), None
    seen = statements_seen(monkeypatch)
    for data_type in ("counts", "recent_orders", "overview", "overview"):
        token = fetcher.fetch(FetchRequest("m1", data_type), token)
        assert text(token) == FIRST
    assert sum("api_key" in statement for statement, _ in seen) == 1
    assert fetcher.fetch(FetchRequest("m2", "counts"), token) is None  # another merchant's
    assert token is not None
    assert (
        fetcher.fetch(FetchRequest("m1", "counts"), token.aged(fetch.SAME_TOKEN_SECONDS)) is None
    )  # read too long ago


def test_after_a_refusal_the_next_request_of_a_message_reads_the_token_anew(world: World, server: RedisServer) -> None:
    world.connect(None, refresh=False)
    world.shopify.fault(SHOP, "unauthorized")
    assert a_fetcher(world, Cache(server)).fetch(FetchRequest("m1", "counts")) is None


@pytest.mark.parametrize("refresh", [False, True])
def test_one_refusal_of_a_new_token_is_not_final(world: World, server: RedisServer, refresh: bool) -> None:
    world.connect(3600 if refresh else None, refresh=refresh)
    world.shopify.fault(SHOP, "unauthorized", times=2 if refresh else 1, operation="Counts")  # the renewed one, too
    assert fetched(world, Cache(server))["success"]
    assert world.integration().status == "active"


def test_a_token_that_is_refused_twice_is_given_up(world: World, server: RedisServer) -> None:
    world.connect(None, refresh=False)
    world.shopify.fault(SHOP, "unauthorized")
    found = fetched(world, Cache(server))
    assert (found["error_code"], found["remedy"]) == ("shopify.unauthorized", "reconnect")
    assert world.integration().status == "needs_reauth"
    asked = [entry["received_at"] for entry in world.shopify.requests(SHOP, operation="Counts")]
    assert len(asked) == 2
    assert asked[1] - asked[0] >= 1.0


def test_a_store_connected_again_during_a_renewal_is_read_with_its_new_token(world: World) -> None:
    world.connect(60)
    world.shopify.tokens.revoke(SHOP)
    keeper = world.keeper()
    refresh = keeper._refresh
    assert refresh is not None

    def connected_meanwhile(*given: Any) -> TokenPair:
        try:
            return refresh(*given)
        finally:
            world.connect(3600, token="shpat_of_a_new_connection")

    keeper._refresh = connected_meanwhile
    assert text(world.current(keeper)) == "shpat_of_a_new_connection"
    assert world.integration().status == "active"


def test_a_store_connected_again_between_two_refusals_is_read_with_its_new_token(
    world: World, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.connect(None, refresh=False)
    world.shopify.tokens.revoke(SHOP)
    monkeypatch.setattr("workers.shop.fetch.time.sleep", lambda _: None)
    ask_shopify = ShopifyFetcher._ask_shopify
    asked: list[str | None] = []

    def ask(self: ShopifyFetcher, request: FetchRequest, token: AccessToken, deadline: float) -> dict[str, Any]:
        result = ask_shopify(self, request, token, deadline)
        asked.append(text(token))
        if len(asked) == 2:
            world.connect(None, refresh=False, token="shpat_of_a_new_connection")
        return result

    monkeypatch.setattr(ShopifyFetcher, "_ask_shopify", ask)
    assert fetched(world, Cache(server))["success"]
    assert asked == [FIRST, FIRST, "shpat_of_a_new_connection"]
    assert world.integration().status == "active"


def test_a_token_that_others_use_meanwhile_is_not_given_up(world: World, server: RedisServer) -> None:
    world.connect(None, refresh=False)
    world.shopify.fault(SHOP, "unauthorized", operation="Counts")
    cache = Cache(server)
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(fetched, world, cache)
        while not refused.done():
            cache.drop("m1")
            assert fetched(world, cache, "overview")["success"]
    assert refused.result()["error_code"] == "shopify.unavailable"
    assert world.integration().status == "active"


def test_without_client_id_and_secret_a_token_is_used_to_its_end(world: World) -> None:
    world.connect(60)
    keeper = world.keeper(app=None)
    token = world.current(keeper)
    assert token is not None
    assert text(token) == FIRST
    with pytest.raises(Forbidden):
        keeper.after_refusal(token, time.monotonic() + 1)
    assert world.integration().status == "active"
    assert world.refreshes() == 0


def test_an_answer_that_names_no_end_is_not_kept_for_ever(world: World) -> None:
    world.connect(60)

    def refresh(shop: str, token: SecretStr, deadline: float) -> TokenPair:
        body = b'{"access_token": "shpat_with_no_end_named", "refresh_token": "shprt_with_no_end_named"}'
        return oauth.parse(shop, 200, {}, body)

    token = world.current(TokenKeeper(world.database, world.vault, refresh))
    assert token is not None
    assert token.seconds_left is not None
    assert ASSUMED_EXPIRES_IN - 10 < token.seconds_left <= ASSUMED_EXPIRES_IN


def test_the_next_renewal_uses_the_new_refresh_token(world: World) -> None:
    world.connect(60)
    for _ in range(4):
        assert world.works(world.current())
        world.expire()
    assert world.refreshes() == 4
    assert world.works(world.current())
    assert query(world.database, "SELECT token_version, renewing_until FROM merchant_integrations") == [(6, None)]


def test_what_was_read_outlives_the_token_it_was_read_with(world: World, server: RedisServer) -> None:
    """A renewed token belongs to the same connection; a new connection starts with nothing."""
    world.connect(60)
    cache = Cache(server)
    fetcher = ShopifyFetcher(world.database, world.keeper(), cache, ShopReader(world.database, world.client))
    fetcher.fetch(FetchRequest("m1", "recent_orders"))
    before = world.integration()
    assert before.token_version == 2
    assert cache.get("m1", before.connection, "recent_orders") is not None
    world.expire()
    fetcher.fetch(FetchRequest("m1", "recent_orders", request_id="again"))
    assert world.integration().token_version == 3
    answer = cache.wait_answer("again", 5.0)
    assert answer is not None
    assert answer["cached"] is True
    world.connect(60)
    assert cache.stale("m1", world.integration().connection, "recent_orders") is None
