"""The client over real sockets: what a broken, slow, greedy or hostile server can and cannot do to it."""

import base64
import logging
import socket
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest
from pydantic import SecretStr

from shopify.client import ShopifyClient
from shopify.data.query import load_document
from shopify.errors import BadAnswer, ShopifyError, StoreUnavailable, Temporary, Throttled, Unauthorized
from shopify.response import GraphQLResponse
from shopify.transport import http_client
from tests.shopify_answers import SHOP, TOKEN, shop_access
from tests.shopify_server import (
    Behaviour,
    ShopifyServer,
    answering,
    cut_off,
    dripping_body,
    dripping_headers,
    endless_body,
    fading_body,
    gzip_bomb,
    redirecting,
    resetting,
    sending,
    silent,
    zipped,
)
from workers import settings
from workers.settings import SettingsError

GOOD = {"data": shop_access("read_orders")}
DEADLINE_SECONDS = 0.6
LATE_SECONDS = 0.4
"""How much later than its deadline a call may come back on a busy machine."""


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with http_client() as client:
        yield client


def ask(server: ShopifyServer, http: httpx.Client, *, seconds: float | None = None) -> GraphQLResponse:
    client = ShopifyClient(SHOP, SecretStr(TOKEN), admin_url=server.admin_url, http=http)
    return client.execute(load_document("access"), deadline=None if seconds is None else time.monotonic() + seconds)


def refused(http: httpx.Client, *script: Behaviour, seconds: float | None = None) -> tuple[ShopifyError, ShopifyServer]:
    with ShopifyServer(*script) as server, pytest.raises(ShopifyError) as caught:
        ask(server, http, seconds=seconds)
    return caught.value, server


def test_a_good_answer(http: httpx.Client) -> None:
    with ShopifyServer(answering(GOOD, 200, ("X-Request-Id", "abc-1"))) as server:
        found = ask(server, http)
    assert found.data == GOOD["data"]
    assert found.request_id == "abc-1"
    path, headers, body = server.requests[0]
    assert path == f"/{SHOP}/admin/api/2026-10/graphql.json"
    assert headers["X-Shopify-Access-Token"] == TOKEN
    assert TOKEN.encode() not in body


