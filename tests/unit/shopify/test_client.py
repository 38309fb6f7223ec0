"""The client's decisions: what it sends, what it tries again, what it never lets out."""

import logging
import time
import traceback

import httpx
import pytest

from shopify.client import endpoint, smaller
from shopify.data.query import load_document
from shopify.errors import (
    AccessDenied,
    BadAnswer,
    BadDocument,
    ShopifyError,
    Temporary,
    Throttled,
    Unauthorized,
)
from shopify.transport import TOKEN_HEADER
from tests.shopify_answers import INTERNAL_ERROR, SHOP, TOKEN, Shop, answer, denied, ok, throttled

ACCESS = load_document("access")


def test_what_is_sent() -> None:
    shop = Shop(ok({"shop": {}}))
    shop.client().execute(load_document("week_orders"), {"first": 3, "query": "x", "after": None})
    request, body = shop.requests[0], shop.asked[0]
    assert str(request.url) == f"https://{SHOP}/admin/api/2026-10/graphql.json"
    assert request.method == "POST"
    assert request.headers[TOKEN_HEADER] == TOKEN
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip"
    assert body["operationName"] == "WeekOrders"
    assert body["query"].startswith("query WeekOrders(")
    assert body["variables"] == {"first": 3, "query": "x", "after": None}
    assert TOKEN not in request.content.decode() + str(request.url)


def test_an_answer_says_where_it_is_from() -> None:
    found = Shop(ok({"shop": {"name": "Teapots"}})).client().execute(ACCESS)
    assert found.data == {"shop": {"name": "Teapots"}}
    assert found.throttle is not None


def test_a_redirect_is_not_followed() -> None:
    shop = Shop(answer(b"", 307, location="https://evil.example/admin"))
    with pytest.raises(ShopifyError) as caught:
        shop.client().execute(ACCESS)
    assert caught.value.reason == "moved"
    assert {request.url.host for request in shop.requests} == {SHOP}


def test_throttled_waits_exactly_and_asks_again() -> None:
    shop = Shop(throttled(752, 666, rate=50, maximum=1000), ok({"shop": {}}))
    assert shop.client().execute(ACCESS).data == {"shop": {}}
    assert len(shop.waits) == 1
    assert 1.72 <= shop.waits[0] <= 1.77


def test_throttled_for_long_is_the_callers_to_plan() -> None:
    shop = Shop(throttled(900, 100))
    with pytest.raises(Throttled) as caught:
        shop.client().execute(ACCESS)
    assert caught.value.retry_after == 8.0
    assert shop.waits == []


def test_throttled_that_does_not_fit_the_deadline_is_the_callers_to_plan() -> None:
    shop = Shop(throttled(200, 50))
    with pytest.raises(Throttled) as caught:
        shop.client().execute(ACCESS, deadline=time.monotonic() + 1.0)
    assert caught.value.retry_after == 1.5
    assert shop.waits == []


def test_throttled_for_ever_ends() -> None:
    shop = Shop(throttled(100, 90))
    with pytest.raises(Throttled):
        shop.client().execute(ACCESS)
    assert len(shop.requests) == 3


def test_an_internal_error_is_tried_twice_more() -> None:
    shop = Shop(answer({"errors": [INTERNAL_ERROR], "data": None}))
    with pytest.raises(Temporary):
        shop.client().execute(ACCESS)
    assert len(shop.requests) == 3


@pytest.mark.parametrize(
    ("failure", "kind", "reason"),
    [
        (httpx.ConnectError("refused"), Temporary, "connection"),
        (httpx.ReadError("reset"), Temporary, "connection"),
        (httpx.RemoteProtocolError("disconnected"), Temporary, "connection"),
        (httpx.ConnectTimeout("late"), Temporary, "timeout"),
        (httpx.ReadTimeout("late"), Temporary, "timeout"),
        (httpx.DecodingError("gzip"), BadAnswer, "encoding"),
        (RuntimeError(f"a bug that prints {TOKEN}"), BadAnswer, "unexpected"),
        (answer(b"<html>", 503), Temporary, "server_error"),
        (answer(b'{"da'), BadAnswer, "not_json"),
    ],
)
def test_trouble_on_the_way_is_tried_once_more(
    failure: httpx.Response | Exception, kind: type[ShopifyError], reason: str
) -> None:
    shop = Shop(failure)
    with pytest.raises(kind) as caught:
        shop.client().execute(ACCESS)
    assert caught.value.reason == reason
    assert caught.value.operator.startswith(SHOP)
    assert len(shop.requests) == 2
    assert Shop(failure, ok({"shop": {}})).client().execute(ACCESS).data == {"shop": {}}


