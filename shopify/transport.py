"""HTTP to a shop: a deadline over the whole request, a size cap on the decoded body, no redirects.

`ShopifyTransport` is gql's httpx transport, changed to return the whole HTTP response: gql parses a response itself and
drops the status, so Shopify's 401, whose `errors` is a text, would become a query error with the message "[".

httpx limits the time of each single read, so a server that sends a byte a second would block a caller forever, and it
decompresses a body without limit. Here every read ends at the request's deadline, and decompression stops at the cap.
`httpx.stream` with a check between chunks would not do: it has no control while the response's headers trickle in.
"""

import math
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ssl import SSLContext
from threading import Event
from typing import Any

import httpcore
import httpx
from gql import GraphQLRequest
from gql.transport.exceptions import TransportConnectionFailed
from gql.transport.httpx import HTTPXTransport
from graphql import DocumentNode, ExecutionResult, get_operation_ast, parse, print_ast
from pydantic import SecretStr

from shopify.errors import BadAnswer, ShopifyError, Temporary
from shopify.response import HttpResponse
from shopify.text import quoted

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
MAX_BODY_BYTES = 2 * 1024 * 1024
"""Limit of a decoded body. The largest that CJ requests, 100 orders, has about 200 KiB."""
MAX_CONNECTIONS = 20
KEEPALIVE_SECONDS = 60.0
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "hirecj"}

TOKEN_HEADER = "X-Shopify-Access-Token"  # noqa: S105 - the header's name
SHORTEST_TOKEN_TO_MASK = 16

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)

_given_up: ContextVar[Event | None] = ContextVar("given_up", default=None)
_before_read: ContextVar[Callable[[], None] | None] = ContextVar("before_read", default=None)
LOOK_SECONDS = 0.25
"""Seconds within which a read notices that it was given up."""
OPEN_SECONDS = 0.1
"""For how long a connection that was found open is taken for open: less than a server's farewell may be under way."""


def http_client(proxy: str | None = None) -> httpx.Client:
    """A client for all shops of a process: reuses connections, follows no redirect, ignores the environment.

    Everything goes through `proxy` (`http://user:password@host:port`), if given; with https it sees only the shop's
    name. Thread-safe. A request's `deadline` extension (by `time.monotonic()`) limits all of it.
    """
    return httpx.Client(transport=BoundedTransport(proxy=proxy), follow_redirects=False, trust_env=False)


def timeouts(remaining: float) -> httpx.Timeout:
    """The time limits of a request with `remaining` seconds left."""
    connect, read = min(CONNECT_SECONDS, remaining), min(READ_SECONDS, remaining)
    return httpx.Timeout(connect=connect, read=read, write=read, pool=connect)


class TokenHeader(httpx.Auth):
    """Adds the access token to a request at the last moment; it is in plain text nowhere else."""

    def __init__(self, access_token: SecretStr) -> None:
        self._access_token = access_token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Adds the header."""
        request.headers[TOKEN_HEADER] = self._access_token.get_secret_value()
        yield request


@dataclass(frozen=True, eq=False)
class GraphQLDocument:
    """A parsed query with one operation; its text is printed once, not for each request."""

    node: DocumentNode
    operation_name: str
    text: str

    @classmethod
    def parse(cls, text: str) -> "GraphQLDocument":
        """Raises GraphQLSyntaxError."""
        node = parse(text)
        operation = get_operation_ast(node)
        assert operation is not None, "one operation"
        assert operation.name is not None, "with a name"
        return cls(node, operation.name.value, print_ast(node))


class HttpResult(ExecutionResult):
    """What gql's `execute` returns here: the response, unparsed."""

    def __init__(self, http: HttpResponse) -> None:
        super().__init__()
        self.http = http


class ShopifyTransport(HTTPXTransport):
    """One shop and one access token over a shared HTTP client."""

    def __init__(self, shop: str, url: str, access_token: SecretStr, http: httpx.Client) -> None:
        super().__init__(httpx.URL(url))
        self.client = http
        self._shop = shop
        self._access_token = access_token
        self._auth = TokenHeader(access_token)

    def send(
        self, document: GraphQLDocument, variables: Mapping[str, Any], *, ends: float, remaining: float
    ) -> HttpResponse:
        """Send a document once; done by `ends` (`time.monotonic()`). Raises Temporary or BadAnswer."""
        request = _Request(document, variables)
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
        """The text without the token: a server may repeat it, and it must not get into data, errors or logs."""
        token = self._access_token.get_secret_value()
        return text.replace(token, "[token]") if len(token) >= SHORTEST_TOKEN_TO_MASK else text


class _Request(GraphQLRequest):
    """gql's request, without printing the document again for each request."""

    def __init__(self, document: GraphQLDocument, variables: Mapping[str, Any]) -> None:
        super().__init__(document.node, variable_values=dict(variables), operation_name=document.operation_name)
        self._text = document.text

    @property
    def payload(self) -> dict[str, Any]:
        variables = {"variables": self.variable_values} if self.variable_values else {}
        return {"query": self._text, "operationName": self.operation_name, **variables}


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


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """I/O of this thread through a DeadlineBackend ends `seconds` from now, with its connection."""
    before = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(before)


