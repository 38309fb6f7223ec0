"""What a text says: its sentences, and in each the numbers, names, periods and words that its figures are about. Pure.

English and German are read whole, other languages as far as their nouns are in the lists below. A number may be read in
several ways ("1.512" is 1512 or 1.512); whoever judges it takes the one that fits. What a number is about is a noun
(`subjects`: order, customer, product, unit) and what is said of it (`traits`: open, returning, average, …).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

How = Literal["exact", "about", "over", "under"]

DOLLARS = frozenset("USD CAD AUD NZD SGD HKD MXN TWD ARS CLP COP BBD BSD JMD TTD FJD NAD".split())
CROWNS = frozenset({"SEK", "NOK", "DKK", "ISK", "CZK"})
CODES = (
    DOLLARS
    | CROWNS
    | frozenset(
        "EUR GBP JPY CNY CHF PLN CZK HUF RON BGN INR BRL ZAR TRY KRW ILS AED SAR EGP MAD NGN KES GHS THB VND IDR MYR PHP "
        "PKR BDT LKR UAH RUB KWD BHD OMR QAR JOD TND PEN UYU BOB PYG GTQ CRC DOP XOF XAF RSD GEL KZT".split()
    )
)
SYMBOLS: Mapping[str, frozenset[str]] = {
    "$": DOLLARS, "us$": frozenset({"USD"}), "ca$": frozenset({"CAD"}), "c$": frozenset({"CAD"}),
    "a$": frozenset({"AUD"}), "au$": frozenset({"AUD"}), "nz$": frozenset({"NZD"}), "hk$": frozenset({"HKD"}),
    "s$": frozenset({"SGD"}), "r$": frozenset({"BRL"}), "mx$": frozenset({"MXN"}), "€": frozenset({"EUR"}),
    "£": frozenset({"GBP"}), "¥": frozenset({"JPY", "CNY"}), "₹": frozenset({"INR"}), "₺": frozenset({"TRY"}),
    "₩": frozenset({"KRW"}), "₪": frozenset({"ILS"}), "₴": frozenset({"UAH"}), "₫": frozenset({"VND"}),
    "฿": frozenset({"THB"}), "₱": frozenset({"PHP"}), "zł": frozenset({"PLN"}), "kč": frozenset({"CZK"}),
    "ft": frozenset({"HUF"}), "kr": CROWNS, "fr": frozenset({"CHF"}), "sfr": frozenset({"CHF"}),
    "lei": frozenset({"RON"}), "rs": frozenset({"INR", "PKR", "LKR"}), "us-dollar": frozenset({"USD"}),
    "dollar": DOLLARS, "euro": frozenset({"EUR"}), "pound": frozenset({"GBP", "EGP"}), "pfund": frozenset({"GBP"}),
    "yen": frozenset({"JPY"}), "yuan": frozenset({"CNY"}), "franc": frozenset({"CHF", "XOF", "XAF"}),
    "franken": frozenset({"CHF"}), "schweizer franken": frozenset({"CHF"}), "swiss franc": frozenset({"CHF"}),
    "zloty": frozenset({"PLN"}), "złoty": frozenset({"PLN"}), "rupee": frozenset({"INR", "PKR", "LKR"}),
    "rupie": frozenset({"INR", "PKR", "LKR"}), "rupien": frozenset({"INR", "PKR", "LKR"}), "krone": CROWNS,
    "kronen": CROWNS, "kronor": CROWNS, "kroner": CROWNS, "krona": CROWNS, "buck": DOLLARS, "real": frozenset({"BRL"}),
    "reais": frozenset({"BRL"}), "won": frozenset({"KRW"}), "rand": frozenset({"ZAR"}), "peso": frozenset({"MXN"}),
    "canadian dollar": frozenset({"CAD"}), "australian dollar": frozenset({"AUD"}), "us dollar": frozenset({"USD"}),
    "kanadische dollar": frozenset({"CAD"}), "australische dollar": frozenset({"AUD"}),
}  # fmt: skip
"""The currencies that a sign or a word may mean."""


@dataclass(slots=True)
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


@dataclass(slots=True)
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


# -- sentences ---------------------------------------------------------------------------------------------------------

_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|approx|ca|vs|no|nr|st|mr|mrs|ms|dr|inkl|incl|bzw|ggf|evtl|usw|max|min|avg|durchschn|tsd|mio|mrd|fr|rs|z\.\s?b"
    r"|d\.\s?h|u\.\s?a|z|b|jan|feb|mar|apr|jun|jul|aug|sept?|oct|okt|nov|dec|dez)|(?<![\w.,])\d{1,2})\.$",
    re.IGNORECASE,
)
_END = re.compile(r"\n+|(?<=[.!?…])[\"”“»’')\]]*\s+(?=[\W\d]*[^\W\d_a-zäöü]|[\W_]*\d)|(?<=[。！？])")


_ENDS_WITH_NUMBER = re.compile(
    r"(?<!\b(?:am|im|zu))(?<!\b(?:der|die|das|vom|zum|den|dem|zur))(?<!\bbeim)(?<=\w|[:=])\s\d{1,2}\.$", re.IGNORECASE
)
_MONTH_FOLLOWS = re.compile(r"(?:jan|feb|mär|mar|apr|mai|may|jun|jul|aug|sep|o[ck]t|nov|de[cz])", re.IGNORECASE)


def sentences(text: str) -> list[str]:
    """The text in pieces that make it up again; a line of a list is one piece, with its number or bullet."""
    pieces, start = [], 0
    for found in _END.finditer(text):
        before = text[max(start, found.start() - 40) : found.start()]
        is_number = _ENDS_WITH_NUMBER.search(before) is not None and not _MONTH_FOLLOWS.match(text, found.end())
        if "\n" not in found[0] and not is_number and _ABBREVIATION.search(before.rstrip("\"”“»’')]")):
            continue
        if re.search(r"\b[0-3]?\d\.[01]?\d\.$", before) and not text[found.end() : found.end() + 1].isupper():
            continue
        if found[0].startswith(")") and re.search(r"\d\.\d{1,2}\.$", before):  # "(19.06.) 5 €"
            continue
        if before.strip():
            pieces.append(text[start : found.end()])
            start = found.end()
    if start < len(text):
        pieces.append(text[start:])
    return pieces


def at_words(pattern: str) -> re.Pattern[str]:
    """To be found at the beginnings of words in a text in lower case: ten times as fast as one that ignores case."""
    return re.compile(rf"(?<!\w)(?=\w)(?:{pattern})")


# -- numbers -----------------------------------------------------------------------------------------------------------

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_EINER = "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn".split()
_ZEHNER = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()


def _number_words() -> dict[str, int]:
    words = {word: value for value, word in enumerate(_ONES)}
    german = dict(enumerate(_EINER))
    for place, (ten, zehner) in enumerate(zip(_TENS, _ZEHNER, strict=True), 2):
        for one in range(10):
            words[f"{ten}-{_ONES[one]}" if one else ten] = place * 10 + one
            german[place * 10 + one] = f"{_EINER[one]}und{zehner}" if one else zehner
    for value in range(100, 1000):
        hundreds, rest = divmod(value, 100)
        german[value] = f"{_EINER[hundreds]}hundert{german[rest] if rest else ''}"
        if hundreds == 1:
            words[f"hundert{german[rest] if rest else ''}"] = value
    words |= {word: value for value, word in german.items() if value != 1}
    words |= {f"{word}mal": value for value, word in german.items() if 2 <= value <= 12}
    return words | {"dreissig": 30, "fuenf": 5, "zwoelf": 12, "twice": 2, "thrice": 3, "dutzend": 12, "dozen": 12}


WORDS = _number_words()
_SCALES = {
    "k": 1e3, "tsd": 1e3, "thousand": 1e3, "tausend": 1e3, "mille": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6,
    "million": 1e6, "millions": 1e6, "millionen": 1e6, "bn": 1e9, "billion": 1e9, "mrd": 1e9, "milliarden": 1e9,
    "hundred": 1e2, "lakh": 1e5, "crore": 1e7,
}  # fmt: skip
_CURRENCY = "|".join(
    sorted((re.escape(each) for each in SYMBOLS if not each[0].isalpha() or "$" in each), reverse=True)
)
_MONEY_WORD = "|".join(sorted((re.escape(each) for each in SYMBOLS if each[0].isalpha()), key=len, reverse=True))
_CODE = "|".join(sorted(CODES))
_DIGITS = (
    r"\d{1,3}(?:[.,'’\u00a0\u202f\u2009 ]\d{3})+(?:[.,]\d{1,4})?(?!\d)"
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d{1,2})?(?!\d)|\d+(?:[.,]\d{1,6})?"
)
_NUMBER = re.compile(
    rf"(?:(?<![^\W\d_])(?P<before>(?i:{_CURRENCY})|(?:{_CODE})(?![^\W\d_])|(?i:kr|fr|sfr|rs)\b\.?)\s?)?"
    rf"(?<![\w.,\ue000])(?P<sign>[-+−–]\s?)?(?P<digits>{_DIGITS})"
    r"(?:\s?(?P<scale>(?i:thousand|tausend|hundred|millions?|millionen|billion|milliarden|tsd\.?|mio\.?|mrd\.?|lakh|crore"
    r"|k|mn|m|bn)(?![\w²³])))?(?P<plus>\+)?"
    rf"(?:[\s\u00a0\u202f]?(?:(?P<percent>%|(?i:percent(?:age points?)?|per cent|prozent(?:punkte)?|pct)\b)"
    rf"|(?P<after>{_CURRENCY}|(?:{_CODE})(?![^\W\d_])|(?i:{_MONEY_WORD})(?i:s|es)?(?![^\W\d_])\.?)))?"
    rf"|(?P<word_currency>{_CURRENCY})?(?<![\w\ue000-])(?P<word>[A-Za-zäöüßÄÖÜ]+(?:-[a-z]+)?)(?![\w-])"
)
_ABOUT = (
    r"about|around|roughly|approximately|approx\.?|some|circa|ca\.?|~|≈|close to|nearly|almost|etwa|rund|ungefähr|zirka"
    r"|fast|beinahe|gut|knapp|nahezu|an die|environ|unos|alrededor de"
)
_OVER = (
    r"(?:just |well |a little )?over|more than|at least|above|upwards of|exceed(?:s|ing)?|über|mehr als|mindestens"
    r"|wenigstens|größer als|höher als|plus de|más de|oltre"
)
_UNDER = r"(?:just )?under|less than|fewer than|below|up to|at most|no more than|unter|weniger als|höchstens|bis zu"
_HOW = re.compile(
    rf"(?<!\w)(?:(?P<about>{_ABOUT})|(?P<over>{_OVER})|(?P<under>{_UNDER}))\s*(?:(?:a|an|the|der|den|die)\s)?$",
    re.IGNORECASE,
)


def _readings(digits: str, scale: float) -> tuple[tuple[float, float], ...]:
    """Values and the size of the last digit, for every way a number may be written."""
    plain = re.sub(r"['’\u00a0\u202f\u2009 ]", "", digits)
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


def _how(before: str, after: str) -> How:
    found = _HOW.search(before[-30:])
    if found is None:
        return "about" if re.match(r"\s*(?:or so|oder so)\b", after, re.IGNORECASE) else "exact"
    return "about" if found["about"] else "over" if found["over"] else "under"


def _money(symbol: str | None) -> frozenset[str] | None:
    if not symbol:
        return None
    if symbol in CODES:
        return frozenset({symbol})
    name = symbol.lower().rstrip(".")
    return SYMBOLS.get(name) or SYMBOLS.get(name.rstrip("s"))


_ONE_COUNTS = re.compile(
    r"\b(?:have|had|has|got|only|just|exactly|received|is|are|was|were|nur|genau|lediglich|haben|hatten|hat|gab es|gibt es)"
    r"\s+$|[:=]\s*$",
    re.IGNORECASE,
)


_ONE_THING = re.compile(
    r" (?:(?:test|guest|open|unfulfilled|new|unpaid) )?(?:orders?|units?|pieces?|cancellation|times?|copy|checkout|parcel|package|shipment|purchase)\b",
    re.IGNORECASE,
)


def _numbers(text: str) -> list[Number]:
    found: list[Number] = []
    for match in _NUMBER.finditer(text):
        if match["word"]:
            number = _in_letters(text, match)
        else:
            scale = _SCALES.get((match["scale"] or "").lower().rstrip("."), 1.0)
            readings = _readings(match["digits"], scale)
            if scale != 1.0 and len(match["scale"]) == 1:  # "5 m" may be metres
                readings += _readings(match["digits"], 1.0)
            currencies = _money(match["before"]) or _money(match["after"])
            number = Number(match.start(), match.end(), match[0].strip(), readings, "exact", currencies)
            number.percent = match["percent"] is not None
        if number is None:
            continue
        if found and number.start < found[-1].end:
            continue
        number.how = "over" if match["plus"] else _how(text[: number.start], text[number.end :])
        if (
            number.how == "over" and not _is_round(number) and _OVER_WHAT.search(text[: number.start])
        ):  # "eine Bestellung über 84,10 €"
            number.how = "exact"
        found.append(number)
    return found


_OVER_WHAT = re.compile(r"\b(?:over|über|above)\s*[$€£]?$|\b(?:the|den|die|der)\s$", re.IGNORECASE)


def _is_round(number: Number) -> bool:
    """Whether it ends in zeros: "over 80", and not "an order over 84.10"."""
    value = number.readings[0][0]
    return value % 10 == 0 and len(f"{value:.0f}".rstrip("0")) <= 2


def _in_letters(text: str, match: re.Match[str]) -> Number | None:
    word = match["word"].lower()
    value = WORDS.get(word)
    if value is None:
        return None
    end, total = match.end(), float(value)
    if (
        word == "one"
        and (following := re.match(r"[ -](?:hundred|thousand|million)\b", text[end:], re.IGNORECASE)) is None
    ) and (
        (_ONE_COUNTS.search(text[: match.start()]) is None and not _ONE_THING.match(text, end))
        or re.match(r"\s+of\b|\s+(?:more|another)", text[end:])
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
    symbol = re.match(rf"\s(?:({_CODE})(?![^\W\d_])|(?i:({_MONEY_WORD})(?:s|es)?(?![^\W\d_])))", text[end:])
    percent = re.match(r"\s?(?:%|percent|per cent|prozent)", text[end:], re.IGNORECASE)
    if symbol:
        currencies, end = _money(symbol[1] or symbol[2]), end + symbol.end()
    else:
        currencies = None
    return Number(
        match.start(), end, text[match.start() : end], ((total, step),), "exact", currencies, bool(percent), True
    )


# -- dates, times, periods ---------------------------------------------------------------------------------------------

_MONTHS = (
    r"jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?"
    r"|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?"
)
_MONTH_NUMBERS = {"jan": 1, "feb": 2, "mar": 3, "mär": 3, "apr": 4, "may": 5, "mai": 5, "jun": 6, "jul": 7, "aug": 8,
                  "sep": 9, "oct": 10, "okt": 10, "nov": 11, "dec": 12, "dez": 12}  # fmt: skip
_DATE = re.compile(
    rf"(?P<iso>\b(?P<iy>\d{{4}})-(?P<im>\d\d)-(?P<id>\d\d)(?:[t ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:z|[+-]\d\d:?\d\d)?)?)"
    rf"|\b(?P<md_m>{_MONTHS})\.?\s(?P<md_d>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s(?P<md_y>(?:19|20)\d\d))?(?![\d.,]*\d)"
    rf"|\b(?P<dm_d>\d{{1,2}})(?:\.|st|nd|rd|th)?\s(?:of\s)?(?P<dm_m>{_MONTHS})\b\.?(?:,?\s(?P<dm_y>(?:19|20)\d\d))?"
    r"|(?<![\d.,/$€£])(?P<n1>[0-3]?\d)(?P<nm>[./])(?P<n2>[01]?\d)(?P=nm)(?P<ny>(?:19|20)?\d\d)(?![\d/])"
    r"|(?<![\d.,$€£])(?P<d1>[0-3]?\d)\.(?P<d2>[01]?\d)\.(?!\d|\s(?:19|20)\d\d\b(?![.,]))"
    rf"|\b(?P<my_m>{_MONTHS})\.?\s(?P<my_y>(?:19|20)\d\d)\b",
)
_TIME = re.compile(
    r"(?<![\d:.,])(?P<h>[01]?\d|2[0-4])(?:(?::(?P<m>[0-5]\d)(?::[0-5]\d)?)\s?(?P<ap>[ap]\.?m\.?)?(?:\s?(?:uhr|utc|h)\b)?"
    r"|\s?(?P<ap2>[ap]\.?m\.?)(?!\w)|(?:\.(?P<m2>[0-5]\d))?\s?(?:uhr|o'clock)\b)",
)
_COUNTED = r"(?P<n{0}>\d{{1,3}}|[a-zäöüß]+(?:-[a-z]+)?)"
_UNIT = (
    r"(?P<u{0}>minutes?|mins?|hours?|days?|weeks?|months?|years?|minuten?|stunden?|tage?n?|wochen?|monate?n?|jahre?n?)"
)
_PERIOD = at_words(
    r"(?P<included>(?:today included|including today|einschließlich heute|heute eingeschlossen|inklusive heute))|(?:(?:in|over|for|within|during|of|from|innerhalb|während|aus|über)\s)?(?:the\s|den\s|der\s|die\s)?"
    r"(?:last|past|previous|letzte[nr]?|vergangene[nr]?|vorige[nr]?)\s"
    + _COUNTED.format(1) + r"\s" + _UNIT.format(1) + r""
    r"|(?:in |over |\()?(?P<bare>7|14|28|30|60|90|365|sieben|sechzig|dreißig|seven|sixty|thirty) ?(?P<bare_unit>d|days|tagen?|t\b\.?)(?!\w)(?!\s(?:davor|before|window|zuvor))(?=\s?[:)/,.|]|$|\s?\n| (?:gab|kamen|you|up to|bis|ending|ended))"
    r"|(?P<hyphen>\d{1,3})[- ](?:day|tage)s?(?:[- ](?:window|period|zeitraum|fenster|history|range|sales|orders|revenue|total|average|figures|umsatz))\b"
    r"|(?P<word>as of (?:today|now)|(?:your|the past|ihre|deine|die|der) (?:week|woche)(?! (?:before|davor))|today so far|today|yesterday|(?:wk|weekly|wöchentlich\w*)(?= )|(?<!\w)(?:week|wk|woche|weekly|wöchentlich)(?=:| \d)|(?:this|the current|the) (?:week|month|year)(?! (?:before|prior|earlier))"
    r"|(?:(?:in|over|during) the )?(?:last|past|previous) (?:calendar )?(?:week|month|year|quarter)|all[- ]time|ever|lifetime"
    r"|this quarter|mtd|month to date|since the month (?:began|started)|(?:since|from) the (?:first|start|beginning) of (?:the|this) month|seit monats(?:anfang|beginn)|monat bisher|bisher in diesem monat|(?:this )?(?:morning|afternoon|evening)|tonight|(?:over )?the weekend|last night"
    r"|the day before(?: yesterday)?|(?:am |dem )?(?:tag (?:davor|zuvor)|vortag)|yday|heutige[rnms]?|gestrige[rnms]?|heute|gestern|vorgestern|jemals|(?:in )?(?:diese[rnm]?s?|(?:der|die|das|den|dem|im) laufenden?|laufende[rns]?) (?:woche|monats?|jahre?s?|quartals?)"
    r"|(?:in (?:der|den) )?(?:letzte|vergangene|vorige)[rnms]? (?:woche|monats?|jahre?s?|quartals?)|am wochenende)\b"
    r"|(?P<since>since|seit|ab|from(?=[^.]*\ue000 on\b))\s(?:(?:the|dem|der|mon\w*|tue\w*|wed\w*|thu\w*|fri\w*|sat\w*|sun\w*|\w+tag),?\s)?(?=\ue000)"
    r"|(?:on |am )?(?P<weekday>mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?"
    r"|montags?|dienstags?|mittwochs?|donnerstags?|freitags?|samstags?|sonnabends?|sonntags?|(?:mon|tue|wed|thu|fri|sat|sun)(?=:?\s+\d)|(?:mo|di|mi|do|fr|sa|so)(?=:\s+\d)|(?<=^ )(?:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so)(?= $))\b(?!,?\s(?:der |den |dem |the )?\ue000)",
)  # fmt: skip
_AGO = re.compile(
    r"(?P<english>\b" + _COUNTED.format(1) + r"\s" + _UNIT.format(1) + r"\s(?:ago|old|earlier)\b)"
    r"|\b(?:vor)\s(?:etwa\s|rund\s|gut\s|knapp\s)?" + _COUNTED.format(2) + r"\s" + _UNIT.format(2) + r"\b",
)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WOCHENTAGE = {"mo": 0, "di": 1, "mi": 2, "do": 3, "fr": 4, "sa": 5, "so": 6}


def _unit(word: str) -> str:
    return (
        {"m": "minute", "h": "hour", "s": "hour", "d": "day", "t": "day", "w": "week", "y": "year", "j": "year"}.get(
            word[0].lower(), ""
        )
        if not word.lower().startswith("mon")
        else "month"
    )


def _count(word: str) -> int | None:
    word = word.lower()
    if word.isdigit():
        return int(word)
    return {"a": 1, "an": 1, "eine": 1, "einem": 1, "einer": 1, "einen": 1, "one": 1, "couple": 2}.get(
        word, WORDS.get(word)
    )


def _month(word: str) -> int:
    return _MONTH_NUMBERS[word.lower()[:3]]


def _dates(match: re.Match[str]) -> frozenset[tuple[int | None, int, int | None]] | None:
    """(year, month, day) as it may be meant, None where it is not said; None if it is no date at all."""

    def number(name: str) -> int | None:
        return int(match[name]) if match[name] else None

    if match["iso"]:
        found = {(number("iy"), int(match["im"]), number("id"))}
    elif match["md_m"]:
        found = {(number("md_y"), _month(match["md_m"]), number("md_d"))}
    elif match["dm_m"]:
        found = {(number("dm_y"), _month(match["dm_m"]), number("dm_d"))}
    elif match["my_m"]:
        found = {(number("my_y"), _month(match["my_m"]), None)}
    elif match["d1"]:
        found = {(None, int(match["d2"]), number("d1"))}
    else:
        one, two, year = int(match["n1"]), int(match["n2"]), number("ny")
        year = year + 2000 if year is not None and year < 100 else year
        found = {(year, two, one)} | ({(year, one, two)} if match["nm"] == "/" else set())
    found = {(year, month, day) for year, month, day in found if 1 <= month <= 12 and 1 <= (day or 1) <= 31}
    return frozenset(found) or None


def _clock(match: re.Match[str]) -> tuple[int, int | None]:
    hour, minute = int(match["h"]), match["m"] or match["m2"]
    half = (match["ap"] or match["ap2"] or "").lower()
    if half:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    return hour, None if minute is None and half else int(minute or 0)


# -- words -------------------------------------------------------------------------------------------------------------


_DIGIT = re.compile(r"\d")
_CURRENCY_BEFORE = re.compile(rf"(?:(?<!\w)(?:{_CODE.lower()}|fr|sfr|kr|rs)\.?|[$€£¥₹])\s?$")
_LIKE_URL = re.compile(r"://|@|\w\.\w")
_RANK_WORD = re.compile(
    r"previous|before|davor|days|tage|month|monat|hours|stunden|minute|week|woche|number|nummer|platz|third|quarter|half|drittel|viertel|times|mal so|fünftel|fifth"
)
_TIMES = re.compile(r"(?<=\d)\s?[×x](?![a-z])|(?<=1 )time\b|(?<=one )time\b")
_RELATIVE = re.compile(r",\s(?:die|der|das|den|who|which|that|whose) [a-zäöü]")
_NOUNS = re.compile(
    r"(?P<sale>sales?|verk[aä]uf(?:en?)?)"
    r"|(?P<money>revenues?|turnover|income|earnings|takings|proceeds|\w*umsatz\w*|\w*umsätze\w*|\w*erlöse?s?|\w*einnahmen|(?:bestell|auftrags|waren(?:korb)?|gesamt|einkaufs)wert\w*)"
    r"|(?P<order>orders?|checkouts?|purchases?|transactions?|parcels?|packages?|shipments?|deliver(?:y|ies)|pakete?n?|päckchen|sendung(?:en)?|lieferung(?:en)?|baskets?|bons?|commandes?|pedidos?|ordin[ei]|bestelling(?:en)?"
    r"|\w*bestellung(?:en)?|bestell(?:zahl|menge|eing[aä]ng)\w*|\w*auftr[aä]ge?(?:n|s|es)?|(?:\w*(?<!ver)k[aä]uf|(?<!ver)k[aä]ufen?))"
    r"|(?P<customer>customers?|buyers?|clients?|shoppers?|purchasers?|people|persons?|personen|leuten?|faces|gesichter|newcomers?|patrons?|menschen|haushalte?|(?!sek|be)\w*kund(?:e|en|in|innen|schaft)|kunden\w*|kundschaft"
    r"|\w*käufer\w*|\w*besteller\w*|clientes?|clienti|klanten)"
    r"|(?P<product>products?|\w*produkte?[ns]?|produits?|productos?|prodott[io]|producten)"
    r"|(?P<item>items?|\w*artikeln?|lines?|articles?|goods|ware|position(?:s|en)?)"
    r"|(?P<unit>units?|pieces?|pcs|pairs?|copies|quantit(?:y|ies)|stücke?n?|stückzahl\w*|stk|einheit(?:en)?|exemplare?n?|paare?|menge|unidades|unités|pezzi|stuks"
    r"|times|\w{2,6}mal|mal|twice)"
    r"|(?P<foreign>subscri(?:bers?|ptions?)|visitors?|visits?|sessions?|reviews?|suppliers?|followers?|employees?|members?"
    r"|carts?|leads?|users?|refunds?|returns|complaints?|tickets|views?|clicks|newsletter\w*|chargebacks?|disputes?|wishlists?"
    r"|abonnent\w*|besucher\w*|bewertung\w*|lieferant\w*|mitarbeiter\w*|nutzer\w*|rezension\w*|mitglieder\w*|warenk[oö]rbe?\w*|sitzungen|aufrufen?|klicks"
    r"|beschwerden|retouren|rückerstattungen|erstattungen|collections?|variants?|varianten|kollektionen|cards?|gutscheine?|stores|locations|filialen"
    r"|countries|länder\w*|cities|städte\w*)"
)
"""A word that says what is counted. `sale`: an order, or money. `foreign`: what CJ reads nothing of."""
_TRAITS_OF_WORDS: Mapping[str, re.Pattern[str]] = {
    trait: re.compile(pattern)
    for trait, pattern in {
        "done": r"(?:un)?(?:fulfilled|shipped|delivered|dispatched|posted|mailed|despatched)|sent|(?:un)?(?:versandt|versendet|verschickt|verpackt|ausgeliefert|geliefert|erfüllt|abgeschickt|zugestellt|losgeschickt|rausgeschickt|rausgegangen|hinausgegangen|abgefertigt|abgegangen|ausgegangen)\w*|unterwegs|transit|carrier|courier|spediteur\w*",
        "closed": r"(?:un)?(?:closed|archived|resolved|processed|handled|concluded)|(?:un)?(?:abgewickelt|geschlossen|bearbeitet)\w*",
        "finished": r"(?:un|in)?(?:completed?|finished)|(?:un)?(?:erledigt|abgeschlossen|fertig)\w*",
        "to_do": r"fulfil|fulfill|fulfil\w*ment|fulfill?ing|ship|shipments?|shipping|send|sending|dispatch|dispatching|deliver|pack|packing|packed|packaged|post|mail|despatch|handover"
                 r"|gepackt|eingepackt|versandfertig\w*|verschickung|\w*versand\w*|\w*versend(?:en|e)?|\w*verschicken?|(?:ver|ein)?packen|ausliefern|auszuliefern|liefern|erfüllen",
        "open": r"open|offen(?:e[nrsm]?)?|active|ongoing|progress|bearbeitung|schwebend\w*",
        "settled": r"cleared|(?:un)?paid|(?:un|ein)?bezahlt\w*|beglichen\w*|settled",
        "unsettled": r"pay|payments?|money|geld|\w*zahlung\w*|bezahlen",
        "refunded": r"(?:partially)?refunded|(?:rück|zurück)?erstattet\w*|retourniert\w*",
        "cancelled": r"cancel(?:l?ed|lations?)|storniert\w*|storno\w*|abgesagt\w*|abbestellt\w*|widerrufen\w*|stornierung\w*|abgebrochen\w*",
        "test": r"tests?|test(?:bestell|auftr|k[aä]uf)\w*",
        "guest": r"guests?|kontolos\w*|unregistered|anonymous|anonyme[nr]?|gast|gäste\w*|gast\w+",
        "new": r"new|joined|neu(?:e[nrsm]?)?",
        "first_time": r"first-time\w*|first-timers?|newcomers?|neulinge?n?|erstbestell\w*|erstkauf\w*|neu(?:kund|käufer)\w*|erst(?:käufer|besteller|kund)\w*|erstmals|erstmalig\w*",
        "returning": r"return(?:ing|ed)|repeat\w*|regulars?|existing|familiar|recurring|bestehend\w*|bekannte[nr]?|wiederkäufer\w*|wiederkauf\w*|wiederbesteller\w*|treuen|stamm(?:kund|käufer)\w*|wiederkehrend\w*|wiederkehrer\w*|wiederholt\w*|mehrfach\w*|bestandskund\w*|wiederholungs\w*|loyal|treue[rn]?",
        "stock": r"inventory(?:-wise)?|warehouse|shelf|shelves|regal\w*|vorräte?n?|(?:\w+-)?stock(?:ed)?|\w*lager\w*|(?:lager|waren)?best[aä]nde?[sn]?|vorrätig\w*|vorrat|verfügbar\w*|available|hand",
        "sold": r"outsold|shifted|sell(?:s|ing|ers?)?|best-?sell\w*|\w*verkauf\w+|bestseller\w*|topseller\w*|abgesetzt|absatz\w*",
        "average": r"mean|averag\w*|avg|aov|ø|\w*durchschnitt\w*|\w*schnitt(?:swert|lich)?|mittelwert\w*|apiece",
        "median": r"med(?:ian\w*)?|zentralwert\w*",
        "middle": r"typical(?:ly)?|üblicherweise|middle|midpoint|mid-point|midway|mitte|mittlere\w*|mittel|hälfte|half",
        "largest": r"höchstens|maximal|maximum|max|largest|biggest|highest|priciest|größte\w*|höchste\w*|teuerste\w*|wertvollste\w*|spitzen\w*",
        "smallest": r"mindestens|minimal|minimum|min|smallest|lowest|cheapest|kleinste\w*|niedrigste\w*|günstigste\w*|billigste\w*|geringste\w*",
        "price": r"pric(?:es?|ed|ing)|costs?|costing|\w*preise?s?n?|koste[tn]|priciest",
        "daily": r"daily|täglich\w*|tages(?:schnitt|durchschnitt|mittel)\w*",
        "revenue": r"revenue|sales|turnover|earn\w*|income|takings|proceeds|total(?:l?ing|l?ed|s)?|worth|combined|together|altogether|made|sum"
                   r"|\w*umsatz\w*|\w*umsätze\w*|erlös\w*|einnahmen|\w*gesamt\w*|insgesamt|zusammen|summe|summieren|belaufen|verdien\w*|eingenommen",
        "loose": r"wait(?:s|ing|ed)?|await(?:s|ing)?|needs?|needing|must|left|still|pending|outstanding|remaining|queue[ds]?|backlog|unprocessed|due|to-do|todo"
                 r"|wart(?:en|et|end\w*)|müssen|musst|muss|noch|liegen|rückst[aä]nd\w*|ausstehend\w*|unbearbeitet\w*|unerledigt\w*|anstehend\w*|fällig\w*|übrig",
        "net": r"netto\w*|net(?:ted)?|danach|afterwards",
        "refunding": r"refunds?|\w*erstattung(?:en)?|rückgaben?|returns|retouren?",
        "gross": r"brutto\w*|gross(?:ed)?",
        "discount": r"discount(?:s|ed)?|rabatte?[ns]?|reductions?|preisnachl\w+|nachl[aä]ss\w*",
        "reversal": r"refunded|erstattet\w*|zurückerstattet\w*|returned|returns|reversals?|retouren|rückgaben|gutschriften|back|zurück",
        "tax": r"tax(?:es)?|vat|steuern?|mwst|umsatzsteuer|mehrwertsteuer",
        "postage": r"versandkosten|versandgebühren|porto|postage",
        "change": r"exceed\w*|difference|gap|swing|delta|abstand|change[ds]?|growth|increase[ds]?|decrease[ds]?|dropped|drop|grew|grown|rose|risen|fell|fallen|declin\w+|shr[au]nk|more|fewer|less|up|down|higher|lower"
                  r"|mehr|weniger|unterschied|differenz|plus|minus|wuchs\w*|gewachsen|stieg\w*|gestiegen|sank\w*|gesunken|fiel\w*|gefallen|schrumpf\w+|zurück\w*|über|unter|höher|niedriger|nahm|zu|ab|anstieg|rückgang|veränder\w+",
        "previous": r"vorletzte[nrms]?|damals|before|previous|prior|preceding|then|davor|vorher(?:ige[nrsm]?)?|zuvor|vor(?:ige[nrsm]?|woche|monats?|jahr(?:es)?|zeitraums?|periode|tag(?:es)?)|vergleichszeitraum\w*",
        "these": r"these|those|them|diese[rnm]?|davon|darunter|ihnen|denen|derer",
        "recent": r"cases|fällen?|latest|newest|recent(?:ly)?|last|listed|shown|following|newest|neueste\w*|jüngste\w*|letzte\w*|folgende\w*"
                  r"|aktuellste\w*|zuletzt|gelistet\w*|gezeigt\w*|looked|betrachtet\w*|angesehen\w*|ausgewertet\w*",
    }.items()
}  # fmt: skip
"""What a word says of a figure; `done`, `to_do`, `settled` and `unsettled` are decided by the words around."""
_PHRASES = at_words(
    r"(?P<first_time>(?:noch )?nie(?:mals)? (?:\w+ )?(?:gekauft|bestellt)|never (?:\w+ )?(?:bought|ordered|purchased)|first[- ]time|first ever|(?<='s )first (?:\w+ )?(?:order|purchase)|(?:sein|ihr)(?:e|en)? (?:aller)?erste\w* (?:bestellung|einkauf|kauf)|(?:only|just) once|for the first|zum ersten mal|ersten? (?:kauf|bestellung)|(?:erst|nur) einmal|(?:his|her|their) first|debüt\w*|debut)"
    r"|(?P<guest>without (?:an |any )?account|ohne (?:ein )?(?:kunden)?konto|(?:not|didn't|never|nicht) (?:sign|log|logged|signed|angemeldet)(?: in)?)|(?P<returning>back again|been (?:here|there) before|old friends|alte bekannte|(?:many|several|multiple) times|schon (?:oft|öfter|mehrmals)|more than (?:once|one order)|(?:ordered|bought|purchased|been here|shopped|customers)(?: (?:from|with|at) (?:you|us))? (?:again|before|already)|repeat|mehr als (?:einmal|eine)|(?:schon|bereits) (?:früher|vorher|einmal|mal|zuvor|öfter)"
    r"|c[oa]mes? back|coming back|kommt (?:immer )?wieder|(?:kamen|kommen|kam|sind|ist) (?:[\w\ue000]+ ){0,3}(?:wieder|zurück)|wieder (?:gekauft|bestellt|da)|knew you|kannten)"
    r"|(?P<largest>(?:top|record|peak)(?= order| purchase| sale))"
    r"|(?P<left>(?:has|have) left(?= ?[.,!;]|$| the| your| today| yesterday)|(?:on (?:its|their|the)|auf dem) (?:way|weg|road)|zur post|aus dem haus|(?:in den|im) versand|(?:verl[aä]ss\w*|verließ\w*) (?:\w+ )?(?:lager|haus)|(?:lager|haus|depot)(?: \w+){0,3} verlassen|out the door|(?:left|leave|leaving) the (?:building|warehouse|house)|(?:go|gone|went|going) out|(?:geht|gehen|ging|gingen) (?:\w+ )?raus|raus)(?!\w)"
    r"|(?P<postage>shipping (?:charges?|costs?|fees?|income))"
    r"|(?P<unpaid>payment (?:is |are )?(?:still )?pending|pending payment|awaiting payment|zahlung (?:steht|fehlt|offen)|owe(?=s? you)|owed|schulde\w*)"
    r"|(?P<refunded>(?:money|geld) (?:back|zurück)|sent back|zurückgeschickt|zurückgesandt)|(?P<done>(?:arrived|delivered) (?:at|with|to) (?:the|your) (?:customer|buyer)|beim (?:kund|käuf)\w+ (?:angekommen|eingetroffen))|(?P<paid>(?:got|received|have|erhalten|bekommen|haben) (?:the |das )(?:money|geld))|(?P<finished>(?:wrapp\w+|wound|tied) up|dealt with|taken care of|sorted out)|(?P<cancelled>call(?:ed|ing)? off)|(?P<previous>(?:same|gleiche[rnm]?) (?:days|period|stretch|time|zeitraum|tage))|(?P<average>a pop|each(?=\s*(?:[.,;:!?)]|$))|(?:also|oder) je(?= \W?\w{0,4}\W{0,2}\d)|per order|(?:pro|je) (?:bestellung|kauf|auftrag|einkauf)|im (?:schnitt|mittel)|each order)"
    r"|(?P<daily>(?:per|a|each|every) (?:single )?day|(?:pro|je|am|jeden|auf den|einen) tag)"
    r"|(?P<price>(?:starts?|starting|beginnt|beginnen|los) (?:at|from|bei|ab)\b|goes for|ab (?=[$€£]?\d))"
    r"|(?P<revenue>(?:come|comes|came|adds?|added|adding|amounts?|amounted) (?:up )?to|brought in|took in|(?:komme|kommen|kommt|kamen|kam) (?:ich |sie |wir |zusammen |insgesamt )?auf|in total|in all|all told|all in all)"
    r"|(?P<net>(?:abzüglich|less|minus|net of|without) (?:\w+ )?(?:refunds|returns|erstattungen|retouren)|after (?:them|(?:\w+ )?(?:refunds?|returns?|changes|edits|money back))|nach (?:\w+ )?(?:\w*erstattungen|retouren|abzug|änderungen|rückgaben))"
    r"|(?P<these>of which)|(?P<recent>i (?:see|looked|read)|(?:schaue|sehe) ich)"
)
_NOT_YET = re.compile(
    r"\b(?:not|never|none|yet|still|wait\w*|await\w*|needs?|needing|must|have to|has to|had to|to be|pending|left|remain\w*|queue\w*|backlog|outstanding|cannot|due"
    r"|nicht|nie|noch|muss|musst|müssen|wart\w*|zu|steh\w*|ausstehend\w*|offen\w*|unbezahlt\w*|fehl\w*|keine\w*)\b|n't\b"
)
_RECEIVED = re.compile(r"\b(?:in|through|received|arrived|cleared|da|eingegangen|erhalten|angekommen|gekommen)\b")
_MISSING = re.compile(
    r"[^.;,]{0,40}?\b(?:outstanding|pending|missing|overdue|not (?:yet )?(?:in|arrived|received)|fehlt|aussteht|ausstehend\w*|steht \w*\s?aus|offen)\b"
)
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
OFFER = re.compile(
    r"(?:let me know|want me to|anything else|would you like|do you want|shall (?:i|we)|hope that|how about|what about|maybe|sag bescheid|soll ich|sollen wir|möchtest du|möchten sie|wünschen sie"
    r"|willst du|wollen sie|ich hoffe|wie wäre|vielleicht)\b"
)
"""Where an offer begins, or a farewell, with or without a full stop before it."""
_BREAK = re.compile(
    rf"\b{OFFER.pattern}|"
    r";(?=\s)|,(?=\s)|\s[·|/•](?=\s)|(?<=[\d€$£%]):(?=\s)|(?<=\d [a-z]{3}):(?=\s)|\s[–—-]\s|[()]|\.{3}|…|\b(?:and|but|while|whereas|plus|und|aber|während|sowie|versus|vs|compared (?:with|to)"
    r"|verglichen mit|gegenüber|(?<!hälfte )bleib\w*|verbleib\w*|against|out of|(?:of which|davon|von denen|darunter|including)(?= \d))\b",
)
_URL = re.compile(
    r"https?://\S+|www\.\S+|\b[\w.+-]+@[\w-]+\.\w[\w.]*|\b[\w-]+(?:\.[\w-]+)*\.(?:com|de|net|org|io|shop|store|co|ch|at)\b\S*",
)
_PHONE = re.compile(
    r"(?<![\w$€£.,])(?:\+\d{1,3}[\s/-]?)(?:\(?\d{1,5}\)?[\s/-]?){2,5}\d{2,}|(?<![\w#])0\d{2,5}[\s/-]\d{3,}[\d\s/-]*\d|\b\d{3}[-.]\d{3}[-.]\d{4}\b"
)
_ORDER = re.compile(
    r"(?<![\w&])#\s?(?P<hash>[a-z]{0,6}-?\d{2,}[\w-]*|\d)"
    r"|\b(?:order|bestellung|auftrag|order number|bestellnummer|commande|pedido)\s(?:(?:no|nr|number|nummer|mit der nummer|n°|º)\.?\s?)?"
    r"(?P<bare>[a-z]{0,6}-?\d{3,}(?!\d)[\w-]*)(?!\s?(?:orders|[€$£%]|eur|usd|chf))(?![.,]\d)",
)
_LONG_NUMBER = re.compile(r"\d[\d\s()/.-]{4,}\d")
_LIST_MARK = re.compile(r"^\s*(?:\(?\d{1,2}[.)]|[-*•–])(?=\s)", re.MULTILINE)
_RANK = at_words(
    r"(?P<several>(?<![\d.,])\d{1,3}(?=(?:, \d{1,3})*,? (?:or|and|oder|und|to|bis) (?:\d{1,3} (?:days?|tagen?|months?|monaten?|hours?|stunden|minutes?|minuten|weeks?|wochen)|\ue000)))|(?<=previous )\d{1,2}(?=\s?:)|(?<![\d.,])\d{1,3}(?=\s(?:before|davor|zuvor)\b)|\b\d{1,3}(?=\s(?:days?|tagen?) (?:before|davor|zuvor|earlier|vorher|prior))|\b(?:step|schritt|tier|option|level|part|teil|punkt|phase|(?<!s )number|nummer|no\.|nr\.|top|point|tip|tipp|version|v|q|question|frage|platz|rank|rang)[\s-]?\d{1,2}\b(?!\s?[.,]\d)"
    r"|\b(?:number|nummer|platz|no\.) (?:one|two|three|eins|zwei|drei)\b|\b(?:a|one|two|three|ein|zwei|drei) (?:thirds?|quarters?|fifths?|halves|half|drittel|viertel|fünftel)\b|\b(?:of|between) the two\b|\b[\w.]++ times (?:what|as|more|the|that)\b|\b\w{2,8}mal so\b|\b24/7\b|\b[a-z]++\d[\w-]*|\b\d{1,2}(?:st|nd|rd|th)\b|\b\d+(?:-\w)?-?(?:step|minute|hour|year|month|star|person|pack|part|stufig|teilig|tägig|stündig|er[- ]pack)\w*|\b(?:in|since|seit|year|jahr|from|until|till|bis|ab|of|by)\s(?:19|20)\d\ds?\b(?![.,]\d|\s?[%€$£])",
)


def parse(text: str, names: Mapping[str, frozenset[str]]) -> Sentence:
    """One sentence. `names`: what is known by name in lower case, and its keys ("product:…", "customer:…")."""
    plain = lowered(text)
    sentence = Sentence(text, plain)
    masked = _URL.sub(_mask, plain) if _LIKE_URL.search(plain) else plain
    masked = _named(sentence, masked, names)
    has_digits = _DIGIT.search(masked) is not None
    for pattern, kind, value in (
        (_ORDER, "order", lambda found: (found["hash"] or found["bare"]).upper()),
        (_DATE, "date", _dates),
        (_TIME, "time", _clock),
        (_AGO, "age", _age),
        (_PERIOD, "period", _period),
    ):
        into: list[Mention] = getattr(sentence, f"{kind}s")
        if not has_digits and kind in ("order", "date", "time"):
            continue
        for found in pattern.finditer(masked):
            if kind == "date" and found["d1"] and _CURRENCY_BEFORE.search(masked, 0, found.start()):
                continue  # "CHF 17.08."
            if (meant := value(found)) is not None:
                end = found.start() + len(found[0].rstrip())
                into.append(Mention(found.start(), end, text[found.start() : end].strip(), kind, meant))
        masked = _without(masked, into)
    if has_digits or _RANK_WORD.search(masked):
        for other in (_PHONE, _LIST_MARK, _RANK) if _LONG_NUMBER.search(masked) else (_LIST_MARK, _RANK):
            masked = other.sub(_mask_but_amounts if other is _RANK and sentence.orders else _mask, masked)
    sentence.masked = masked
    sentence.cased = text if masked == text.lower() else "".join(map(_as_masked, text, masked))
    sentence.numbers = _numbers(sentence.cased)
    _words(sentence)
    breaks = (m.start() for m in _BREAK.finditer(masked))
    sentence.breaks = [place for place in breaks if not _RELATIVE.match(sentence.cased, place)]
    return sentence


def _words(sentence: Sentence) -> None:
    """Its subjects and traits."""
    masked = sentence.masked
    for found in _WORD.finditer(masked):
        noun, traits = _lexeme(found[0])
        if noun and not (noun == "unit" and found[0] == "einmal" and _ADVERB.search(masked, 0, found.start())):
            sentence.subjects.append(Mention(found.start(), found.end(), found[0], noun))
        for trait in traits:
            if trait in _LEFT_OUT and _is_left_out(masked, found):
                continue
            if (found[0] in ("money", "geld") and not sentence.orders) or (found[0] == "apiece" and sentence.names):
                continue
            if (trait == "previous" and _BEFORE_REFUNDS.match(masked, found.end())) or (
                trait == "price" and (_FROM_YOU.match(masked, found.end()) or _is_of_order(sentence))
            ):
                continue
            if trait in _DECIDED:
                trait = _decided(masked, found, trait)
                if not trait:
                    continue
            elif trait == "new" and _NEW_THING.match(masked, found.end()):
                continue
            trait = "first_time" if trait == "new" else trait
            sentence.traits.append(Mention(found.start(), found.end(), found[0], trait))
    if "×" in masked or "x" in masked or " time" in masked:
        sentence.subjects += [Mention(m.start(), m.end(), m[0], "unit") for m in _TIMES.finditer(masked)]
        sentence.subjects.sort(key=lambda mention: mention.start)
    for found in _PHRASES.finditer(masked):
        if found[0] == "each" and sentence.names:  # "$12 each" is the price of what is named
            continue
        trait = found.lastgroup or ""
        trait = _decided(masked, found, trait) if trait in _DECIDED else trait
        sentence.traits.append(Mention(found.start(), found.end(), found[0], trait))


_BEFORE_REFUNDS = re.compile(r" (?:any |the )?(?:refunds?|returns|discounts?|tax\w*)\b")
_FROM_YOU = re.compile(r" (?:you|us|dich|dir|sie|ihnen|euch)\b")


def _is_of_order(sentence: Sentence) -> bool:
    """Whether "costs" is said of an order."""
    return bool(sentence.orders) and not any(
        key.startswith("product:")
        for name in sentence.names
        for key in name.value  # type: ignore[attr-defined]
    )


_ADVERB = re.compile(r"\b(?:schon|bereits|noch|erst|nur|auch|nicht)\s$")
_LEFT_OUT = frozenset({"test", "cancelled", "refunded", "guest"})
_WITHOUT = re.compile(
    r"\b(?:without|excluding|excl|except|not counting|leaving out|minus|ohne|außer|exklusive|abzüglich)\b[^.;:]*$"
)
_NOT_COUNTED = re.compile(
    r"[^.,;:\d]*\b(?:not (?:counted|included)|(?:is|are)n't (?:counted|included)|excluded|left out|aside|nicht (?:mit)?(?:gezählt|eingerechnet|enthalten)|ausgenommen|ausgeschlossen|außen vor)"
)


_COUNTED_HERE = re.compile(r"(?:\d|\b(?:no|keine?|zwei|drei|vier|fünf|sechs|two|three|four|five|six|one|eine))\s$")


def _is_left_out(masked: str, found: re.Match[str]) -> bool:
    """ "Without test orders", "cancelled ones are not counted"."""
    before = _WITHOUT.search(masked, max(0, found.start() - 40), found.start())
    if before is None and _COUNTED_HERE.search(masked, 0, found.start()):  # "1 test order was excluded"
        return False
    return before is not None or _NOT_COUNTED.match(masked, found.end()) is not None


_NEW_THING = re.compile(
    r"\s(?:\w+\s)?(?:\w*orders?|\w*bestellung(?:en)?|\w*auftr\w+|sales?|purchases?|products?|\w*produkte?|items?|artikel|reviews?)\b"
)
_DECIDED = {"done": ("unfulfilled", "fulfilled"), "closed": ("open", ""), "finished": ("open", "fulfilled"), "to_do": ("unfulfilled", "shipping"),
            "settled": ("unpaid", "paid"), "unsettled": ("unpaid", "loose"), "left": ("unfulfilled", "fulfilled")}  # fmt: skip


def _decided(masked: str, found: re.Match[str], trait: str) -> str:
    """Whether it is done, by the words around: "8 are not yet shipped", "still to be paid"."""
    not_yet, done = _DECIDED[trait]
    if trait == "to_do" and re.search(
        r"\b(?:to|zu|zum|for|den)\s$|^\W*$", masked[max(0, found.start() - 6) : found.start()]
    ):
        return "shipping" if found[0] in ("shipping", "versand") else not_yet
    if found[0].startswith("un") and found[0] != "unterwegs":
        return not_yet
    before = re.split(r"[,;:.()–—]|\b(?:and|but|und|aber)\b", masked[max(0, found.start() - 45) : found.start()])[-1]
    after = re.split(r"[,;:.()\d]|\b(?:and|but|und|aber)\b", masked[found.end() : found.end() + 25])[0]
    if trait == "unsettled" and _MISSING.match(masked, found.end()):
        return not_yet
    if trait == "unsettled" and (_RECEIVED.search(after) or found[0] in ("money", "geld")):
        behind = re.split(r"[,;:.()–—]|\b(?:and|but|und|aber)\b", masked[found.end() : found.end() + 60])[0]
        if _NOT_YET.search(before + behind):
            return not_yet
        return "paid" if _RECEIVED.search(behind) else ""
    return not_yet if _NOT_YET.search(before) or re.match(r"\s?(?:werden|steht|stehen|fehlt|offen)", after) else done


@lru_cache(maxsize=8192)
def _lexeme(word: str) -> tuple[str, tuple[str, ...]]:
    """What a word counts ("" if nothing), and what it says of a figure."""
    noun = _NOUNS.fullmatch(word)
    return (noun.lastgroup or "") if noun else "", tuple(
        trait for trait, pattern in _TRAITS_OF_WORDS.items() if pattern.fullmatch(word)
    )


def lowered(text: str) -> str:
    """In lower case, letter for letter: some letters become two otherwise."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c if len(c.lower()) != 1 else c.lower() for c in text)


