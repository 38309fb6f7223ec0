"""Calls one shop's Admin GraphQL API with one access token."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from events.shop_domain import is_shop_domain
from shopify import API_VERSION, response
from shopify.errors import ShopifyError, Temporary, Unauthorized
from shopify.rate_limit import Budget, RateLimiter
from shopify.response import GraphQLResponse, HttpResponse
from shopify.retries import Retries
from shopify.text import quoted
from shopify.transport import GraphQLDocument, ShopifyTransport

ADMIN_URL = "https://{shop}/admin"
TOTAL_SECONDS = 8.0
"""Of one `execute`, retries and waits included."""

log = logging.getLogger("shopify")

_API_VERSION = re.compile(r"\d{4}-\d{2}|unstable", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e]{1,500}")


class ShopifyClient:
    """One shop, one token. As thread-safe as its HTTP client.

    `admin_url` is for the development store: a template with or without `{shop}`. The token is sent over plain http
    only if it says http. All clients of a process share the connections of one `http`
    (`shopify.transport.http_client()`). With a `budget` every request waits until the shop's rate limit, which all
    workers share, has room for it.
    """

    def __init__(
        self,
        shop_domain: str,
        access_token: SecretStr,
        *,
        http: httpx.Client,
        admin_url: str = ADMIN_URL,
        api_version: str = API_VERSION,
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises ValueError for an invalid domain, URL or version, Unauthorized if the token cannot be one."""
        url = endpoint(shop_domain, admin_url, api_version)
        if not _HEADER_VALUE.fullmatch(access_token.get_secret_value()):
            raise Unauthorized(
                f"{shop_domain}: the stored access token is empty or has characters no token has",
                reason="invalid_token",
            )
        self.shop_domain = shop_domain
        self.api_version = api_version
        self._transport = ShopifyTransport(shop_domain, url, access_token, http)
        self._sleep = sleep
        self._rate_limiter = None if budget is None else RateLimiter(shop_domain, budget, sleep=sleep)

    def execute(
        self,
        document: GraphQLDocument,
        variables: Mapping[str, Any] | None = None,
        *,
        deadline: float | None = None,
    ) -> GraphQLResponse:
        """Send a query, with retries, for at most TOTAL_SECONDS and not past `deadline` (`time.monotonic()`).

        If only single fields failed, returns the response with them in its `errors`. Raises ShopifyError.
        """
        ends = time.monotonic() + TOTAL_SECONDS
        ends = ends if deadline is None else min(ends, deadline)
        current, retries = dict(variables or {}), Retries()
        while True:
            found, failure = self._try(document, current, ends)
            if found is not None and failure is None:
                return found
            assert failure is not None
            wait = retries.wait(failure, ends - time.monotonic())
            if wait is None:
                if found is not None:
                    return found
                raise failure
            if failure.reason == "query_timeout":
                current = smaller(current)
            self._sleep(wait)

    def __repr__(self) -> str:
        return f"ShopifyClient({self.shop_domain!r})"

    def _try(
        self, document: GraphQLDocument, variables: Mapping[str, Any], ends: float
    ) -> tuple[GraphQLResponse | None, ShopifyError | None]:
        """One request: its response, or the error, or both if another try may deliver the missing part."""
        try:
            found = self._request(document, variables, ends)
        except ShopifyError as error:
            return None, error
        passing = [error for error in found.errors if isinstance(error, Temporary)]
        return found, passing[0] if passing else None

    def _request(self, document: GraphQLDocument, variables: Mapping[str, Any], ends: float) -> GraphQLResponse:
        """One request within the rate limit."""
        if self._rate_limiter is None:
            return response.parse(self.shop_domain, self._send(document, variables, ends))
        reservation = self._rate_limiter.reserve(document.operation_name, variables, ends)
        answered, reading = False, None
        try:
            http = self._send(document, variables, ends)
            answered = True
            found = response.parse(self.shop_domain, http)
            reading = found.throttle
        except ShopifyError as error:
            reading = error.throttle
            raise
        finally:
            self._rate_limiter.settle(reservation, answered=answered, reading=reading)
        return found

    def _send(self, document: GraphQLDocument, variables: Mapping[str, Any], ends: float) -> HttpResponse:
        """One HTTP request."""
        remaining = ends - time.monotonic()
        if remaining <= 0:
            raise Temporary(f"{self.shop_domain}: no time left to ask", reason="deadline")
        http = self._transport.send(document, variables, ends=ends, remaining=remaining)
        answered = http.headers.get("x-shopify-api-version")
        if answered is not None and answered != self.api_version:
            warn_of_version(self.api_version, quoted(answered, 20))
        return http


def endpoint(shop_domain: str, admin_url: str, api_version: str) -> str:
    """The URL for GraphQL. Raises ValueError for anything that could send a token elsewhere."""
    if not is_shop_domain(shop_domain):
        raise ValueError(f"{shop_domain[:80]!r} is not <name>.myshopify.com")
    if not _API_VERSION.fullmatch(api_version):
        raise ValueError(f"{api_version[:20]!r} is not an Admin API version like {API_VERSION}")
    url = admin_url.replace("{shop}", shop_domain).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"admin_url {admin_url[:120]!r} is not an http(s) URL of the form {ADMIN_URL}")
    return f"{url}/api/{api_version}/graphql.json"


@lru_cache(maxsize=8)
def warn_of_version(asked: str, answered: str) -> None:
    """Cached, so that it warns once per process, not once per request."""
    log.warning(
        "Shopify answered with API version %s instead of %s, which is no longer, or not yet, supported."
        " Raise API_VERSION (shopify/__init__.py) and check the documents against the new schema.",
        answered,
        asked,
    )


def smaller(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables with half the page size, for a query that timed out at Shopify."""
    first = variables.get("first")
    halved = {"first": max(1, first // 2)} if isinstance(first, int) else {}
    return {**variables, **halved}