@pytest.mark.parametrize(
    "refusal",
    [
        *(answer({"errors": "no"}, status) for status in (402, 403, 404, 418, 423, 430)),
        answer(b"<html>Just a moment...</html>", 403, content_type="text/html"),
        answer({"errors": [{"message": "Too Many Requests", "extensions": {"code": "429"}}]}),
        answer({"errors": "a text of next year"}),
        answer({"errors": [{"message": "?", "extensions": {"code": "A_CODE_OF_NEXT_YEAR"}}]}),
    ],
)
def test_one_refusal_is_not_taken_for_final(refusal: httpx.Response) -> None:
    passing = Shop(refusal, ok({"shop": {}}))
    assert passing.client().execute(ACCESS).data == {"shop": {}}
    assert 1.0 <= sum(passing.waits) <= 1.05
    lasting = Shop(refusal)
    with pytest.raises(ShopifyError):
        lasting.client().execute(ACCESS)
    assert len(lasting.requests) in (2, 3)


@pytest.mark.parametrize("refusal", [answer({"errors": "no"}, 401), answer({"errors": "no"}, 400)])
def test_what_is_not_asked_again_here(refusal: httpx.Response) -> None:
    shop = Shop(refusal, ok({"shop": {}}))
    with pytest.raises(ShopifyError):
        shop.client().execute(ACCESS)
    assert len(shop.requests) == 1


def test_a_query_that_takes_shopify_too_long_is_asked_for_half() -> None:
    timeout = answer({"errors": [{"message": "Timeout"}]})
    shop = Shop(timeout, ok({"orders": {}}))
    shop.client().execute(load_document("week_orders"), {"first": 100, "query": "x"})
    assert [variables["first"] for variables in shop.variables] == [100, 50]
    assert smaller({"first": 1, "query": "x"}) == {"first": 1, "query": "x"}
    assert smaller({"query": "x"}) == {"query": "x"}


def test_a_denied_field_is_part_of_the_answer() -> None:
    shop = Shop(ok({"customers": None}, errors=[denied(["customers"], "read_customers")]))
    found = shop.client().execute(load_document("counts"))
    assert [type(error) for error in found.errors] == [AccessDenied]
    assert len(shop.requests) == 1


def test_a_field_that_fails_is_asked_again_and_then_left_out() -> None:
    failing = {"message": "Something went wrong", "path": ["customers"]}
    shop = Shop(ok({"customers": None, "orders": 1}, errors=[failing]))
    found = shop.client().execute(load_document("counts"))
    assert found.data == {"customers": None, "orders": 1}
    assert [error.reason for error in found.errors] == ["internal_error"]
    assert len(shop.requests) == 3
    recovered = (
        Shop(ok({"customers": None}, errors=[failing]), ok({"customers": 1})).client().execute(load_document("counts"))
    )
    assert recovered.data == {"customers": 1}


def test_past_its_deadline_nothing_is_asked() -> None:
    shop = Shop(ok({}))
    with pytest.raises(Temporary) as caught:
        shop.client().execute(ACCESS, deadline=time.monotonic() - 0.1)
    assert caught.value.reason == "deadline"
    assert shop.requests == []


def test_another_version_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(answer({"data": {}}, x_shopify_api_version="2027-01"))
    for _ in range(3):
        shop.client().execute(ACCESS)
    assert len(caplog.records) == 1
    assert "2027-01" in caplog.text
    assert "2026-10" in caplog.text


