"""An HTTP status other than 200, as one of our errors. Pure."""

import json
import math
import re
from collections.abc import Mapping

from shopify.errors import (
    BadAnswer,
    BadDocument,
    Forbidden,
    ShopifyError,
    StoreUnavailable,
    Temporary,
    Throttled,
    Unauthorized,
)
from shopify.graphql_errors import DEFAULT_WAIT_SECONDS
from shopify.text import quoted

MAX_RETRY_AFTER_SECONDS = 3600.0

_NON_EXPIRING = re.compile(r"non-expiring access token", re.I)
_FRAUDULENT = re.compile(r"fraud", re.I)
_ADDRESS = re.compile(r"allow-?list|\bip\b|ip address", re.I)

_STORE_STATES = {
    402: ("frozen", "the shop is frozen for an unpaid bill"),
    404: ("not_found", "there is no such shop; check the shop domain"),
    423: ("locked", "the shop is locked; Shopify support knows why"),
}


def refusal(shop: str, status: int, headers: Mapping[str, str], body: bytes, request_id: str | None) -> ShopifyError:
    """The error for an answer with this status; `headers` with names in lower case."""
    message = _message(body)
    said = f"{shop}: HTTP {status}"
    if status == 401:
        text = f"{said}: the access token is not accepted (expired, revoked, or the app is uninstalled)"
        return Unauthorized(text, reason="invalid_token", request_id=request_id)
    if status == 403:
        return _forbidden(said, message, request_id)
    if status == 430:
        text = f"{said}: refused as a security risk; ask Shopify support with the request id"
        return Forbidden(text, reason="security_rejection", request_id=request_id)
    if status in _STORE_STATES:
        reason, text = _STORE_STATES[status]
        return StoreUnavailable(f"{said}: {text}", reason=reason, request_id=request_id)
    if 300 <= status < 400:
        text = f"{said}: a redirect, which is not followed (it would take the access token along)"
        return StoreUnavailable(text, reason="moved", request_id=request_id)
    return _overloaded(said, status, headers, request_id) or _unexpected(said, status, message, request_id)


def _forbidden(said: str, message: str, request_id: str | None) -> ShopifyError:
    if _NON_EXPIRING.search(message):
        text = f"{said}: a non-expiring token, which Shopify no longer takes from public apps; exchange it"
        return Unauthorized(text, reason="non_expiring_token", request_id=request_id)
    if _FRAUDULENT.search(message):
        return StoreUnavailable(f"{said}: the shop is marked fraudulent", reason="fraudulent", request_id=request_id)
    reason = "ip_allowlist" if _ADDRESS.search(message) else "forbidden"
    text = f"{said}: {quoted(message)}; is this machine's address in the app's IP allowlist? Reconnecting won't help"
    return Forbidden(text, reason=reason, request_id=request_id)


def _overloaded(said: str, status: int, headers: Mapping[str, str], request_id: str | None) -> ShopifyError | None:
    wait = retry_after(headers.get("retry-after"))
    if status == 429:
        seconds = DEFAULT_WAIT_SECONDS if wait is None else wait
        text = f"{said}: too many requests, for {seconds:g} s"
        return Throttled(text, reason="requests", retry_after=seconds, request_id=request_id)
    if status == 408 or status >= 500:
        return Temporary(f"{said} from Shopify", reason="server_error", retry_after=wait, request_id=request_id)
    return None


def _unexpected(said: str, status: int, message: str, request_id: str | None) -> ShopifyError:
    if status < 300:
        return BadAnswer(f"{said}, expected was 200", reason="shape", request_id=request_id)
    return BadDocument(f"{said}: {quoted(message)}", reason="request", request_id=request_id)


def retry_after(value: str | None) -> float | None:
    """Shopify's `Retry-After` in seconds, which may be a fraction ("2.0"); None if it is not a usable number."""
    try:
        seconds = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None


def _message(body: bytes) -> str:
    """Shopify's words, if they are JSON: HTML pages are not worth quoting."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    errors = content.get("errors", content.get("error")) if isinstance(content, dict) else None
    if isinstance(errors, list) and errors:
        errors = errors[0]
    message = errors.get("message") if isinstance(errors, dict) else errors
    return message if isinstance(message, str) else ""
