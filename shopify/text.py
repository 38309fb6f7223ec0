"""Text from outside: a store's product titles and names, a server's error messages.

Anyone who can place an order or name a product writes it. So invisible characters are removed (they may carry
instructions for a model: https://embracethered.com/blog/posts/2024/hiding-and-finding-text-with-unicode-tags/) and
the length is capped.
"""

import re
import unicodedata

TITLE_CHARACTERS = 200

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
"""Fillers, variation selectors and tag characters, whatever their category."""
_TOKEN = re.compile(r"\bshp[a-z]{2}_[0-9A-Za-z_]+")
_SPACES = re.compile(r"\s+")


def clean(value: object, limit: int = TITLE_CHARACTERS) -> str | None:
    """The visible text on one line, at most `limit` characters; None if it is not text or nothing is left."""
    if not isinstance(value, str):
        return None
    spaced = _SPACES.sub(" ", value[: limit * 20])
    visible = "".join(c for c in spaced if unicodedata.category(c) not in _INVISIBLE_CATEGORIES)
    text = _SPACES.sub(" ", _INVISIBLE.sub("", visible)).strip()
    return (text if len(text) <= limit else text[: limit - 1].rstrip() + "…") or None


def quoted(value: object, limit: int = TITLE_CHARACTERS) -> str:
    """A server's own words for operators, in quotes and without anything that looks like a token."""
    text = clean(_TOKEN.sub("[token]", value) if isinstance(value, str) else None, limit)
    return f'"{text}"' if text else "no message"