def _mask(found: re.Match[str]) -> str:
    return "\ue000" * len(found[0])


def _mask_but_amounts(found: re.Match[str]) -> str:
    """ "$189 and #7": no number of a row such as "30, 60 or 90 days"."""
    return found[0] if found["several"] else _mask(found)


def _as_masked(letter: str, masked: str) -> str:
    return masked if masked == "\ue000" else letter


def _named(sentence: Sentence, masked: str, names: Mapping[str, frozenset[str]]) -> str:
    for name, keys in names.items():
        start = masked.find(name)
        while start >= 0:
            end = start + len(name)
            end += masked[end : end + 1] == "s"  # several of them
            if (
                not (masked[start - 1 : start].isalnum() and name[0].isalnum())
                and not (masked[end : end + 1].isalnum() and name[-1].isalnum())
                and (not keys or not _overlaps(sentence.names, start, end))
            ):
                sentence.names.append(Mention(start, end, sentence.text[start:end], "name", keys))
            start = masked.find(name, end)
    sentence.names.sort(key=lambda mention: mention.start)
    return _without(masked, sentence.names)


def _overlaps(found: list[Mention], start: int, end: int) -> bool:
    return any(start < other.end and other.start < end for other in found)


def _age(found: re.Match[str]) -> tuple[int, str] | None:
    number = _count(found["n1"] or found["n2"])
    return None if number is None else (number, _unit(found["u1"] or found["u2"]))


