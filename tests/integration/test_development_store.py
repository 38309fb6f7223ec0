"""The development store over HTTP: the eleven ways it promises to behave like Shopify."""

import argparse
import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import shopify.development_store
from shopify.data.query import FOLDER
from shopify.development_store import DevelopmentStore, token_for
from tests.waiting import wait_until

SHOP = "corner.myshopify.com"
COUNTS, RECENT, WEEK, OVERVIEW, ACCESS = (
    (FOLDER / f"{name}.graphql").read_text()
    for name in ("counts", "recent_orders", "week_orders", "overview", "access")
)
INVALID_TOKEN = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
DEAD_GRANT = {"error": "invalid_request", "error_description": "This request requires an active refresh_token"}

Body = dict[str, Any]


class Api:
    """A client that shows the raw responses."""

    def __init__(self, store: DevelopmentStore) -> None:
        self.store = store
        self.http = httpx.Client(trust_env=False, timeout=5.0)

    def post(
        self,
        query: str,
        variables: Body | None = None,
        *,
        shop: str = SHOP,
        token: str | None = None,
        version: str = "2026-10",
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
    ) -> httpx.Response:
        return self.http.post(
            f"{self.store.url}/{shop}/admin/api/{version}/graphql.json",
            json={"query": query, "variables": variables or {}},
            headers={"X-Shopify-Access-Token": token_for(shop) if token is None else token, **(headers or {})},
            timeout=timeout,
        )

    def ask(self, query: str, variables: Body | None = None, **options: Any) -> Body:
        answer = self.post(query, variables, **options)
        assert answer.status_code == 200, answer.text
        body: Body = answer.json()
        return body

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_error: object) -> None:
        self.http.close()

    def refresh(self, refresh_token: str, *, shop: str = SHOP, **more: str) -> httpx.Response:
        form = {
            "client_id": "id",
            "client_secret": "secret",
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
        }
        return self.http.post(f"{self.store.url}/{shop}/admin/oauth/access_token", json={**form, **more})

    def control(self, method: str, path: str, body: Body | None = None) -> httpx.Response:
        return self.http.request(method, f"{self.store.url}/_control/{path}", json=body)


@pytest.fixture(scope="module")
def server() -> Iterator[DevelopmentStore]:
    with DevelopmentStore().start() as store:
        yield store


@pytest.fixture
def api(server: DevelopmentStore) -> Iterator[Api]:
    server.reset()
    server.register(SHOP, "medium")
    with Api(server) as client:
        yield client


# 1. Paths, versions, headers


@pytest.mark.parametrize("version", ["2026-10", "2026-01", "unstable"])
def test_the_answering_version_is_named(api: Api, version: str) -> None:
    answer = api.post("{ shop { name } }", version=version)
    assert answer.status_code == 200
    assert answer.headers["X-Shopify-API-Version"] == version
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


