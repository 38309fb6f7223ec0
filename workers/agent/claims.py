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
    masked: str = ""
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
    r"(?:\b(?:e\.g|i\.e|etc|approx|ca|vs|no|nr|st|mr|mrs|ms|dr|inkl|incl|bzw|ggf|evtl|usw|max|min|tsd|mio|mrd|fr|z\.\s?b"
    r"|d\.\s?h|u\.\s?a|z|b|jan|feb|mar|apr|jun|jul|aug|sept?|oct|okt|nov|dec|dez)|(?<![\w.,])\d{1,2})\.$",
    re.IGNORECASE,
)
_END = re.compile(r"\n+|(?<=[.!?…])[\"”“»’')\]]*\s+(?=[\W\d]*[^\W\d_a-zäöü]|[\W_]*\d)|(?<=[。！？])")


def sentences(text: str) -> list[str]:
    """The text in pieces that make it up again; a line of a list is one piece, with its number or bullet."""
    pieces, start = [], 0
    for found in _END.finditer(text):
        before = text[start : found.start()]
        if "\n" not in found[0] and _ABBREVIATION.search(before.rstrip("\"”“»’')]")):
            continue
        if before.strip():
            pieces.append(text[start : found.end()])
            start = found.end()
    if start < len(text):
        pieces.append(text[start:])
    return pieces


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
    rf"(?<![\w.,·])(?P<sign>[-+−–]\s?)?(?P<digits>{_DIGITS})"
    r"(?:\s?(?P<scale>(?i:thousand|tausend|hundred|millions?|millionen|billion|milliarden|tsd\.?|mio\.?|mrd\.?|lakh|crore"
    r"|k|mn|m|bn)(?![\w²³])))?(?P<plus>\+)?"
    rf"(?:[\s\u00a0\u202f]?(?:(?P<percent>%|(?i:percent(?:age points?)?|per cent|prozent(?:punkte)?|pct)\b)"
    rf"|(?P<after>{_CURRENCY}|(?:{_CODE})(?![^\W\d_])|(?i:{_MONEY_WORD})(?i:s|es)?(?![^\W\d_])\.?)))?"
    rf"|(?P<word_currency>{_CURRENCY})?(?<![\w·-])(?P<word>[A-Za-zäöüßÄÖÜ]+(?:-[a-z]+)?)(?![\w-])"
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
        found.append(number)
    return found


