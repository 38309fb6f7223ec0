"""gql's httpx transport, changed to return the whole HTTP response.

gql parses a response itself and drops the status: Shopify's 401, whose `errors` is a text, arrives as a query error
with the message "[". Deadline and size cap are in `shopify.connection`.
"""

from collections.abc import Generator, Mapping
from typing import Any

import httpx
from gql import GraphQLRequest
from gql.transport.exceptions import TransportConnectionFailed
from gql.transport.httpx import HTTPXTransport
from graphql import DocumentNode, ExecutionResult, get_operation_ast
from pydantic import SecretStr

from shopify.connection import HEADERS, TooLarge, timeouts
from shopify.errors import BadAnswer, ShopifyError, Temporary
from shopify.response import HttpResponse
from shopify.text import quoted

TOKEN_HEADER = "X-Shopify-Access-Token"  # noqa: S105 - the header's name
SHORTEST_TOKEN_TO_MASK = 16


class TokenHeader(httpx.Auth):
    """Puts the access token on a request at the last moment; it is in clear nowhere else."""

    def __init__(self, access_token: SecretStr) -> None:
        self._access_token = access_token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Adds the header."""
        request.headers[TOKEN_HEADER] = self._access_token.get_secret_value()
        yield request


class HttpResult(ExecutionResult):
    """What gql's `execute` returns here: the response, unparsed."""

    def __init__(self, http: HttpResponse) -> None:
        super().__init__()
        self.http = http


class ShopifyTransport(HTTPXTransport):
    """One shop and one access token over a shared HTTP client."""

    def __init__(self, shop: str, url: str, access_token: SecretStr, http: httpx.Client) -> None:
        super().__init__(url)
        self.client = http
        self._shop = shop
        self._access_token = access_token
        self._auth = TokenHeader(access_token)

    def send(
        self, document: DocumentNode, variables: Mapping[str, Any], *, ends: float, remaining: float
    ) -> HttpResponse:
        """Send a document once; done by `ends` (`time.monotonic()`). Raises Temporary or BadAnswer."""
        request = GraphQLRequest(document, variable_values=dict(variables), operation_name=operation_name(document))
        details = {
            "auth": self._auth,
            "headers": HEADERS,
            "follow_redirects": False,
            "timeout": timeouts(remaining),
            "extensions": {"deadline": ends},
        }
        try:
            result = self.execute(request, extra_args=details)
        except TransportConnectionFailed as failed:
            raise _error(self._shop, failed.__cause__) from None
        assert isinstance(result, HttpResult)
        return result.http

    def _prepare_result(self, response: httpx.Response) -> ExecutionResult:
        self.response_headers = response.headers
        headers = {name.lower(): self._masked(value) for name, value in response.headers.items()}
        body = self._masked(response.content.decode("latin-1")).encode("latin-1")
        return HttpResult(HttpResponse(response.status_code, headers, body))

    def _masked(self, text: str) -> str:
        """A server that repeats the token it was sent must not get it into our data, errors or logs."""
        token = self._access_token.get_secret_value()
        return text.replace(token, "[token]") if len(token) >= SHORTEST_TOKEN_TO_MASK else text


def _error(shop: str, cause: BaseException | None) -> ShopifyError:
    detail = f"{shop}: {quoted(str(cause))}"
    match cause:
        case TooLarge():
            return BadAnswer(detail, reason="too_large")
        case httpx.DecodingError():
            return BadAnswer(detail, reason="encoding")
        case httpx.TimeoutException():
            return Temporary(detail, reason="timeout")
        case httpx.TransportError():
            return Temporary(detail, reason="connection")
        case _:
            return BadAnswer(f"{shop}: {type(cause).__name__} while asking", reason="unexpected")


def operation_name(document: DocumentNode) -> str | None:
    """The name of a document's only operation."""
    operation = get_operation_ast(document)
    return operation.name.value if operation is not None and operation.name is not None else None
