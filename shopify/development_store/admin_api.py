"""One call of the Admin GraphQL API, from its request to its response. No HTTP in here."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult, GraphQLError, execute_sync

from shopify.development_store import responses
from shopify.development_store.cost import Bucket, actual_cost, estimate
from shopify.development_store.faults import StoreFault, StruckQuery, instead, of_state, spoil
from shopify.development_store.graphql_request import GraphQLRequest
from shopify.development_store.resolvers import Viewer, executable_schema
from shopify.development_store.responses import StoreResponse
from shopify.development_store.shop import Shop
from shopify.development_store.store import Store, UnknownShop
from shopify.development_store.tokens import IssuedToken
from shopify.rate_limit import MAX_QUERY_COST

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AdminCall:
    """A request to the GraphQL endpoint. `request` is None if its body is not a JSON object."""

    shop_domain: str
    token: str | None
    content_type: str
    accept: str
    request: GraphQLRequest | None
    request_id: str
    show_searches: bool = False


def answer_call(store: Store, call: AdminCall, faults: Mapping[str, StoreFault]) -> StoreResponse:
    """The response to a call: the first thing that stands in its way, in Shopify's order, or the executed query."""
    try:
        shop = store.shop(call.shop_domain)
    except UnknownShop:
        return StoreResponse(404, responses.NOT_FOUND)
    if shop.settings.state != "active":
        return of_state(shop.settings.state)
    if call.content_type.partition(";")[0].strip().lower() != "application/json":
        return StoreResponse(415, responses.UNSUPPORTED_MEDIA_TYPE)
    if call.accept and not any(kind in call.accept for kind in ("application/json", "application/*", "*/*")):
        return StoreResponse(406, responses.NOT_ACCEPTABLE)
    token = store.tokens.find(call.shop_domain, call.token or "")
    if token is None:
        return StoreResponse(401, responses.UNAUTHORIZED)
    if token.refused_for_not_expiring:
        return StoreResponse(403, responses.NON_EXPIRING)
    if call.request is None:
        return StoreResponse(400, responses.BAD_REQUEST)
    if call.request.text is None:
        return StoreResponse(400, responses.NO_QUERY)
    if errors := call.request.errors():
        # As recorded: neither `data` nor `extensions`.
        return StoreResponse(200, {"errors": errors})
    viewer = _viewer(shop, token, faults, show_searches=call.show_searches)
    return _run(store.bucket(call.shop_domain, token.app), call.request, viewer, call.request_id, faults)


def _viewer(shop: Shop, token: IssuedToken, faults: Mapping[str, StoreFault], *, show_searches: bool) -> Viewer:
    approved = shop.settings.protected_customer_data and not faults.keys() & {"protected_data", "customer_plan"}
    return Viewer(shop, token.scopes, approved, show_searches)


def _run(
    bucket: Bucket, request: GraphQLRequest, viewer: Viewer, request_id: str, faults: Mapping[str, StoreFault]
) -> StoreResponse:
    document, name = request.checked.document, request.label
    assert document is not None
    requested = estimate(executable_schema(), document, request.variables, operation_name=name)
    refusal = instead(faults, StruckQuery(requested, bucket.level(), request_id)) or _reserve(bucket, requested)
    if refusal is not None:
        refusal.requested_cost = requested
        return refusal
    result = execute_sync(
        executable_schema(),
        document,
        context_value=viewer,
        variable_values=dict(request.variables),
        operation_name=name,
    )
    actual = actual_cost(executable_schema(), document, request.variables, result.data, operation_name=name)
    return StoreResponse(200, spoil(_body(result, viewer), faults), {}, requested, min(actual, requested), bucket)


def _reserve(bucket: Bucket, requested: int) -> StoreResponse | None:
    """Reserve the requested points; the refusal if that cannot be."""
    if requested > MAX_QUERY_COST:
        return StoreResponse(200, responses.max_cost_exceeded(requested, MAX_QUERY_COST, bucket.level()))
    if not bucket.reserve(requested):
        return StoreResponse(200, responses.throttled(requested, bucket.level()))
    return None


def _body(result: ExecutionResult, viewer: Viewer) -> dict[str, Any]:
    errors = [_error(error) for error in result.errors or ()]
    body: dict[str, Any] = {"errors": errors, "data": result.data} if errors else {"data": result.data}
    if viewer.searches:
        body["extensions"] = {"search": viewer.searches}
    return body


def _error(error: GraphQLError) -> dict[str, Any]:
    """One entry of `errors`, keys in Shopify's order. A defect of the store looks like one of Shopify's."""
    extensions, message = error.extensions, error.message
    if not extensions:
        log.error("a field of the development store failed", exc_info=error.original_error or error)
        extensions, message = {"code": "INTERNAL_SERVER_ERROR"}, "Something went wrong"
    locations = [{"line": place.line, "column": place.column} for place in error.locations or ()]
    return {"message": message, "locations": locations, "extensions": extensions, "path": error.path}