def _in_letters(text: str, match: re.Match[str]) -> Number | None:
    word = match["word"].lower()
    value = WORDS.get(word)
    if value is None:
        return None
    end, total = match.end(), float(value)
    if (
        word == "one"
        and (following := re.match(r"[ -](?:hundred|thousand|million)\b", text[end:], re.IGNORECASE)) is None
    ) and (_ONE_COUNTS.search(text[: match.start()]) is None or re.match(r"\s+of\b|\s+(?:more|another)", text[end:])):
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
    rf"(?P<iso>\b(?P<iy>\d{{4}})-(?P<im>\d\d)-(?P<id>\d\d)(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?)"
    rf"|\b(?P<md_m>{_MONTHS})\.?\s(?P<md_d>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s(?P<md_y>(?:19|20)\d\d))?(?![\d.,]*\d)"
    rf"|\b(?P<dm_d>\d{{1,2}})(?:\.|st|nd|rd|th)?\s(?:of\s)?(?P<dm_m>{_MONTHS})\b\.?(?:,?\s(?P<dm_y>(?:19|20)\d\d))?"
    r"|(?<![\d.,/$€£])(?P<n1>[0-3]?\d)(?P<nm>[./])(?P<n2>[01]?\d)(?P=nm)(?P<ny>(?:19|20)?\d\d)(?![\d/])"
    r"|\b(?:am|vom|bis|zum|seit|ab|und|der|den)\s(?P<d1>[0-3]?\d)\.(?P<d2>[01]?\d)\.(?!\d)"
    rf"|\b(?P<my_m>{_MONTHS})\.?\s(?P<my_y>(?:19|20)\d\d)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d:.,])(?P<h>[01]?\d|2[0-4])(?:(?::(?P<m>[0-5]\d)(?::[0-5]\d)?)\s?(?P<ap>[ap]\.?m\.?)?(?:\s?(?:Uhr|UTC|h)\b)?"
    r"|\s?(?P<ap2>[ap]\.?m\.?)(?!\w)|(?:\.(?P<m2>[0-5]\d))?\s?(?:Uhr|o'clock)\b)",
    re.IGNORECASE,
)
_COUNTED = r"(?P<n{0}>\d{{1,3}}|[a-zäöüß]+(?:-[a-z]+)?)"
_UNIT = (
    r"(?P<u{0}>minutes?|mins?|hours?|days?|weeks?|months?|years?|minuten?|stunden?|tage?n?|wochen?|monate?n?|jahre?n?)"
)
_PERIOD = re.compile(
    r"\b(?:(?:in|over|for|within|during|of|from|innerhalb|während|aus)\s)?(?:the\s|den\s|der\s|die\s)?"
    r"(?:last|past|previous|letzte[nr]?|vergangene[nr]?|vorige[nr]?)\s"
    + _COUNTED.format(1) + r"\s" + _UNIT.format(1) + r"\b"
    r"|\b(?P<hyphen>\d{1,3})[- ](?:day|tage)s?(?:[- ](?:window|period|zeitraum|fenster|history|range))\b"
    r"|\b(?P<word>as of (?:today|now)|today so far|today|yesterday|(?:this|the current|the) (?:week|month|year)"
    r"|(?:(?:in|over|during) the )?(?:last|past|previous) (?:calendar )?(?:week|month|year|quarter)|all[- ]time|ever|lifetime"
    r"|this quarter|(?:this )?(?:morning|afternoon|evening)|tonight|(?:over )?the weekend|last night"
    r"|heute|gestern|vorgestern|jemals|(?:in )?diese[rnm]?s? (?:woche|monats?|jahre?s?|quartals?)"
    r"|(?:in (?:der|den) )?(?:letzte|vergangene|vorige)[rnms]? (?:woche|monats?|jahre?s?|quartals?)|am wochenende)\b"
    r"|\b(?P<since>since|seit|ab)\s(?:(?:the|dem|der)\s)?(?=·)"
    r"|\b(?:on |am )?(?P<weekday>mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?"
    r"|montags?|dienstags?|mittwochs?|donnerstags?|freitags?|samstags?|sonnabends?|sonntags?)\b",
    re.IGNORECASE,
)  # fmt: skip
_AGO = re.compile(
    r"(?P<english>\b" + _COUNTED.format(1) + r"\s" + _UNIT.format(1) + r"\s(?:ago|old|earlier)\b)"
    r"|\b(?:vor)\s(?:etwa\s|rund\s|gut\s|knapp\s)?" + _COUNTED.format(2) + r"\s" + _UNIT.format(2) + r"\b",
    re.IGNORECASE,
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


def _dates(match: re.Match[str]) -> frozenset[tuple[int | None, int, int | None]]:
    """(year, month, day) as it may be meant; None where it is not said."""
    if match["iso"]:
        return frozenset({(int(match["iy"]), int(match["im"]), int(match["id"]))})
    if match["md_m"]:
        return frozenset({(int(match["md_y"]) if match["md_y"] else None, _month(match["md_m"]), int(match["md_d"]))})
    if match["dm_m"]:
        return frozenset({(int(match["dm_y"]) if match["dm_y"] else None, _month(match["dm_m"]), int(match["dm_d"]))})
    if match["my_m"]:
        return frozenset({(int(match["my_y"]), _month(match["my_m"]), None)})
    if match["d1"]:
        return frozenset({(None, int(match["d2"]), int(match["d1"]))} if 1 <= int(match["d2"]) <= 12 else ())
    one, two = int(match["n1"]), int(match["n2"])
    year = int(match["ny"]) if match["ny"] else None
    year = year + 2000 if year is not None and year < 100 else year
    pairs = {(two, one)} | ({(one, two)} if match["nm"] == "/" else set())
    return frozenset((year, month, day) for month, day in pairs if 1 <= month <= 12 and 1 <= day <= 31)


def _clock(match: re.Match[str]) -> tuple[int, int | None]:
    hour, minute = int(match["h"]), match["m"] or match["m2"]
    half = (match["ap"] or match["ap2"] or "").lower()
    if half:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    return hour, None if minute is None and half else int(minute or 0)


# -- words -------------------------------------------------------------------------------------------------------------

_SUBJECTS = re.compile(
    r"\b(?:(?P<order>orders?|purchases?|\w*bestellung(?:en)?|\w*auftr[aä]ge?n?|\w*k[aä]ufe?n?(?![\w])|commandes?|pedidos?|ordin[ei]"
    r"|bestelling(?:en)?)"
    r"|(?P<customer>customers?|buyers?|clients?|shoppers?|\w*kund(?:e|en|in|innen|:innen|\*innen|schaft)|\w*käufer(?:n|in|innen)?"
    r"|clientes?|clienti|klanten)"
    r"|(?P<product>products?|\w*produkte?n?|produits?|productos?|prodott[io]|producten)"
    r"|(?P<item>items?|\w*artikeln?|lines?|articles?|goods|ware)"
    r"|(?P<unit>units?|pieces?|pcs|pairs?|copies|stück(?:e|en)?|stk|einheit(?:en)?|exemplare?n?|paare?|unidades|unités|pezzi|stuks"
    r"|times|\w{2,5}mal|mal|twice)"
    r"|(?P<money>revenue|turnover|income|earnings|sales|umsatz\w*|umsätze\w*|erlöse?|einnahmen)"
    r"|(?P<foreign>subscri(?:bers?|ptions?)|visitors?|visits?|sessions?|reviews?|suppliers?|followers?|employees?|members?"
    r"|abandoned carts?|carts?|checkouts?|leads?|users?|refunds?|returns|complaints?|tickets?|page views?|clicks"
    r"|abonnent\w*|besucher\w*|bewertung\w*|lieferant\w*|mitarbeiter\w*|nutzer\w*|rezension\w*|mitglieder\w*|warenk[oö]rbe?\w*"
    r"|beschwerden|retouren|collections?|variants?|varianten|kollektionen|gift cards?|gutscheine?|stores|locations|filialen"
    r"|countries|länder\w*|cities|städte\w*))\b"
    r"|(?P<times>(?<=\d)\s?[×x](?![a-z]))",
    re.IGNORECASE,
)
_TRAITS = re.compile(
    r"(?P<unfulfilled>\bunfulfilled|\bunshipped|\bnot (?:yet )?(?:been )?(?:fulfilled|shipped|sent)"
    r"|\b(?:to|awaiting|pending|for|need|needs) (?:be )?(?:fulfil(?!led in)\w*|ship(?:ped|ment|ping)?|sent)\b|\b(?:need|left|still|have|has) to (?:be )?(?:fulfil\w*|ship\w*)"
    r"|\bunerfüllt\w*|\bunversandt\w*|\bnicht (?:\w+ )?(?:versandt?|versendet|verschickt|erfüllt|ausgeführt|bearbeitet)\w*"
    r"|\b(?:auf|zum|für den|vor dem) (?:den |ihren |die )?versand\b|\bzu (?:versenden|verschicken|erfüllen)|\bversandbereit\w*"
    r"|\bversand (?:steht|stehen)|\bausstehend\w*|\bunbearbeitet\w*)"
    r"|(?P<fulfilled>\b(?:fulfilled|shipped|delivered|versandt\w*|versendet\w*|verschickt\w*|ausgeliefert\w*|geliefert\w*|erfüllt\w*))"
    r"|(?P<open>\b(?:open|offene?[nrsm]?)\b)"
    r"|(?P<unpaid>\bunpaid|\bpayment (?:is |are )?(?:still )?pending|\bpending(?: payment)?|\bnot (?:yet )?(?:been )?paid|\bawaiting payment"
    r"|\bunbezahlt\w*|\bnicht bezahlt\w*)"
    r"|(?P<paid>\b(?:paid|bezahlt\w*)\b)"
    r"|(?P<refunded>\brefunded|\berstattet\w*|\brückerstattet\w*|\bzurückerstattet\w*|\bretourniert\w*)"
    r"|(?P<cancelled>\bcancel(?:l?ed|lations?)?\b|\bstorniert\w*|\bstornierung\w*)"
    r"|(?P<test>\btests?\b|\btestbestell\w*)"
    r"|(?P<guest>\bguests?\b|\bgast\w*|\bgäste\w*)"
    r"|(?P<first_time>\bfirst[- ]time\w*|\bnew (?:customers?|buyers?|clients?|shoppers?)|\bneukund\w*|\bneue?[nr]?(?= (?:kund|käufer))"
    r"|\berstkäufer\w*|\berstbesteller\w*|\berstmals|\bzum ersten mal|\bordered (?:only )?once\b|\bfor the first time)"
    r"|(?P<returning>\breturning|\brepeat\w*|\bmore than (?:once|one order)|\bordered (?:again|before)|\bstammkund\w*|\bwiederkehrend\w*"
    r"|\bwiederholt\w*|\bmehr als (?:einmal|eine)|\bmehrfach\w*|\bbestandskund\w*|\bwiederholungs\w*|\bcame back|\bloyal)"
    r"|(?P<stock>\bin stock|\binventory|\bstock(?:ed)?\b|\bon hand|\bavailable|\bauf lager|\b\w*lager\w*|\b\w*bestands?\b|\bbestände\w*|\bvorrätig\w*|\bverfügbar\w*)"
    r"|(?P<sold>\bsold\b|\bsell(?:s|ing|er|ers)?\b|\b\w*verkauf\w*|\bbestseller\w*|\babgesetzt)"
    r"|(?P<average>\baverag\w*|\bavg\b|\bmean\b|\baov\b|\b\w*durchschnitt\w*|\bim (?:schnitt|mittel)\b|\bmittlere\w*|\bapiece\b|\bper order|\b(?:pro|je) bestellung|\ban? typical)"
    r"|(?P<median>\bmedian\w*|\bhalf (?:of )?(?:the |your |these )?orders|\b(?:die )?hälfte (?:der|ihrer|deiner) bestellungen|\bhälfte (?=bleibt|liegt|kostet|ist unter|unter))"
    r"|(?P<largest>\b(?:largest|biggest|highest|most expensive|most valuable|größte\w*|höchste\w*|teuerste\w*|wertvollste\w*)\b)"
    r"|(?P<smallest>\b(?:smallest|lowest|cheapest|least expensive|kleinste\w*|niedrigste\w*|günstigste\w*|billigste\w*)\b)"
    r"|(?P<price>\bstart(?:s|ing)? (?:at|from)\b|\bpric(?:es?|ed)\b|\bcosts?\b|\bcosting\b|\b\w*preise?s?n?\b|\bkoste[tn]\b)"
    r"|(?P<daily>\b(?:per|a|each|every) day\b|\bdaily\b|\b(?:pro|je|am) tag\b|\btäglich\w*)"
    r"|(?P<revenue>\brevenue|\bsales\b|\bturnover|\bearn\w*|\bincome|\b(?:come|comes|came|adds?|added) (?:up )?to\b|\bin total\b|\bin all\b|\ball told\b|\btotal(?:l?ing|l?ed|s)?\b"
    r"|\bworth\b|\bmade\b|\b\w*umsatz\w*|\b\w*umsätze\w*|\berlös\w*|\beinnahmen|\bgesamt\w*|\binsgesamt|\bzusammen\b|\bsumme\b|\btogether\b|\bcombined\b|\bsum\b|\baltogether)"
    r"|(?P<net>\bafter (?:\w+ )?(?:refunds|returns|changes|edits)|\bnach (?:\w+ )?(?:erstattungen|retouren|abzug|änderungen|rückgaben)|\bnetto|\bnet\b)"
    r"|(?P<recent>\b(?:latest|newest|recent(?:ly)?|last|most recent|these|those|them|listed|shown|following|of which|i (?:see|looked|read)"
    r"|neueste\w*|jüngste\w*|letzte\w*|diese[rnm]?|davon|darunter|folgende\w*|aktuellste\w*|zuletzt|ihnen|derer|gelistet\w*|gezeigt\w*)\b)",
    re.IGNORECASE,
)
_BREAK = re.compile(
    r";(?=\s)|,(?=\s)(?!\s(?-i:(?:die|der|das|den|who|which|that|whose) [a-zäöü]))|\s[–—-]\s|[()]|\.{3}|…|\b(?:and|but|while|whereas|plus|und|aber|während|sowie|versus|vs|compared (?:with|to)"
    r"|verglichen mit|gegenüber|(?<!hälfte )bleib\w*|verbleib\w*|out of|(?:of which|davon|von denen|darunter|including)(?= \d))\b",
    re.IGNORECASE,
)
_URL = re.compile(
    r"https?://\S+|www\.\S+|\b[\w.+-]+@[\w-]+\.\w[\w.]*|\b[\w-]+(?:\.[\w-]+)*\.(?:com|de|net|org|io|shop|store|co|ch|at)\b\S*",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<![\w$€£.,])(?:\+\d{1,3}[\s/-]?)(?:\(?\d{1,5}\)?[\s/-]?){2,5}\d{2,}|(?<![\w#])0\d{2,5}[\s/-]\d{3,}[\d\s/-]*\d|\b\d{3}[-.]\d{3}[-.]\d{4}\b"
)
_ORDER = re.compile(
    r"(?<![\w&])#\s?(?P<hash>[A-Za-z]{0,6}-?\d{2,}[\w-]*|\d)"
    r"|\b(?:orders?|bestellungen|bestellung|auftrag|order number|bestellnummer|commande|pedido)\s(?:(?:no|nr|number|nummer|mit der nummer|n°|º)\.?\s?)?"
    r"(?P<bare>[A-Z]{0,6}-?\d{3,}[\w-]*)(?!\s?(?:orders|[€$£%]|EUR|USD|CHF))(?![.,]\d)",
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"^\s*(?:\(?\d{1,2}[.)]|[-*•–])\s", re.MULTILINE)
_RANK = re.compile(
    r"\b(?:step|schritt|tier|option|level|part|teil|punkt|phase|number|nummer|no\.|nr\.|top|point|tip|tipp|version|v|q|question|frage|platz|rank|rang)[\s-]?\d{1,2}\b(?!\s?[.,]\d)"
    r"|\b24/7\b|\b[a-z]+\d[\w-]*|\b\d{1,2}(?:st|nd|rd|th)\b|\b\d+(?:-\w)?-?(?:step|minute|hour|year|month|star|person|pack|part|stufig|teilig|tägig|stündig|er[- ]pack)\w*|\b(?:19|20)\d\ds?\b(?![.,]\d|\s?[%€$£])",
    re.IGNORECASE,
)


def parse(text: str, names: Mapping[str, frozenset[str]]) -> Sentence:
    """One sentence. `names`: what is known by name in lower case, and its keys ("product:…", "customer:…")."""
    sentence = Sentence(text)
    masked = _masked(text, _URL)
    masked = _named(sentence, masked, names)
    for pattern, kind, value in (
        (_ORDER, "order", lambda found: (found["hash"] or found["bare"]).upper()),
        (_DATE, "date", _dates),
        (_TIME, "time", _clock),
        (_AGO, "age", _age),
        (_PERIOD, "period", _period),
    ):
        for found in pattern.finditer(masked):
            if (meant := value(found)) is not None:
                into: list[Mention] = getattr(sentence, f"{kind}s")
                into.append(
                    Mention(found.start(), found.start() + len(found[0].rstrip()), found[0].strip(), kind, meant)
                )
        if kind != "period" or sentence.periods:
            masked = _without(masked, getattr(sentence, f"{kind}s"))
    for pattern in (_PHONE, _LIST_MARK, _RANK):
        masked = _masked(masked, pattern)
    sentence.masked = masked
    sentence.numbers = _numbers(masked)
    sentence.subjects = [Mention(m.start(), m.end(), m[0], m.lastgroup or "") for m in _SUBJECTS.finditer(masked)]
    sentence.traits = [Mention(m.start(), m.end(), m[0], m.lastgroup or "") for m in _TRAITS.finditer(masked)]
    sentence.breaks = [m.start() for m in _BREAK.finditer(masked)]
    return sentence


def _named(sentence: Sentence, masked: str, names: Mapping[str, frozenset[str]]) -> str:
    lowered = masked.lower()
    for name, keys in names.items():
        start = lowered.find(name)
        while start >= 0:
            end = start + len(name)
            if (
                not (lowered[start - 1 : start].isalnum() and name[0].isalnum())
                and not (lowered[end : end + 1].isalnum() and name[-1].isalnum())
                and (not keys or not _overlaps(sentence.names, start, end))
            ):
                sentence.names.append(Mention(start, end, sentence.text[start:end], "name", keys))
            start = lowered.find(name, end)
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
    if found["hyphen"]:
        return "day", int(found["hyphen"])
    if found["since"]:
        return "since", None
    if found["weekday"]:
        day = found["weekday"].lower()
        number = WEEKDAYS.index(day[:3]) if day[:3] in WEEKDAYS and "day" in day else _WOCHENTAGE[day[:2]]
        return "weekday", number
    return "word", found["word"].lower()


def _masked(text: str, pattern: re.Pattern[str]) -> str:
    return pattern.sub(lambda found: "·" * len(found[0]), text)


def _without(text: str, mentions: list[Mention]) -> str:
    for mention in mentions:
        text = text[: mention.start] + "·" * (mention.end - mention.start) + text[mention.end :]
    return text


@lru_cache(maxsize=512)
def concepts(key: str) -> tuple[frozenset[str], frozenset[str]]:
    """Subjects and traits that a key of tool results names: "unfulfilled_orders" is about orders, unfulfilled."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", key)
    subjects = {found.lastgroup or "" for found in _SUBJECTS.finditer(words)}
    traits = {found.lastgroup or "" for found in _TRAITS.finditer(words)}
    if "quantity" in words:
        subjects.add("unit")
        traits.add("sold")
    if "inventory" in words:
        subjects.add("unit")
    return frozenset(subjects), frozenset(traits)