def test_another_version_is_noticed_in_a_refusal_too(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(answer({"errors": "no"}, 401, x_shopify_api_version="2026-01"))
    with pytest.raises(Unauthorized):
        shop.client().execute(ACCESS)
    assert "2026-01" in caplog.text


def test_what_is_no_version_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    Shop(answer({"data": {}}, x_shopify_api_version="shpat_0123 " * 50)).client().execute(ACCESS)
    assert "shpat_" not in caplog.text
    assert len(caplog.text) < 600


def test_the_same_or_no_version_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(ok({}), httpx.Response(200, json={"data": {}}))
    shop.client().execute(ACCESS)
    shop.client().execute(ACCESS)
    assert caplog.records == []


@pytest.mark.parametrize(
    "domain",
    [
        "",
        "test",
        "Test.myshopify.com",
        "test.myshopify.com\n",
        "test.myshopify.com:443",
        "test.myshopify.com.evil.com",
        "mycom.myshopify.company",
        "evil.com/test.myshopify.com",
        "a@evil.com#.myshopify.com",
        "-test.myshopify.com",
        "te_st.myshopify.com",
        "tést.myshopify.com",
        "\u212aelvin.myshopify.com",
        "a" * 64 + ".myshopify.com",
        "xn--tst-bma.myshopify.com",
    ],
)
def test_a_token_goes_to_shopify_only(domain: str) -> None:
    with pytest.raises(ValueError, match=r"is not <name>\.myshopify\.com"):
        endpoint(domain, "https://{shop}/admin", "2026-10")


@pytest.mark.parametrize("length", [1, 60, 61, 62, 63])
def test_a_name_may_be_as_long_as_a_label_of_a_domain(length: int) -> None:
    domain = "a" * length + ".myshopify.com"
    assert endpoint(domain, "https://{shop}/admin", "2026-10") == f"https://{domain}/admin/api/2026-10/graphql.json"


@pytest.mark.parametrize(
    "admin_url",
    ["ftp://{shop}/admin", "{shop}/admin", "https://", "https://user:secret@{shop}/admin", "https://{shop}/admin?x=1"],
)
def test_an_admin_url_that_is_none(admin_url: str) -> None:
    with pytest.raises(ValueError, match="admin_url"):
        endpoint(SHOP, admin_url, "2026-10")


@pytest.mark.parametrize("version", ["2026", "../../x", "2026-10\n", ""])
def test_a_version_that_is_none(version: str) -> None:
    with pytest.raises(ValueError, match="API version"):
        endpoint(SHOP, "https://{shop}/admin", version)


def test_the_development_store_is_reached_by_its_url() -> None:
    assert (
        endpoint(SHOP, "http://127.0.0.1:4010/{shop}/admin/", "unstable")
        == f"http://127.0.0.1:4010/{SHOP}/admin/api/unstable/graphql.json"
    )


def test_https_unless_said_otherwise() -> None:
    assert str(Shop(ok({})).client()._transport.url).startswith("https://")


@pytest.mark.parametrize("token", ["", "shpat_\nX-Evil: 1", "shpat_ 1", "shpat_é", "x" * 501])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        Shop(ok({})).client(token)
    assert "stored access token" in caught.value.operator
    assert not token or token not in caught.value.operator


EVERY_KIND_OF_TROUBLE = [
    answer({"errors": f"your token {TOKEN} is bad"}, 401),
    answer({"errors": f"your token {TOKEN} is bad"}, 400),
    answer({"errors": [{"message": f"bad query {TOKEN}", "path": ["a", TOKEN], "extensions": {"code": TOKEN}}]}),
    answer({"errors": [{"message": "x", "extensions": {"code": "MAX_COST_EXCEEDED", "cost": TOKEN}}]}),
    answer({"errors": [denied([TOKEN], "read_orders")], "data": None}),
    answer(f"<html>{TOKEN}</html>".encode(), 503, content_type=f"text/{TOKEN}"),
    answer(f"not json {TOKEN}".encode(), content_type=f"text/{TOKEN}"),
    answer(b"", 302, location=f"https://evil.example/{TOKEN}"),
    answer({"errors": "x"}, 429, x_request_id=TOKEN, x_shopify_api_version=TOKEN, retry_after=TOKEN),
    ok({}, search=[{"warnings": [{"field": TOKEN}]}]),
    throttled(500, 100),
    httpx.ConnectError(f"cannot connect with {TOKEN}"),
    httpx.ReadTimeout(TOKEN),
    httpx.DecodingError(TOKEN),
    httpx.LocalProtocolError(f"Illegal header value {TOKEN!r}"),
    ValueError(TOKEN),
]


@pytest.mark.parametrize("trouble", EVERY_KIND_OF_TROUBLE)
def test_the_token_is_in_no_error_and_no_log(
    trouble: httpx.Response | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ShopifyError) as caught:
        Shop(trouble).client().execute(ACCESS)
    error = caught.value
    shown = [str(error), repr(error), repr(vars(error)), error.merchant, "".join(traceback.format_exception(error))]
    assert TOKEN not in "".join(shown)
    assert TOKEN not in caplog.text
    assert TOKEN not in "".join(repr(vars(record)) for record in caplog.records)


def test_a_token_of_another_form_is_masked_too() -> None:
    token = "0123456789abcdef0123456789abcdef"  # tokens of private apps have no prefix
    with pytest.raises(BadDocument) as caught:
        Shop(answer({"errors": f"do not send {token}"}, 400)).client(token).execute(ACCESS)
    assert token not in caught.value.operator


def test_a_token_in_the_data_is_masked() -> None:
    found = Shop(ok({"shop": {"name": f"echo {TOKEN}"}})).client().execute(ACCESS)
    assert found.data == {"shop": {"name": "echo [token]"}}


def test_a_client_shows_its_shop_only() -> None:
    client = Shop(ok({})).client()
    assert repr(client) == f"ShopifyClient('{SHOP}')"
    assert TOKEN not in repr(vars(client)) + repr(vars(client._transport))
