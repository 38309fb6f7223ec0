"""What an honest model says about a store, and what liars make of it. `questions.yaml` explains the syntax."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from workers.evaluate.world import INJECTED, StoreFact, World

Language = Literal["en", "de"]
LANGUAGES: tuple[Language, ...] = ("en", "de")
LIES = (
    *("swap", "off_by_one", "subject", "currency", "period", "trend", "sum", "stale"),
    *("name", "date", "comparison", "denied", "agreed", "injected"),
)
"""Every kind of lie: two figures exchanged; a number that is one too high or low; the figure of something else; another
currency; another time; a trend that nothing shows; a computed figure that does not add up; old data told as new; a name
nobody has; another date; more for less; none where there are some; what the merchant wrongly believes; what a text of
the store demands.
"""
MARK = re.compile(
    r"\{(?:period:(?P<period>\w+)|(?P<a>\w+)<>(?P<b>\w+)|(?P<fact>\w+))(?P<how>[#~^!]|@\w+)?(?:\|(?P<one>[^{}|]*)\|(?P<many>[^{}|]*))?\}"
)
#: A period may start any sentence or list item.
_BEGINNING = re.compile(r"(?:^|(?<=[.!?] )|(?<=\n- ))[a-zäöü]")
BELIEF = "{wrong}"
_PERIOD_FACTS = {
    "orders": ("window", {"week": "week_orders", "today": "today"}),
    "week_orders": ("week", {"window": "orders", "today": "today", "yesterday": "yesterday"}),
    "today": ("today", {"week": "week_orders", "yesterday": "yesterday"}),
    "sales": ("month", {"week": "week_total", "today": "today_total"}),
}
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "CAD": "CA$", "AUD": "A$"}
WORDS: Mapping[str, list[str]] = {
    "en": ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
    "de": ["keine", "eine", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"],
}
MONTHS: Mapping[str, list[str]] = {
    "en": "January February March April May June July August September October November December".split(),  # noqa: SIM905
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),  # noqa: SIM905
}
WEEKDAYS: Mapping[str, list[str]] = {
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "de": ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
}


@dataclass(frozen=True)
class Topic:
    """One question, for every store whose facts are known."""

    name: str
    kind: str
    texts: Mapping[Language, Mapping[str, Any]]
    expect: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    premise: str | None = None

    def phrasings(self, language: Language) -> list[str]:
        """The honest answers, unfilled."""
        return list(self.texts[language]["say"])

    def common_facts(self, language: Language) -> tuple[str, ...]:
        """The facts in every phrasing."""
        first, *others = (named_in(one) for one in self.phrasings(language))
        return tuple(name for name in first if all(name in other for other in others))


@dataclass(frozen=True)
class Statement:
    """An answer, honest or not, and the facts in it."""

    text: str
    topic: str
    language: Language
    facts: tuple[StoreFact, ...]
    lie: str | None = None


@cache
def _data() -> Any:
    return yaml.safe_load((Path(__file__).parent / "questions.yaml").read_text("utf-8"))


@cache
def topics() -> tuple[Topic, ...]:
    """All topics, in the order of the file."""
    return tuple(
        Topic(
            name=one["topic"],
            kind=one["kind"],
            texts={language: one[language] for language in LANGUAGES},
            **{key: tuple(one[key]) for key in ("expect", "positive", "never") if key in one},
            premise=one.get("premise"),
        )
        for one in _data()["topics"]
    )


def topic(name: str) -> Topic:
    """The topic of that name."""
    return next(one for one in topics() if one.name == name)


def named_in(phrasing: str) -> list[str]:
    """The facts in a phrasing, in order."""
    found = [name for mark in MARK.finditer(phrasing) for name in (mark["fact"], mark["a"], mark["b"]) if name]
    return [name for name in dict.fromkeys(found) if name != BELIEF.strip("{}")]


def fits(world: World, one: Topic, phrasing: str) -> bool:
    """Whether all facts in the phrasing are known for the store and make sense there."""
    facts = world.facts
    known = all(name in facts for name in (*named_in(phrasing), *one.positive, *filter(None, [one.premise])))
    if not known or any(facts[name].value == 0 for name in one.positive):
        return False
    if one.kind == "injection" and not world.is_injected:
        return False
    if any(INJECTED in str(facts[name].value) for name in named_in(phrasing)):  # an honest model does not repeat it
        return False
    compared = ((facts[mark["a"]], facts[mark["b"]]) for mark in MARK.finditer(phrasing) if mark["a"])
    if any(a.value == b.value for a, b in compared):
        return False
    words = (facts[mark["fact"]] for mark in MARK.finditer(phrasing) if mark["how"] == "#")
    return all(1 < fact.value <= 12 for fact in words)


class Writer:
    """Fills phrasings for one store in one language; `seed` determines how numbers are written."""

    def __init__(self, world: World, language: Language, seed: int = 0) -> None:
        self._world, self._language = world, language
        self._seed = f"{world.shop_domain} {language} {seed}"
        self._draw = random.Random(self._seed)  # noqa: S311 - no secret
        self._style = self._draw

    def question(self, one: Topic) -> str:
        """What the merchant asks, with the false premise if the topic has one."""
        return self._with_belief(one, str(one.texts[self._language]["ask"]))

    def honest(self, one: Topic, phrasing: str) -> Statement:
        """The true answer."""
        phrasing = self._with_belief(one, phrasing)
        text = self._filled(phrasing, self._world.facts, {})
        return Statement(text, one.name, self._language, self._facts(phrasing))

    def lies(self, one: Topic, phrasing: str) -> Iterator[Statement]:
        """At most one lie of each kind that the phrasing allows. Each is false for this store."""
        denies_it, phrasing = BELIEF in phrasing, self._with_belief(one, phrasing)
        made = {
            **{
                kind: self._with_changed(phrasing, kind)
                for kind in ("swap", "off_by_one", "subject", "sum", "name", "date")
            },
            "currency": self._in_another_currency(phrasing),
            "period": self._of_another_time(phrasing),
            "comparison": self._turned_round(phrasing),
            "trend": self._added(phrasing, self._draw.choice(_data()["lies"]["trend"][self._language])),
            "injected": self._injected(phrasing),
            "denied": self._denied(phrasing),
            "agreed": None if denies_it else self._agreed(one, phrasing),
            "stale": self._as_new(phrasing),
        }
        for kind in LIES:
            text = made[kind]
            if text is not None:
                yield Statement(text, one.name, self._language, self._facts(phrasing), kind)

    # --- the kinds of lies ------------------------------------------------------------------------------------------

    def _with_changed(self, phrasing: str, kind: str) -> str | None:
        """The answer with other values for one or two facts."""
        mine = self._changeable(phrasing, kind)
        changed = getattr(self, f"_{kind}")(mine) if mine else None
        if changed is None:
            return None
        return self._filled(phrasing, {**self._world.facts, **changed}, {})

    def _changeable(self, phrasing: str, _kind: str) -> list[StoreFact]:
        """The facts that any other value surely makes false."""
        rounded = {mark["fact"] for mark in MARK.finditer(phrasing) if mark["how"] == "~"}
        compared = {name for mark in MARK.finditer(phrasing) for name in (mark["a"], mark["b"])}
        return [self._world.facts[name] for name in named_in(phrasing) if name not in rounded | compared]

    def _swap(self, mine: Sequence[StoreFact]) -> Mapping[str, StoreFact] | None:
        pairs = [(a, b) for a in mine for b in mine if a.name < b.name and a.kind == b.kind and a.value != b.value]
        if not pairs:
            return None
        a, b = self._draw.choice(pairs)
        return {a.name: replace(a, value=b.value), b.name: replace(b, value=a.value)}

    def _off_by_one(self, mine: Sequence[StoreFact]) -> Mapping[str, StoreFact] | None:
        numbers = [fact for fact in mine if fact.kind in ("count", "money") and fact.calculate is None]
        if not numbers:
            return None
        fact = self._draw.choice(numbers)
        step = self._draw.choice((1, -1)) if fact.value > 1 else 1
        return {fact.name: replace(fact, value=fact.value + step)}

    def _subject(self, mine: Sequence[StoreFact]) -> Mapping[str, StoreFact] | None:
        """The figure or name of something else that was read."""
        data = {fact.data for fact in mine}
        told = {(fact.kind, fact.value) for fact in mine}
        pairs = [
            (fact, other)
            for fact in mine
            for other in self._world.facts.values()
            if other.kind == fact.kind
            and other.data in data
            and (other.kind, other.value) not in told
            and other.calculate is None
        ]
        if not pairs:
            return None
        fact, other = self._draw.choice(pairs)
        return {fact.name: replace(fact, value=other.value)}

    def _sum(self, mine: Sequence[StoreFact]) -> Mapping[str, StoreFact] | None:
        computed = [fact for fact in mine if fact.calculate is not None and fact.kind != "count"]
        if not computed:
            return None
        fact = self._draw.choice(computed)
        wrong = fact.value * self._draw.choice((Decimal("1.1"), Decimal("0.9"), Decimal("1.01")))
        wrong = wrong.quantize(Decimal(1) if fact.currency == "JPY" else Decimal("0.01"), ROUND_HALF_UP) + 1
        return {fact.name: replace(fact, value=wrong)}

    def _name(self, mine: Sequence[StoreFact]) -> Mapping[str, StoreFact] | None:
        names = _data()["lies"]["names"]
        named = [fact for fact in mine if fact.kind in names]
        if not named:
            return None
        fact = self._draw.choice(named)
        return {fact.name: replace(fact, value=self._draw.choice(names[fact.kind]))}

    def _date(self, mine: Sequence[StoreFact]) -> Mapping[str, StoreFact] | None:
        dates = [fact for fact in mine if fact.kind in ("date", "age")]
        if not dates:
            return None
        fact = self._draw.choice(dates)
        moved = timedelta(days=self._draw.choice((2, 3, 5)))  # one day more may be rounding
        return {fact.name: replace(fact, value=fact.value + moved)}

    def _in_another_currency(self, phrasing: str) -> str | None:
        facts = self._world.facts
        money = [facts[name] for name in named_in(phrasing) if facts[name].kind == "money"]
        if not money:
            return None
        # A Canadian shop may well write $.
        mine = self._world.currency
        other = self._draw.choice(
            [code for code in ("USD", "EUR", "GBP", "CHF") if SYMBOLS.get(code, code) not in SYMBOLS.get(mine, mine)]
        )
        return self._filled(phrasing, {**facts, **{fact.name: replace(fact, currency=other) for fact in money}}, {})

    def _of_another_time(self, phrasing: str) -> str | None:
        facts = self._world.facts
        named = named_in(phrasing)
        for name, (period, others) in _PERIOD_FACTS.items():
            if name not in named or f"{{period:{period}}}" not in phrasing:
                continue
            false = [p for p, other in others.items() if other in facts and facts[other].value != facts[name].value]
            if false:
                return self._filled(phrasing, facts, {period: self._draw.choice(false)})
        return None

    def _turned_round(self, phrasing: str) -> str | None:
        turned = re.sub(r"(\w+<>\w+)\|([^{}|]*)\|([^{}|]*)\}", r"\1|\3|\2}", phrasing)
        return None if turned == phrasing else self._filled(turned, self._world.facts, {})

    def _added(self, phrasing: str, sentence: str) -> str | None:
        if not any(self._world.facts[name].data in ("counts", "week_orders") for name in named_in(phrasing)):
            return None
        return f"{self._filled(phrasing, self._world.facts, {})} {sentence}"

    def _injected(self, phrasing: str) -> str | None:
        if not self._world.is_injected or not named_in(phrasing):
            return None
        return str(self._draw.choice(_data()["lies"]["injected"][self._language]))

    def _denied(self, phrasing: str) -> str | None:
        lies, facts = _data()["lies"]["denied"], self._world.facts
        named = [name for name in named_in(phrasing) if name in lies and facts[name].value]
        return str(self._draw.choice(lies[self._draw.choice(named)][self._language])) if named else None

    def _agreed(self, one: Topic, phrasing: str) -> str | None:
        if one.premise is None or one.premise not in named_in(phrasing):
            return None
        return self._filled(phrasing, {**self._world.facts, one.premise: self._believed(one.premise)}, {})

    def _with_belief(self, one: Topic, text: str) -> str:
        return text if one.premise is None else text.replace(BELIEF, self.written(self._believed(one.premise)))

    def _believed(self, name: str) -> StoreFact:
        """A fact as the merchant wrongly believes it."""
        fact = self._world.facts[name]
        if fact.kind == "product":
            return replace(fact, value=next(title for title in self._world.titles if title != fact.value))
        return replace(fact, value=fact.value * 3 + 17)

    def _as_new(self, phrasing: str) -> str | None:
        if not named_in(phrasing):
            return None
        told = self._filled(phrasing, self._world.facts, {})
        return f"{self._draw.choice(_data()['lies']['stale'][self._language])}{told}"

    # --- how it is written ------------------------------------------------------------------------------------------

    def _facts(self, phrasing: str) -> tuple[StoreFact, ...]:
        return tuple(self._world.facts[name] for name in named_in(phrasing))

    def _filled(self, phrasing: str, facts: Mapping[str, StoreFact], periods: Mapping[str, str]) -> str:
        def written(mark: re.Match[str]) -> str:
            # A liar writes like the honest model, except for the lie.
            self._style = random.Random(f"{self._seed} {mark.start()}")  # noqa: S311 - no secret
            if mark["period"]:
                name = periods.get(mark["period"], mark["period"])
                return str(self._style.choice(_data()["periods"][self._language][name]))
            if mark["a"]:
                return str(mark["one"] if facts[mark["a"]].value > facts[mark["b"]].value else mark["many"])
            fact = facts[mark["fact"]]
            value = self.written(fact, mark["how"])
            if fact.value == 0 and mark["many"] and self._style.random() < 0.5:
                value = WORDS[self._language][0]
            noun = mark["one"] if fact.value == 1 else mark["many"]
            return f"{value} {noun}" if noun else value

        text = MARK.sub(written, phrasing)
        return _BEGINNING.sub(lambda found: found[0].upper(), text)

    def written(self, fact: StoreFact, how: str | None = None) -> str:
        """A fact as people write it."""
        match fact.kind:
            case "count" if how == "#":
                return WORDS[self._language][int(fact.value)]
            case "count":
                return self._number(Decimal(fact.value), 0)
            case "number":
                return self._number(fact.value, max(0, -int(fact.value.as_tuple().exponent)))
            case "percent":
                return self._number(fact.value, 1) + (" %" if self._language == "de" else "%")
            case "money":
                return self._money(fact, how == "~")
            case "age":
                return self._age(fact.value)
            case "date":
                return self._written_date(fact.value, how)
        return str(fact.value)

    def _number(self, value: Decimal, places: int) -> str:
        text = f"{value:,.{places}f}"
        if abs(value) < 10_000 and self._style.random() < 0.3:
            text = text.replace(",", "")
        return text.translate(str.maketrans(",.", ".,")) if self._language == "de" else text

    def _money(self, fact: StoreFact, is_rounded: bool) -> str:
        currency = fact.currency or "USD"
        places = 0 if currency == "JPY" or is_rounded else 2
        value = fact.value
        if is_rounded:
            value = value.quantize(Decimal(1).scaleb(value.adjusted() - 1), ROUND_HALF_UP)
        number = self._number(value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP), places)
        symbol = SYMBOLS.get(currency)
        if self._language == "de":
            return self._style.choice((f"{number} {symbol or currency}", f"{number} {currency}"))
        return self._style.choice((f"{symbol}{number}" if symbol else f"{currency} {number}", f"{number} {currency}"))

    def _age(self, age: timedelta) -> str:
        units = {
            "en": ("day/days", "hour/hours", "minute/minutes"),
            "de": ("Tag/Tagen", "Stunde/Stunden", "Minute/Minuten"),
        }
        for unit, length in zip(units[self._language], (86_400, 3_600, 60), strict=True):
            number = int(age.total_seconds() // length)
            if number or length == 60:
                noun = unit.split("/")[number != 1]
                return f"vor {number} {noun}" if self._language == "de" else f"{number} {noun} ago"
        raise AssertionError

    def _written_date(self, day: Any, how: str | None) -> str:
        if how == "@weekday":
            return WEEKDAYS[self._language][int(day.weekday())]
        month = MONTHS[self._language][day.month - 1]
        if self._language == "de":
            return self._style.choice((f"{day.day}. {month}", f"{day:%d.%m.%Y}", f"{day.day}. {month} {day.year}"))
        return self._style.choice((f"{month} {day.day}", f"{day.day} {month} {day.year}", day.isoformat()))
