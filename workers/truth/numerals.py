"""Numbers in a text: digits and words, money, percent, and how exactly they are meant. Pure.

A number may be read in several ways ("1.512" is 1512 or 1.512); whoever judges it takes the one that fits.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

from workers.truth.lexicon import CODES, NATIONS, SYMBOLS, WORDS
from workers.truth.sentence import How, Number, lowered

_SCALES = {
    "k": 1e3, "tsd": 1e3, "mil": 1e3, "thousand": 1e3, "tausend": 1e3, "mille": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6,
    "million": 1e6, "millions": 1e6, "millionen": 1e6, "bn": 1e9, "billion": 1e9, "mrd": 1e9, "milliarden": 1e9,
    "hundred": 1e2, "lakh": 1e5, "crore": 1e7, "万": 1e4, "만": 1e4, "億": 1e8, "亿": 1e8, "억": 1e8,
}  # fmt: skip

_CURRENCY = "|".join(
    sorted((re.escape(each) for each in SYMBOLS if not each.isalpha() or each > "\u0590"), key=len, reverse=True)
)

_MONEY_NAMES = sorted((each for each in SYMBOLS if each.isalpha() and each < "\u0590"), key=len, reverse=True)

_MONEY_WORD = rf"(?:(?:{'|'.join(NATIONS)})\w*[ -])?(?:{'|'.join(_MONEY_NAMES)})"

CODE = "|".join(sorted(CODES))

SHORT = r"s?fr|rs|kr|zł|kč"
"""Short for a currency's name, before digits, too."""

_DIGITS = (
    r"\d{1,3}(?:[.,'’\u00a0\u202f\u2009 ]\d{3})+(?:[.,]\d{1,4})?(?!\d)"
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d{1,2})?(?!\d)|\d+(?:[.,]\d{1,6})?"
)

_GLUED = rf"(?<=(?<!\w)(?:{'|'.join(code for code in CODES if len(code) == 3)}))|(?<=(?<!\w)(?i:fr|rs|kr)\.)|(?<=(?<!\w)(?i:fr|rs|kr|zł|kč))"
"""Before "EUR5", "Rs.5"."""

_IN_DIGITS = re.compile(
    rf"(?=[\d+−–-])(?:(?<![\w.,\ue000])|(?<=[\u0590-\ud7a3\uf900-\ufdff])|{_GLUED})(?P<sign>[-+−]\s?|–)?(?P<digits>{_DIGITS})"
    r"(?:\s?(?P<scale>(?i:thousand|tausend|hundred|millions?|millionen|billion|milliarden|tsd\.?|mio\.?|mrd\.?|lakh|crore"
    r"|mil|k|mn|m|bn)(?![\w²³])|[万만億亿억]))?(?P<plus>\+)?(?:[.,]?[-–—]{1,2}(?=\s?(?:[€£$]|EUR|CHF|Fr)))?"
    rf"(?:[\s\u00a0\u202f]?(?:(?P<percent>%|(?i:percent(?:age points?)?|per cent|prozent(?:punkte)?|pct)\b)"
    rf"|(?P<after>(?i:{_CURRENCY})|(?:{CODE})(?![^\W\d_])|(?i:{_MONEY_WORD})(?i:s|es)?(?![^\W\d_])\.?)))?"
)
_BEFORE = re.compile(
    rf"(?<![^\W\d_\u0590-\uffff])(?:(?P<code>{CODE})\s?)?(?P<currency>(?i:{_CURRENCY})|(?:{CODE})(?![^\W\d_])|(?i:{SHORT})(?![^\W\d_])\.?)\s?$"
)
"""The currency in front of digits. They are found first: a currency might begin anywhere."""

_LONGEST_BEFORE = 8

_IN_LETTERS = re.compile(r"(?<![\w\ue000-])[A-Za-zäöüßÄÖÜ]+(?:-[a-z]+)?(?![\w-])")

_ABOUT = (
    r"about|around|roughly|approximately|approx\.?|some|circa|ca\.?|~|≈|close to|nearly|almost|etwa|rund|ungefähr|zirka"
    r"|fast|beinahe|gut|knapp|nahezu|an die|environ|unos|alrededor de|cerca de|aproximadamente|ongeveer|ungefär|około|yaklaşık|حوالي"
)

_OVER = (
    r"(?:just |well |a little )?over|more than|at least|above|upwards of|passed|beyond|crossed|exceed(?:s|ing)?|über|mehr als|mindestens"
    r"|wenigstens|größer als|höher als|plus de|más de|oltre"
)

_UNDER = r"(?:just )?under|less than|fewer than|below|(?<!add )(?<!adds )(?<!added )(?<!adding )(?<!came )(?<!come )(?<!comes )(?<!amount )up to|at most|no more than|unter|weniger als|höchstens|bis zu"

