"""The days that words for a time may mean. Pure."""

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from workers.truth.figure import Range
from workers.truth.lexicon import WORDS
from workers.truth.sentence import Mention, Sentence
from workers.truth.wording import Wording

_MONTHS = (
    r"jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|février|febrero|mar(?:ch|s|zo)?|märz|a[vpb]r(?:il)?|may|mai|mayo|june?|juni?o?|juin|july?|julio?|juillet|aug(?:ust)?|août|agosto"
    r"|sept?(?:ember|embre|iembre)?|o[ck]t(?:ober|obre|ubre)?|nov(?:ember|embre|iembre)?|de[cz](?:ember)?|décembre|diciembre|enero"
)

_MONTH_NUMBERS = {"jan": 1, "feb": 2, "mar": 3, "mär": 3, "apr": 4, "may": 5, "mai": 5, "jun": 6, "jul": 7, "aug": 8,
                  "sep": 9, "oct": 10, "okt": 10, "nov": 11, "dec": 12, "dez": 12,
                  "ene": 1, "fév": 2, "avr": 4, "abr": 4, "jui": 6, "aoû": 8, "ago": 8, "déc": 12, "dic": 12}  # fmt: skip

DATE = re.compile(
    rf"(?P<iso>\b(?P<iy>\d{{4}})-(?P<im>\d\d)-(?P<id>\d\d)(?:[t ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:z|[+-]\d\d:?\d\d)?)?)"
    rf"|\b(?<!\bim )(?<!\bin )(?P<md_m>{_MONTHS})\.?\s(?P<md_d>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s(?P<md_y>(?:19|20)\d\d))?(?![\d.,]*\d)"
    rf"|\b(?!\d\d?\.\s\w+\.?\s\d\d?(?:st|nd|rd|th)?(?:, \d{{4}})?:)(?P<dm_d>\d{{1,2}})(?:\.|st|nd|rd|th|er)?\s(?:of\s|de\s)?(?P<dm_m>{_MONTHS})\b\.?(?:,?\s(?P<dm_y>(?:19|20)\d\d))?"
    r"|(?<![\d.,/$€£])(?P<n1>[0-3]?\d)(?P<nm>[./])(?P<n2>[01]?\d)(?P=nm)(?P<ny>(?:19|20)?\d\d)(?![\d/])"
    r"|(?<![\d.,$€£])(?P<d1>[0-3]?\d)\.(?P<d2>[01]?\d)\.(?!\d|\s(?:19|20)\d\d\b(?![.,]))"
    rf"|\b(?P<my_m>{_MONTHS})\.?\s(?P<my_y>(?:19|20)\d\d)\b",
)

MAY_BE_DATE = Wording(
    r"(?:\d\d?\d?\d?[-./]\d|jan|ene|f[eé]b|fév|m[aä]r|a[pvb]r|ma[iy]|ju[nil]|aug|août|ago|sep|o[ck]t|nov|d[eéi][cz])"
)
"""What every date has: most sentences have none, and it is found in a tenth of the time."""

MAY_BE_AGO = Wording(r"(?:(?<=\s)(?:ago|old|earlier|alt)\b|vor\s)")

MAY_BE_TIME = Wording(r"\d(?:\d?:|\S{0,4}\s?(?:[ap]\.?m|uhr|o'clock))")

TIME = re.compile(
    r"(?<![\d:.,])(?P<h>[01]?\d|2[0-4])(?:(?::(?P<m>[0-5]\d)(?::[0-5]\d)?)\s?(?P<ap>[ap]\.?m\.?)?(?:\s?(?:uhr|utc|h)\b)?"
    r"|\s?(?P<ap2>[ap]\.?m\.?)(?!\w)(?!\s(?:\d{1,2}\.|\ue000|(?:mon|diens|mitt|donners|frei|sams|sonn)\w*tag))|(?:\.(?P<m2>[0-5]\d))?\s?(?:uhr|o'clock)\b)",
)

_COUNTED = r"(?P<n{0}>\d{{1,3}}|(?!calendar\b|last\b|full\b|whole\b|complete\b|volle|ganze)[a-zäöüß]+(?:-[a-z]+)?)"

