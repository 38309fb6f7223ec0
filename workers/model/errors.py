"""Errors from language models.

ModelError
├── ModelUnavailable    no model answered: down, overloaded, too slow, key refused; a later attempt may succeed
└── ModelRefused        the request itself was refused: the same request never succeeds

A provider's own message may repeat the prompt, so it never leaves this module; only the HTTP status and the short error
code do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

EMPTY = 0
"""Stands for the status of an answer without words and without tool calls."""
_READ = 4000
"""Characters of a provider's message that are searched; nothing of it is told."""
REFUSED = frozenset({400, 413, 422})
"""The request is at fault, not the provider. Other 4xx (key, quota, unknown model) may be fine elsewhere."""

_REASONS = {
    EMPTY: "an empty answer",
    401: "the key was refused (401); check the provider's key variable",
    403: "access was refused (403); check the provider's key variable and what the key may use",
    404: "the provider does not know this model (404); check its name and the provider's address",
    408: "no answer in time",
    429: "too many requests or no quota left (429)",
}
_CODE = re.compile(r"[a-zA-Z0-9_.-]{3,60}")
# As the providers say it; some do so with 429, when the request alone is above a limit per minute.
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size|limit)|(maximum|max) [\w ]{0,20}(context|prompt|input) length"
    r"|(prompt|input|request|messages?)[\w ]{0,40} too (long|large)|too (many|long)[\w ]{0,20} tokens"
    r"|token count[\w ()]{0,40} exceeds|max_new_tokens|reduce the length|number of tokens allowed",
    re.IGNORECASE,
)
_ABOVE_A_LIMIT = re.compile(r"request too large|tokens must be reduced", re.IGNORECASE)


class ModelError(Exception):
    """`code` for programs, `merchant` is a sentence for the merchant, `str(error)` for operators; none has prompts."""

    code = "model_error"
    merchant = "Sorry, something went wrong on my side. Please try again."


class ModelUnavailable(ModelError):
    """No model answered. `retry_after`: seconds after which asking again makes sense, if known.

    `silent`: each answered, with nothing (a filter, a refusal); asking once more would be paid for in vain.
    """

    code = "model_unavailable"
    merchant = "Sorry, I can't think straight right now. Please try again in a few minutes."

    def __init__(self, message: str, retry_after: float | None = None, *, silent: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.silent = silent


class ModelRefused(ModelError):
    """The provider refused the request. `too_long`: it does not fit the model's context."""

    code = "model_bad_request"

    def __init__(self, message: str, *, too_long: bool = False) -> None:
        super().__init__(message)
        self.too_long = too_long


@dataclass(frozen=True)
class FailedCall:
    """A failed attempt: model, HTTP status (or `EMPTY`), reason, and the wait the provider named."""

    name: str
    status: int
    reason: str
    retry_after: float | None = None

    @property
    def transient(self) -> bool:
        """Whether the same model is likely to answer a moment later."""
        return self.status in (EMPTY, 408, 429) or self.status >= 500

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def empty(name: str) -> FailedCall:
    """The failure of an attempt that returned an empty answer."""
    return FailedCall(name, EMPTY, _REASONS[EMPTY])


def out_of_time(name: str) -> FailedCall:
    """The failure of an attempt that ran out of time."""
    return FailedCall(name, 408, _REASONS[408])


def classify(name: str, error: Exception) -> FailedCall | ModelRefused:
    """Classify an exception from litellm by its status code: its class differs between providers."""
    status = _status(error)
    code = _error_code(error)
    detail = f", {code}" if code else ""
    words = str(error)[:_READ]
    above_a_limit = status == 429 and _ABOVE_A_LIMIT.search(words) is not None
    if status in REFUSED or above_a_limit:
        too_long = (
            status == 413
            or above_a_limit
            or code == "context_length_exceeded"
            or _is_a(error, "ContextWindowExceededError")
            or _TOO_LONG.search(words) is not None
        )
        why = " It does not fit the model's context." if too_long else ""
        return ModelRefused(f"{name} refused the request ({status}{detail}).{why}", too_long=too_long)
    if status >= 500 and any(_is_a(link, "APIConnectionError") for link in _chain(error)):
        reason = "no connection; check the provider's address and the network"
    else:
        reason = _REASONS.get(status, f"the provider failed ({status})") + detail
    return FailedCall(name, status, reason, _retry_after(error))


def _status(error: Exception) -> int:
    try:
        return int(getattr(error, "status_code", 500))
    except (TypeError, ValueError):
        return 500


def _error_code(error: Exception) -> str | None:
    body = getattr(error, "body", None)
    fields = body if isinstance(body, Mapping) else {}
    for value in (fields.get("code"), fields.get("type")):
        if isinstance(value, str) and _CODE.fullmatch(value):
            return value
    return None


def _retry_after(error: Exception) -> float | None:
    """Seconds, from a number or an HTTP date: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after"""
    for headers in (
        getattr(error, "litellm_response_headers", None),
        getattr(getattr(error, "response", None), "headers", None),
    ):
        value = headers.get("retry-after") if isinstance(headers, Mapping) else None
        if value is not None:
            return _seconds(str(value))
    return None


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_a(error: BaseException, class_name: str) -> bool:
    return any(base.__name__ == class_name for base in type(error).__mro__)