_HOW = re.compile(
    rf"(?<!\w)(?:(?P<about>{_ABOUT})|(?P<over>{_OVER})|(?P<under>{_UNDER}))\s*(?:(?:a|an|the|der|den|die)\s)?$"
)

_OR_SO = re.compile(r"\s*(?:or so|oder so)\b")

_WEEKDAYS = re.compile(r"\b(?:Mo|Di|Mi|Do|Sa|So)\b(?=[.:]?\s\D{0,3}\d)")
_FRIDAY = re.compile(r"^fr\.?$", re.IGNORECASE)
_LETTERS = re.compile(r"[a-zäöüß]+(?:-[a-z]+)?")
_DIGIT = re.compile(r"\d")

_APART = re.compile(r"['’\u00a0\u202f\u2009 ]")


def _readings(digits: str, scale: float) -> tuple[tuple[float, float], ...]:
    """Values and the size of the last digit, for every way a number may be written."""
    if digits.isdecimal():
        return ((float(digits) * scale, scale),)
    plain = _APART.sub("", digits)
    marks = [mark for mark in plain if mark in ".,"]
    texts: list[str]
    if not marks:
        texts = [plain]
    elif len(set(marks)) == 2:  # the last one is the decimal mark
        texts = [plain.replace(marks[0], "").replace(marks[-1], ".")]
    elif len(marks) > 1:
        texts = [plain.replace(marks[0], "")]
    else:
        texts = [plain.replace(marks[0], ".")]
        if len(plain.rpartition(marks[0])[2]) == 3 and plain[0] != "0":
            texts.insert(0, plain.replace(marks[0], ""))
    found = []
    for text in texts:
        places = len(text.partition(".")[2])
        found.append((float(text) * scale, 10.0**-places * scale))
    return tuple(found)


def _how(plain: str, number: Number) -> How:
    found = _HOW.search(plain, max(0, number.start - 30), number.start)
    if found is None:
        return "about" if _OR_SO.match(plain, number.end) else "exact"
    return "about" if found["about"] else "over" if found["over"] else "under"


def money(symbol: str) -> frozenset[str] | None:
    if not symbol:
        return None
    if symbol in CODES:
        return frozenset({symbol})
    *nation, name = re.split(r"[ -](?=\w+$)", symbol.lower().rstrip("."))
    found = SYMBOLS.get(name) or SYMBOLS.get(name.rstrip("s"))
    codes = {code for begins, code in NATIONS.items() if nation and nation[0].startswith(begins)}
    return found & codes if found and codes else found


_ONE_COUNTS = re.compile(
    r"\b(?:have|had|has|got|only|just|exactly|received|is|are|was|were|nur|genau|lediglich|haben|hatten|hat|gab es|gibt es)"
    r"\s+$|[:=]\s*$",
    re.IGNORECASE,
)

_ONLY = re.compile(r"\b(?:only|just|exactly)\s$", re.IGNORECASE)

_ONLY_ONE = re.compile(r"\b(?:nur|genau|lediglich|bloß|exakt) $", re.IGNORECASE)
""" "Nur eine Bestellung": otherwise the word is an article."""

_ONE_THING = re.compile(
    r" (?:(?:test|guest|open|unfulfilled|new|unpaid) )?(?:orders?|units?|pieces?|cancellation|times?|copy|checkout|parcel|package|shipment|purchase)\b",
    re.IGNORECASE,
)


def numbers(text: str) -> list[Number]:
    """Those of a text, in order."""
    plain = lowered(text)
    read = list(_joined(_in_digits(text))) if _DIGIT.search(text) else []
    if not WORDS.keys().isdisjoint(_LETTERS.findall(plain)):
        in_letters = [_in_letters(text, match) for match in _IN_LETTERS.finditer(text)]
        read = sorted([*read, *filter(None, in_letters)], key=lambda number: number.start)
    found: list[Number] = []
    for number in read:
        if found and number.start < found[-1].end:
            continue
        if number.how != "over":
            number.how = _how(plain, number)
        if number.how == "over" and not is_round(number) and _OVER_WHAT.search(plain, 0, number.start):
            number.how = "exact"  # "eine Bestellung über 84,10 €"
        found.append(number)
    for one, other in itertools.pairwise(found):
        is_amount = one.currencies is None and not one.percent and one.readings[0][1] < 1
        if is_amount and _SAME_UNIT.fullmatch(plain, one.end, other.start):
            one.currencies = other.currencies  # "from 5.10 to 4.20 €"
    return found


