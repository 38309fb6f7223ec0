"""Text from outside: a store's product titles and names, a server's error messages.

Anyone who can place an order or name a product can write it. So invisible characters are removed (they may carry
instructions for a model: https://embracethered.com/blog/posts/2024/hiding-and-finding-text-with-unicode-tags/), except
those that Persian, Malayalam or an emoji needs, and the length is capped.
"""

import re
import unicodedata

TITLE_CHARACTERS = 200

_NEVER = frozenset({"Cc", "Cs", "Co"})
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""Invisible characters: fillers, joiners, direction marks, variation selectors, tags, noncharacters."""
_VISIBLE_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Visible characters of category Cf, such as the Arabic end of ayah."""
_KEPT = re.compile(
    # A joiner, in scripts where it changes the letters beside it: Arabic to N'Ko, those of India, Tibet, Burma, Khmer,
    # Mongolian, and younger ones.
    "(?<=[\u0620-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\u1a20-\u1bff\ua840-\uabff\ufb50-\ufdcf\ufe70-\ufefc"
    "\U00010a00-\U00011fff\U0001e900-\U0001e95f])[\u200c\u200d]"
    # Between the parts of one emoji.
    "|(?<=[\u2190-\u2bff\U0001f000-\U0001faff])\u200d(?=[\u2190-\u2bff\U0001f000-\U0001faff])"
    # How a sign is shown: as text or as an emoji.
    "|(?<=[#*0-9\u00a9\u00ae\u203c-\u32ff\U0001f000-\U0001faff])[\ufe0e\ufe0f]"
    "(?:\u200d(?=[\u2190-\u2bff\U0001f000-\U0001faff]))?"
    # Which form of an ideograph, in names; which form of a Mongolian letter.
    "|(?<=[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])[\ufe00-\ufe02\U000e0100-\U000e01ef]"
    "|(?<=[\u1820-\u18aa])[\u180b-\u180d\u180f]"
    # Where a word ends in scripts without spaces.
    "|(?<=[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b(?=[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])"
    # The direction of what stands beside Hebrew or Arabic.
    "|(?<=[\u0590-\u08ff\ufb1d-\ufefc])[\u061c\u200e\u200f]|[\u061c\u200e\u200f](?=[\u0590-\u08ff\ufb1d-\ufefc])"
    # The flags of England, Scotland and Wales.
    "|(?<=\U0001f3f4)\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
    "|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
_IGNORABLES = re.compile(f"{_IGNORABLE.pattern}+")
"""Invisible characters that belong to the text, one at a time."""
_TOKEN = re.compile(r"\bshp[a-z]{2}_[0-9A-Za-z_]+")
_SPACES = re.compile(r"\s+")


def clean(value: object, limit: int = TITLE_CHARACTERS) -> str | None:
    """The visible text on one line, at most `limit` characters; None if it is not text or nothing is left."""
    if not isinstance(value, str):
        return None
    value = value[: limit * 20]
    # Most texts are plain: then nothing is to be taken out, and each character need not be looked at.
    is_plain = value.isprintable() and (value.isascii() or _IGNORABLE.search(value) is None)
    text = " ".join(value.split()) if is_plain else _without_hidden(value)
    if len(text) > limit:
        text = text[: limit - 1].rstrip().rstrip("\u200c\u200d") + "…"
    return text or None


def _without_hidden(value: str) -> str:
    seen = "".join(c for c in _SPACES.sub(" ", value) if _may_be_seen(c))
    # Only characters that stay may stand between two that stay, so nothing can hide between them.
    kept, end = [], 0
    for found in _IGNORABLES.finditer(seen):
        kept.append(seen[end : found.start()])
        belongs = _KEPT.match(seen, found.start())
        kept.append(belongs[0] if belongs else "")
        end = found.end()
    return _SPACES.sub(" ", "".join([*kept, seen[end:]])).strip()


def _may_be_seen(character: str) -> bool:
    """Characters that this Python's Unicode does not know yet (Cn) may be visible."""
    category = unicodedata.category(character)
    if category == "Cf":
        return character in _VISIBLE_FORMATS or _IGNORABLE.match(character) is not None
    return category not in _NEVER


def quoted(value: object, limit: int = TITLE_CHARACTERS) -> str:
    """A server's own words for operators, in quotes and without anything that looks like a token."""
    text = clean(_TOKEN.sub("[token]", value) if isinstance(value, str) else None, limit)
    return f'"{text}"' if text else "no message"