_UNIT = (
    r"(?P<u{0}>minutes?|mins?|hours?|days?|weeks?|months?|years?|minuten?|stunden?|tage?n?|wochen?|monate?n?|jahre?n?)"
)

PERIOD = Wording(
    r"(?P<included>(?:stand:? heute|today included|incl(?:uding|\.)? today|einschließlich heute|heute eingeschlossen|inklusive heute|(?<!\ue000 )(?<!tag )(?<!woch )(?<!\. )bis (?:einschließlich )?(?:heute|dato)))|(?:(?:in|over|for|within|during|of|from|innerhalb|während|aus|über)\s)?(?:the\s|den\s|der\s|die\s)?"
    r"(?:last|past|previous|trailing|letzte[nr]?|vergangene[nr]?|vorige[nr]?)\s"
    + _COUNTED.format(1) + r"\s(?:[a-zäöüß]+\s)?" + _UNIT.format(1) + r""
    r"|(?P<then>since then|since that day|seitdem|seither)\b"
    r"|(?:(?:in|of|over|aus|von|in)\s)?(?:the\s|den\s|der\s|die\s)?(?:last|past|letzten|vergangenen)\s(?P<elided>7|30|seven|thirty|sieben|dreißig)(?=\s*(?:[.,;:!?)]|$)|\s(?:was|is|war|ist|waren|were|with|mit|by|um|nach|you|we|i|sie|du|ich|wir)\b)"
    r"|(?:in |over )?(?P<bare>7|14|28|30|60|90|365|sieben|sechzig|dreißig|seven|sixty|thirty) ?(?:(?:full|whole|complete) )?(?P<bare_unit>d|days|tagen?|t\b\.?)(?!\w)(?!\s(?:davor|before|window|zuvor))(?=\s?[:)/,.|]|$|\s?\n| (?:gab|kamen|you|up to|through|works?|means|comes?|averag\w+|bis|ending|ended))"
    r"|(?P<last>(?:im|in der|dem|der|than|than in|the) (?:letzten?|last)(?: one)?(?=\s*(?:[(.,;:!?]|nur\b|only\b|waren\b|war\b|was\b|were\b|$)))"
    r"|(?<!two\s)(?<!zwei\s)(?<!beiden\s)(?P<hyphen>\d{1,3})(?:[- ](?:day|tage)s?[- ](?:window|period|zeitraum|fenster|history|range|sales|orders|revenue|total|average|figures|umsatz)\b|-(?:day|tage)(?=[- ][a-zäöü]))"
    r"|(?:(?P<within>in|im)\s|(?:of|for|during|over|vom)\s)?(?<!early\s)(?<!late\s)(?<!mid\s)(?<!ende\s)(?<!mitte\s)(?<!anfang\s)(?P<calendar>january|januar|february|februar|march|märz|april|june|juni|july|juli|august|september|october|oktober|november|december|dezember)(?:\b|(?=umsatz|ergebnis|wert|bestell))(?(within)|(?!\s?\d))"
    r"|(?P<word>as of (?:today|now)|(?:your|the(?: past)?|ihre|deine|die|der|zur) (?:week|woche)(?! (?:before|prior|after|davor|zuvor|danach))|today so far|so far today|so far(?! (?:this|in) )|today|yesterday|wochen(?:bericht|rückblick|bilanz|überblick|zahlen)|(?:wk|weekly|wöchentlich\w*)(?= )|(?<!\w)(?:week|wk|woche|weekly|wöchentlich)(?=:| \d)|(?:this|the current|the) (?:week|month|year)(?! (?:before|prior|earlier))"
    r"|(?:(?:in|over|during) the )?(?:last|past|previous) (?:calendar |full |whole |complete )?(?:week|month|year|quarter)|all[- ]time|ever|lifetime"
    r"|this quarter|seit mitternacht|since midnight|so far in 20\d\d|since (?:you|your \w+|the \w+) (?:first )?(?:opened|launched|started)|since (?:opening|launch)|mtd|month to date|since the month (?:began|started)|(?:since|from) the (?:first|start|beginning) of (?:the|this) month|seit monats(?:anfang|beginn)|monat bisher|bisher in diesem monat|(?:this )?(?:morning|afternoon|evening)|tonight|(?:over )?the weekend|last night"
    r"|am (?:(?:darauf)?folgenden|nächsten) tag|the day before(?: yesterday)?|the (?:day after|next day|following day)|(?:am |dem )?(?:tag (?:davor|zuvor|danach|darauf)|vortag)|(?:(?:im|in der|der|dem|des|den|die|das|zum|zur|vom) )?(?:(?:gesamte|ganze|volle)[nr]? )?(?:vormonats?|vorwoche|vorjahr(?:e?s)?)|yday|heutige[rnms]?|gestrige[rnms]?|heute|gestern|vorgestern|jemals|(?:in )?(?:diese[rnm]?s?|(?:der|die|das|den|dem|im) laufenden?|laufende[rns]?) (?:woche|monats?|jahre?s?|quartals?)"
    r"|(?:in (?:der|den) )?(?:letzte|vergangene|vorige)[rnms]? (?:(?:volle|ganze)[nrms]? )?(?:kalender)?(?:woche|monats?|jahre?s?|quartals?)|am wochenende)\b"
    r"|(?P<monthly>monats)(?=umsatz|erlös|einnahmen|bestell)|(?P<weekly>wochen)(?=umsatz|bestell|durchschnitt|schnitt|summe|ergebnis)"
    r"|(?P<since>since|seit|ab|from(?=[^.]*\ue000 on\b))\s(?:(?:the|dem|der|mon\w*|tue\w*|wed\w*|thu\w*|fri\w*|sat\w*|sun\w*|\w+tag),?\s)?(?=\ue000)"
    r"|(?:(?P<since_day>since|seit)\s|on |am )?(?P<weekday>mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?"
    r"|montags?|dienstags?|mittwochs?|donnerstags?|freitags?|samstags?|sonnabends?|sonntags?|(?:mon|tue|wed|thu|fri|sat|sun)(?=:?\s+\d|\s\|)|(?<![^\W\d_] )(?:mo|di|mi|do|fr|sa|so)(?=:\s+\d|\s\||\s\d+(?:,|;|\s·|\s?$))|(?<=^ )(?:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so)(?= $))\b(?!,?\s(?:der |den |dem |the )?\ue000)",
)  # fmt: skip

