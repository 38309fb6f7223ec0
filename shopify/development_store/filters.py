"""Carries out a search: from the tree of a query to a test of records, with the warnings Shopify would add.

The traps are reproduced on purpose. A field the resource does not have is *ignored*: the answer then holds everything,
and only `extensions.search` says so. A value that is not accepted matches nothing, with a warning too. A filter that
Shopify has but this store has not is refused aloud instead of guessed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from shopify.development_store.search import AllOf, Node, Not, Term, parse
from shopify.development_store.search_fields import Filter, Resource

Predicate = Callable[[Any], bool]

DAY = 86_400

_BOUND: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class SearchRefused(Exception):
    """The query cannot be carried out. `code` goes into the error's extensions."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Search:
    """A query made ready: the test of a record, how the query was understood, what was ignored in it."""

    matches: Predicate
    parsed: Mapping[str, Any]
    warnings: tuple[Mapping[str, str], ...]


def compile_search(query: str, resource: Resource, *, time_zone: str, now: int) -> Search | None:
    """The search of a query, or None if it asks for nothing. `now` is Unix seconds.

    Raises SearchRefused for a date that is none and for a filter this store does not have.
    """
    node = parse(query)
    if node is None:
        return None
    compiler = _Compiler(resource, ZoneInfo(time_zone), now)
    return Search(compiler.predicate(node), node.parsed(), tuple(compiler.warnings))


@dataclass
class _Compiler:
    resource: Resource
    time_zone: tzinfo
    now: int
    warnings: list[Mapping[str, str]] = field(default_factory=list)

    def predicate(self, node: Node) -> Predicate:
        if isinstance(node, Term):
            return self._term(node)
        if isinstance(node, Not):
            inner = self.predicate(node.part)
            return lambda record: not inner(record)
        parts = [self.predicate(part) for part in node.parts]
        if isinstance(node, AllOf):
            return lambda record: all(part(record) for part in parts)
        return lambda record: any(part(record) for part in parts)

    def _term(self, term: Term) -> Predicate:
        name = term.field or "default"
        known = self.resource.filters.get(name)
        if known is None and (name in self.resource.missing or name.startswith("metafields.")):
            raise SearchRefused(f"The development store has no search filter `{name}`.", "NOT_IMPLEMENTED")
        if known is None:
            self._warn(name, "Invalid search field for this query.", "invalid_field")
            return lambda record: True
        if known.kind == "choice":
            return self._choice(name, known, term)
        tests = [self._test(name, known, term.comparator, value) for value in term.values]
        read = known.read
        return lambda record: any(test(read(record)) for test in tests)

    def _choice(self, name: str, known: Filter, term: Term) -> Predicate:
        wanted: set[str] = set()
        for value in term.values:
            if value.lower() not in known.choices:
                self._warn(name, f"Input `{value}` is not an accepted value.", "invalid_value")
            wanted.update(known.choices.get(value.lower(), ()))
        read = known.read
        return lambda record: read(record) in wanted

    def _test(self, name: str, known: Filter, comparator: str | None, value: str) -> Predicate:
        if known.kind == "time":
            return self._time(name, comparator, value)
        if known.kind == "number":
            return self._number(name, comparator, value)
        if known.kind == "flag":
            return lambda flag: flag is (value.lower() == "true")
        text = value.removeprefix("#").lower()
        if known.kind == "words":
            return lambda words: text in words.lower()
        if text.endswith("*"):
            return lambda found: found.lower().startswith(text[:-1])
        return lambda found: found.lower() == text

    def _number(self, name: str, comparator: str | None, value: str) -> Predicate:
        if not re.fullmatch(r"-?\d+", value):
            self._warn(name, f"Input `{value}` is not an accepted value.", "invalid_value")
            return lambda number: False
        bound = int(value)
        if comparator is None:
            return lambda number: number == bound
        compare = _BOUND[comparator]
        return lambda number: number is not None and compare(number, bound)

    def _time(self, name: str, comparator: str | None, value: str) -> Predicate:
        start, end = self._instant(name, value)
        if comparator is None:
            return lambda time: start <= time < end
        # A day as a bound means its edge: later than a day is later than its end.
        bound = start if comparator in ("<", ">=") else end - 1
        compare = _BOUND[comparator]
        return lambda time: compare(time, bound)

    def _instant(self, name: str, value: str) -> tuple[int, int]:
        """The Unix seconds that a date value covers: one second, or the day or year it names."""
        if value.lower() == "now":
            return self.now, self.now + 1
        try:
            if re.fullmatch(r"\d{4}", value):
                first, after = (datetime(int(value) + plus, 1, 1, tzinfo=self.time_zone) for plus in (0, 1))
                return int(first.timestamp()), int(after.timestamp())
            parsed = datetime.fromisoformat(value)
        except ValueError:
            raise SearchRefused(f"Invalid timestamp for query filter `{name}`.", "BAD_REQUEST") from None
        start = int((parsed if parsed.tzinfo else parsed.replace(tzinfo=self.time_zone)).astimezone(UTC).timestamp())
        return start, start + (DAY if len(value) == 10 else 1)

    def _warn(self, name: str, message: str, code: str) -> None:
        self.warnings.append({"field": name, "message": message, "code": code})
