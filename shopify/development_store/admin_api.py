"""One call of the Admin GraphQL API, from request to response, without HTTP."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    get_operation_ast,
    get_variable_values,
    parse,
    validate,
)

from shopify.development_store import responses
from shopify.development_store.cost import Bucket, price_of
from shopify.development_store.faults import StoreFault, StruckQuery, instead, spoil
from shopify.development_store.resolvers import Viewer, executable_schema
from shopify.development_store.responses import StoreResponse
from shopify.development_store.store import Store, UnknownShop
from shopify.rate_limit import MAX_QUERY_COST

MAX_TOKENS = 20_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GraphQLRequest:
    """The request in a body; `text` is None if there is no query."""

    text: str | None
    variables: dict[str, Any]
    operation_name: str | None

    @classmethod
    def read(cls, body: bytes) -> Self | None:
        """The request in a body; None if the body is not a JSON object."""
        content = read_object(body)
        if content is None:
            return None
        text, variables, name = (content.get(key) for key in ("query", "variables", "operationName"))
        return cls(
            text if isinstance(text, str) and text.strip() else None,
            variables if isinstance(variables, dict) else {},
            name if isinstance(name, str) and name else None,
        )

    @property
    def document(self) -> DocumentNode | None:
        """The document, unless it is invalid."""
        return checked(self.text or "")[0]

    @property
    def operation(self) -> OperationDefinitionNode | None:
        """The operation to execute, if the document and the name determine it."""
        return get_operation_ast(self.document, self.operation_name) if self.document else None

    @property
    def label(self) -> str | None:
        """The name of the operation, for the request log and for faults."""
        if self.operation_name or self.text is None:
            return self.operation_name
        return self.operation.name.value if self.operation and self.operation.name else None

    def errors(self) -> Sequence[dict[str, Any]]:
        """Why the request cannot be executed, as entries of `errors`; empty if it can."""
        if errors := checked(self.text or "")[1]:
            return errors
        if self.operation is None:
            name = self.operation_name
            return [{"message": f'No operation named "{name}"' if name else "An operation name is required"}]
        values = get_variable_values(executable_schema(), self.operation.variable_definitions or (), self.variables)
        return [_coded(error, "INVALID_VARIABLE") for error in values] if isinstance(values, list) else []


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in a request's body; None if it is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


@lru_cache(maxsize=512)
def checked(text: str) -> tuple[DocumentNode | None, Sequence[dict[str, Any]]]:
    """The document, or its errors as graphql-core words them; cached by text."""
    try:
        document = parse(text, max_tokens=MAX_TOKENS, allow_empty_selection_sets=False)
    except GraphQLSyntaxError as bad:
        return None, [_coded(bad, "PARSE_ERROR")]
    except RecursionError:
        return None, [_coded(GraphQLError("the document is nested too deeply"), "PARSE_ERROR")]
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if any(each.operation is not OperationType.QUERY for each in operations):
        message = "The development store executes queries only, no mutations and no subscriptions."
        return None, [_coded(GraphQLError(message), "NOT_IMPLEMENTED")]
    errors = validate(executable_schema(), document, max_errors=100)
    return (None, [_coded(error, "invalidDocument") for error in errors]) if errors else (document, ())


def _coded(error: GraphQLError, code: str) -> dict[str, Any]:
    return {**error.formatted, "extensions": {"code": code}}


def answer_call(
    store: Store,
    request: GraphQLRequest | None,
    faults: Mapping[str, StoreFault],
    *,
    shop_domain: str,
    token: str | None,
    content_type: str,
    accept: str,
    request_id: str,
) -> StoreResponse:
    """The response to a call: the first error, in Shopify's order of checks, or the executed query.

    `request` is None if the body is not a JSON object.
    """
    try:
        shop = store.shop(shop_domain)
    except UnknownShop:
        return StoreResponse(404, responses.NOT_FOUND)
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return StoreResponse(415, responses.UNSUPPORTED_MEDIA_TYPE)
    if accept and not any(kind in accept for kind in ("application/json", "application/*", "*/*")):
        return StoreResponse(406, responses.NOT_ACCEPTABLE)
    issued = store.tokens.find(shop_domain, token or "")
    if issued is None:
        return StoreResponse(401, responses.UNAUTHORIZED)
    if request is None:
        return StoreResponse(400, responses.BAD_REQUEST)
    if request.text is None:
        return StoreResponse(400, responses.NO_QUERY)
    if errors := request.errors():
        # As recorded: neither `data` nor `extensions`.
        return StoreResponse(200, {"errors": errors})
    approved = shop.settings.protected_customer_data and not faults.keys() & {"protected_data", "customer_plan"}
    viewer = Viewer(shop, issued.scopes, approved)
    return _run(store.bucket(shop_domain), request, viewer, request_id, faults)


def _run(
    bucket: Bucket, request: GraphQLRequest, viewer: Viewer, request_id: str, faults: Mapping[str, StoreFault]
) -> StoreResponse:
    schema, document = executable_schema(), request.document
    assert document is not None
    price = price_of(schema, document, request.variables, request.operation_name)
    requested = max(1, price.requested)
    refusal = instead(faults, StruckQuery(requested, bucket.level(), request_id)) or _reserve(bucket, requested)
    if refusal is not None:
        refusal.requested_cost = requested
        return refusal
    result = execute_sync(
        schema,
        document,
        context_value=viewer,
        variable_values=request.variables,
        operation_name=request.operation_name,
    )
    actual = max(1, price.actual(result.data or {}))
    return StoreResponse(200, spoil(_body(result), faults), {}, requested, min(actual, requested), bucket)


def _reserve(bucket: Bucket, requested: int) -> StoreResponse | None:
    """Reserve the requested points; the refusal if there are too few."""
    if requested > MAX_QUERY_COST:
        return StoreResponse(200, responses.max_cost_exceeded(requested, MAX_QUERY_COST, bucket.level()))
    if not bucket.reserve(requested):
        return StoreResponse(200, responses.throttled(requested, bucket.level()))
    return None


def _body(result: ExecutionResult) -> dict[str, Any]:
    errors = [_error(error) for error in result.errors or ()]
    return {"errors": errors, "data": result.data} if errors else {"data": result.data}


def _error(error: GraphQLError) -> dict[str, Any]:
    """One entry of `errors`, keys in Shopify's order. A bug in the store looks like an internal error at Shopify."""
    extensions, message = error.extensions, error.message
    if not extensions:
        log.error("a field of the development store failed", exc_info=error.original_error or error)
        extensions, message = {"code": "INTERNAL_SERVER_ERROR"}, "Something went wrong"
    locations = [{"line": place.line, "column": place.column} for place in error.locations or ()]
    return {"message": message, "locations": locations, "extensions": extensions, "path": error.path}
