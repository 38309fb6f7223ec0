"""Whether an answer is right: does it contain the requested facts, and nothing that it must not?"""

import re
from collections.abc import Iterator
from decimal import Decimal

from workers.evaluate.sentences import LANGUAGES, MONTHS, WEEKDAYS, WORDS, Topic
from workers.evaluate.world import StoreFact, World

_NUMBER = re.compile(r"\d(?:[\d.,'\u00a0\u202f]*\d)?")
#: By what fraction a rounded amount may differ.
ROUNDED = Decimal("0.06")


def is_right(text: str, topic: Topic, world: World, expected: tuple[str, ...]) -> bool:
    """Whether the text answers the topic's question about the store."""
    if any(re.search(pattern, text) for pattern in topic.never):
        return False
    return all(_holds(text, world.facts[name]) for name in expected)


def sentences(text: str) -> list[str]:
    """The sentences of a text."""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+(?=[^a-z\s])", text) if part.strip()]


def _holds(text: str, fact: StoreFact) -> bool:
    match fact.kind:
        case "count":
            words = [WORDS[language][fact.value] for language in LANGUAGES if fact.value < len(WORDS[language])]
            spoken = any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in words)
            return spoken or any(number == fact.value for number in _numbers(text))
        case "money" | "number":
            return any(abs(number - fact.value) <= ROUNDED * abs(fact.value) for number in _numbers(text))
        case "percent":
            return any(abs(number - abs(fact.value)) <= Decimal(1) for number in _numbers(text))
        case "date":
            day = fact.value
            months = {MONTHS[language][day.month - 1] for language in LANGUAGES}
            days = {WEEKDAYS[language][day.weekday()] for language in LANGUAGES} | {day.isoformat(), f"{day:%d.%m.}"}
            told = re.search(rf"\b{day.day}\b", text) is not None and any(month in text for month in months)
            return told or any(name in text for name in days)
        case "age":
            return True
    return str(fact.value).casefold() in text.casefold()


def _numbers(text: str) -> Iterator[Decimal]:
    """Every number in the text, in every possible reading: 1.512 is 1512 or 1.512."""
    for found in _NUMBER.finditer(text):
        written = re.sub(r"['\u00a0\u202f]", "", found[0])
        for point, group in (".,", ",."):
            if re.fullmatch(rf"\d+(\{group}\d{{2,3}})*(\{point}\d+)?", written):
                yield Decimal(written.replace(group, "").replace(point, "."))
