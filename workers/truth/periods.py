"""The days that words for a time may mean. Pure."""

import re
from datetime import date, timedelta
from typing import Any

from workers.truth.claims import Mention, Sentence
from workers.truth.grounds import Range

EVER = (date.min, date.max)


def near(span: Range, period: Range) -> bool:
    """Whether both are the same days; long spans may differ by one at each end."""
    if EVER in (span, period):
        return span == period
    slack = 1 if (period[1] - period[0]).days >= 6 else 0
    slack = 2 if (period[1] - period[0]).days >= 28 else slack
    return abs((span[0] - period[0]).days) <= slack and abs((span[1] - period[1]).days) <= slack


def ranges(period: Mention, said: Sentence, today: date) -> list[Range]:
    """The days that a period may mean."""
    day = timedelta(days=1)
    value: Any = period.value
    if period.kind == "date":
        return [span for meant in value for span in _date_ranges(meant, today)]
    kind, which = value
    monday = today - today.weekday() * day
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
        case "since":
            following = [date_ for date_ in said.dates if date_.start >= period.end - 1][:1]
            return [(start, today) for date_ in following for start, _ in ranges(date_, said, today)]
    word = str(which)
    if re.search(r"ever|all|lifetime|jemals", word):
        return [EVER]
    if re.search(r"vorgestern|day before|vortag|tag (?:davor|zuvor)", word):
        backs = (
            (2,)
            if re.search(r"yesterday|gestern", said.plain)
            else (1,)
            if re.search(r"today|heut", said.plain)
            else (1, 2)
        )
        return [(today - back * day, today - back * day) for back in backs]
    if re.search(r"yesterday|gestern|gestrig|last night", word):
        return [(today - day, today - day)]
    if re.search(r"week(?!end)|woche(?!nende)|wk|wöch", word):
        spans = [(today - 7 * day, today), (today - 6 * day, today), (monday, today)]
        return (
            spans
            if re.search(r"this|current|diese|laufend|the week", word) and "last" not in word
            else [*spans[:2], (monday - 7 * day, monday - day)]
        )
    if re.search(r"weekend|wochenende", word):
        return [(monday - 2 * day, monday - day)]
    first = today.replace(day=1)
    if re.search(
        r"mtd|month to date|month (?:began|started)|(?:first|start|beginning) of|monats(?:anfang|beginn)|monat bisher|bisher in",
        word,
    ):
        return [(first, today)]
    if re.search(r"month|monat", word):
        last = first - day
        return (
            [(first, today)]
            if re.search(r"this|current|diese|laufend", word)
            else [(last.replace(day=1), last), (today - 30 * day, today)]
        )
    if re.search(r"year|jahr", word):
        year = today.replace(month=1, day=1)
        return (
            [(year, today)]
            if re.search(r"this|current|diese|laufend", word)
            else [(year.replace(year=year.year - 1), year - day), (today - 365 * day, today)]
        )
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
