"""What a refusal means: one table for every status, code and wording that Shopify is known to send. Pure.

A refusal is an HTTP status other than 200, one entry of a GraphQL response's `errors`, or an answer of the token
endpoint. The first matching row of MEANINGS determines the error. An unknown refusal counts as temporary: it is
retried, and earlier data stays in use, until somebody finds out what it means and adds a row.
https://shopify.dev/docs/api/admin-graphql#status_and_error_codes
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shopify.errors import (
    AccessDenied,
    BadAnswer,
    BadDocument,
    CostExceeded,
    FieldPath,
    Forbidden,
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
SCOPE = re.compile(r"\b(?:read|write)_[a-z_]+\b")


@dataclass(frozen=True)
class Refusal:
    """The visible parts of a refusal. A numeric `extensions.code` counts as the status."""

    status: int
    code: str = ""
    words: str = ""
    """Shopify's message; empty for an HTML page or an empty body."""

    @classmethod
    def of_entry(cls, entry: Mapping[str, Any]) -> "Refusal":
        """From one entry of `errors`."""
        extensions = entry.get("extensions")
        raw = extensions.get("code") if isinstance(extensions, dict) else None
        code = str(raw).strip() if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
        status = int(code) if re.fullmatch(r"[1-5]\d\d", code, re.ASCII) else 200
        return cls(status, code if status == 200 else "", words_in(entry))


@dataclass(frozen=True)
class Sign:
    """Conditions that a refusal meets together."""

    statuses: Collection[int] = range(1000)
    codes: Collection[str] | None = None
    words: str | None = None
    """A pattern in what Shopify says."""

    def fits(self, refusal: Refusal) -> bool:
        """Whether all are met."""
        return (
            refusal.status in self.statuses
            and (self.codes is None or refusal.code.upper() in self.codes)
            and (self.words is None or re.search(self.words, refusal.words, re.IGNORECASE) is not None)
        )


@dataclass(frozen=True)
class Meaning:
    """An error, and the signs by any of which a refusal means it. `text` is for operators."""

    kind: type[ShopifyError]
    reason: str
    text: str
    signs: Sequence[Sign] = ()


_TOKEN = "the access token is not accepted (expired, revoked, or the app uninstalled)"  # noqa: S105 - words, not a secret
_APPROVAL = "request approval for protected customer data in the Partner Dashboard"
_ADDRESS = "is this machine's address in the app's IP allowlist? Reconnecting won't help"
_TOO_MANY = r"too many requests|exceeded \d+ calls|(?:exceeded|reached).{0,30} rate limit|rate limit exceeded"
_UNAPPROVED = r"protected[- ]customer[- ]data|not (?:been )?approved (?:to|for)|customer_data for more details"
_SCOPE = r"(?:required access|requires|merchant approval|permission|access scope).{0,80}\b(?:read|write)_[a-z_]+"