def _period(found: re.Match[str]) -> tuple[str, object] | None:
    if found["n1"]:
        number = _count(found["n1"])
        return None if number is None else (_unit(found["u1"]), number)
    if found["included"]:
        return None
    if found["bare"]:
        return "day", _count(found["bare"]) or 0
    if found["hyphen"]:
        return "day", int(found["hyphen"])
    if found["since"]:
        return "since", None
    if found["weekday"]:
        day = found["weekday"].lower()
        is_english = day[:3] in WEEKDAYS and ("day" in day or len(day) == 3)
        number = WEEKDAYS.index(day[:3]) if is_english else _WOCHENTAGE[day[:2]]
        return "weekday", number
    return "word", found["word"].lower()


def _without(text: str, mentions: list[Mention]) -> str:
    for mention in mentions:
        text = text[: mention.start] + "\ue000" * (mention.end - mention.start) + text[mention.end :]
    return text


@lru_cache(maxsize=512)
def concepts(key: str) -> tuple[frozenset[str], frozenset[str]]:
    """Subjects and traits that a key of tool results names: "unfulfilled_orders" is about orders, unfulfilled."""
    sentence = Sentence("", masked=re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", key).lower())
    _words(sentence)
    subjects = {mention.kind for mention in sentence.subjects}
    traits = {mention.kind for mention in sentence.traits}
    if "quantity" in key:
        traits.add("sold")
    if "inventory" in key:
        subjects.add("unit")
    if key == "current_total":
        traits.add("net")
    return frozenset(subjects), frozenset(traits)