AGO = re.compile(
    r"(?P<english>\b" + _COUNTED.format(1) + r"\s" + _UNIT.format(1) + r"\s(?:ago|old|earlier|alt)\b)"
    r"|\b(?:vor)\s(?:etwa\s|rund\s|gut\s|knapp\s)?" + _COUNTED.format(2) + r"\s" + _UNIT.format(2) + r"\b",
)

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_WOCHENTAGE = {"mo": 0, "di": 1, "mi": 2, "do": 3, "fr": 4, "sa": 5, "so": 6}


_UNITS = {"m": "minute", "h": "hour", "s": "hour", "d": "day", "t": "day", "w": "week", "y": "year", "j": "year"}


def _unit(word: str) -> str:
    return "month" if word.lower().startswith("mon") else _UNITS.get(word[0].lower(), "")


def _count(word: str) -> int | None:
    word = word.lower()
    if word.isdigit():
        return int(word)
    return {"a": 1, "an": 1, "eine": 1, "einem": 1, "einer": 1, "einen": 1, "one": 1, "couple": 2}.get(
        word, WORDS.get(word)
    )


def _month(word: str) -> int:
    word = word.lower()
    return 7 if word.startswith("juil") else _MONTH_NUMBERS[word[:3]]


def dates_meant(match: re.Match[str]) -> frozenset[tuple[int | None, int, int | None]] | None:
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


def clock(match: re.Match[str]) -> tuple[int, int | None]:
    hour, minute = int(match["h"]), match["m"] or match["m2"]
    half = (match["ap"] or match["ap2"] or "").lower()
    if half:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    return hour, None if minute is None and half else int(minute or 0)


def age(found: re.Match[str]) -> tuple[int, str] | None:
    number = _count(found["n1"] or found["n2"])
    return None if number is None else (number, _unit(found["u1"] or found["u2"]))


