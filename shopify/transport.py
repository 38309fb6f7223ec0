"""gql's httpx transport, made to hand over the whole HTTP answer.

gql reads an answer itself and drops the status: Shopify's 401, whose `errors` is a text, arrives as a query error
with the message "[". It also knows no cap and no deadline; those are in `shopify.connection`.
"""

from collections.abc import Generator, Mapping
from typing import Any

import httpx
from gql import GraphQLRequest
from gql.transport.exceptions import TransportConnectionFailed
from gql.transport.httpx import HTTPXTransport
from graphql import DocumentNode, ExecutionResult, OperationDefinitionNode
from pydantic import SecretStr

from shopify.connection import TooLarge, timeouts
from shopify.errors import BadAnswer, ShopifyError, Temporary
from shopify.response import HttpAnswer
from shopify.text import quoted

TOKEN_HEADER = "X-Shopify-Access-Token"  # noqa: S105 - the header's name
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "hirecj"}
SHORTEST_TOKEN_TO_MASK = 16


class TokenHeader(httpx.Auth):
    """Puts the access token on a request at the last moment; it is in clear nowhere else."""

    def __init__(self, access_token: SecretStr) -> None:
        self._access_token = access_token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Adds the header; answers are not looked at."""
        request.headers[TOKEN_HEADER] = self._access_token.get_secret_value()
        yield request


class HttpResult(ExecutionResult):
    """What gql's `execute` returns here: the answer unread."""

    def __init__(self, http: HttpAnswer) -> None:
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

    def ask(self, document: DocumentNode, variables: Mapping[str, Any], *, ends: float, remaining: float) -> HttpAnswer:
        """Send a document once; done by `ends` (`time.monotonic()`). Raises Temporary or BadAnswer."""
        request = GraphQLRequest(document, variable_values=dict(variables), operation_name=_name(document))
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
            raise _translated(self._shop, failed.__cause__) from None
        assert isinstance(result, HttpResult)
        return result.http

    def _prepare_result(self, response: httpx.Response) -> ExecutionResult:
        self.response_headers = response.headers
        headers = {name.lower(): self._masked(value) for name, value in response.headers.items()}
        body = self._masked(response.content.decode("latin-1")).encode("latin-1")
        return HttpResult(HttpAnswer(response.status_code, headers, body))

    def _masked(self, text: str) -> str:
        """A server that repeats the token it was sent must not get it into our data, errors or logs."""
        token = self._access_token.get_secret_value()
        return text.replace(token, "[token]") if len(token) >= SHORTEST_TOKEN_TO_MASK else text


def _translated(shop: str, cause: BaseException | None) -> ShopifyError:
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


def _name(document: DocumentNode) -> str | None:
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode) and definition.name is not None:
            return definition.name.value
    return None
