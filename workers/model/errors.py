"""Errors from language models.

ModelError
├── ModelUnavailable    no model answered: down, overloaded, too slow, key refused; a later attempt may succeed
├── ModelRefused        the request itself was refused: the same request never succeeds
└── ModelSilent         models answered, but without usable text

A provider's own message may repeat the prompt, so it never leaves this module; only the HTTP status, the short error
code, and the words by which the cause was recognised do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from events.errors import chain


class Cause(Enum):
    """Why an attempt brought no answer. The value is the text for operators."""

    DOWN = "the provider failed"
    SLOW = "no answer in time"
    BUSY = "too many requests or no quota left"
    KEY = "the key was refused"
    ACCESS = "access was refused"
    CREDIT = "no credit left; pay the provider, or set another model"
    GONE = "the provider does not know this model"
    NO_TOOLS = "this model takes no tools, which CJ needs; set another one"
    TOO_LONG = "the request does not fit the model's context"
    FILTERED = "the provider's filter refused"
    REFUSED = "the provider refused the request"
    EMPTY = "an empty answer, or one that nobody could read"
    CUT = "the answer was cut off before its first word"


_HINTS = {
    Cause.KEY: "check the provider's key variable",
    Cause.ACCESS: "check the provider's key variable and what the key may use",
    Cause.GONE: "check its name and the provider's address",
}
PASSES = frozenset({Cause.DOWN, Cause.SLOW, Cause.BUSY, Cause.EMPTY, Cause.CUT})
"""Causes after which the same model is likely to answer a moment later."""
OF_THE_MODEL = frozenset(
    {Cause.DOWN, Cause.SLOW, Cause.BUSY, Cause.KEY, Cause.ACCESS, Cause.CREDIT, Cause.GONE, Cause.NO_TOOLS}
)
"""Causes that will also affect the next request."""
FOR_THE_OPERATOR = frozenset({Cause.KEY, Cause.ACCESS, Cause.CREDIT, Cause.GONE, Cause.NO_TOOLS})
"""Causes that an operator has to fix."""
_BY_STATUS = {
    400: Cause.REFUSED,
    401: Cause.KEY,
    402: Cause.CREDIT,
    403: Cause.ACCESS,
    404: Cause.GONE,
    408: Cause.SLOW,
    413: Cause.TOO_LONG,
    422: Cause.REFUSED,
    429: Cause.BUSY,
}
_UNREACHABLE = "no connection; check the provider's address and the network"
_BROKE_OFF = "the connection broke off"
_NO_CONNECTION = {
    "SSLCertVerificationError": "its certificate is not trusted: name its CA in SSL_CERT_FILE",
    "ProxyError": "the proxy refuses; check HTTPS_PROXY",
    "ConnectError": _UNREACHABLE,
    "ReadError": _BROKE_OFF,
    "RemoteProtocolError": _BROKE_OFF,
    "APIConnectionError": _UNREACHABLE,
    "Unreachable": _UNREACHABLE,
}
"""What the libraries' errors mean, most specific first."""
_READ = 4000
"""Characters of a provider's message that are searched."""
_CODE = re.compile(r"[a-zA-Z0-9_.-]{3,60}")
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size|limit)|(maximum|max) [\w ]{0,20}(context|prompt|input) length"
    r"|(prompt|input|request|messages?)[\w ]{0,40} too (long|large)|too (many|long)[\w ]{0,20} tokens"
    r"|token count[\w ()]{0,40} exceeds|max_new_tokens|reduce the length|number of tokens allowed",
    re.IGNORECASE,
)
# Providers' wordings. They take precedence over the status: what one sends with 400, others send with 403, 404 or 429.
_BY_WORDS: Sequence[tuple[Cause, re.Pattern[str]]] = [
    (cause, re.compile(words, re.IGNORECASE))
    for cause, words in (
        (
            Cause.CREDIT,
            r"credit balance|insufficient[ _](quota|balance|credit|funds)|exceeded your current quota|payment required"
            r"|(requires|need) more credits|out of credits?|(no|any) credits?\b|spend(ing)? limit|billing[ _](hard|not)"
            r"|arrearage|(budget|usage limit)[\w ]{0,10} exceeded|(over|exceeded) ?budget",
        ),
        (
            Cause.NO_TOOLS,
            r"(not|n't) support (the )?(tool|function)(?! use in stream)|support tool use(?! in stream)"
            r"|(tools?|function calling)( use)? (is|are) not (supported|enabled)"
            r"|auto[\\\"'`]* tool choice requires|tools param requires",
        ),
        (
            Cause.FILTERED,
            r"content[ _-]?(management|filter|policy|moderation)|responsible_?ai_?policy|usage polic(y|ies)"
            r"|invalid_prompt|data_?inspection_?failed|inappropriate content|content exists risk|prohibited_?content"
            r"|safety (system|filter|reasons)|flagged (as|for|by)|requires moderation|blockreason|sensitive content"
            r"|violated[\w ]{0,20} guardrail|guardrail[\w ,]{0,40} failed",
        ),
        (Cause.KEY, r"api[ _]key[\w ]{0,20} (not valid|invalid|expired)|(invalid|incorrect)[\w -]{0,12} api[ _-]?key"),
        (
            Cause.ACCESS,
            r"(user location|country|region)[\w, ]{0,30} (is )?not supported|organization has been restricted",
        ),
        (
            Cause.GONE,
            r"decommissioned|model[ _](is )?not[ _]found|model[\w\s\"'`./:-]{0,90}(does not exist|not found"
            r"|no longer|has been (retired|deprecated|shut)|is deprecated)|not a valid model"
            r"|(unknown|invalid|unsupported) model\b|no endpoints found|end of life|model identifier is invalid"
            r"|non-serverless model|on-demand throughput",
        ),
    )
]
# Groq and others validate a model's tool call themselves and refuse what it wrote.
_UNREADABLE = re.compile(
    r"tool_use_failed|failed to (call a function|parse tool call)|tool call validation failed", re.I
)
_ABOVE_A_LIMIT = re.compile(r"request too large|tokens must be reduced", re.IGNORECASE)