def period_meant(found: re.Match[str]) -> tuple[str, object] | None:
    if found["n1"]:
        number = _count(found["n1"])
        return None if number is None else (_unit(found["u1"]), number)
    if found["included"]:
        return None
    if found["weekly"]:
        return "week", 1
    if found["monthly"]:
        return "word", "the month"
    if found["then"]:
        return "then", None
    if found["last"]:
        return "last", None
    if found["elided"]:
        return "day", _count(found["elided"])
    if found["bare"]:
        return "day", _count(found["bare"]) or 0
    if found["hyphen"]:
        return "day", int(found["hyphen"])
    if found["since"]:
        return "since", None
    if found["calendar"]:
        return "calendar", _month(found["calendar"])
    if found["weekday"]:
        day = found["weekday"].lower()
        is_english = day[:3] in WEEKDAYS and ("day" in day or len(day) == 3)
        number = WEEKDAYS.index(day[:3]) if is_english else _WOCHENTAGE[day[:2]]
        return "since" if found["since_day"] else "weekday", number
    return "word", found["word"].lower()


SINCE = re.compile(r"\b(?:since|seit)\s$")
_BY_THEN = re.compile(
    r"\b(?:by|at) (?:this|the same) (?:point|time|stage|date|day) (?:(?:in|of) )?(?:the )?last month\b|\blast month\b.* by (?:this|the same) (?:point|time|date|day)\b"
)
_LENGTHS = {"month": r"month|monat", "week": r"week|woche", "year": r"year|jahr"}

EVER = (date.min, date.max)


def near(span: Range, period: Range) -> bool:
    """Whether both are the same days; long spans may differ by one at each end."""
    if EVER in (span, period):
        return span == period
    slack = 1 if (period[1] - period[0]).days >= 6 else 0
    slack = 2 if (period[1] - period[0]).days >= 28 else slack
    return abs((span[0] - period[0]).days) <= slack and abs((span[1] - period[1]).days) <= slack


_DAYS = {"day": 1, "week": 7, "month": 30}

_BEFORE_THAT = re.compile(r"previous|prior|preceding|vorig|vorher|vorang", re.IGNORECASE)

_DAY_BESIDE = re.compile(
    r"(?P<before>day before$|vortag|tag (?:davor|zuvor))|day after|next day|following day|tag da(?:nach|rauf)|folgenden tag|nächsten tag"
)
"""Of a day that is named before it."""


def ranges(period: Mention, said: Sentence, today: date) -> list[Range]:
    """The days that a period may mean."""
    day = timedelta(days=1)
    value: Any = period.value
    if period.kind == "date":
        return [span for meant in value for span in _date_ranges(meant, today)]
    kind, which = value
    monday = today - today.weekday() * day
    if kind in _DAYS and _BEFORE_THAT.search(period.text):  # "the previous 30 days": the last ones, or those before
        length = _DAYS[kind] * which * day
        return [*ranges(replace(period, text=""), said, today), (today - 2 * length, today - length)]
    match kind:
        case "day":
            return [
                (today - which * day, today),
                (today - (which - 1) * day, today),
                (today - which * day, today - day),
            ]
        case "week":
            return [(today - 7 * which * day, today), (today - (7 * which - 1) * day, today)]
        case "month":
            return [(today - round(30.4 * which) * day, today), (today - 30 * which * day, today)]
        case "year":
            return [(today - 365 * which * day, today)]
        case "hour" | "minute":
            return [(today, today)]
        case "weekday":
            back = (today.weekday() - which) % 7
            return [(today - (back + more) * day, today - (back + more) * day) for more in (0, 7)]
        case "calendar":
            first = today.replace(day=1, month=which, year=today.year - (which > today.month))
            ends = today if SINCE.search(said.plain, 0, period.start) else (first + 31 * day).replace(day=1) - day
            return [(first, min(today, ends))]
        case "last":  # "this month …, more than in the last": what is as long
            named = [p for p in said.periods if p.start < period.start and p.value != period.value]
            lengths = [length for p in named for length in _LENGTHS if re.search(_LENGTHS[length], p.text.lower())]
            return ranges(Mention(0, 0, "", "period", ("word", f"last {lengths[0]}")), said, today) if lengths else []
        case "then":
            before = [date_ for date_ in said.dates if date_.end <= period.start][-1:]
            return [(start, today) for date_ in before for start, _ in ranges(date_, said, today)]
        case "since" if which is not None:
            back = (today.weekday() - which) % 7 or 7
            return [(today - back * day, today)]
        case "since":
            following = [date_ for date_ in said.dates if date_.start >= period.end - 1][:1]
            return [(start, today) for date_ in following for start, _ in ranges(date_, said, today)]
    if (beside := _DAY_BESIDE.search(which)) and (
        days := [p for p in (*said.periods, *said.dates) if p.end <= period.start]
    ):
        spans = ranges(max(days, key=lambda each: each.start), said, today)
        shift = -day if beside["before"] else day
        if spans and all(start == end for start, end in spans):
            return [(start + shift, start + shift) for start, _ in spans]
    if SINCE.search(said.plain, 0, period.start):
        return [(start, today) for start, _ in _days_of_word(str(which), said, today, monday)]
    return _days_of_word(str(which), said, today, monday)


