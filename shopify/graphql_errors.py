"""Turns one entry of a GraphQL response's `errors` into one of our errors. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shopify.errors import (
    AccessDenied,
    BadAnswer,
    BadDocument,
    CostExceeded,
    FieldPath,
    ProtectedData,
    ShopifyError,
    StoreUnavailable,
    Temporary,
    Throttled,
    Unauthorized,
)
from shopify.rate_limit import Throttle
from shopify.text import quoted

DEFAULT_WAIT_SECONDS = 1.0
"""Shopify's recommended pause when it gives no time (https://shopify.dev/docs/api/usage/limits)."""

_SCOPE = re.compile(r"\b(?:read|write)_[a-z_]+\b")
_PROTECTED = re.compile(r"protected[- ]customer[- ]data|not approved to access|personally identifiable", re.I)
_PLAN = re.compile(r"personally identifiable|only available on .{0,60}plan", re.I)
_INVALID_TOKEN = re.compile(r"invalid api key or access token", re.I)
_INTERNAL = re.compile(r"internal error|something went wrong", re.I)

SEVERITY: Sequence[type[ShopifyError]] = (
    Unauthorized,
    StoreUnavailable,
    BadDocument,
    CostExceeded,
    Throttled,
    AccessDenied,
    ProtectedData,
    Temporary,
    BadAnswer,
)


@dataclass(frozen=True)
class ResponseContext:
    """What all errors of one response have in common."""

    shop: str
    request_id: str | None
    throttle: Throttle | None


def most_severe(errors: Sequence[ShopifyError]) -> ShopifyError:
    """The one that best explains why there is no data."""
    return min(errors, key=lambda error: SEVERITY.index(type(error)))


def field_error(entry: Mapping[str, Any], context: ResponseContext) -> ShopifyError:
    """The error for one entry. An unknown kind is a BadDocument, or a BadAnswer if it names a field."""
    extensions = entry.get("extensions")
    extensions = extensions if isinstance(extensions, dict) else {}
    code, message = extensions.get("code"), entry.get("message")
    message = message if isinstance(message, str) else ""
    path = _path(entry.get("path"))
    by_code = _BY_CODE.get(code) if isinstance(code, str) else None
    build = by_code or _by_message(message) or (_unknown_field if path and not code else _refused_query)
    return build(_Entry(message, code if isinstance(code, str) else "", path, extensions, context))


@dataclass(frozen=True)
class _Entry:
    message: str
    code: str
    path: FieldPath
    extensions: Mapping[str, Any]
    context: ResponseContext

    def error(self, kind: type[ShopifyError], text: str, reason: str = "", **details: Any) -> ShopifyError:
        where = f" at {'.'.join(map(str, self.path))}" if self.path else ""
        return kind(
            f"{self.context.shop}: {text}{where}",
            reason=reason,
            request_id=self.context.request_id,
            path=self.path,
            throttle=self.context.throttle,
            **details,
        )


def _denied(entry: _Entry) -> ShopifyError:
    if _PROTECTED.search(entry.message):
        reason = "plan" if _PLAN.search(entry.message) else "approval"
        advice = "request approval for protected customer data in the Partner Dashboard"
        return entry.error(ProtectedData, f"protected customer data refused ({reason}); {advice}", reason)
    required = entry.extensions.get("requiredAccess")
    scopes = dict.fromkeys(_SCOPE.findall(f"{required} {entry.message}"))
    named = ", ".join(scopes) or quoted(entry.message)
    return entry.error(AccessDenied, f"missing access scope: {named}; reconnect with it", scopes=tuple(scopes))


def _throttled(entry: _Entry) -> ShopifyError:
    throttle = entry.context.throttle
    if throttle is not None and throttle.hopeless:
        text = f"the query needs {throttle.requested:g} points, the full bucket has {throttle.maximum:g}"
        return entry.error(CostExceeded, text, "bucket")
    wait = throttle.wait if throttle is not None else DEFAULT_WAIT_SECONDS
    return entry.error(Throttled, f"rate limit used up for {wait:.2f} s", "cost", retry_after=wait)


def _too_dear(entry: _Entry) -> ShopifyError:
    cost, most = entry.extensions.get("cost"), entry.extensions.get("maxCost")
    return entry.error(CostExceeded, f"the query costs {cost!r:.20}, allowed is {most!r:.20}; ask for less", "query")


def _refused_query(entry: _Entry) -> ShopifyError:
    code = f" ({quoted(entry.code, 40)})" if entry.code else ""
    return entry.error(BadDocument, f"the query is refused{code}: {quoted(entry.message)}", "query")


def _unknown_field(entry: _Entry) -> ShopifyError:
    return entry.error(BadAnswer, f"a field failed: {quoted(entry.message)}", "value")


def _always(kind: type[ShopifyError], text: str, reason: str) -> Callable[[_Entry], ShopifyError]:
    return lambda entry: entry.error(kind, text, reason)


_internal = _always(Temporary, "internal error at Shopify", "internal_error")
_timed_out = _always(Temporary, "Shopify did not finish the query in time; ask for less", "query_timeout")
_invalid_token = _always(Unauthorized, "the access token is not accepted", "invalid_token")

_BY_CODE: Mapping[str, Callable[[_Entry], ShopifyError]] = {
    "ACCESS_DENIED": _denied,
    "INTERNAL_SERVER_ERROR": _internal,
    "INVALID_VARIABLE": _always(BadDocument, "a variable of the query is refused", "variable"),
    "MAX_COST_EXCEEDED": _too_dear,
    "SHOP_INACTIVE": _always(StoreUnavailable, "the shop is not active", "inactive"),
    "THROTTLED": _throttled,
    "TIMEOUT": _timed_out,
}


def _by_message(message: str) -> Callable[[_Entry], ShopifyError] | None:
    """Some errors carry no code."""
    text = message.strip().lower()
    if text in ("timeout", "throttled"):
        return _timed_out if text == "timeout" else _throttled
    if _INTERNAL.search(message):
        return _internal
    if _INVALID_TOKEN.search(message):
        return _invalid_token
    return _denied if _PROTECTED.search(message) else None


def _path(raw: object) -> FieldPath:
    parts = raw if isinstance(raw, list) else []
    return tuple(part[:60] if isinstance(part, str) else part for part in parts if isinstance(part, str | int))