class GivenUp(Exception):
    """The answer is no longer wanted: the turn was stopped or taken over."""


class ModelError(Exception):
    """`code` is for programs, `merchant` a sentence for the merchant, `str(error)` for operators; none contains
    prompts."""

    code = "model_error"
    merchant = "Sorry, something went wrong on my side. Please try again."


class ModelUnavailable(ModelError):
    """No model answered. `retry_after`: how long not to ask again (seconds), if known. `lasting`: an operator has to
    fix something first (a key, credit, a model's name).
    """

    code = "model_unavailable"
    merchant = "I can't think straight at the moment. I'll answer as soon as I can; you need not ask again."

    def __init__(self, message: str, retry_after: float | None = None, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.lasting = lasting


class ModelRefused(ModelError):
    """The request was refused: as too long, by a filter, or for another reason (`Cause.REFUSED`)."""

    code = "model_bad_request"

    def __init__(self, message: str, cause: Cause = Cause.REFUSED) -> None:
        super().__init__(message)
        self.cause = cause


class ModelSilent(ModelError):
    """Every model gave an empty answer, even when asked again; another attempt would only cost money."""

    code = "model_without_words"
    merchant = "Sorry, I could not put an answer into words. Please ask again."


@dataclass(frozen=True)
class FailedCall:
    """A failed attempt: model, cause, HTTP status (0: the answer was empty), the reason for operators, and the wait
    that the provider asked for."""

    name: str
    cause: Cause
    status: int = 0
    detail: str = ""
    retry_after: float | None = None

    @property
    def transient(self) -> bool:
        """Whether the same model is likely to answer a moment later."""
        return self.cause in PASSES and (self.cause is not Cause.DOWN or self.status >= 500)

    @property
    def reason(self) -> str:
        hint = f"; {_HINTS[self.cause]}" if self.cause in _HINTS else ""
        told = ", ".join(dict.fromkeys(filter(None, [str(self.status or ""), self.detail])))
        return f"{self.cause.value}{f' ({told})' if told else ''}{hint}"

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def classify(name: str, error: Exception) -> FailedCall:
    """Classify an exception by its text and status code; litellm's exception classes differ between providers."""
    status, code = _status(error), _error_code(error)
    words = f"{code or ''} {told_by(error)}"[:_READ]
    cause, found = _cause(status, code, words, error)
    if cause is Cause.DOWN and status >= 500 and (why := _why_no_connection(error)):
        return FailedCall(name, cause, status, why)
    return FailedCall(name, cause, status, ", ".join(dict.fromkeys(filter(None, [code, found]))), _retry_after(error))


def told_by(error: Exception) -> str:
    """The error's text, and the refusal's body where litellm leaves it out, as for Gemini's streams. It may repeat the
    prompt."""
    body = getattr(getattr(error, "response", None), "content", b"")
    return f"{error} {body.decode('utf-8', 'replace') if isinstance(body, bytes) else ''}"


def status_of(told: object) -> int:
    """The HTTP status that an error sent with 200 should have had: its code if that is one, 400 if its words say what
    was refused, else 502."""
    code = str(told.get("code")) if isinstance(told, Mapping) else ""
    if re.fullmatch("[45][0-9]{2}", code):
        return int(code)
    cause, _ = _cause(400, code, str(told)[:_READ], ValueError())
    return 502 if cause is Cause.REFUSED else 400


def _cause(status: int, code: str | None, words: str, error: Exception) -> tuple[Cause, str | None]:
    """The cause, and the words it was recognised by."""
    if status == 429 and _ABOVE_A_LIMIT.search(words):
        return Cause.TOO_LONG, None
    if status in (400, 422) and (
        _TOO_LONG.search(words) or code == "context_length_exceeded" or _is_a(error, "ContextWindowExceededError")
    ):
        return Cause.TOO_LONG, None
    if _UNREADABLE.search(words):
        return Cause.EMPTY, None
    for cause, pattern in _BY_WORDS:
        # llama.cpp says with 500 that its tools are switched off.
        is_told = 400 <= status < 500 or (status == 500 and cause is Cause.NO_TOOLS)
        if is_told and (found := pattern.search(words)) is not None:
            return cause, f"“{found[0].strip()}”"
    return _BY_STATUS.get(status, Cause.DOWN), None


def _status(error: Exception) -> int:
    """The HTTP status; an answer that could not be read counts as the provider's failure, whatever its status."""
    try:
        status = int(getattr(error, "status_code", 500))
    except (TypeError, ValueError):
        return 500
    return status if 300 <= status < 600 else 502


def _error_code(error: Exception) -> str | None:
    body = getattr(error, "body", None)
    fields = body if isinstance(body, Mapping) else {}
    for value in (fields.get("code"), fields.get("type")):
        if isinstance(value, str) and _CODE.fullmatch(value):
            return value
    return None


def _retry_after(error: Exception) -> float | None:
    """Seconds, from a number or an HTTP date: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after

    OpenAI and Azure also say it in milliseconds, Google in the body.
    """
    for headers in (
        getattr(error, "litellm_response_headers", None),
        getattr(getattr(error, "response", None), "headers", None),
    ):
        if not isinstance(headers, Mapping):
            continue
        milliseconds = _seconds(str(headers.get("retry-after-ms", "")))
        if milliseconds is not None:
            return milliseconds / 1000
        if (value := headers.get("retry-after")) is not None:
            return _seconds(str(value), since=_moment(headers.get("date")))
    delay = re.search(r"[\"']retryDelay[\"']\s*:\s*[\"']([0-9.]{1,12})s", told_by(error)[:_READ])
    return _seconds(delay[1]) if delay else None


def _seconds(value: str, *, since: datetime | None = None) -> float | None:
    """`since`: now by the provider's clock, which its dates are meant by; without it this machine's must do."""
    try:
        seconds = float(value)
    except ValueError:
        if (at := _moment(value)) is None:
            return None
        seconds = (at - (since or datetime.now(UTC))).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _moment(value: object) -> datetime | None:
    """An HTTP date."""
    try:
        at = parsedate_to_datetime(str(value))
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _why_no_connection(error: BaseException) -> str | None:
    links = chain(error)
    return next((why for known, why in _NO_CONNECTION.items() if any(_is_a(link, known) for link in links)), None)


def _is_a(error: BaseException, class_name: str) -> bool:
    return any(base.__name__ == class_name for base in type(error).__mro__)