_SAME_UNIT = re.compile(r"\s?(?:to|and|or|vs\.?|versus|auf|und|oder|bis|gegenüber|statt|a|à|et|y|–|-)\s?")


def _in_digits(text: str) -> Iterator[Number]:
    end = 0
    for match in _IN_DIGITS.finditer(text):
        scale = _SCALES.get((match["scale"] or "").lower().rstrip("."), 1.0)
        if match["scale"] == "mil" and "." in match["digits"]:  # "$0.88 mil", but "3,5 mil pedidos"
            scale = 1e6
        readings = _readings(match["digits"], scale)
        if scale != 1.0 and len(match["scale"]) == 1:  # "5 m" may be metres
            readings += _readings(match["digits"], 1.0)
        start = match.start()
        currency = _BEFORE.search(text, max(end, start - _LONGEST_BEFORE), start)
        before, after = currency["currency"] if currency else "", match["after"] or ""
        if (_FRIDAY.fullmatch(before) or _FRIDAY.fullmatch(after)) and _WEEKDAYS.search(text):  # "Do 3, Fr 4"
            before, after = (_FRIDAY.sub("", each) for each in (before, after))  # no francs
        start, end = currency.start() if currency else start, match.end()
        number = Number(start, end, text[start:end].strip(), readings, "over" if match["plus"] else "exact")
        signs = (currency and currency["code"], before, after)
        known = [codes for sign in signs if sign and (codes := money(sign)) is not None]
        number.currencies = frozenset.intersection(*known) if known else None  # "CAD $5"
        number.percent = match["percent"] is not None or _PERCENT_BEFORE.search(text, 0, start) is not None
        yield number


_PERCENT_BEFORE = re.compile(r"(?<!\d)(?<!\d\s)%\s?$")
""" "%40": Turkish."""


def _joined(found: Iterable[Number]) -> Iterator[Number]:
    """ "3万2,500": the two are one."""
    before: Number | None = None
    for number in found:
        if (
            before is not None
            and before.text[-1:] in "万만億亿억"
            and number.start - before.end in (0, 1)
            and not before.percent
        ):
            (high, _), (low, step) = before.readings[0], number.readings[0]
            number.start, number.text = before.start, before.text + number.text
            number.readings = ((high + low, step),)
        elif before is not None:
            yield before
        before = number
    if before is not None:
        yield before


_OVER_WHAT = re.compile(r"\b(?:over|über|above)\s*[$€£]?$|\b(?:the|den|die|der)\s$")


def is_round(number: Number) -> bool:
    """Whether it ends in zeros: "over 80", and not "an order over 84.10"."""
    value = number.readings[0][0]
    return value % 10 == 0 and len(f"{value:.0f}".rstrip("0")) <= 2


_SYMBOL = re.compile(
    rf"\s(?:({CODE})(?![^\W\d_])|(?i:({_MONEY_WORD})(?:s|es)?(?![^\W\d_])))(?!\s?\d)"  # "all ten: USD 84"
)


def _in_letters(text: str, match: re.Match[str]) -> Number | None:
    word = match[0].lower()
    value = WORDS.get(word)
    if value is None:
        return None
    end, total = match.end(), float(value)
    if word == "eine" and not _ONLY_ONE.search(text, 0, match.start()):
        return None
    if (
        word == "one"
        and (following := re.match(r"[ -](?:hundred|thousand|million)\b", text[end:], re.IGNORECASE)) is None
    ) and (
        (_ONE_COUNTS.search(text[: match.start()]) is None and not _ONE_THING.match(text, end))
        or (re.match(r"\s+of\b", text[end:]) and not _ONLY.search(text, 0, match.start()))
        or re.match(r"\s+(?:more|another)", text[end:])
    ):
        return None
    step = 1.0
    while following := re.match(
        r"[ -](hundred|thousand|million|tausend|millionen|dozen|dutzend)\b", text[end:], re.IGNORECASE
    ):
        factor = 12.0 if following[1].lower() in ("dozen", "dutzend") else _SCALES[following[1].lower()]
        total, step, end = total * factor, factor, end + following.end()
        if rest := re.match(r" (?:and )?([a-z]+(?:-[a-z]+)?)\b", text[end:], re.IGNORECASE):
            more = WORDS.get(rest[1].lower())
            if more is not None and more < factor:
                total, step, end = total + more, 1.0, end + rest.end()
    symbol = _SYMBOL.match(text, end)
    percent = re.match(r"\s?(?:%|percent|per cent|prozent)", text[end:], re.IGNORECASE)
    if symbol:
        currencies, end = money(symbol[1] or symbol[2]), symbol.end()
    else:
        currencies = None
    return Number(
        match.start(), end, text[match.start() : end], ((total, step),), "exact", currencies, bool(percent), True
    )
