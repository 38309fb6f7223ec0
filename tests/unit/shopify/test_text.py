"""What a store's words may bring in, and what is left of it."""

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopify import text
from shopify.text import clean, quoted


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Teapot", "Teapot"),
        ("  Tea \t\n pot  ", "Tea pot"),
        ("Tea\u200b\u200c\u200d\u2060\ufeffpot", "Teapot"),
        ("Tea\U000e0069\U000e0067\U000e006e\U000e007fpot", "Teapot"),
        ("Tea\ufe0f\ufe00\U000e0100pot", "Teapot"),
        ("Tea\u202e\u2066pot\u2069", "Teapot"),
        ("Tea\x00\x1b[31mpot", "Tea[31mpot"),
        ("Tea\u00adpot", "Teapot"),
        ("Tea\u2028pot\u00a0x", "Tea pot x"),
        ("Tea\ud800pot", "Teapot"),
        ("Tea\u3164\u115f\u034fpot", "Teapot"),
        ("Café 茶 🍵 чай", "Café 茶 🍵 чай"),
        ("", None),
        # What is written with what shows nothing of its own.
        ("\u06a9\u062a\u0627\u0628\u200c\u0647\u0627", "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627"),
        ("\u0dc1\u0dca\u200d\u0dbb\u0dd3", "\u0dc1\u0dca\u200d\u0dbb\u0dd3"),
        ("\u0d05\u0d35\u0d28\u0d4d\u200d x", "\u0d05\u0d35\u0d28\u0d4d\u200d x"),
        ("👩\u200d🚀 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3", "👩\u200d🚀 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3"),
        ("👩🏽\u200d❤\ufe0f\u200d👩", "👩🏽\u200d❤\ufe0f\u200d👩"),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",) * 2,
        ("葛\U000e0100城 神\ufe00", "葛\U000e0100城 神\ufe00"),
        ("\u05d0\u200f!", "\u05d0\u200f!"),
        ("\u06dd\u0661", "\u06dd\u0661"),
        ("\U0001fa77 \U0001fae9 \U00011f02", "\U0001fa77 \U0001fae9 \U00011f02"),  # newer than Python 3.11
        # What hides behind it.
        ("\u0628\u200c\u200c\u200d\u200c\u0628", "\u0628\u200c\u0628"),
        ("👩\u200d\U000e0041\U000e0042🚀", "👩🚀"),
        ("🏴\U000e0069\U000e0067\U000e006e\U000e007f", "🏴"),
        ("葛\U000e0100\U000e0101\U000e0102", "葛\U000e0100"),
        ("\u0628\u202e\u0628\u2067", "\u0628\u0628"),
        ("\ufdd0\uffff\ufff0a", "a"),
        ("\u200b \U000e0041", None),
        (None, None),
        (7, None),
        (["Teapot"], None),
    ],
)
def test_only_what_can_be_seen_is_kept(raw: object, shown: str | None) -> None:
    assert clean(raw) == shown


def test_titles_are_capped_at_200() -> None:
    assert clean("x" * 200) == "x" * 200
    assert clean("x" * 201) == "x" * 199 + "…"
    assert clean("ab cd", 4) == "ab…"


def test_a_cap_counts_what_can_be_seen() -> None:
    assert clean("\u200b" * 500 + "Teapot") == "Teapot"


@given(st.text(max_size=300))
def test_whatever_comes_is_short_visible_and_stable(raw: str) -> None:
    shown = clean(raw, 50)
    if shown is not None:
        assert 0 < len(shown) <= 50
        assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in shown)
        assert not re.search("[\u202a-\u202e\u2060-\u206f\ufeff]", shown)
        assert clean(shown, 50) == shown


def test_a_servers_words_are_quoted_without_tokens() -> None:
    assert quoted("bad key shpat_0a1b2c and shpss_9") == '"bad key [token] and [token]"'
    assert quoted(None) == quoted("") == quoted({}) == "no message"


def test_what_is_plain_needs_no_cleaning() -> None:
    """The short way that most texts take ends where the long one does."""
    plain = [c for c in map(chr, range(sys.maxunicode + 1)) if c.isprintable() and not text._IGNORABLE.match(c)]
    assert len(plain) > 100_000
    assert all(map(text._may_be_seen, plain))
    assert [c for c in plain if c.isspace()] == [" "]
    assert text.clean("  Two   words ") == text._without_hidden("  Two   words ") == "Two words"
