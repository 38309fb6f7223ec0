"""Refreshes an offline access token at Shopify's token endpoint.

Since 2025-12 offline tokens may expire: an access token after an hour, a refresh token after 90 days. Every refresh
returns a new pair. Since 2026-08 the old refresh token stays valid until the new pair is first used, so a refresh
whose response was lost may be repeated
(https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens).
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from shopify import API_VERSION
from shopify.client import ADMIN_URL, endpoint
from shopify.errors import BadAnswer, Forbidden, ShopifyError, Temporary, Unauthorized
from shopify.response import HttpResponse, refused
from shopify.retries import Retries
from shopify.token_response import is_token, split_scopes
from shopify.transport import HEADERS, timeouts

TOTAL_SECONDS = 5.0
"""Seconds for one refresh, its second try included."""
ASSUMED_EXPIRES_IN = 3600
"""The documented lifetimes, for a response without one: if it were taken to mean "never expires", the token would be
used until it fails and never refreshed."""

_DEAD_GRANTS = frozenset({"invalid_grant", "app_not_installed", "invalid_subject_token", "invalid_refresh_token"})
_WRONG_APP = frozenset({"invalid_client", "unauthorized_client", "application_cannot_be_found"})
_DEAD = re.compile(
    r"(active|invalid|expired|revoked).{0,20}refresh.token|refresh.token.{0,30}(invalid|expired|revoked)", re.I
)
_PAGE = re.compile(rb"oauth error[\s:]+([a-z_]{3,60})", re.I)
"""Some refusals come as an HTML page: <title>400 - Oauth error app_not_installed</title>."""


@dataclass(frozen=True)
class App:
    """The app's credentials at Shopify."""

    client_id: str
    client_secret: SecretStr


@dataclass(frozen=True)
class TokenPair:
    """The result of a refresh. Times are in seconds from now. If `refresh_token` is None, the old one stays valid."""

    access_token: SecretStr
    expires_in: int
    refresh_token: SecretStr | None
    refresh_expires_in: int | None
    scopes: tuple[str, ...]


def refresh(
    shop_domain: str,
    refresh_token: SecretStr,
    app: App,
    *,
    http: httpx.Client,
    admin_url: str = ADMIN_URL,
    deadline: float | None = None,
) -> TokenPair:
    """A new pair for `refresh_token`, within TOTAL_SECONDS and before `deadline` (`time.monotonic()`).

    Raises Unauthorized (reason dead_grant) if only reconnecting helps, and Forbidden (reason app_credentials) if
    Shopify does not accept the client id and secret. Other ShopifyErrors say nothing about the token: keep it.
    """
    ends = time.monotonic() + TOTAL_SECONDS
    ends = ends if deadline is None else min(ends, deadline)
    retries = Retries()
    while True:
        try:
            return _request(shop_domain, refresh_token, app, http, admin_url, ends)
        except ShopifyError as failure:
            wait = retries.wait(failure, ends - time.monotonic())
            if wait is None:
                raise
        time.sleep(wait)


def token_endpoint(shop_domain: str, admin_url: str = ADMIN_URL) -> str:
    """The URL that refreshes tokens. Raises ValueError for anything that could send a token elsewhere."""
    return endpoint(shop_domain, admin_url, API_VERSION).partition("/api/")[0] + "/oauth/access_token"


def _request(
    shop_domain: str, refresh_token: SecretStr, app: App, http: httpx.Client, admin_url: str, ends: float
) -> TokenPair:
    remaining = ends - time.monotonic()
    if remaining <= 0:
        raise Temporary(f"{shop_domain}: no time left to renew the token", reason="deadline")
    form = {
        "client_id": app.client_id,
        "client_secret": app.client_secret.get_secret_value(),
        "grant_type": "refresh_token",
        "refresh_token": refresh_token.get_secret_value(),
    }
    try:
        response = http.post(
            token_endpoint(shop_domain, admin_url),
            json=form,
            headers=HEADERS,
            timeout=timeouts(remaining),
            follow_redirects=False,
            extensions={"deadline": ends},
        )
    # From None: httpx's message may quote the response, and the response may repeat the token.
    except httpx.DecodingError:
        raise BadAnswer(f"{shop_domain}: unreadable answer to a token refresh", reason="encoding") from None
    except httpx.TimeoutException:
        raise Temporary(f"{shop_domain}: no answer to a token refresh in time", reason="timeout") from None
    except httpx.TransportError:
        raise Temporary(f"{shop_domain}: the connection broke in a token refresh", reason="connection") from None
    return parse(shop_domain, response.status_code, response.headers, response.content)


def parse(shop_domain: str, status: int, headers: Mapping[str, str], body: bytes) -> TokenPair:
    """The pair in a response. Raises ShopifyError; its text never comes from the body."""
    request_id = headers.get("x-request-id")
    if status != 200:
        raise _refused(shop_domain, HttpResponse(status, headers, body), request_id)
    content = _json_object(body)
    access = _token(content.get("access_token"))
    if access is None:
        raise BadAnswer(f"{shop_domain}: no access token in the answer to a token refresh", reason="shape")
    scope = content.get("scope")
    return TokenPair(
        access_token=access,
        expires_in=_seconds(content.get("expires_in")) or ASSUMED_EXPIRES_IN,
        refresh_token=_token(content.get("refresh_token")),
        refresh_expires_in=_seconds(content.get("refresh_token_expires_in")),
        scopes=split_scopes(scope) if isinstance(scope, str) else (),
    )


def _refused(shop_domain: str, response: HttpResponse, request_id: str | None) -> ShopifyError:
    """The grant is dead, or the app is unknown; any other error says nothing about the token."""
    content = _json_object(response.body)
    page = _PAGE.search(response.body[:10_000])
    code = page[1].decode().lower() if page else str(content.get("error", "")).strip().lower()
    described = str(content.get("error_description", ""))
    if code in _DEAD_GRANTS or (400 <= response.status < 500 and _DEAD.search(described)):
        text = f"{shop_domain}: the refresh token is not accepted; the store must be reconnected"
        return Unauthorized(text, reason="dead_grant", request_id=request_id)
    if code in _WRONG_APP:
        text = (
            f"{shop_domain}: HTTP {response.status} to a token refresh: Shopify does not know the app; "
            "are SHOPIFY_CLIENT_ID and SHOPIFY_CLIENT_SECRET those of the app that was installed?"
        )
        return Forbidden(text, reason="app_credentials", request_id=request_id)
    if response.status in (400, 401):
        text = f"{shop_domain}: HTTP {response.status} to a token refresh, which says nothing about the token"
        return Temporary(text, reason="unknown", request_id=request_id)
    # Without its body: that may repeat the token.
    return refused(shop_domain, HttpResponse(response.status, response.headers, b""), request_id)


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _token(value: object) -> SecretStr | None:
    return SecretStr(value) if is_token(value) else None


def _seconds(value: object) -> int | None:
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9
    return int(value) if usable and isinstance(value, int) else None