@contextmanager
def until(given_up: Event | None) -> Iterator[None]:
    """Reads of this thread through a DeadlineBackend also end, with their connection, when `given_up` is set."""
    before = _given_up.set(given_up)
    try:
        yield
    finally:
        _given_up.reset(before)


@contextmanager
def before_reads(call: Callable[[], None]) -> Iterator[None]:
    """`call` is called whenever a DeadlineBackend is about to wait for more: everything received has been used.

    If it raises, reading ends, with the connection.
    """
    before = _before_read.set(call)
    try:
        yield
    finally:
        _before_read.reset(before)


def is_given_up() -> bool:
    """Whether the answer that this thread waits for was given up."""
    given_up = _given_up.get()
    return given_up is not None and given_up.is_set()


class BoundedTransport(httpx.BaseTransport):
    """A connection pool that returns decoded responses of at most MAX_BODY_BYTES."""

    def __init__(self, *, proxy: str | None = None) -> None:
        options: dict[str, Any] = {
            "ssl_context": httpx.create_ssl_context(trust_env=False),
            "max_connections": MAX_CONNECTIONS,
            "keepalive_expiry": KEEPALIVE_SECONDS,
            "network_backend": DeadlineBackend(),
        }
        if proxy is None:
            self._pool = httpcore.ConnectionPool(**options)
        else:
            through = httpx.Proxy(proxy)
            self._pool = httpcore.HTTPProxy(str(through.url), proxy_auth=through.raw_auth, **options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx's TimeoutException, TransportError, and DecodingError for an unacceptable body."""
        before = _deadline.set(request.extensions.get("deadline"))
        try:
            with _as_httpx():
                response = self._pool.handle_request(_for_httpcore(request))
                try:
                    headers = httpx.Headers(response.headers)
                    body = decode(response.iter_stream(), headers.get("content-encoding"), MAX_BODY_BYTES)
                finally:
                    response.close()
        finally:
            _deadline.reset(before)
        for name in ("content-encoding", "content-length", "transfer-encoding"):
            headers.pop(name, None)
        return httpx.Response(response.status, headers=headers, content=body)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def decode(parts: Iterable[bytes], encoding: str | None, limit: int) -> bytes:
    """The decoded body. Raises httpx.DecodingError if it is larger than `limit`, truncated, or has another encoding."""
    match (encoding or "identity").strip().lower():
        case "identity":
            pieces: Iterable[bytes] = parts
        case "gzip" | "x-gzip":
            pieces = _gunzip(parts, limit)
        case other:
            raise httpx.DecodingError(f"content encoding {other[:20]!r} was not asked for")
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > limit:
            raise TooLarge(f"more than {limit} bytes")
    return bytes(body)


class TooLarge(httpx.DecodingError):
    """The decoded body exceeds the cap."""


def _gunzip(parts: Iterable[bytes], limit: int) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for part in parts:
            yield decompressor.decompress(part, limit + 1)
        if not decompressor.eof:
            raise httpx.DecodingError("gzip body is cut off")
    except zlib.error as error:
        raise httpx.DecodingError("gzip body is damaged") from error


def _for_httpcore(request: httpx.Request) -> httpcore.Request:
    return httpcore.Request(
        request.method,
        str(request.url),
        headers=request.headers.raw,
        content=request.read(),
        extensions={"timeout": request.extensions.get("timeout", {})},
    )


@contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except (httpcore.ConnectTimeout, httpcore.PoolTimeout) as error:
        raise httpx.ConnectTimeout("no connection in time") from error
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout("no complete response in time") from error
    except httpcore.ProxyError as error:
        raise httpx.TransportError(f"the proxy refuses: {error}") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise httpx.TransportError(f"{type(error).__name__}: {error}") from error


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens sockets on which every operation ends at the current request's deadline."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        limit = _within_deadline(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._backend.connect_tcp(host, port, limit, local_address, socket_options))


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._open_at = -math.inf

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        before_read = _before_read.get() or _nothing
        before_read()
        if _given_up.get() is None:
            return self._stream.read(max_bytes, _within_deadline(timeout, httpcore.ReadTimeout))
        ends = None if timeout is None else time.monotonic() + timeout
        while not is_given_up():
            left = None if ends is None else max(ends - time.monotonic(), 0.001)
            limit = _within_deadline(left, httpcore.ReadTimeout)
            try:
                return self._stream.read(max_bytes, LOOK_SECONDS if limit is None else min(limit, LOOK_SECONDS))
            except httpcore.ReadTimeout:
                if limit is not None and limit <= LOOK_SECONDS:
                    raise
                before_read()
        raise httpcore.ReadError("given up")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _within_deadline(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        limit = _within_deadline(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, limit))

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable":
            return self._stream.get_extra_info(info)
        # Whether the server has hung up. httpcore asks all idle connections of the pool, twice for each request.
        now = time.monotonic()
        if now - self._open_at < OPEN_SECONDS:
            return False
        has_hung_up = self._stream.get_extra_info(info)
        if not has_hung_up:
            self._open_at = now
        return has_hung_up


def _nothing() -> None:
    """The default for `before_reads`."""


def _within_deadline(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    deadline = _deadline.get()
    if deadline is None:
        return timeout
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise late("deadline")
    return remaining if timeout is None else min(timeout, remaining)