MEANINGS: Sequence[Meaning] = (
    # The words outweigh status and code: Shopify sends the same words with several.
    Meaning(
        Unauthorized,
        "non_expiring_token",
        "a non-expiring token, which Shopify no longer accepts from public apps; exchange it",
        [Sign(words="non-expiring access token")],
    ),
    Meaning(
        ProtectedData,
        "plan",
        f"protected customer data refused (plan); {_APPROVAL}",
        [Sign(words=r"personally identifiable|only available on .{0,60}plan")],
    ),
    Meaning(
        ProtectedData,
        "approval",
        f"protected customer data refused (approval); {_APPROVAL}",
        [Sign(words=_UNAPPROVED)],
    ),
    Meaning(Unauthorized, "invalid_token", _TOKEN, [Sign(words="invalid api key or access token")]),
    Meaning(
        AccessDenied,
        "scope",
        "missing access scope",
        [Sign((200, 401, 403), words=_SCOPE), Sign(codes={"ACCESS_DENIED"}, words=r"\b(?:read|write)_[a-z_]+")],
    ),
    Meaning(AccessDenied, "refused", "access denied", [Sign(codes={"ACCESS_DENIED"})]),
    Meaning(
        Throttled,
        "cost",
        "rate limit used up",
        [Sign(codes={"THROTTLED"}), Sign((200,), words=r"^\s*throttled\b")],
    ),
    Meaning(
        Throttled,
        "requests",
        "too many requests",
        [Sign((429,)), Sign(codes={"TOO_MANY_REQUESTS", "RATE_LIMITED"}), Sign((200, 403), words=_TOO_MANY)],
    ),
    Meaning(CostExceeded, "query", "the query costs too much; ask for less", [Sign(codes={"MAX_COST_EXCEEDED"})]),
    Meaning(StoreUnavailable, "inactive", "the shop is not active", [Sign(codes={"SHOP_INACTIVE"})]),
    Meaning(
        Temporary,
        "query_timeout",
        "Shopify did not finish the query in time; ask for less",
        [
            Sign(codes={"TIMEOUT", "QUERY_TIMEOUT"}),
            Sign((200,), words=r"^\s*(?:query )?time(?:d )?out\b"),
        ],
    ),
    Meaning(
        Temporary,
        "internal_error",
        "internal error at Shopify",
        [
            Sign(codes={"INTERNAL_SERVER_ERROR", "INTERNAL_ERROR"}),
            Sign((200,), words="internal error|something went wrong"),
        ],
    ),
    Meaning(Unauthorized, "invalid_token", _TOKEN, [Sign((401,)), Sign(codes={"UNAUTHORIZED", "UNAUTHENTICATED"})]),
    Meaning(
        StoreUnavailable,
        "frozen",
        "the shop is frozen for an unpaid bill",
        [Sign((402,)), Sign(codes={"PAYMENT_REQUIRED", "SHOP_FROZEN"})],
    ),
    Meaning(StoreUnavailable, "inactive", "the shop is not active", [Sign((200, 403), words=r"\bunavailable shop\b")]),
    Meaning(StoreUnavailable, "fraudulent", "the shop is marked fraudulent", [Sign((403,), words="fraud")]),
    Meaning(
        Forbidden,
        "ip_allowlist",
        f"the address is refused; {_ADDRESS}",
        [Sign((403,), words=r"allow-?list|\bip\b|ip address")],
    ),
    Meaning(Forbidden, "forbidden", _ADDRESS, [Sign((403,), words=r"\S")]),
    # Without a message from Shopify it is a page from something in front of it.
    Meaning(Temporary, "challenge", "refused by something in front of Shopify", [Sign((403,))]),
    Meaning(Temporary, "challenge", "refused as a security risk; if it lasts, ask Shopify support", [Sign((430,))]),
    Meaning(StoreUnavailable, "not_found", "there is no such shop; check the shop domain", [Sign((404,))]),
    Meaning(StoreUnavailable, "locked", "the shop is locked; Shopify support knows why", [Sign((423,))]),
    Meaning(
        StoreUnavailable,
        "moved",
        "a redirect, which is not followed (it would take the access token along)",
        [Sign(range(300, 400))],
    ),
    Meaning(Temporary, "server_error", "Shopify failed", [Sign((408, 425, *range(500, 600)))]),
    Meaning(BadDocument, "variable", "a variable of the query is refused", [Sign(codes={"INVALID_VARIABLE"})]),
    Meaning(
        BadDocument,
        "query",
        "the query is refused",
        [
            Sign((200,), words=r"^\s*(?:syntax|parse) error|doesn't exist on"),
            Sign(codes={"NOT_IMPLEMENTED", "GRAPHQL_VALIDATION_FAILED", "BAD_REQUEST", "BAD_USER_INPUT"}),
        ],
    ),
    Meaning(
        BadDocument,
        "request",
        "the request is refused",
        [Sign((400, 405, 406, 411, 413, 414, 415, 422), words=r"\S")],
    ),
    Meaning(BadAnswer, "shape", "expected 200", [Sign(range(201, 300))]),
)
UNKNOWN = Meaning(Temporary, "unknown", "an unknown refusal; if it lasts, find out what it means")

SEVERITY: Sequence[type[ShopifyError]] = (
    Unauthorized,
    Forbidden,
    StoreUnavailable,
    BadDocument,
    CostExceeded,
    Throttled,
    AccessDenied,
    ProtectedData,
    Temporary,
    BadAnswer,
)

_STATIC = re.compile(r"[a-z]+(?:[A-Z][a-z]*)+")
"""GraphQL Ruby's codes for a query that its schema refuses: undefinedField, argumentLiteralsIncompatible, …"""


@dataclass(frozen=True)
class ResponseContext:
    """What the errors of one response have in common."""

    shop: str
    request_id: str | None
    throttle: Throttle | None


def words_in(value: object, depth: int = 4) -> str:
    """The first text in what Shopify sent as its `errors`: a text, a list, or an object with or without `message`."""
    match value:
        case str():
            return value
        case _ if not depth:
            return ""
        case {"message": str() as words}:
            return words
        case [first, *_]:
            return words_in(first, depth - 1)
        case {}:
            return next((words for each in value.values() if (words := words_in(each, depth - 1))), "")
        case _:
            return ""