def _days_of_word(word: str, said: Sentence, today: date, monday: date) -> list[Range]:
    day = timedelta(days=1)
    if re.search(r"ever|all|lifetime|jemals|since (?:you|opening|launch)|opened|launched", word):
        return [EVER]
    if re.search(r"vorgestern|day before|vortag|tag (?:davor|zuvor)", word):
        backs = (1,) if re.search(r"today|heut", said.plain) else (1, 2)
        backs = (2,) if re.search(r"yesterday|gestern", said.plain) else backs
        return [(today - back * day, today - back * day) for back in backs]
    if re.search(r"yesterday|yday|gestern|gestrig|last night", word):
        return [(today - day, today - day)]
    if re.search(r"week(?!end)|woche(?!nende)|wk|wöch", word):
        spans = [(today - 7 * day, today), (today - 6 * day, today)]
        spans += [(monday, today)] if monday < today else []  # of a day and a longer time, the day would be meant
        return (
            spans
            if re.search(r"this|current|diese|laufend|the week", word) and "last" not in word
            else [*spans[:2], (monday - 7 * day, monday - day)]
        )
    if re.search(r"weekend|wochenende", word):
        return [(monday - 2 * day, monday - day)]
    first = today.replace(day=1)
    if word == "so far":  # since when the other times tell
        others = [ranges(p, said, today) for p in said.periods if p.value != ("word", word)]
        lengths = [(spans[0][1] - spans[0][0]).days for spans in others if spans]
        begins = [first] * (not lengths or max(lengths) > 8) + [monday] * any(5 < n < 9 for n in lengths) + [today]
        current = [span for spans in others if spans and spans[0][1] == today for span in spans]
        return current or [(start, today) for start in begins]
    is_current = re.search(r"this|current|diese|laufend", word) is not None
    if re.search(
        r"mtd|month to date|month (?:began|started)|(?:first|start|beginning) of|monats(?:anfang|beginn)|monat bisher|bisher in",
        word,
    ):
        return [(first, today)]
    if re.search(r"month|monat", word):
        last = first - day
        if not is_current and _BY_THEN.search(said.plain):
            return [(last.replace(day=1), last.replace(day=min(today.day, last.day)))]
        spans = [(last.replace(day=1), last), (today - 30 * day, today)]
        return [(first, today)] if is_current else [(first, today), *spans] if word.endswith("the month") else spans
    if found := re.search(r"in (20\d\d)", word):
        return [(date(int(found[1]), 1, 1), min(today, date(int(found[1]), 12, 31)))]
    if re.search(r"year|jahr", word):
        year = today.replace(month=1, day=1)
        before = [(year.replace(year=year.year - 1), year - day), (today - 365 * day, today)]
        return [(year, today)] if is_current else before
    if re.search(r"quarter|quartal", word):
        return [(today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1), today)]
    return [(today, today)]


def _date_ranges(meant: tuple[int | None, int, int | None], today: date) -> list[Range]:
    year, month, day = meant
    found = []
    for each in (year,) if year is not None else (today.year, today.year - 1):
        try:
            if day is None:
                start = date(each, month, 1)
                found.append((start, (start + timedelta(days=32)).replace(day=1) - timedelta(days=1)))
            else:
                found.append((date(each, month, day), date(each, month, day)))
        except ValueError:
            continue
    return found