def test_the_version_and_a_request_id_come_with_every_answer(api: Api) -> None:
    url = f"{api.store.url}/{SHOP}/admin/api/2026-10/graphql.json"
    answers = [
        api.post("{ shop { name } }"),
        api.post("{ shop { name } }", token="wrong"),
        api.post("{ shop { name } }", shop="nobody.myshopify.com"),
        api.http.post(url, content="shop", headers={"Content-Type": "application/graphql"}),
        api.post("{ shop { name } }", headers={"Accept": "text/html"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 415, 406]
    assert all(answer.headers["X-Shopify-API-Version"] for answer in answers)
    assert len({answer.headers["x-request-id"] for answer in answers}) == 5


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"query": 5}', '{"variables": {}}', "[" * 100_000])
def test_a_body_without_a_query_is_a_bad_request(api: Api, content: str) -> None:
    answer = api.http.post(
        f"{api.store.url}/{SHOP}/admin/api/2026-10/graphql.json",
        content=content,
        headers={"X-Shopify-Access-Token": token_for(SHOP), "Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    assert "errors" in answer.json()


def test_other_paths_are_not_found(api: Api) -> None:
    for path in ("/", f"/{SHOP}/admin/api/2026-10/orders.json", f"/{SHOP}/admin/api/newest/graphql.json"):
        assert api.http.get(api.store.url + path).status_code == 404


# 2. Tokens


def test_a_token_opens_one_shop(api: Api) -> None:
    for token in ("", "wrong", token_for("dev-tiny.myshopify.com")):
        answer = api.post("{ shop { name } }", token=token)
        assert (answer.status_code, answer.json()) == (401, INVALID_TOKEN)


def test_an_expired_token_is_an_invalid_token(api: Api) -> None:
    api.store.register(SHOP, token="short", expires_in=0.0, refresh_token="renew")
    answer = api.post("{ shop { name } }", token="short")
    assert (answer.status_code, answer.json()) == (401, INVALID_TOKEN)


# 3. Refreshing


def test_a_token_is_refreshed_and_the_pair_rotates(api: Api) -> None:
    api.store.register(SHOP, token="access-1", expires_in=0.0, refresh_token="refresh-1", scopes=["read_orders"])
    pair = api.refresh("refresh-1").json()
    assert pair == {
        "access_token": pair["access_token"],
        "scope": "read_orders",
        "expires_in": 3600,
        "refresh_token": pair["refresh_token"],
        "refresh_token_expires_in": 7776000,
    }
    # The response might be lost, so the old refresh token works until the new pair is used.
    again = api.refresh("refresh-1").json()
    assert api.post("{ shop { name } }", token=again["access_token"]).status_code == 200
    dead = api.refresh("refresh-1")
    assert (dead.status_code, dead.json()) == (401, DEAD_GRANT)
    assert api.refresh(again["refresh_token"]).status_code == 200


def test_what_is_not_a_refresh_is_refused(api: Api) -> None:
    assert api.refresh("x", grant_type="client_credentials").status_code == 400
    assert api.refresh("x", client_secret="").status_code == 400
    assert api.refresh("x", shop="nobody.myshopify.com").status_code == 404
    assert api.http.post(f"{api.store.url}/{SHOP}/admin/oauth/access_token", content=b"\xff").status_code == 400


@pytest.mark.parametrize("kind", ["status", "lost_answer"])
def test_a_refresh_whose_answer_is_lost_can_be_repeated(api: Api, kind: str) -> None:
    api.store.register(SHOP, token="access-1", expires_in=0.0, refresh_token="refresh-1")
    api.store.fault(SHOP, kind, target="oauth", times=1)
    with contextlib.suppress(httpx.RemoteProtocolError):
        assert api.refresh("refresh-1").status_code == 520
    pair = api.refresh("refresh-1").json()
    assert api.post("{ shop { name } }", token=pair["access_token"]).status_code == 200


# 4. Validation


def test_a_bad_document_brings_no_data_and_costs_nothing(api: Api) -> None:
    body = api.ask("query Old { orders(first: 1) { nodes { customer { ordersCount } } } }")
    assert list(body) == ["errors"]
    assert body["errors"][0]["message"] == "Cannot query field 'ordersCount' on type 'Customer'."
    assert api.store.bucket(SHOP).level().available == 2_000


def test_a_bad_variable_is_explained(api: Api) -> None:
    body = api.ask(RECENT, {"first": "ten"})
    assert body["errors"][0]["extensions"]["code"] == "INVALID_VARIABLE"


def test_the_operation_must_be_clear(api: Api) -> None:
    two = "query A { shop { name } } query B { shop { myshopifyDomain } }"
    assert api.ask(two) == {"errors": [{"message": "An operation name is required"}]}
    url = f"{api.store.url}/{SHOP}/admin/api/2026-10/graphql.json"
    headers = {"X-Shopify-Access-Token": token_for(SHOP)}
    chosen = api.http.post(url, json={"query": two, "operationName": "B"}, headers=headers).json()
    assert chosen["data"] == {"shop": {"myshopifyDomain": SHOP}}
    unknown = api.http.post(url, json={"query": two, "operationName": "C"}, headers=headers).json()
    assert unknown == {"errors": [{"message": 'No operation named "C"'}]}


def test_a_connection_needs_a_size(api: Api) -> None:
    body = api.ask("{\n  orders {\n    nodes {\n      id\n    }\n  }\n}\n")
    assert list(body) == ["errors", "data", "extensions"]
    assert body["data"] is None
    assert body["errors"] == [
        {
            "message": "you must provide one of first or last",
            "locations": [{"line": 2, "column": 3}],
            "extensions": {"code": "BAD_REQUEST"},
            "path": ["orders"],
        }
    ]


# 5. Scopes


def denied(field: str, scope: str, path: list[Any], line: int, column: int) -> Body:
    return {
        "message": f"Access denied for {field} field. Required access: `{scope}` access scope.",
        "locations": [{"line": line, "column": column}],
        "extensions": {
            "code": "ACCESS_DENIED",
            "documentation": "https://shopify.dev/api/usage/access-scopes",
            "requiredAccess": f"`{scope}` access scope.",
        },
        "path": path,
    }


def test_a_denied_count_leaves_the_others_alone(api: Api) -> None:
    api.store.register(SHOP, scopes=["read_orders"])
    body = api.ask("{\n  customers: customersCount { count }\n  orders: ordersCount { count }\n}")
    assert body["errors"] == [denied("customersCount", "read_customers", ["customers"], 2, 3)]
    assert body["data"] == {"customers": None, "orders": {"count": api.store.truth(SHOP)["orders"]}}
    cost = body["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (20, 11)


def test_a_denied_list_takes_the_whole_answer_with_it(api: Api) -> None:
    api.store.register(SHOP, scopes=["read_customers"])
    body = api.ask("{ shop { name } orders(first: 1) { nodes { id } } }")
    assert body["data"] is None
    assert [error["extensions"]["code"] for error in body["errors"]] == ["ACCESS_DENIED"]
    assert body["extensions"]["cost"]["actualQueryCost"] < body["extensions"]["cost"]["requestedQueryCost"]


def test_inside_a_list_only_the_denied_field_is_missing(api: Api) -> None:
    api.store.register(SHOP, scopes=["read_orders"])
    body = api.ask(
        "{ orders(first: 2) { nodes { name customer { id } lineItems(first: 1) { nodes { product { id } } } } } }"
    )
    assert len(body["data"]["orders"]["nodes"]) == 2
    assert all(order["customer"] is None for order in body["data"]["orders"]["nodes"])
    assert {tuple(error["path"][3:]) for error in body["errors"]} == {
        ("customer",),
        ("lineItems", "nodes", 0, "product"),
    }


def test_writing_implies_reading(api: Api) -> None:
    api.store.register(SHOP, scopes=["write_orders"])
    body = api.ask("{ ordersCount { count } currentAppInstallation { accessScopes { handle } } }")
    assert "errors" not in body
    assert body["data"]["currentAppInstallation"]["accessScopes"] == [{"handle": "write_orders"}]


def test_customers_need_an_approval_too(api: Api) -> None:
    api.store.register(SHOP, "large", protected_customer_data=False)
    body = api.ask(RECENT)
    orders = body["data"]["orders"]["nodes"]
    assert [order["customer"] for order in orders] == [None] * 20
    assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert body["errors"][0]["message"].startswith(
        "This app is not approved to access the Customer object. See https://"
    )
    assert body["errors"][0]["path"][:2] == ["orders", "nodes"]
    assert body["errors"][0]["path"][3:] == ["customer"]


# 6. Cost and throttling


@pytest.mark.parametrize(
    ("document", "requested"), [(ACCESS, 3), (COUNTS, 43), (RECENT, 55), (OVERVIEW, 74), (WEEK, 113)]
)
def test_our_documents_cost_what_was_estimated(api: Api, document: str, requested: int) -> None:
    variables = {"query": "created_at:>='2020-01-01T00:00:00Z'"} if document == WEEK else {}
    cost = api.ask(document, variables)["extensions"]["cost"]
    assert cost["requestedQueryCost"] == requested
    assert 1 <= cost["actualQueryCost"] <= requested
    assert cost["throttleStatus"] == {
        "maximumAvailable": 2000,
        "currentlyAvailable": 2000 - cost["actualQueryCost"],
        "restoreRate": 100,
    }


def test_an_empty_bucket_throttles_and_says_how_long(api: Api) -> None:
    api.store.register(SHOP, restore_rate=100)
    api.store.bucket(SHOP).set(23)
    body = api.ask(COUNTS)
    assert list(body) == ["errors", "extensions"]
    assert body["errors"] == [
        {
            "message": "Throttled",
            "extensions": {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"},
        }
    ]
    cost = body["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (43, None)
    status = cost["throttleStatus"]
    assert [type(status[name]) for name in ("maximumAvailable", "restoreRate")] == [float, float], "as observed"
    wait = (cost["requestedQueryCost"] - status["currentlyAvailable"]) / status["restoreRate"]
    assert 0.1 < wait <= 0.2
    refused = time.monotonic()
    wait_until(lambda: "data" in api.ask(COUNTS))
    assert wait - 0.1 <= time.monotonic() - refused <= wait + 1.0


def test_a_query_that_is_too_dear_is_refused_whatever_the_bucket_holds(api: Api) -> None:
    body = api.ask(
        "query Dear { orders(first: 250) { nodes { a: lineItems(first: 250) { ...Lines } "
        "b: lineItems(first: 250) { ...Lines } } } } "
        "fragment Lines on LineItemConnection { nodes { product { featuredMedia { preview { image { url } } } } } }"
    )
    error = body["errors"][0]
    assert "data" not in body
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert error["extensions"]["maxCost"] == 1000
    assert error["message"].startswith(
        f"Query cost is {error['extensions']['cost']}, which exceeds the single query max"
    )
    assert body["extensions"]["cost"]["actualQueryCost"] is None


def test_a_query_is_charged_once(api: Api) -> None:
    api.store.register(SHOP, "tiny", maximum_available=200, restore_rate=1)
    used = sum(api.ask(RECENT)["extensions"]["cost"]["actualQueryCost"] for _ in range(3))
    assert 200 - used <= api.store.bucket(SHOP).level().available <= 200 - used + 2


def test_while_a_query_runs_its_whole_price_is_taken(api: Api) -> None:
    api.store.register(SHOP, "tiny", maximum_available=120, restore_rate=1)
    api.store.fault(SHOP, "latency", times=1, seconds=0.5)
    variables = {"query": "created_at:>='2020-01-01T00:00:00Z'"}
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(api.ask, WEEK, variables)
        wait_until(lambda: api.store.bucket(SHOP).level().available < 20)
        meanwhile = api.ask(COUNTS)
        assert meanwhile["errors"][0]["extensions"]["code"] == "THROTTLED"
        cost = slow.result()["extensions"]["cost"]
    assert cost["throttleStatus"]["currentlyAvailable"] >= 120 - cost["actualQueryCost"]
    assert "data" in api.ask(COUNTS)


# 7. Cursors


def test_new_orders_do_not_move_a_page(api: Api) -> None:
    query = """query P($after: String) {
      orders(first: 3, after: $after, sortKey: CREATED_AT, reverse: true) { nodes { name } pageInfo { endCursor } }
    }"""
    first = api.ask(query)["data"]["orders"]
    before = api.ask(query, {"after": first["pageInfo"]["endCursor"]})["data"]
    for _ in range(4):
        api.store.place_order(SHOP)
    assert api.ask(query, {"after": first["pageInfo"]["endCursor"]})["data"] == before


@pytest.mark.parametrize(
    "arguments",
    [
        "first: 1, sortKey: DESTINATION",
        'first: 1, savedSearchId: "gid://shopify/SavedSearch/1"',
        "last: 1",
        'first: 1, query: "tag:vip"',
    ],
)
def test_what_is_missing_is_refused_by_name(api: Api, arguments: str) -> None:
    body = api.ask(f"{{ orders({arguments}) {{ nodes {{ id }} }} }}")
    assert body["errors"][0]["extensions"]["code"] == "NOT_IMPLEMENTED"


# 8. Search


def test_a_bad_date_is_an_error(api: Api) -> None:
    body = api.ask('{ ordersCount(query: "created_at:>soon") { count } }')
    assert body["data"] == {"ordersCount": None}
    assert body["errors"][0]["message"] == "Invalid timestamp for query filter `created_at`."


# 9. Data


def test_the_shapes_are_shopify_s(api: Api) -> None:
    body = api.ask(RECENT, {"first": 50})
    orders = body["data"]["orders"]["nodes"]
    assert all(order["id"].startswith("gid://shopify/Order/") for order in orders)
    assert all(len(order["createdAt"]) == 20 and order["createdAt"][-1] == "Z" for order in orders)
    amounts = [order["totalPriceSet"]["shopMoney"]["amount"] for order in orders]
    assert all("." in amount and not amount.endswith("00") for amount in amounts)
    customers = [order["customer"] for order in orders if order["customer"]]
    assert all(isinstance(customer["numberOfOrders"], str) for customer in customers)
    assert any(order["customer"] is None for order in orders)
    assert any(order["test"] for order in orders)
    assert any(order["cancelledAt"] for order in orders)


def test_old_orders_exist_for_those_who_may_see_them(api: Api) -> None:
    scopes = ["read_orders", "read_all_orders", "read_customers"]
    some = api.ask(COUNTS)["data"]["orders"]["count"]
    oldest = "{ orders(first: 1, sortKey: CREATED_AT) { nodes { id createdAt } } }"
    visible = api.ask(oldest)["data"]["orders"]["nodes"][0]
    api.store.register(SHOP, "medium", scopes=scopes)
    assert api.ask(COUNTS)["data"]["orders"]["count"] == 120 > some
    hidden = api.ask(oldest)["data"]["orders"]["nodes"][0]
    assert hidden["createdAt"] < visible["createdAt"]


def test_a_count_stops_at_its_limit(api: Api) -> None:
    shop = "dev-huge.myshopify.com"
    truth = api.store.truth(shop)
    assert truth["orders"] > 10_000
    query = (
        "query C($limit: Int = 10000) { ordersCount(limit: $limit) { count precision } plain: ordersCount { count } }"
    )
    capped = api.ask(query, shop=shop)["data"]
    assert capped == {"ordersCount": {"count": 10_000, "precision": "AT_LEAST"}, "plain": {"count": 10_000}}
    exact = api.ask(query, {"limit": None}, shop=shop)["data"]["ordersCount"]
    assert exact == {"count": truth["orders"], "precision": "EXACT"}


def test_yen_and_other_currencies(api: Api) -> None:
    query = """{
      shop { currencyCode ianaTimezone }
      orders(first: 40) { nodes { totalPriceSet { shopMoney { amount currencyCode } } } }
    }"""
    api.store.register(SHOP, "medium", currency="JPY")
    body = api.ask(query)["data"]
    assert body["shop"] == {"currencyCode": "JPY", "ianaTimezone": "Asia/Tokyo"}
    money = [order["totalPriceSet"]["shopMoney"] for order in body["orders"]["nodes"]]
    assert all(m["amount"].endswith(".0") and m["currencyCode"] == "JPY" for m in money)
    api.store.register(SHOP, "medium", former_currency="CAD", scopes=["read_orders", "read_all_orders"])
    paid = [order["totalPriceSet"] for order in api.ask(query)["data"]["orders"]["nodes"]]
    assert {m["shopMoney"]["currencyCode"] for m in paid} == {"CAD"}, "the oldest orders are from before the change"


@pytest.mark.parametrize("plan", ["basic", "enterprise"])
def test_the_overview_describes_shop_and_products(api: Api, plan: str) -> None:
    api.store.register(SHOP, "medium", plan=plan, name="Corner Shop", time_zone="Europe/Lisbon")
    data = api.ask(OVERVIEW)["data"]
    assert data["shop"]["name"] == "Corner Shop"
    assert data["shop"]["ianaTimezone"] == "Europe/Lisbon"
    assert data["shop"]["plan"]["publicDisplayName"]
    stock = [product["totalInventory"] for product in data["products"]["nodes"]]
    assert stock == sorted(stock, reverse=True)
    assert len(stock) == 7


def test_the_index_lags_behind_the_list(api: Api) -> None:
    query = """{
      ordersCount { count }
      orders(first: 1, sortKey: CREATED_AT, reverse: true) { nodes { name } }
      found: orders(first: 1, sortKey: CREATED_AT, reverse: true, query: "status:open") { nodes { name } }
    }"""
    before = api.ask(query)["data"]
    placed = api.store.place_order(SHOP, lag_seconds=0.3)
    at_once = api.ask(query)["data"]
    assert at_once["orders"]["nodes"] == [{"name": placed.name}]
    assert at_once["found"] == before["found"]
    assert at_once["ordersCount"] == before["ordersCount"]
    wait_until(lambda: api.ask(query)["data"]["ordersCount"]["count"] == before["ordersCount"]["count"] + 1)
    assert api.ask(query)["data"]["found"]["nodes"] == [{"name": placed.name}]


# 10. Faults


def strike(api: Api, kind: str, **details: Any) -> httpx.Response:
    api.store.fault(SHOP, kind, times=1, **details)
    return api.post(COUNTS)


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("frozen", 402, {"errors": "Unavailable Shop"}),
        ("fraudulent", 403, {"errors": "Forbidden"}),
        ("non_expiring", 403, None),
        ("not_found", 404, {"errors": "Not Found"}),
        ("locked", 423, {"errors": "Locked"}),
        ("inactive", 200, None),
    ],
)
def test_a_shop_that_is_closed_says_so(api: Api, kind: str, status: int, body: Body | None) -> None:
    answer = strike(api, kind)
    assert answer.status_code == status
    assert body in (None, answer.json())


def test_a_throttling_on_demand_asks_for_a_real_wait(api: Api) -> None:
    cost = strike(api, "throttled", seconds=0.3).json()["extensions"]["cost"]
    status = cost["throttleStatus"]
    assert (cost["requestedQueryCost"] - status["currentlyAvailable"]) / status["restoreRate"] == pytest.approx(0.3)


def test_the_request_id_of_an_internal_error_is_the_header_s(api: Api) -> None:
    answer = strike(api, "internal_error")
    error = answer.json()["errors"][0]
    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]
    assert answer.headers["x-request-id"] in error["message"]


def test_a_proxy_in_front_fails(api: Api) -> None:
    answer = strike(api, "status", seconds=7)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert strike(api, "status", status=502).status_code == 502
    limited = strike(api, "too_many_requests")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "2.0")
    assert strike(api, "html").text.startswith("<!DOCTYPE html>")
    assert isinstance(strike(api, "not_an_object").json(), list)
    assert strike(api, "timeout").json() == {"errors": [{"message": "Timeout"}]}


def test_connections_break(api: Api) -> None:
    for kind in ("dropped", "lost_answer"):
        with pytest.raises(httpx.RemoteProtocolError):
            strike(api, kind)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        strike(api, "truncated")
    costs = [request["actual_cost"] for request in api.store.requests(SHOP)]
    assert costs == [None, 43, 43], "only the dropped one had no effect"
    assert [request["status"] for request in api.store.requests(SHOP)] == [0, 0, 200]


def test_open_requests_are_counted_until_they_are_answered_or_given_up(api: Api) -> None:
    log = api.store.request_log
    api.store.fault(SHOP, "hang", times=1)
    with ThreadPoolExecutor() as threads:
        hanging = threads.submit(api.post, COUNTS, timeout=1.0)
        wait_until(lambda: log.open_requests == 1)
        assert api.post(COUNTS).status_code == 200
        assert log.open_requests == 1
        assert isinstance(hanging.exception(), httpx.ReadTimeout)
    wait_until(lambda: log.open_requests == 0)


def test_answers_take_their_time(api: Api) -> None:
    for kind, seconds in (("latency", 0.15), ("hang", 0.15), ("slow_body", 0.0005)):
        began = time.monotonic()
        answer = strike(api, kind, seconds=seconds)
        assert "data" in answer.json()
        assert time.monotonic() - began >= 0.15
    api.store.fault(SHOP, "hang", times=1)
    with pytest.raises(httpx.ReadTimeout):
        api.post(COUNTS, timeout=0.1)
    wait_until(lambda: len(api.store.requests(SHOP)) == 4)
    assert api.store.requests(SHOP)[-1]["status"] == 0


def test_an_answer_is_well_formed_and_wrong(api: Api) -> None:
    api.store.fault(SHOP, "wrong_types", times=1)
    order = api.ask(RECENT)["data"]["orders"]["nodes"][0]
    assert order["lineItems"] is None
    assert order["totalPriceSet"]["shopMoney"]["amount"] == "NaN"
    api.store.fault(SHOP, "endless_cursor", times=2)
    pages = [api.ask(RECENT)["data"]["orders"]["pageInfo"] for _ in range(2)]
    assert pages[0] == pages[1] == {"hasNextPage": True, "endCursor": pages[0]["endCursor"]}
    assert strike(api, "ignored_search").json()["extensions"]["search"][0]["warnings"]
    assert strike(api, "other_version").headers["X-Shopify-API-Version"] == "2026-04"
    api.store.fault(SHOP, "protected_data", times=1)
    assert "not approved" in api.ask(RECENT)["errors"][0]["message"]
    api.store.fault(SHOP, "customer_plan", times=1)
    refused = api.ask(RECENT)
    assert {error["message"][:45] for error in refused["errors"]} == {"Access to personally identifiable information"}
    assert refused["data"]["orders"]["nodes"]


# The control endpoints


def test_a_shop_is_opened_and_shown_over_http(api: Api) -> None:
    made = api.control(
        "POST",
        "shops",
        {"shop_domain": "new.myshopify.com", "size": "tiny", "token": "t", "currency": "EUR", "restore_rate": 7},
    )
    assert made.status_code == 201
    shown = api.control("GET", "shops/new.myshopify.com").json()
    assert shown == made.json()
    assert (shown["orders"], shown["currency"], shown["token"]) == (7, "EUR", "t")
    assert shown["bucket"]["restore_rate"] == 7
    assert "new.myshopify.com" in api.control("GET", "shops").json()["shops"]
    assert api.ask(ACCESS, shop="new.myshopify.com", token="t")["data"]["shop"]["currencyCode"] == "EUR"


def test_faults_are_switched_over_http(api: Api) -> None:
    added = api.control("POST", "faults", {"kind": "throttled", "shop_domain": SHOP, "times": 2, "operation": "Counts"})
    assert added.status_code == 201
    assert "errors" not in api.ask(ACCESS)
    assert api.ask(COUNTS)["errors"][0]["message"] == "Throttled"
    listed = api.control("GET", "faults").json()
    assert [(fault["kind"], fault["times"]) for fault in listed["faults"]] == [("throttled", 1)]
    assert "frozen" in listed["kinds"]
    assert api.control("DELETE", f"faults?shop_domain={SHOP}").json() == {"faults": []}
    assert "errors" not in api.ask(COUNTS)


def test_requests_are_remembered(api: Api) -> None:
    began = time.time()
    api.ask(COUNTS)
    api.post(COUNTS, token="wrong")
    api.refresh("nothing")
    found = api.control("GET", f"requests?shop_domain={SHOP}&since={began}").json()["requests"]
    assert [(r["target"], r["operation"], r["status"]) for r in found] == [
        ("graphql", "Counts", 200),
        ("graphql", "Counts", 401),
        ("oauth", "refresh_token", 401),
    ]
    assert began <= found[0]["received_at"] <= time.time()
    assert (found[0]["requested_cost"], found[0]["actual_cost"], found[0]["version"]) == (43, 43, "2026-10")
    assert api.control("GET", f"requests?since={time.time() + 1}").json() == {"requests": []}
    assert api.control("DELETE", "requests").status_code == 200
    assert api.store.requests() == []


def test_no_token_is_remembered(api: Api) -> None:
    api.store.register(SHOP, token="marked-access", expires_in=60, refresh_token="marked-refresh")
    api.post(COUNTS, token="marked-access")
    api.refresh("marked-refresh")
    assert "marked" not in api.control("GET", "requests").text
    assert len(api.store.requests(SHOP)) == 2


def test_buckets_orders_and_tokens_are_handled_over_http(api: Api) -> None:
    api.control("POST", f"shops/{SHOP}/bucket", {"available": 5})
    assert api.ask(COUNTS)["errors"][0]["message"] == "Throttled"
    api.control("POST", f"shops/{SHOP}/bucket", {"available": 2000})
    before = api.ask(COUNTS)["data"]["orders"]["count"]
    placed = api.control("POST", f"shops/{SHOP}/orders", {"count": 3})
    assert len(placed.json()["orders"]) == 3
    assert api.ask(COUNTS)["data"]["orders"]["count"] == before + 3
    api.control("POST", f"shops/{SHOP}/expire")
    assert api.post(COUNTS).status_code == 401
    api.control("POST", "reset")
    assert api.post(COUNTS).status_code == 404
    api.control("POST", "shops/test.myshopify.com/revoke")
    assert api.post(COUNTS, shop="test.myshopify.com").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "shops", {"size": "tiny"}, 400, "shop_domain: Field required"),
        ("POST", "shops", {"shop_domain": SHOP, "sise": "tiny"}, 400, "sise"),
        ("POST", "shops", {"shop_domain": SHOP, "size": "vast"}, 400, "size must be one of new, tiny"),
        ("POST", "shops", {"shop_domain": SHOP, "plan": "x"}, 400, "plan must be one of basic"),
        ("POST", "faults", {"kind": "explode"}, 400, "there are: latency"),
        ("POST", "faults", {"kind": "frozen", "times": "often"}, 400, "times"),
        ("GET", "shops/nobody.myshopify.com", None, 404, "no shop nobody.myshopify.com"),
        ("POST", "shops/nobody.myshopify.com/orders", {}, 404, "no shop nobody.myshopify.com"),
        ("GET", "requests?since=yesterday", None, 400, "Unix time"),
    ],
)
def test_a_wrong_control_request_is_explained(
    api: Api, method: str, path: str, body: Body | None, status: int, words: str
) -> None:
    answer = api.control(method, path, body)
    assert answer.status_code == status
    assert words in answer.json()["error"]


