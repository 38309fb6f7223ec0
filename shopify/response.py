"""What an HTTP response of Shopify means: data, or one of our errors. Pure.

Shopify reports most failures with HTTP 200 and `errors` (`shopify.graphql_errors`). What fails before the GraphQL
layer (token, shop state, overload) has a status and a text, JSON or HTML:
https://shopify.dev/docs/api/admin-graphql#status_and_error_codes
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shopify.errors import (
    BadAnswer,
    BadDocument,
    CostExceeded,
    Forbidden,
    ShopifyError,
    StoreUnavailable,
    Temporary,
    Throttled,
    Unauthorized,
)
from shopify.graphql_errors import DEFAULT_WAIT_SECONDS, ResponseContext, field_error, most_severe
from shopify.rate_limit import Throttle, read_throttle
from shopify.text import quoted

FATAL = (Unauthorized, StoreUnavailable, BadDocument, CostExceeded, Throttled)
"""What makes a response useless even if it carries data."""
MAX_RETRY_AFTER_SECONDS = 3600.0

_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,80}")
_NON_EXPIRING = re.compile(r"non-expiring access token", re.I)
_FRAUDULENT = re.compile(r"fraud", re.I)
_ADDRESS = re.compile(r"allow-?list|\bip\b|ip address", re.I)

Meaning = tuple[type[ShopifyError], str, str]
"""An error's class, reason, and text for operators."""

_BY_STATUS: Mapping[int, Meaning] = {
    401: (Unauthorized, "invalid_token", "the access token is not accepted (expired, revoked, or the app uninstalled)"),
    402: (StoreUnavailable, "frozen", "the shop is frozen for an unpaid bill"),
    404: (StoreUnavailable, "not_found", "there is no such shop; check the shop domain"),
    423: (StoreUnavailable, "locked", "the shop is locked; Shopify support knows why"),
    430: (Forbidden, "security_rejection", "refused as a security risk; ask Shopify support with the request id"),
}


@dataclass(frozen=True)
class HttpResponse:
    """Status, headers and decoded body as they came; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class GraphQLResponse:
    """A usable response of the Admin API. With `errors`, the fields they name are null in `data`."""

    data: dict[str, Any]
    errors: tuple[ShopifyError, ...]
    extensions: dict[str, Any]
    request_id: str | None

    @property
    def throttle(self) -> Throttle | None:
        """The shop's rate limit after this query, as `extensions.cost` tells it."""
        return read_throttle(self.extensions)


def parse(shop: str, response: HttpResponse) -> GraphQLResponse:
    """The data in a response. Raises the ShopifyError that describes it best."""
    request_id = response.headers.get("x-request-id")
    request_id = request_id if request_id and _REQUEST_ID.fullmatch(request_id) else None
    if response.status != 200:
        raise status_error(shop, response.status, response.headers, response.body, request_id)
    content = _json_object(shop, response, request_id)
    extensions = content.get("extensions")
    extensions = extensions if isinstance(extensions, dict) else {}
    context = ResponseContext(shop, request_id, read_throttle(extensions))
    errors = _errors(content.get("errors"), context)
    _refuse_ignored_filters(extensions, context)
    data = content.get("data")
    if data is not None and not isinstance(data, dict):
        raise BadAnswer(f"{shop}: `data` is {type(data).__name__}", reason="shape", request_id=request_id)
    fatal = [error for error in errors if isinstance(error, FATAL)]
    if fatal or (data is None and errors):
        raise most_severe(fatal or errors)
    if data is None:
        raise BadAnswer(f"{shop}: neither data nor errors", reason="shape", request_id=request_id)
    return GraphQLResponse(data, tuple(errors), extensions, request_id)


def status_error(
    shop: str, status: int, headers: Mapping[str, str], body: bytes, request_id: str | None
) -> ShopifyError:
    """The error for a status other than 200; `headers` with names in lower case."""
    wait = _retry_after(headers.get("retry-after"))
    if status == 429 and wait is None:
        wait = DEFAULT_WAIT_SECONDS
    kind, reason, text = _meaning(status, _message(body))
    if kind not in (Throttled, Temporary):
        wait = None
    until = f"; again in {wait:g} s" if wait is not None else ""
    return kind(f"{shop}: HTTP {status}: {text}{until}", reason=reason, retry_after=wait, request_id=request_id)


def _meaning(status: int, message: str) -> Meaning:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 403:
        return _forbidden(message)
    if status == 429:
        return Throttled, "requests", "too many requests"
    if status == 408 or status >= 500:
        return Temporary, "server_error", "Shopify failed"
    if 300 <= status < 400:
        text = "a redirect, which is not followed (it would take the access token along)"
        return StoreUnavailable, "moved", text
    if status < 300:
        return BadAnswer, "shape", "expected 200"
    return BadDocument, "request", quoted(message)


def _forbidden(message: str) -> Meaning:
    if _NON_EXPIRING.search(message):
        text = "a non-expiring token, which Shopify no longer takes from public apps; exchange it"
        return Unauthorized, "non_expiring_token", text
    if _FRAUDULENT.search(message):
        return StoreUnavailable, "fraudulent", "the shop is marked fraudulent"
    reason = "ip_allowlist" if _ADDRESS.search(message) else "forbidden"
    text = f"{quoted(message)}; is this machine's address in the app's IP allowlist? Reconnecting won't help"
    return Forbidden, reason, text


def _retry_after(value: str | None) -> float | None:
    """Shopify's `Retry-After` in seconds, which may be a fraction ("2.0"); None if it is not a usable number."""
    try:
        seconds = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None


def _message(body: bytes) -> str:
    """Shopify's words if they are JSON; HTML pages are not worth quoting."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    errors = content.get("errors", content.get("error")) if isinstance(content, dict) else None
    if isinstance(errors, list) and errors:
        errors = errors[0]
    message = errors.get("message") if isinstance(errors, dict) else errors
    return message if isinstance(message, str) else ""


def _json_object(shop: str, response: HttpResponse, request_id: str | None) -> dict[str, Any]:
    content_type = response.headers.get("content-type", "")
    try:
        content = json.loads(response.body)
    except (ValueError, RecursionError):
        raise BadAnswer(
            f"{shop}: {len(response.body)} bytes of {quoted(content_type, 60)} that are not JSON",
            reason="not_json",
            request_id=request_id,
        ) from None
    if not isinstance(content, dict):
        raise BadAnswer(f"{shop}: a JSON {type(content).__name__}", reason="shape", request_id=request_id)
    return content


def _errors(raw: object, context: ResponseContext) -> list[ShopifyError]:
    """Shopify sends a list of objects, but in front of the GraphQL layer also a bare text."""
    if raw is None or raw == []:
        return []
    entries = raw if isinstance(raw, list) else [raw]
    return [field_error(entry if isinstance(entry, dict) else {"message": entry}, context) for entry in entries]


def _refuse_ignored_filters(extensions: Mapping[str, Any], context: ResponseContext) -> None:
    """Shopify ignores a search filter that it does not know, and then answers about everything: wrong numbers."""
    searches = extensions.get("search")
    for search in searches if isinstance(searches, list) else []:
        warnings = search.get("warnings") if isinstance(search, dict) else None
        for warning in warnings if isinstance(warnings, list) else []:
            field = quoted(warning.get("field"), 60) if isinstance(warning, dict) else "?"
            raise BadDocument(
                f"{context.shop}: Shopify ignored the search filter {field}; the numbers would be wrong",
                reason="search",
                request_id=context.request_id,
                throttle=context.throttle,
            )
