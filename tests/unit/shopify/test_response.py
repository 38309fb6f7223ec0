"""Every kind of answer Shopify is known to give, and what it means to us."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopify.errors import (
    AccessDenied,
    BadAnswer,
    BadDocument,
    CostExceeded,
    Forbidden,
    ProtectedData,
    ShopifyError,
    StoreUnavailable,
    Temporary,
    Throttled,
    Unauthorized,
)
from shopify.response import GraphQLResponse, HttpResponse, parse
from shopify.retries import policy_for
from tests.shopify_answers import INTERNAL_ERROR, SHOP, answer, denied, not_approved, ok, throttled

INVALID_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"
NON_EXPIRING = (
    "[API] Non-expiring access tokens are no longer accepted for the Admin API. Start using expiring offline tokens."
)
TOO_DEAR = {
    "message": "Query cost is 2003, which exceeds the single query max cost limit (1000).",
    "extensions": {"code": "MAX_COST_EXCEEDED", "cost": 2003, "maxCost": 1000},
}
UNDEFINED_FIELD = {
    "message": "Field 'ordersCount' doesn't exist on type 'Customer'",
    "locations": [{"line": 3, "column": 5}],
    "path": ["query RecentOrders", "orders", "nodes", "customer", "ordersCount"],
    "extensions": {"code": "undefinedField", "typeName": "Customer", "fieldName": "ordersCount"},
}
INVALID_VARIABLE = {
    "message": "Variable $first of type Int was provided invalid value",
    "extensions": {"code": "INVALID_VARIABLE", "value": "x", "problems": [{"path": [], "explanation": "not an Int"}]},
}
HTML = b"<!DOCTYPE html><html><body>Something went wrong</body></html>"
PLAN = {
    "message": "Access to personally identifiable information (PII) like customer names is only available on Shopify,"
    " Advanced, and Plus plans.",
    "path": ["orders", "nodes", 0, "customer"],
    "extensions": {"code": "ACCESS_DENIED"},
}


def read(response: httpx.Response) -> GraphQLResponse:
    return parse(SHOP, HttpResponse(response.status_code, dict(response.headers), response.content))


def refused(response: httpx.Response) -> ShopifyError:
    with pytest.raises(ShopifyError) as caught:
        read(response)
    return caught.value


def html(status: int, **headers: str) -> httpx.Response:
    return answer(HTML, status, content_type="text/html", **headers)


def errors(*entries: Any, **more: Any) -> httpx.Response:
    return answer({"errors": list(entries), **more})


@pytest.mark.parametrize(
    ("response", "kind", "reason", "retryable"),
    [
        (answer({"errors": INVALID_TOKEN}, 401), Unauthorized, "invalid_token", False),
        (html(401), Unauthorized, "invalid_token", False),
        (answer({"errors": INVALID_TOKEN}, 200), Unauthorized, "invalid_token", False),
        (answer({"errors": NON_EXPIRING}, 403), Unauthorized, "non_expiring_token", False),
        (errors({"message": "?", "extensions": {"code": "401"}}), Unauthorized, "invalid_token", False),
        (errors({"message": "?", "extensions": {"code": "UNAUTHORIZED"}}), Unauthorized, "invalid_token", False),
        (answer({"errors": "IP address not in allowlist"}, 403), Forbidden, "ip_allowlist", True),
        (answer({"errors": "Forbidden"}, 403), Forbidden, "forbidden", True),
        (errors({"message": "Forbidden", "extensions": {"code": 403}}), Forbidden, "forbidden", True),
        (html(403), Temporary, "challenge", True),
        (answer(b"", 403), Temporary, "challenge", True),
        (answer({"errors": "Store marked as fraudulent"}, 403), StoreUnavailable, "fraudulent", True),
        (answer({"errors": "Unavailable Shop"}, 402), StoreUnavailable, "frozen", True),
        (answer(b"", 423), StoreUnavailable, "locked", True),
        (answer({"errors": "Not Found"}, 404), StoreUnavailable, "not_found", True),
        (html(404), StoreUnavailable, "not_found", True),
        (
            errors({"message": "Shop inactive", "extensions": {"code": "SHOP_INACTIVE"}}),
            StoreUnavailable,
            "inactive",
            True,
        ),
        (answer(b"", 301, location="https://other.example/"), StoreUnavailable, "moved", True),
        (answer(b"", 302, location="https://other.example/"), StoreUnavailable, "moved", True),
        (html(430), Temporary, "challenge", True),
        (errors(denied(["orders"], "read_orders"), data=None), AccessDenied, "scope", False),
        (
            answer({"errors": "[API] This action requires merchant approval for read_orders scope."}, 403),
            AccessDenied,
            "scope",
            False,
        ),
        (
            errors(
                {"message": "Access denied", "path": ["orders"], "extensions": {"code": "ACCESS_DENIED"}}, data=None
            ),
            AccessDenied,
            "refused",
            False,
        ),
        (errors(not_approved(["orders"], "Order"), data=None), ProtectedData, "object", False),
        (errors(not_approved(["customersCount"]), data=None), ProtectedData, "approval", False),
        (
            errors({"message": "This app is not approved to use the email field."}, data=None),
            ProtectedData,
            "approval",
            False,
        ),
        (
            answer({"errors": "This app is not approved to access the Customer object."}, 403),
            ProtectedData,
            "approval",
            False,
        ),
        (errors(PLAN, data=None), ProtectedData, "plan", False),
        (throttled(752, 666, rate=50, maximum=1000), Throttled, "cost", True),
        (errors({"message": "Throttled"}), Throttled, "cost", True),
        (answer({"errors": "Exceeded 2 calls per second"}, 429, retry_after="2.0"), Throttled, "requests", True),
        (errors({"message": "Too Many Requests", "extensions": {"code": "429"}}), Throttled, "requests", True),
        (errors({"message": "Slow down", "extensions": {"code": 429}}), Throttled, "requests", True),
        (answer({"errors": "Exceeded 2 calls per second for api client."}), Throttled, "requests", True),
        (answer({"errors": {"base": ["Exceeded 2 calls per second"]}}), Throttled, "requests", True),
        (answer({"errors": "Unavailable Shop"}, 403), StoreUnavailable, "inactive", True),
        (answer({"errors": "Throttled"}), Throttled, "cost", True),
        (answer({"errors": [["Throttled"]]}), Throttled, "cost", True),
        (errors(TOO_DEAR), CostExceeded, "query", False),
        (throttled(900, 100, maximum=500), CostExceeded, "bucket", False),
        (errors(INTERNAL_ERROR, data=None), Temporary, "internal_error", True),
        (errors({"message": "Something went wrong"}, data=None), Temporary, "internal_error", True),
        (errors({"message": "Timeout"}), Temporary, "query_timeout", True),
        (html(500), Temporary, "server_error", True),
        (html(502), Temporary, "server_error", True),
        (html(503), Temporary, "server_error", True),
        (html(504), Temporary, "server_error", True),
        (html(520), Temporary, "server_error", True),
        (answer(b"", 408), Temporary, "server_error", True),
        (errors(UNDEFINED_FIELD), BadDocument, "query", False),
        (errors(INVALID_VARIABLE), BadDocument, "variable", False),
        (errors({"message": 'Parse error on "}"'}), BadDocument, "query", False),
        (errors({"message": "odd", "locations": [{"line": 1, "column": 2}]}), BadDocument, "query", False),
        (errors("just a text"), Temporary, "unknown", True),
        (answer({"errors": "just a text"}), Temporary, "unknown", True),
        (answer({"error": "just a text"}), Temporary, "unknown", True),
        (answer({"errors": {"base": ["just a text"]}}), Temporary, "unknown", True),
        (errors({"message": "?", "extensions": {"code": "NEWS_OF_2027"}}), Temporary, "unknown", True),
        (errors({"message": "?", "extensions": {"code": "503"}}), Temporary, "server_error", True),
        (errors(17), Temporary, "unknown", True),
        (html(400), Temporary, "unknown", True),
        (answer({"errors": "I'm a teapot"}, 418), Temporary, "unknown", True),
        (answer({"errors": "Unsupported Media Type"}, 415), BadDocument, "request", False),
        (answer({"errors": "Not Acceptable"}, 406), BadDocument, "request", False),
        (answer({"errors": {"query": "Required"}}, 400), BadDocument, "request", False),
        (answer(b"", 204), BadAnswer, "shape", True),
        (html(200), BadAnswer, "not_json", True),
        (answer(b'{"data": {"shop": {"na'), BadAnswer, "not_json", True),
        (answer(b"\xff\xfe"), BadAnswer, "not_json", True),
        (answer(b""), BadAnswer, "not_json", True),
        (answer(b"[" * 100_000), BadAnswer, "not_json", True),
        (answer(b'{"data": ' + b"9" * 5000 + b"}"), BadAnswer, "not_json", True),
        (answer([]), BadAnswer, "shape", True),
        (answer("data"), BadAnswer, "shape", True),
        (answer({}), BadAnswer, "shape", True),
        (answer({"data": None}), BadAnswer, "shape", True),
        (answer({"data": None, "errors": []}), BadAnswer, "shape", True),
        (answer({"data": []}), BadAnswer, "shape", True),
        (errors({"message": "odd", "path": ["orders"]}, data=None), BadAnswer, "value", True),
    ],
)
def test_what_an_answer_means(response: httpx.Response, kind: type[ShopifyError], reason: str, retryable: bool) -> None:
    error = refused(response)
    assert (type(error), error.reason, policy_for(error).tries > 0) == (kind, reason, retryable)
    assert error.code == kind.code
    assert str(error) == error.operator
    assert error.operator.startswith(SHOP)
    assert error.request_id == "3f1c2a7e-77aa-4c9b-9d0e-000000000001"
    assert error.merchant.endswith(".")
    assert not {"GraphQL", "token", "HTTP", "scope"} & set(error.merchant.split())


def test_the_wait_is_exact() -> None:
    error = refused(throttled(752, 666, rate=50, maximum=1000))
    assert error.retry_after == pytest.approx(1.72)
    assert error.throttle is not None
    assert (error.throttle.requested, error.throttle.available, error.throttle.actual) == (752, 666, None)


@pytest.mark.parametrize(
    ("header", "seconds"), [("2.0", 2.0), ("4", 4.0), ("-3", 0.0), ("9e9", 3600.0), ("nan", 1.0), ("Fri, 31 Dec", 1.0)]
)
def test_retry_after_is_in_seconds(header: str, seconds: float) -> None:
    assert refused(answer({"errors": "slow down"}, 429, retry_after=header)).retry_after == seconds


def test_429_without_retry_after_waits_a_second() -> None:
    assert refused(answer({"errors": "slow down"}, 429)).retry_after == 1.0


def test_5xx_may_say_when_to_come_back() -> None:
    assert refused(html(503, retry_after="1.5")).retry_after == 1.5
    assert refused(html(503)).retry_after is None


def test_a_missing_scope_is_named() -> None:
    error = refused(errors(denied(["orders"], "read_orders"), data=None))
    assert error.scopes == ("read_orders",)
    assert error.path == ("orders",)
    assert "I may not read your orders:" in error.merchant
    assert "read_" not in error.merchant
    assert "read_orders" in error.operator


def test_partial_data_is_an_answer_with_errors() -> None:
    data = {"customers": None, "orders": {"count": 3, "precision": "EXACT"}}
    found = read(ok(data, errors=[denied(["customers"], "read_customers")]))
    assert found.data == data
    assert [(type(error), error.path) for error in found.errors] == [(AccessDenied, ("customers",))]


@pytest.mark.parametrize(
    "entry",
    [
        {"message": "Throttled", "extensions": {"code": "THROTTLED"}},
        {"message": "Shop inactive", "extensions": {"code": "SHOP_INACTIVE"}},
        UNDEFINED_FIELD,
        TOO_DEAR,
    ],
)
def test_partial_data_is_no_answer_if_the_error_is_about_all_of_it(entry: dict[str, Any]) -> None:
    refused(ok({"shop": {}}, errors=[entry]))


def test_the_error_that_explains_most_is_raised() -> None:
    both = errors(INTERNAL_ERROR, not_approved(["orders", "nodes", 0, "customer"]), denied(["orders"], "read_orders"))
    assert isinstance(refused(both), AccessDenied)


def test_an_ignored_search_filter_makes_the_answer_wrong() -> None:
    warning = {"field": "state", "message": "Invalid search field for this query.", "code": "invalid_field"}
    search = [{"path": ["customersCount"], "query": "state:DISABLED", "parsed": {}, "warnings": [warning]}]
    error = refused(ok({"customersCount": {"count": 178}}, search=search))
    assert isinstance(error, BadDocument)
    assert error.reason == "search"
    assert '"state"' in error.operator


@pytest.mark.parametrize("search", [[{"path": ["orders"], "query": "status:open", "parsed": {}}], [], None, "x", [3]])
def test_a_search_without_warnings_is_fine(search: object) -> None:
    assert read(ok({"shop": {}}, search=search)).data == {"shop": {}}


def test_the_throttle_status_is_carried() -> None:
    throttle = read(ok({"shop": {}}, available=1928.5)).throttle
    assert throttle is not None
    assert (throttle.available, throttle.maximum, throttle.restore_rate) == (1928.5, 2000, 100)


@pytest.mark.parametrize(
    "extensions",
    [
        None,
        [],
        {"cost": None},
        {"cost": {"requestedQueryCost": 3}},
        {
            "cost": {
                "requestedQueryCost": "3",
                "throttleStatus": {"currentlyAvailable": 1, "maximumAvailable": 2, "restoreRate": 1},
            }
        },
        {
            "cost": {
                "requestedQueryCost": 3,
                "throttleStatus": {"currentlyAvailable": 1, "maximumAvailable": 2, "restoreRate": 0},
            }
        },
        {
            "cost": {
                "requestedQueryCost": True,
                "throttleStatus": {"currentlyAvailable": 1, "maximumAvailable": 2, "restoreRate": 1},
            }
        },
    ],
)
def test_unusable_throttle_status_is_none(extensions: object) -> None:
    assert read(answer({"data": {}, "extensions": extensions})).throttle is None


def test_the_request_id_is_read_but_not_trusted() -> None:
    found = read(ok({}))
    assert found.request_id == "3f1c2a7e-77aa-4c9b-9d0e-000000000001"
    odd = read(answer({"data": {}}, x_request_id="a b <script>"))
    assert odd.request_id is None


def test_what_the_server_says_is_cut_and_without_tokens() -> None:
    words = "shpat_0123456789abcdef\u200b\U000e0041 " + "long " * 200
    error = refused(answer({"errors": words}, 400))
    assert "shpat_" not in error.operator
    assert "[token]" in error.operator
    assert len(error.operator) < 400
    assert error.operator.isprintable()


KEYS = st.sampled_from(
    ["data", "errors", "extensions", "code", "message", "path", "cost", "throttleStatus", "search", "warnings", "field"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(
    status=st.sampled_from([200, 200, 200, 401, 403, 429, 500]), body=json_values | st.dictionaries(KEYS, json_values)
)
def test_no_answer_at_all_surprises(status: int, body: object) -> None:
    try:
        parse(SHOP, HttpResponse(status, {}, json.dumps(body).encode()))
    except ShopifyError as error:
        assert error.operator.startswith(SHOP)  # noqa: PT017 - either outcome is fine
