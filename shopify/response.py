"""What an HTTP answer of the Admin API means: data, or one of our errors. Pure.

Shopify answers most troubles with HTTP 200 and `errors`; before the GraphQL layer (token, shop state, overload) it
answers with a status and a text, JSON or HTML: https://shopify.dev/docs/api/admin-graphql#status_and_error_codes
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shopify.errors import (
    BadAnswer,
    BadDocument,
    CostExceeded,
    ShopifyError,
    StoreUnavailable,
    Throttled,
    Unauthorized,
)
from shopify.graphql_errors import Circumstances, field_error, worst
from shopify.refusals import refusal
from shopify.text import quoted
from shopify.throttle import Throttle, read_throttle

FATAL = (Unauthorized, StoreUnavailable, BadDocument, CostExceeded, Throttled)
"""What makes an answer useless even if it carries data."""

_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,80}")
_VERSION = re.compile(r"[0-9a-z-]{1,20}")


@dataclass(frozen=True)
class HttpAnswer:
    """Status, headers and decoded body as they came; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """A usable answer of the Admin API. With `errors`, the fields they name are null in `data`."""

    data: dict[str, Any]
    errors: tuple[ShopifyError, ...]
    extensions: dict[str, Any]
    api_version: str | None
    """The version that answered, which may not be the one asked for."""
    request_id: str | None
    elapsed_ms: int

    @property
    def throttle(self) -> Throttle | None:
        """The shop's rate limit after this query, as `extensions.cost` tells it."""
        return read_throttle(self.extensions)


def understand(shop: str, answer: HttpAnswer, elapsed_ms: int = 0) -> Answer:
    """The answer's data. Raises the ShopifyError that describes it best."""
    request_id = _matching(_REQUEST_ID, answer.headers.get("x-request-id"))
    if answer.status != 200:
        raise refusal(shop, answer.status, answer.headers, answer.body, request_id)
    content = _parse(shop, answer, request_id)
    extensions = content.get("extensions")
    extensions = extensions if isinstance(extensions, dict) else {}
    circumstances = Circumstances(shop, request_id, read_throttle(extensions))
    errors = _errors(content.get("errors"), circumstances)
    _refuse_ignored_filters(extensions, circumstances)
    data = content.get("data")
    if data is not None and not isinstance(data, dict):
        raise BadAnswer(f"{shop}: `data` is {type(data).__name__}", reason="shape", request_id=request_id)
    fatal = [error for error in errors if isinstance(error, FATAL)]
    if fatal or (data is None and errors):
        raise worst(fatal or errors)
    if data is None:
        raise BadAnswer(f"{shop}: neither data nor errors", reason="shape", request_id=request_id)
    version = _matching(_VERSION, answer.headers.get("x-shopify-api-version"))
    return Answer(data, tuple(errors), extensions, version, request_id, elapsed_ms)


def _parse(shop: str, answer: HttpAnswer, request_id: str | None) -> dict[str, Any]:
    kind = answer.headers.get("content-type", "")
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise BadAnswer(
            f"{shop}: {len(answer.body)} bytes of {quoted(kind, 60)} that are not JSON",
            reason="not_json",
            request_id=request_id,
        ) from None
    if not isinstance(content, dict):
        raise BadAnswer(f"{shop}: a JSON {type(content).__name__}", reason="shape", request_id=request_id)
    return content


def _errors(raw: object, circumstances: Circumstances) -> list[ShopifyError]:
    """Shopify sends a list of objects, but in front of the GraphQL layer also a bare text."""
    if raw is None or raw == []:
        return []
    entries = raw if isinstance(raw, list) else [raw]
    return [field_error(entry if isinstance(entry, dict) else {"message": entry}, circumstances) for entry in entries]


def _refuse_ignored_filters(extensions: Mapping[str, Any], circumstances: Circumstances) -> None:
    """A search filter that Shopify does not know is ignored: the answer is then about everything, so it is wrong."""
    searches = extensions.get("search")
    for search in searches if isinstance(searches, list) else []:
        warnings = search.get("warnings") if isinstance(search, dict) else None
        for warning in warnings if isinstance(warnings, list) else []:
            field = quoted(warning.get("field"), 60) if isinstance(warning, dict) else "?"
            raise BadDocument(
                f"{circumstances.shop}: Shopify ignored the search filter {field}; the numbers would be wrong",
                reason="search",
                request_id=circumstances.request_id,
                throttle=circumstances.throttle,
            )


def _matching(pattern: re.Pattern[str], value: str | None) -> str | None:
    return value if value is not None and pattern.fullmatch(value) else None