def meaning_of(refusal: Refusal) -> Meaning:
    """The first meaning that fits, or UNKNOWN."""
    return next((meaning for meaning in MEANINGS if any(sign.fits(refusal) for sign in meaning.signs)), UNKNOWN)


def most_severe(errors: Sequence[ShopifyError]) -> ShopifyError:
    """The error that best explains why there is no data."""
    return min(errors, key=lambda error: SEVERITY.index(type(error)))


def field_error(entry: Mapping[str, Any], context: ResponseContext) -> ShopifyError:
    """The error for one entry of a response's `errors`."""
    extensions = entry.get("extensions")
    extensions = extensions if isinstance(extensions, dict) else {}
    path, seen = _path(entry.get("path")), Refusal.of_entry(entry)
    required = extensions.get("requiredAccess")
    scopes = dict.fromkeys(SCOPE.findall(f"{required} {seen.words}"))
    meaning = _of_entry(entry, seen, path, bool(scopes))
    throttle, reason, text, wait = context.throttle, meaning.reason, meaning.text, None
    kind = meaning.kind
    if kind is Throttled:
        wait = throttle.wait if throttle is not None and reason == "cost" else DEFAULT_WAIT_SECONDS
        text = f"{text} for {wait:.2f} s"
        if throttle is not None and throttle.hopeless:
            kind, reason = CostExceeded, "bucket"
            text = f"the query needs {throttle.requested:g} points, the full bucket has {throttle.maximum:g}"
    elif kind is CostExceeded:
        cost, most = extensions.get("cost"), extensions.get("maxCost")
        text = f"the query costs {cost!r:.20}, allowed is {most!r:.20}; ask for less"
    elif kind is ProtectedData and path and not any("customer" in str(step).lower() for step in path):
        reason = "object"
    elif kind is AccessDenied:
        text = f"{text}: {', '.join(scopes) or quoted(seen.words)}; reconnect with it"
    elif meaning in (UNKNOWN, _QUERY, _FIELD):
        code = f" ({quoted(seen.code, 40)})" if seen.code else ""
        text = f"{text}{code}: {quoted(seen.words)}"
    where = f" at {'.'.join(map(str, path))}" if path else ""
    return kind(
        f"{context.shop}: {text}{where}",
        reason=reason,
        retry_after=wait if kind is Throttled else None,
        request_id=context.request_id,
        path=path,
        throttle=throttle,
        scopes=tuple(scopes) if kind is AccessDenied else (),
    )


_QUERY = Meaning(BadDocument, "query", "the query is refused")
_FIELD = Meaning(BadAnswer, "value", "a field failed")


def _of_entry(entry: Mapping[str, Any], seen: Refusal, path: FieldPath, names_scopes: bool) -> Meaning:
    """Refines the meaning by what only an entry has: the scopes it names, and its path."""
    meaning = meaning_of(seen)
    if meaning.kind is AccessDenied and names_scopes:
        return next(meaning for meaning in MEANINGS if meaning.reason == "scope")
    if meaning is not UNKNOWN:
        return meaning
    if _STATIC.fullmatch(seen.code):
        return _QUERY
    if seen.code:
        return UNKNOWN
    return _FIELD if path else _QUERY if entry.get("locations") else UNKNOWN


def status_error(shop: str, refusal: Refusal, *, retry_after: float | None, request_id: str | None) -> ShopifyError:
    """The error for a status other than 200."""
    meaning = meaning_of(refusal)
    scopes = dict.fromkeys(SCOPE.findall(refusal.words)) if meaning.kind is AccessDenied else ()
    wait = retry_after if meaning.kind in (Throttled, Temporary) else None
    if meaning.kind is Throttled and wait is None:
        wait = DEFAULT_WAIT_SECONDS
    said = f": {quoted(refusal.words)}" if refusal.words else ""
    until = f"; again in {wait:g} s" if wait is not None else ""
    return meaning.kind(
        f"{shop}: HTTP {refusal.status}: {meaning.text}{said}{until}",
        reason=meaning.reason,
        retry_after=wait,
        request_id=request_id,
        scopes=tuple(scopes),
    )


def _path(raw: object) -> FieldPath:
    parts = raw if isinstance(raw, list) else []
    return tuple(part[:60] if isinstance(part, str) else part for part in parts if isinstance(part, str | int))
