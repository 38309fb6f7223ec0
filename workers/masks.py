"""Masks secrets in text for people: tokens, keys, authorization headers, passwords. Pure.

A secret is recognised by its prefix (`shpat_…`, `sk-…`, `AKIA…`), by its name (`client_secret: …`, `?password=…`), or
by its place in a URL (`redis://:…@host`). If the end of a secret is unclear, too much is masked rather than too little.

Log lines may contain untrusted text, so masking takes linear time: no pattern has an unbounded repeat before something
that may be missing, and no text is searched twice.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

MASK = "***"

_TOKEN = re.compile(
    r"(shp(?:at|ca|pa|ss|ua|rt)_)[A-Za-z0-9_-]+"
    r"|(?<![A-Za-z0-9])(?:"
    r"(sk-|gsk_|xai-|pplx-)[A-Za-z0-9_-]{8,}"
    r"|(AKIA|ASIA)[A-Z0-9]{16}"
    r"|(AIza|gh[opsur]_|github_pat_|glpat-|hf_|r8_|ya29\.|whsec_|xox[abprs]-)[A-Za-z0-9_-]{20,}"
    r"|(Bearer\s{1,3})[A-Za-z0-9._~+/=-]{8,}"
    r")"
)

_NAME = (
    r"pass(?:word|wd|phrase)|pwd|secret(?:[_-]?access)?(?:[_-]?key)?|(?:api|private|access|account)[_-]?key"
    r"|(?:access|refresh|id|auth|session|bearer)[_-]?token|token[_-]?keys|(?:basic|cli)[_-]auth|authorization"
)
_IS_NAME = re.compile(rf"(?:{_NAME})s?", re.IGNORECASE)
_NAMED = re.compile(
    # The name, its closing quote (escaped once per level of JSON in JSON), the separator, the opening quote.
    rf"(?:{_NAME})s?(?:\\{{0,15}}[\"']\s{{0,3}}(?:=>|[:=,])|\s{{0,3}}(?:=>|[:=]))\s{{0,3}}(?:b?(\\{{0,15}}[\"']))?"
    r"(?:(?:Bearer|Basic|Token)\s{1,3})?",
    re.IGNORECASE,
)
#: Between the name and the value; most values of a log line have none of them, and the names are slow to look for.
_BEFORE_VALUE = re.compile("[:=,]")
_QUOTE = re.compile("[\"'\n]")
#: Where an unquoted value ends, including the quote around the whole text.
_UNQUOTED = re.compile(r"(?:[^\s&\"']|[\"'](?![\s,;:}\])>]|$))*")

#: A word that may contain a URL: up to a space, or to the next URL of a list.
_WORD = re.compile(r"\S+")
_NEXT_URL = re.compile(r";(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_USER = re.compile(r"://([^:/@]*):")
_PORT = re.compile(r"[0-9]{1,5}(?=[/?#]|[\"'\\]|[,;)\]}>]|$)")
#: Where a URL ends within a word, as in {"url":"http://h:80/x","mail":"a@h"}; before that, the digits of a port may
#: belong to a password.
_CLOSING = re.compile(r"[\"')\]}>](?=[,;:)\]}>\\]|$)")


def mask(text: str) -> str:
    """`text` with tokens, keys, authorization headers and passwords masked."""
    if "://" in text and "@" in text:
        text = _WORD.sub(lambda word: _without_passwords(word[0]), text)
    if _BEFORE_VALUE.search(text):
        text = "".join(_without_named(text))
    return _TOKEN.sub(_kept_beginning, text)


def masked(value: Any, name: str = "") -> Any:
    """A JSON value of a log line with every text in it masked; `name` is its key."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_name(str(key))[0]: masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inner, name) for inner in value]
    if name and _name(name)[1]:
        return MASK
    return mask(value if isinstance(value, str) else repr(value))


@lru_cache(maxsize=1000)
def _name(name: str) -> tuple[str, bool]:
    """A value's name, masked, and whether it names a secret. Cached, because lines share a few names."""
    return mask(name), _IS_NAME.search(name) is not None


def _kept_beginning(found: re.Match[str]) -> str:
    return f"{found[found.lastindex or 0]}{MASK}"


def _without_named(text: str) -> Iterator[str]:
    at = 0
    while found := _NAMED.search(text, at):
        yield text[at : found.end()]
        at = _end_of_value(text, found.end(), found[1])
        if at > found.end():
            yield MASK
    yield text[at:]


def _end_of_value(text: str, start: int, opening: str | None) -> int:
    if opening is None:
        unquoted = _UNQUOTED.match(text, start)
        return unquoted.end() if unquoted else start
    for found in _QUOTE.finditer(text, start):
        quote, end = found[0], found.end()
        if quote == "\n":  # values do not span lines: the end is missing
            return found.start()
        escapes = _backslashes_before(text, found.start(), start)
        is_as_deep = escapes % 2 == 0 if len(opening) == 1 else escapes == len(opening) - 1
        if quote == opening[-1] and is_as_deep and not text[end : end + 1].isalnum():  # else it is within the value
            return end - len(opening)
    return len(text)


def _backslashes_before(text: str, at: int, start: int) -> int:
    first = at
    while first > start and text[first - 1] == "\\":
        first -= 1
    return at - first


def _without_passwords(word: str) -> str:
    urls: list[list[str]] = []
    is_open = False
    for part in _NEXT_URL.split(word):
        if is_open:  # `;x://` is within a password whose @ is still to come
            urls[-1].append(part)
        else:
            urls.append([part])
        is_open = _ends_in_password(part, is_open)
    return ";".join(_without_password(";".join(parts)) for parts in urls)


def _ends_in_password(part: str, is_open: bool) -> bool:
    after = part.rfind("@") + 1
    users = _USER.finditer(part, after)
    return any(not (found[1] and _PORT.match(part, found.end())) for found in users) or (is_open and not after)


def _without_password(url: str) -> str:
    """Masks everything between the user and the last @, since a password may contain any character."""
    end = max(url.rfind("@"), 0)
    closing = max((found.start() for found in _CLOSING.finditer(url, 0, end)), default=-1)
    for found in _USER.finditer(url, 0, end):
        if found[1] and found.end() <= closing and _PORT.match(url, found.end()):
            continue
        return url[: found.end()] + MASK + url[end:]
    return url
