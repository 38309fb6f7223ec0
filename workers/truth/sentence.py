"""A sentence and what may be in it; where a text's sentences end. Pure."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from workers.truth.wording import Places, Wording

How = Literal["exact", "about", "over", "under"]


@dataclass(slots=True, eq=False)
class Number:
    """A number: each reading is a value and the size of its last digit. `currencies` None: not money."""

    start: int
    end: int
    text: str
    readings: tuple[tuple[float, float], ...]
    how: How = "exact"
    currencies: frozenset[str] | None = None
    percent: bool = False
    word: bool = False
    """Whether it was written in letters."""


@dataclass(slots=True, eq=False)
class Mention:
    """Something at a place: a name (its keys), a period, a date, a subject or a trait."""

    start: int
    end: int
    text: str
    kind: str
    value: object = None


@dataclass(slots=True)
class Sentence:
    """One sentence as it stands, its line break included, and what is in it, each list in order."""

    text: str
    plain: str = ""
    """In lower case."""
    masked: str = ""
    """In lower case, with \ue000 in place of names, dates and the like."""
    cased: str = ""
    """The same in the case it was written in."""
    numbers: list[Number] = field(default_factory=list)
    names: list[Mention] = field(default_factory=list)
    periods: list[Mention] = field(default_factory=list)
    dates: list[Mention] = field(default_factory=list)
    ages: list[Mention] = field(default_factory=list)
    times: list[Mention] = field(default_factory=list)
    orders: list[Mention] = field(default_factory=list)
    subjects: list[Mention] = field(default_factory=list)
    traits: list[Mention] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    places: Places = field(default_factory=dict)
    """Where each wording may begin."""

    def each(
        self, wording: Wording, start: int = 0, end: int = sys.maxsize, *, plain: bool = False
    ) -> Iterator[re.Match[str]]:
        """Where the wording stands, in order; `plain`: periods and the like are read, too."""
        text = self.plain if plain else self.masked
        for place in self.places.get(wording, ()):
            if place >= start and (found := wording.pattern.match(text, place, end)) is not None:
                start = max(found.end(), place + 1)
                yield found

    def first(
        self, wording: Wording, start: int = 0, end: int = sys.maxsize, *, plain: bool = False
    ) -> re.Match[str] | None:
        """Where the wording stands first."""
        return next(self.each(wording, start, end, plain=plain), None) if wording in self.places else None


_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|approx|ca|vs|no|nr|st|mr|mrs|ms|dr|inkl|incl|bzw|ggf|evtl|usw|max|min|avg|durchschn|tsd|mio|mrd|s?fr|rs|kr|z\.\s?b"
    r"|d\.\s?h|u\.\s?a|z|b|jan|feb|mar|apr|jun|jul|aug|sept?|oct|okt|nov|dec|dez)|(?<![\w.,])\d{1,2})\.$",
    re.IGNORECASE,
)

_END = re.compile(
    r"\n+|(?<=[.!?…؟।])(?:\s?»|[\"”“’')\]*_])*\s+(?=[\W\d]{0,40}[^\W\d_a-zäöü]|[\W_]{0,40}\d)|(?<=[。！？])[」』”’）]*"
)

_STOP = re.compile(r"[\n.!?…؟।。！？]")

_DAY_AND_MONTH, _DATE_ENDS = re.compile(r"\b[0-3]?\d\.[01]?\d\.$"), re.compile(r"\d\.\d{1,2}\.$")

LONGEST = 600
"""More than anybody says in one sentence."""

_AMOUNT = re.compile(r"\d\s(?:s?fr|rs|kr)\.$", re.IGNORECASE)
"""An amount with its currency behind it, which is no "Fr. 5"."""

_OF_AMOUNT = re.compile(
    r"(?:\w+u|U)ms[aä]tz|\w*(?:[eE]rlös|[eE]innahmen|[wW]ert\b)|(?:Gesamt|Netto|Brutto)\w|Sales|Revenue"
)
""" "52.71 Fr. Umsatz"."""

_ENDS_WITH_NUMBER = re.compile(
    r"(?<!\b(?:am|im|zu))(?<!\b(?:der|die|das|vom|zum|den|dem|zur))(?<!\bbeim)(?:(?<=[\w:=$€£¥₹])\s|(?<=[$€£¥₹]))\d{1,2}\.$",
    re.IGNORECASE,
)

_MONTH_FOLLOWS = re.compile(r"(?:j[aä]n|feb|mär|mar|apr|mai|may|jun|jul|aug|sep|o[ck]t|nov|de[cz])", re.IGNORECASE)


def sentences(text: str) -> list[str]:
    """The text in pieces that make it up again; a line of a list is one piece, with its number or bullet."""
    pieces: list[str] = []
    start = end = 0
    for stop in _STOP.finditer(text):
        place = stop.start() if stop[0] == "\n" else stop.end()
        found = _END.match(text, place) if place >= end else None
        if found is None:
            continue
        end = found.end()
        before = text[max(start, place - 40) : place]
        is_digit = before[-2:-1].isdecimal()
        is_number = is_digit and _ENDS_WITH_NUMBER.search(before) and not _MONTH_FOLLOWS.match(text, end)
        bare, begins = before.rstrip("\"”“»’')]"), text[end : end + 2].lstrip("\"“„»«'*")[:1]
        is_amount = _AMOUNT.search(bare) and begins.isupper() and not _OF_AMOUNT.match(text, end)
        if "\n" not in found[0] and not is_number and not is_amount and _ABBREVIATION.search(bare[-12:]):
            continue
        if is_digit and _DAY_AND_MONTH.search(before) and not begins.isupper():
            continue
        if is_digit and found[0].startswith(")") and _DATE_ENDS.search(before):  # "(19.06.) 5 €"
            continue
        if before.strip():
            pieces.append(text[start:end])
            start = end
    if start < len(text):
        pieces.append(text[start:])
    return pieces


_LAST_GAP = re.compile(r".+[\s、，；]", re.DOTALL)


def parts(piece: str) -> Iterator[str]:
    """A sentence in parts of at most `LONGEST` characters: each number is compared with each other of its part."""
    while len(piece) > LONGEST:
        found = _LAST_GAP.match(piece, 0, LONGEST)
        end = found.end() if found else LONGEST
        yield piece[:end]
        piece = piece[end:]
    yield piece


_SIGNS: dict[int, str | None] = {
    **{zero + digit: str(digit) for zero in (0x660, 0x6F0, 0x966, 0xFF10) for digit in range(10)},
    **dict(zip(map(ord, "％٪＃＄．٫٬"), "%%#$..,", strict=True)),
    **dict(zip(map(ord, "，、،；：（）"), (", ", ", ", ", ", "; ", ": ", " (", ") "), strict=True)),
    **dict.fromkeys((0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))),
}
"""Digits and punctuation of other scripts, and marks of direction."""

_SIGN = re.compile(f"[{''.join(map(chr, _SIGNS))}]")


def with_latin_signs(text: str) -> str:
    """The text with digits and punctuation of other scripts written as Latin ones, without marks of direction."""
    if text.isascii() or not _SIGN.search(text):
        return text
    return _THOUSANDS.sub(",", text).translate(_SIGNS)


_THOUSANDS = re.compile(r"(?<=\d)，(?=\d{3})")


def lowered(text: str) -> str:
    """In lower case, letter for letter: some letters become two otherwise."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c if len(c.lower()) != 1 else c.lower() for c in text)
