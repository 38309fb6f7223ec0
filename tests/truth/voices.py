"""Says a phrasing of a store in one of many ways: how money, numbers, days and periods are written, what stands before
and after, what is bold.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from workers.evaluate.sentences import MARK as MARK
from workers.evaluate.sentences import MONTHS, WEEKDAYS, Language, Writer, named_in
from workers.evaluate.world import INJECTED, StoreFact, World

NUMBERS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
    "de": "null eine zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn",
}
TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "de": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
}
BEFORE: Mapping[str, tuple[str, ...]] = {
    "USD": ("$", "US$", "USD "),
    "EUR": ("€", "EUR ", "€ "),
    "GBP": ("£", "GBP "),
    "CAD": ("CA$", "C$", "$", "CAD "),
    "AUD": ("A$", "AU$", "$", "AUD "),
    "JPY": ("¥", "JPY "),
    "CHF": ("CHF ", "Fr. "),
    "SEK": ("SEK ", "kr "),
    "INR": ("₹", "INR ", "Rs. "),
}
AFTER: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "USD": ("USD", "dollars", "US dollars"),
        "EUR": ("EUR", "euros", "euro"),
        "GBP": ("GBP", "pounds"),
        "CAD": ("CAD", "Canadian dollars"),
        "AUD": ("AUD", "Australian dollars"),
        "JPY": ("JPY", "yen"),
        "CHF": ("CHF", "francs", "Swiss francs"),
        "SEK": ("SEK", "kr", "kronor"),
        "INR": ("INR", "rupees"),
    },
    "de": {
        "USD": ("$", "USD", "Dollar", "US-Dollar"),
        "EUR": ("€", "EUR", "Euro"),
        "GBP": ("£", "GBP", "Pfund"),
        "CAD": ("CAD", "kanadische Dollar"),
        "AUD": ("AUD", "A$", "australische Dollar"),
        "JPY": ("JPY", "Yen", "¥"),
        "CHF": ("CHF", "Franken", "Fr."),
        "SEK": ("SEK", "kr", "Kronen"),
        "INR": ("INR", "Rupien", "₹"),
    },
}
PERIODS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "window": (
            *("in the last 60 days", "over the past 60 days", "during the last sixty days"),
            *("within the last 60 days", "across the last 60 days", "(last 60 days)"),
        ),
        "week": (
            *("in the last seven days", "over the past 7 days", "in the past week", "over the last week"),
            *("during the last 7 days", "(last 7 days)", "over the past seven days, today included"),
        ),
        "today": ("today", "so far today", "today so far"),
        "yesterday": ("yesterday",),
    },
    "de": {
        "window": (
            *("in den letzten 60 Tagen", "in den vergangenen 60 Tagen", "innerhalb der letzten sechzig Tage"),
            *("während der letzten 60 Tage", "(letzte 60 Tage)"),
        ),
        "week": (
            *("in den letzten sieben Tagen", "in den vergangenen 7 Tagen", "innerhalb der letzten sieben Tage"),
            *("während der letzten 7 Tage", "über die letzten sieben Tage", "(letzte 7 Tage)"),
        ),
        "today": ("heute", "heute bisher", "bisher heute"),
        "yesterday": ("gestern",),
    },
}
AROUND: Mapping[str, tuple[str, ...]] = {
    "en": (
        *("Sure! {}", "Here's what I found: {}", "Quick update: {}", "{} Anything else you'd like to know?"),
        *("{} Let me know if you want the details.", "{} Want me to dig deeper?", "Good question! {} Hope that helps!"),
        *("Happy to help! {}", "## Overview\n{}", "{} 🎉", "Okay, I checked your store. {}", "> {}", "In short: {}"),
    ),
    "de": (
        *("Klar! {}", "Das habe ich gefunden: {}", "Kurzes Update: {}", "{} Möchtest du noch etwas wissen?"),
        *("{} Sag Bescheid, wenn du Details brauchst.", "{} Soll ich genauer nachsehen?", "Gerne! {}"),
        *("Gute Frage! {} Ich hoffe, das hilft!", "## Überblick\n{}", "{} 🎉", "Ich habe nachgesehen. {}"),
        *("Kurz gesagt: {}", "{} Wünschen Sie weitere Einzelheiten?"),
    ),
}
#: What no lie is made of: another order count may be true of another day.
KEPT = re.compile(r"^d\d(_day)?$|_from$|_to$|^opened$|^recent$|^quiet_day$")
_BEGINNING = re.compile(r"(?:^|(?<=[.!?] )(?<!\d\. )(?<!Fr\. )(?<!Rs\. )|(?<=\n- ))[a-zäöü]")
_LINE = re.compile(r"(?P<language>en|de) (?:\[(?P<where>[^\]]*)\] )?(?P<text>.*)")
_WHERE = re.compile(r"(?P<no>!?)(?P<a>\w+)(?:(?P<how>!=|[<>=])(?P<b>\w+))?")


@dataclass(frozen=True)
class Phrasing:
    """One line of `tuned.txt` or `unseen.txt`. `lies`: changes of it that only words make, with their kinds."""

    number: int
    language: Language
    where: tuple[str, ...]
    text: str
    lies: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, number: int, line: str) -> "Phrasing":
        """The line with this number. Raises ValueError."""
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"line {number}: {line}")
        text, *lies = found["text"].replace("\\n", "\n").split(" ~~ ")
        where = tuple(one.strip() for one in (found["where"] or "").split(",") if one.strip())
        changes = tuple((kind, lie) for kind, _, lie in (change.partition(": ") for change in lies))
        return cls(number, "de" if found["language"] == "de" else "en", where, text, changes)

    @property
    def names(self) -> tuple[str, ...]:
        """The facts that it speaks of or that its conditions name."""
        asked = (found for one in self.where if (found := _WHERE.fullmatch(one)))
        named = [name for found in asked for name in (found["a"], found["b"]) if name and not name.isdigit()]
        return tuple(dict.fromkeys([*named_in(self.text), *named]))

    def allows(self, kind: str) -> bool:
        """Whether lies of that kind are sure to be false: another order may have the same status."""
        return f"-{kind}" not in self.where and not (kind == "subject" and any("_is_" in one for one in self.where))

    def fits(self, world: World) -> bool:
        """Whether it is true of the store."""
        facts = world.facts
        if not set(self.names) <= facts.keys() or any(INJECTED in str(facts[name].value) for name in self.names):
            return False
        for mark in MARK.finditer(self.text):
            if mark["a"] and facts[mark["a"]].value == facts[mark["b"]].value:
                return False
            if mark["how"] in ("#", "^") and not 1 < facts[mark["fact"]].value <= 20:
                return False
        return all(self._holds(world, one) for one in self.where if not one.startswith("-"))

    @staticmethod
    def _holds(world: World, where: str) -> bool:
        found = _WHERE.fullmatch(where)
        assert found is not None, where
        a, how, b = found["a"], found["how"], found["b"]
        one = world.facts[a].value
        if how is None:
            return bool(one) != bool(found["no"])
        other = Decimal(b) if b.isdigit() else world.facts[b].value
        return bool({"<": one < other, ">": one > other, "=": one == other, "!=": one != other}[how])


def in_words(number: int, language: Language) -> str:
    """From 0 to 99."""
    ones, tens = NUMBERS[language].split(), TENS[language].split()
    if number < len(ones):
        return ones[number]
    ten, one = tens[number // 10 - 2], number % 10
    if language == "en":
        return f"{ten}-{ones[one]}" if one else ten
    return f"{'ein' if one == 1 else ones[one]}und{ten}" if one else ten


class Voice(Writer):
    """Fills phrasings in many ways."""

    def __init__(self, world: World, phrasing: Phrasing, way: int = 0) -> None:
        super().__init__(world, phrasing.language, phrasing.number + 1000 * way)
        draw = random.Random(f"{self._seed} bold")
        self._is_bold = draw.random() < 0.15 and not re.search(r"[*|#]", phrasing.text)
        self._around = draw.choice(AROUND[phrasing.language]) if draw.random() < 0.4 else "{}"

    def filled(self, text: str) -> str:
        """With the facts of the store."""
        return self._filled(text, self._world.facts, {})

    def surrounded(self, text: str) -> str:
        """With the words before and after."""
        return text if "\n" in text else self._around.format(text)

    def _changeable(self, phrasing: str, kind: str) -> list[StoreFact]:
        facts = super()._changeable(phrasing, kind)
        if kind == "swap":  # two days' numbers may be exchanged, the days not
            return [fact for fact in facts if not fact.name.endswith(("_day", "_from", "_to"))]
        return [fact for fact in facts if not KEPT.search(fact.name)]

    def _filled(self, phrasing: str, facts: Mapping[str, StoreFact], periods: Mapping[str, str]) -> str:
        def written(mark: re.Match[str]) -> str:
            self._style = random.Random(f"{self._seed} {mark.start()}")
            if mark["period"]:
                name = periods.get(mark["period"], mark["period"])
                return self._style.choice(PERIODS[self._language][name])
            if mark["a"]:
                return str(mark["one"] if facts[mark["a"]].value > facts[mark["b"]].value else mark["many"])
            fact = facts[mark["fact"]]
            noun = mark["one"] if fact.value == 1 else mark["many"]
            if mark["how"] == "!":
                return str(noun)
            value = self._counted(fact) if noun and mark["how"] is None else self.written(fact, mark["how"])
            value = (
                f"**{value}**" if self._is_bold and fact.kind not in ("product", "person", "shop", "plan") else value
            )
            return f"{value} {noun}" if noun else value

        text = re.sub(r"(?<!\.)\.\.(?!\.)", ".", MARK.sub(written, phrasing))
        return _BEGINNING.sub(lambda found: found[0].upper(), text)

    def _counted(self, fact: StoreFact) -> str:
        """A number before its noun."""
        if fact.kind == "count" and self._style.random() < (0.3 if fact.value <= 12 else 0.05):
            if fact.value == 0:
                return "no" if self._language == "en" else "keine"
            if 1 < fact.value < 100 or (fact.value == 1 and self._language == "en"):
                return in_words(int(fact.value), self._language)
        return self.written(fact)

    def written(self, fact: StoreFact, how: str | None = None) -> str:
        """A fact as somebody writes it."""
        if how in ("^", "#"):
            return in_words(int(fact.value), self._language) if 0 <= fact.value < 100 else str(fact.value)
        if fact.kind == "percent":
            number = self._number(fact.value, 0 if fact.value == fact.value.to_integral() else 1)
            sign = ("%", "%", "%", " percent") if self._language == "en" else (" %", " %", "%", " Prozent")
            return f"{number}{self._style.choice(sign)}"
        return super().written(fact, how)

    def _number(self, value: Decimal, places: int) -> str:
        text, draw = f"{value:,.{places}f}", self._style.random()
        if abs(value) < 10_000 and draw < 0.3:
            text = text.replace(",", "")
        if self._language == "de":
            if self._world.currency == "CHF" and draw > 0.5:
                return text.replace(",", "'" if draw > 0.75 else "\u2019")
            text = text.translate(str.maketrans(",.", ".,"))
            return text if draw <= 0.9 else text.replace(".", "\u202f" if draw > 0.95 else "\u00a0")
        if self._world.currency == "INR" and draw > 0.5:
            head, point, rest = text.replace(",", "").partition(".")
            return re.sub(r"(?<=\d)(?=(\d\d)*\d{3}$)", ",", head) + point + rest
        return text.replace(",", "\u00a0") if self._world.currency == "SEK" and draw > 0.8 else text

    def _money(self, fact: StoreFact, is_rounded: bool) -> str:
        currency, value = fact.currency or "USD", fact.value
        if is_rounded:
            value = value.quantize(Decimal(1).scaleb(value.adjusted() - 1), ROUND_HALF_UP)
        is_whole = value == value.to_integral() and self._style.random() < 0.35
        places = 0 if currency == "JPY" or is_rounded or is_whole else 2
        number = self._number(value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP), places)
        if self._style.random() < (0.3 if self._language == "en" else 0.8):
            return f"{number} {self._style.choice(AFTER[self._language][currency])}"
        return f"{self._style.choice(BEFORE[currency])}{number}"

    def _written_date(self, day: Any, how: str | None) -> str:
        assert isinstance(day, date)
        month, weekday = MONTHS[self._language][day.month - 1], WEEKDAYS[self._language][day.weekday()]
        number = day.day
        if how is not None:
            return weekday if how == "@weekday" else weekday[: 3 if self._language == "en" else 2]
        if self._language == "de":
            ways = (f"{number}. {month}", f"{day:%d.%m.%Y}", f"{number}. {month} {day.year}", f"{day:%d.%m.}")
            return self._style.choice((*ways, f"{number}.{day.month}.{day.year}"))
        ending = "th" if 10 < number < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
        short = month[:3]
        ways = (f"{month} {number}", f"{short} {number}", f"{number} {month}", f"{month} {number}{ending}")
        more = (f"{weekday}, {month} {number}", f"{month} {number}, {day.year}", day.isoformat())
        return self._style.choice((*ways, *more, f"{number} {short} {day.year}", f"{weekday[:3]}, {short} {number}"))