def test_a_compressed_answer(http: httpx.Client) -> None:
    with ShopifyServer(zipped(GOOD)) as server:
        assert ask(server, http).data == GOOD["data"]
    assert server.requests[0][1]["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_follows_no_redirect(http: httpx.Client, status: int) -> None:
    with ShopifyServer(answering(GOOD)) as elsewhere:
        error, shop = refused(http, redirecting(f"{elsewhere.url}/admin", status))
    assert isinstance(error, StoreUnavailable)
    assert error.reason == "moved"
    assert elsewhere.requests == []
    assert len(shop.requests) == 2


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    with ShopifyServer(answering(GOOD)) as proxy, ShopifyServer(answering(GOOD)) as shop:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with http_client() as http:
            ask(shop, http)
        assert proxy.requests == []
        assert len(shop.requests) == 1


@pytest.mark.parametrize("slow", [dripping_body(), dripping_headers(), silent()])
def test_a_slow_server_holds_nobody_past_the_deadline(http: httpx.Client, slow: Behaviour) -> None:
    started = time.monotonic()
    error, _ = refused(http, slow, seconds=DEADLINE_SECONDS)
    assert time.monotonic() - started < DEADLINE_SECONDS + LATE_SECONDS
    assert isinstance(error, Temporary)
    assert error.reason == "timeout"


def test_a_server_that_falls_silent_shortly_before_the_deadline(http: httpx.Client) -> None:
    started = time.monotonic()
    error, _ = refused(http, fading_body(0.8), seconds=1.0)
    assert time.monotonic() - started < 1.0 + LATE_SECONDS
    assert error.reason == "timeout"


def test_without_a_deadline_there_is_one(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopify.client.TOTAL_SECONDS", DEADLINE_SECONDS)
    started = time.monotonic()
    error, _ = refused(http, dripping_body())
    assert time.monotonic() - started < DEADLINE_SECONDS + LATE_SECONDS
    assert error.reason == "timeout"


def test_a_single_read_has_its_own_limit(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shopify.transport.READ_SECONDS", 0.2)
    with ShopifyServer(silent(), answering(GOOD)) as server:
        assert ask(server, http).data == GOOD["data"]
    assert len(server.requests) == 2


def test_a_reset_connection_is_tried_again(http: httpx.Client) -> None:
    with ShopifyServer(resetting(), answering(GOOD)) as server:
        assert ask(server, http).data == GOOD["data"]
    error, server = refused(http, resetting())
    assert error.reason == "connection"
    assert len(server.requests) == 2


def test_a_connection_that_was_closed_meanwhile_is_made_again(http: httpx.Client) -> None:
    with ShopifyServer(answering(GOOD), resetting(), answering(GOOD)) as server:
        ask(server, http)
        assert ask(server, http).data == GOOD["data"]


def test_connections_are_kept(http: httpx.Client) -> None:
    peers = set()

    def behave(handler: object) -> None:
        peers.add(handler.client_address)  # type: ignore[attr-defined]
        answering(GOOD)(handler)  # type: ignore[arg-type]

    with ShopifyServer(behave) as server:
        for _ in range(5):
            ask(server, http)
    assert len(peers) == 1


def test_nobody_listens(http: httpx.Client) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        admin_url = f"http://127.0.0.1:{free.getsockname()[1]}/{{shop}}/admin"
    client = ShopifyClient(SHOP, SecretStr(TOKEN), admin_url=admin_url, http=http)
    with pytest.raises(Temporary) as caught:
        client.execute(load_document("access"))
    assert caught.value.reason == "connection"
    assert "refused" in caught.value.operator


def test_tls_is_checked(http: httpx.Client) -> None:
    with ShopifyServer(answering(GOOD)) as server:
        admin_url = server.admin_url.replace("http://", "https://")
        client = ShopifyClient(SHOP, SecretStr(TOKEN), admin_url=admin_url, http=http)
        with pytest.raises(Temporary) as caught:
            client.execute(load_document("access"), deadline=time.monotonic() + 2)
    assert caught.value.reason == "connection"
    assert server.requests == []


def test_an_answer_cut_off_is_tried_again(http: httpx.Client) -> None:
    with ShopifyServer(cut_off(), answering(GOOD)) as server:
        assert ask(server, http).data == GOOD["data"]
    error, server = refused(http, cut_off())
    assert error.reason == "connection"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (sending(b'{"data": {"shop"', 200, ("Content-Type", "application/json")), "not_json"),
        (sending(b"<html>hello</html>", 200, ("Content-Type", "text/html")), "not_json"),
        (sending(b"not gzip at all", 200, ("Content-Encoding", "gzip")), "encoding"),
        (sending(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", 200, ("Content-Encoding", "gzip")), "encoding"),
        (sending(b"{}", 200, ("Content-Encoding", "br")), "encoding"),
    ],
)
def test_an_answer_that_is_none_is_tried_once_more(http: httpx.Client, behaviour: Behaviour, reason: str) -> None:
    error, server = refused(http, behaviour)
    assert isinstance(error, BadAnswer)
    assert error.reason == reason
    assert len(server.requests) == 2


@pytest.mark.parametrize("greedy", [gzip_bomb(200), endless_body()], ids=["gzip bomb", "endless"])
def test_a_body_without_measure_is_cut_at_the_cap(http: httpx.Client, greedy: Behaviour) -> None:
    with ShopifyServer(greedy) as server:
        tracemalloc.start()
        with pytest.raises(BadAnswer) as caught:
            ask(server, http)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert caught.value.reason == "too_large"
    assert "2097152" in caught.value.operator
    assert peak < 16 * 1024 * 1024


def test_a_body_just_within_the_cap_is_read(http: httpx.Client) -> None:
    padded = {**GOOD, "extensions": {"padding": "x" * 2_000_000}}
    with ShopifyServer(zipped(padded)) as server:
        assert ask(server, http).data == GOOD["data"]


def test_html_with_a_status_keeps_the_status(http: httpx.Client) -> None:
    page = b"<html>" + b"x" * 50_000
    assert isinstance(refused(http, sending(page, 401))[0], Unauthorized)
    error, server = refused(http, sending(page, 503, ("Retry-After", "30")))
    assert (type(error), error.retry_after, len(server.requests)) == (Temporary, 30.0, 1)


def test_429_waits_as_told_and_asks_again(http: httpx.Client) -> None:
    started = time.monotonic()
    slow_down = answering({"errors": "Exceeded"}, 429, ("Retry-After", "0.3"))
    with ShopifyServer(slow_down, answering(GOOD)) as server:
        ask(server, http)
    assert 0.3 <= time.monotonic() - started < 0.3 + LATE_SECONDS
    assert isinstance(refused(http, answering({"errors": "Exceeded"}, 429, ("Retry-After", "9")))[0], Throttled)


def test_threads_share_a_client_and_keep_their_deadlines(http: httpx.Client) -> None:
    with ShopifyServer(answering(GOOD)) as quick, ShopifyServer(dripping_body()) as slow, ThreadPoolExecutor(8) as pool:
        held = [pool.submit(ask, slow, http, seconds=DEADLINE_SECONDS) for _ in range(4)]
        served = [pool.submit(ask, quick, http) for _ in range(40)]
        assert all(future.result().data == GOOD["data"] for future in served)
        assert {type(future.exception()) for future in held} == {Temporary}


@pytest.mark.parametrize(
    "behaviour",
    [
        sending(f"<html>{TOKEN}</html>".encode(), 401),
        sending(f"<html>{TOKEN}</html>".encode(), 500),
        answering({"errors": f"no such token {TOKEN}"}, 400, ("X-Request-Id", TOKEN), ("X-Shopify-API-Version", TOKEN)),
        redirecting(f"http://127.0.0.1:9/{TOKEN}"),
        sending(TOKEN.encode(), 200, ("Content-Encoding", TOKEN)),
        cut_off(TOKEN.encode()),
    ],
)
def test_the_token_is_nowhere_but_in_the_request(
    http: httpx.Client, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        error, server = refused(http, behaviour)
    assert server.requests[0][1]["X-Shopify-Access-Token"] == TOKEN
    shown = f"{error!r} {vars(error)} {error.merchant} {error.__cause__!r} {error.__context__!r}"
    assert TOKEN not in shown
    assert TOKEN not in caplog.text


def test_through_a_proxy_that_sees_the_shops_name_and_no_token() -> None:
    """An allowlist at Shopify needs a fixed outgoing address: a proxy, which may want a password."""
    with ShopifyServer() as proxy, http_client(proxy.url.replace("//", "//cj:secret@")) as http:
        client = ShopifyClient(SHOP, SecretStr(TOKEN), http=http)
        with pytest.raises(Temporary, match="the proxy refuses: 403"):
            client.execute(load_document("access"), deadline=time.monotonic() + 2)
    path, headers, body = proxy.requests[0]
    assert (path, body) == (f"{SHOP}:443", b"")
    assert headers["Proxy-Authorization"] == "Basic " + base64.b64encode(b"cj:secret").decode()
    assert TOKEN not in str(headers)


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ({"ALL_PROXY": "http://all:1", "HTTP_PROXY": "http://plain:2"}, "http://all:1"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".myshopify.com"}, None),
    ],
)
def test_the_proxy_is_the_environments(
    environ: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY", "NO_PROXY"):
        for either in (name, name.lower()):
            monkeypatch.delenv(either, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert settings.proxy_of("https://a.myshopify.com/admin") == proxy
    assert settings.proxy_of("http://127.0.0.1:4010/a.myshopify.com/admin") is None
    monkeypatch.setenv("https_proxy", "socks5://user:secret@proxy:1080")
    if "NO_PROXY" not in environ:
        with pytest.raises(SettingsError, match="through http:// or https:// proxies only") as refused:
            settings.proxy_of("https://a.myshopify.com/admin")
        assert "secret" not in str(refused.value)