README = (Path(shopify.development_store.__file__).parent / "README.md").read_text()
CURL = re.findall(r"^curl .*$", README, re.MULTILINE)


def test_the_commands_of_the_readme_work(api: Api) -> None:
    assert len(CURL) >= 6
    for line in CURL:
        options = argparse.ArgumentParser()
        options.add_argument("url")
        for name in ("-X", "-H", "--json"):
            options.add_argument(name)
        said = options.parse_args(shlex.split(line)[1:])
        answer = api.http.request(
            said.X or ("POST" if said.json else "GET"),
            said.url.replace("http://127.0.0.1:4010", api.store.url),
            content=said.json,
            headers={"Content-Type": "application/json", **dict([said.H.split(": ")] if said.H else [])},
        )
        assert answer.is_success, line
        assert "errors" not in answer.json(), line


# Speed and life cycle


def test_it_starts_at_once_stops_at_once_and_again() -> None:
    began = time.monotonic()
    store = DevelopmentStore().start()
    assert time.monotonic() - began < 1.0
    with pytest.raises(RuntimeError, match="running already"):
        store.start()
    store.fault(None, "hang")
    with Api(store) as api, pytest.raises(httpx.ReadTimeout):
        api.post(COUNTS, shop="test.myshopify.com", timeout=0.1)
    began = time.monotonic()
    store.stop()
    store.stop()
    assert time.monotonic() - began < 2.0
    with Api(store) as api, pytest.raises(httpx.ConnectError):
        api.post(COUNTS)
    with store.start(), Api(store) as api:
        store.clear_faults()
        assert api.post(COUNTS, shop="test.myshopify.com").status_code == 200


def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            DevelopmentStore().start(port)
        with run("--port", str(port)) as process:
            _, complaint = process.communicate(timeout=20)
        assert process.returncode == 2
        assert f"cannot listen on 127.0.0.1:{port}" in complaint


def run(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "shopify.development_store", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_is_a_process_that_ends_when_told_to(number: signal.Signals) -> None:
    shop = "dev-tiny.myshopify.com"
    with run("--port", "0", "--latency", "1") as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("development store ready: SHOPIFY_ADMIN_URL=http://127.0.0.1:")
            url = line.rpartition("=")[2].strip().replace("{shop}", shop)
            headers = {"X-Shopify-Access-Token": token_for(shop)}
            answer = httpx.post(
                f"{url}/api/2026-10/graphql.json", json={"query": COUNTS}, headers=headers, trust_env=False
            )
            assert answer.json()["data"]["orders"] == {"count": 7, "precision": "EXACT"}
            began = time.monotonic()
            process.send_signal(number)
            _, complaint = process.communicate(timeout=5)
            assert time.monotonic() - began < 2.0
            assert (process.returncode, complaint) == (0, "")
        finally:
            process.kill()
