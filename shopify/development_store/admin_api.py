"""One call of the Admin GraphQL API, from its bytes to its answer. No HTTP in here."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, execute_sync

from shopify.cost import MAX_QUERY_COST, estimate
from shopify.development_store import responses as answers
from shopify.development_store.actual_cost import actual_cost
from shopify.development_store.answer import Answer
from shopify.development_store.bucket import Bucket
from shopify.development_store.fault_answers import canned, of_state
from shopify.development_store.faults import Fault
from shopify.development_store.graphql_request import Prepared, prepare
from shopify.development_store.schema import executable_schema
from shopify.development_store.spoiling import spoil
from shopify.development_store.store import Store, UnknownShop
from shopify.development_store.tokens import AccessToken
from shopify.development_store.variables import variable_errors
from shopify.development_store.viewer import Viewer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """A request to the GraphQL endpoint."""

    shop_domain: str
    token: str | None
    content_type: str
    accept: str
    body: bytes
    request_id: str
    show_searches: bool = False


@dataclass(frozen=True)
class Query:
    """What the body asks for; `text` is None if it asks for nothing."""

    text: str | None
    variables: Mapping[str, Any]
    operation_name: str | None

    @property
    def prepared(self) -> Prepared:
        """The document, looked at."""
        return prepare(self.text or "")

    @property
    def operation(self) -> str | None:
        """The name of the operation, for the journal and for faults."""
        if self.operation_name or self.text is None:
            return self.operation_name
        found = self.prepared.operation(None)
        return found.name.value if isinstance(found, OperationDefinitionNode) and found.name else None


def read_query(body: bytes) -> Query | None:
    """The query in a body; None if the body is not a JSON object."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    text, variables, name = (content.get(key) for key in ("query", "variables", "operationName"))
    return Query(
        text if isinstance(text, str) and text.strip() else None,
        variables if isinstance(variables, dict) else {},
        name if isinstance(name, str) and name else None,
    )


def answer_call(store: Store, call: Call, query: Query | None, faults: Mapping[str, Fault]) -> Answer:
    """The answer to a call: what stands in its way, in Shopify's order, or else the executed query."""
    try:
        shop = store.shop(call.shop_domain)
    except UnknownShop:
        return Answer(404, answers.NOT_FOUND)
    if shop.settings.state != "active":
        return of_state(shop.settings.state)
    if call.content_type.partition(";")[0].strip().lower() != "application/json":
        return Answer(415, answers.UNSUPPORTED_MEDIA_TYPE)
    if call.accept and not any(kind in call.accept for kind in ("application/json", "application/*", "*/*")):
        return Answer(406, answers.NOT_ACCEPTABLE)
    token = store.tokens.find(call.shop_domain, call.token or "")
    if token is None:
        return Answer(401, answers.UNAUTHORIZED)
    if token.refused_for_not_expiring:
        return Answer(403, answers.NON_EXPIRING)
    if query is None:
        return Answer(400, answers.BAD_REQUEST)
    if query.text is None:
        return Answer(400, answers.NO_QUERY)
    return _run(store, call, token, query, faults)


def _run(store: Store, call: Call, token: AccessToken, query: Query, faults: Mapping[str, Fault]) -> Answer:
    prepared = query.prepared
    operation = prepared.operation(query.operation_name)
    errors = list(prepared.errors)
    if not errors and isinstance(operation, dict):
        errors = [operation]
    elif not errors and isinstance(operation, OperationDefinitionNode):
        errors = variable_errors(executable_schema(), operation, query.variables)
    if errors or prepared.document is None or isinstance(operation, dict):
        return Answer(200, answers.errors_body(errors), code=_code(errors))
    name = operation.name.value if operation.name else None
    requested = estimate(executable_schema(), prepared.document, query.variables, operation_name=name)
    bucket = store.bucket(call.shop_domain, token.app)
    instead = canned(faults, requested=requested, level=bucket.level(), request_id=call.request_id)
    instead = instead or _reserve(bucket, requested)
    if instead is not None:
        instead.requested_cost = requested
        return instead
    shop = store.shop(call.shop_domain)
    approved = shop.settings.protected_customer_data and not faults.keys() & {"protected_data", "customer_plan"}
    viewer = Viewer(shop, token.scopes, approved, call.show_searches)
    body, actual = _execute(prepared, operation, query.variables, viewer)
    body = spoil(body, faults)
    return Answer(200, body, {}, _code(body.get("errors", [])), requested, min(actual, requested), bucket)


def _reserve(bucket: Bucket, requested: int) -> Answer | None:
    """Reserve the requested points; the refusal if that cannot be."""
    if requested > MAX_QUERY_COST:
        body = answers.max_cost_exceeded(requested, MAX_QUERY_COST, bucket.level())
        return Answer(200, body, code="MAX_COST_EXCEEDED")
    if not bucket.reserve(requested):
        return Answer(200, answers.throttled(requested, bucket.level()), code="THROTTLED")
    return None


def _execute(
    prepared: Prepared, operation: OperationDefinitionNode, variables: Mapping[str, Any], viewer: Viewer
) -> tuple[dict[str, Any], int]:
    schema, document = executable_schema(), prepared.document
    assert document is not None
    result = execute_sync(
        schema,
        document,
        context_value=viewer,
        variable_values=dict(variables),
        operation_name=operation.name.value if operation.name else None,
    )
    body = _body(result)
    if viewer.searches:
        body["extensions"] = {"search": viewer.searches}
    return body, actual_cost(schema, document, operation, variables, result.data)


def _body(result: ExecutionResult) -> dict[str, Any]:
    errors = [_error(error) for error in result.errors or ()]
    return {"errors": errors, "data": result.data} if errors else {"data": result.data}


def _error(error: GraphQLError) -> dict[str, Any]:
    """One entry of `errors`, keys in Shopify's order. A defect of ours looks like one of Shopify's."""
    extensions, message = error.extensions, error.message
    if not extensions:
        log.error("a field of the development store failed", exc_info=error.original_error or error)
        extensions, message = {"code": "INTERNAL_SERVER_ERROR"}, "Something went wrong"
    locations = [{"line": place.line, "column": place.column} for place in error.locations or ()]
    return {"message": message, "locations": locations, "extensions": extensions, "path": error.path}


def _code(errors: list[dict[str, Any]]) -> str | None:
    code = errors[0].get("extensions", {}).get("code") if errors else None
    return code if isinstance(code, str) else None
