"""Turns an HTTP response from Shopify into data, or into one of `shopify.errors`. Pure.

Shopify reports most failures with HTTP 200 and `errors`. Failures before the GraphQL layer (token, shop state,
overload) have a status and a text, JSON or HTML. `shopify.refusals` says what each of them means.
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
    Throttled,
    Unauthorized,
)
from shopify.rate_limit import Throttle, read_throttle
from shopify.refusals import Refusal, ResponseContext, field_error, most_severe, status_error, words_in
from shopify.text import quoted

FATAL = (Unauthorized, Forbidden, StoreUnavailable, BadDocument, CostExceeded, Throttled)
"""What makes a response useless even if it carries data."""
MAX_RETRY_AFTER_SECONDS = 3600.0

_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,80}")


@dataclass(frozen=True)
class HttpResponse:
    """Status, headers and decoded body; header names in lower case."""

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
        """The shop's rate limit after this query, from `extensions.cost`."""
        return read_throttle(self.extensions)


def parse(shop: str, response: HttpResponse) -> GraphQLResponse:
    """The data in a response. Raises the ShopifyError that describes it best."""
    request_id = response.headers.get("x-request-id")
    request_id = request_id if request_id and _REQUEST_ID.fullmatch(request_id) else None
    if response.status != 200:
        raise refused(shop, response, request_id)
    content = _json_object(shop, response, request_id)
    extensions = content.get("extensions")
    extensions = extensions if isinstance(extensions, dict) else {}
    context = ResponseContext(shop, request_id, read_throttle(extensions))
    errors = _errors(content.get("errors", content.get("error")), context)
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


def refused(shop: str, response: HttpResponse, request_id: str | None) -> ShopifyError:
    """The error for a status other than 200."""
    return status_error(
        shop,
        Refusal(response.status, words=_message(response.body)),
        retry_after=_retry_after(response.headers.get("retry-after")),
        request_id=request_id,
    )


def _retry_after(value: str | None) -> float | None:
    """Shopify's `Retry-After` in seconds, which may be a fraction ("2.0"); None if it is not a usable number."""
    try:
        seconds = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None


def _message(body: bytes) -> str:
    """Shopify's message if it is JSON; HTML pages are not quoted."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return words_in(content.get("errors", content.get("error"))) if isinstance(content, dict) else ""


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
    """The entries of `errors`: a list of objects, or a bare text from before the GraphQL layer."""
    if raw is None or raw == []:
        return []
    entries = raw if isinstance(raw, list) else [raw]
    return [field_error(entry if isinstance(entry, dict) else {"message": entry}, context) for entry in entries]


def _refuse_ignored_filters(extensions: Mapping[str, Any], context: ResponseContext) -> None:
    """Shopify ignores unknown search filters and then counts everything, so the numbers would be wrong."""
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
