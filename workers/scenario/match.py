"""The log of what happened, with times, and its comparison with expectations. Pure."""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workers.scenario.language import (
    FACT,
    CjMessage,
    CjToolCall,
    ContextUpdate,
    ErrorCode,
    Expectation,
    Expected,
    Nothing,
    ShopifyRequest,
    TransitionTo,
    WorkflowEvent,
)

#: Kinds of entries that no expectation can name; they are there for readers of the log.
ACTION, TURN = "action", "turn"
#: How much the times of rows of one commit, and the clocks of two processes, may differ.
TOLERANCE_SECONDS = 0.02
NOT_YET_KNOWN = "not known yet"

Place = tuple[float, float]
"""A place in the log: seconds, and the number of the entry."""
Truth = Mapping[str, Any]
"""The store's true numbers, by the names in `language.FACTS`."""


@dataclass(frozen=True)
class LogEntry:
    """Something that happened `at` seconds after the scenario began."""

    at: float
    kind: str
    text: str
    """The text for readers."""
    body: dict[str, Any] = field(default_factory=dict)
    """What expectations are compared with."""
    is_open: bool = False
    """Whether more will be known later: the result of a tool call, whether a message was the last one."""
    number: int = 0
    """Tells entries of the same moment apart; set by the log."""

    @property
    def place(self) -> Place:
        """Its position in the log."""
        return self.at, self.number


class ScenarioLog:
    """Entries by key, in the order of their times."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, LogEntry] = {}

    def add(self, key: Hashable, entry: LogEntry) -> None:
        """Add an entry, or replace the one with this key when more is known."""
        before = self._entries.get(key)
        number = len(self._entries) if before is None else before.number
        self._entries[key] = replace(entry, number=number)

    def __iter__(self) -> Iterator[LogEntry]:
        return iter(sorted(self._entries.values(), key=lambda entry: entry.place))

    def after(self, place: Place) -> list[LogEntry]:
        """The entries after a place in the log."""
        return [entry for entry in self if entry.place > place]


@dataclass(frozen=True)
class Matched:
    """The expected entry was found."""

    entry: LogEntry


@dataclass(frozen=True)
class Unmatched:
    """It has not happened yet. `differs`: why entries of the same kind do not match, by their number."""

    differs: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mismatch:
    """It happened, but not as expected; or something happened that must not."""

    why: str
    entry: LogEntry


Outcome = Matched | Unmatched | Mismatch


def find(wanted: Expected, entries: Sequence[LogEntry], *, since: float, truth: Truth) -> Outcome:
    """Look for `wanted` among `entries`; `since`: when the previous step happened."""
    if isinstance(wanted, Nothing):
        return _must_not_come(wanted, entries)
    differs: dict[int, str] = {}
    for entry in entries:
        if entry.kind != wanted.expect:
            continue
        why = _COMPARE[type(wanted)](wanted, entry, truth)
        if why is None:
            wrong_time = _timing(wanted, entry, since)
            return Mismatch(wrong_time, entry) if wrong_time else Matched(entry)
        differs[entry.number] = why
        if why is NOT_YET_KNOWN:
            break
    return Unmatched(differs)


def seconds_text(value: float) -> str:
    """Such as 1.0 s, 0.013 s."""
    return f"{value:.3f} s" if value < 0.1 else f"{value:.2f} s" if value < 1 else f"{value:.1f} s"


def _must_not_come(wanted: Nothing, entries: Sequence[LogEntry]) -> Outcome:
    for entry in entries:
        if entry.kind == wanted.kind or (wanted.kind == "any" and entry.kind not in (ACTION, TURN)):
            return Mismatch(f"{entry.kind} came, but nothing was expected", entry)
    return Unmatched()


def _timing(wanted: Expectation, entry: LogEntry, since: float) -> str | None:
    after = entry.at - since
    came = f"came {seconds_text(after)} after the step before, expected"
    if wanted.min_delay is not None and after < wanted.min_delay - TOLERANCE_SECONDS:
        return f"{came} at least {seconds_text(wanted.min_delay)}"
    if wanted.within is not None and after > wanted.within + TOLERANCE_SECONDS:
        return f"{came} at most {seconds_text(wanted.within)}"
    limit = wanted.max_seconds if isinstance(wanted, CjToolCall) else None
    if limit is not None and entry.body["seconds"] > limit:
        return f"took {seconds_text(entry.body['seconds'])}, expected at most {seconds_text(limit)}"
    return None


# --- why an entry does not match; None if it does ---------------------------------------------------------------


def _context_update(wanted: ContextUpdate, entry: LogEntry, _truth: Truth) -> str | None:
    if not wanted.values.keys() & entry.body["changed"]:
        return f"none of {', '.join(wanted.values)} changed"
    return _missing(wanted.values, entry.body["context"], "")


def _tool_call(wanted: CjToolCall, entry: LogEntry, _truth: Truth) -> str | None:
    if entry.body["tool"] != wanted.tool:
        return f"tool is {entry.body['tool']}"
    why = _missing(wanted.params, entry.body["params"], "")
    if why is not None or not (wanted.result or wanted.max_seconds is not None):
        return why
    if entry.body.get("result") is None:
        return NOT_YET_KNOWN if entry.is_open else "it has no result"
    return _missing(wanted.result, entry.body["result"], "result")


def _message(wanted: CjMessage, entry: LogEntry, truth: Truth) -> str | None:
    said = entry.body["text"]
    for part in (_filled(text, truth) for text in wanted.contains):
        if part not in said:
            return f"does not contain {part!r}{_nearly(part, said)}"
    for part in (_filled(text, truth) for text in wanted.excludes):
        if part in said:
            return f"contains {part!r}"
    if wanted.matches is not None and re.search(wanted.matches, said) is None:
        return f"does not match {wanted.matches!r}"
    if wanted.final is None:
        return None
    if entry.is_open:
        return NOT_YET_KNOWN
    return None if entry.body["final"] is wanted.final else f"final is {str(entry.body['final']).lower()}"


def _nearly(part: str, said: str) -> str:
    """A hint if a text is almost contained in another."""
    if part.casefold() in said.casefold():
        return ": only capitals differ"
    return ": only spaces differ" if "".join(part.split()) in "".join(said.split()) else ""


def _filled(text: str, truth: Truth) -> str:
    """`{{store.customers}} customers` → `1,500 customers`."""
    return FACT.sub(lambda found: f"{truth[found[1]]:,}" if found[1] in truth else found[0], text)


def _one_value(key: str, wanted: Any, entry: LogEntry) -> str | None:
    return None if wanted in (None, entry.body[key]) else f"{key} is {entry.body[key]}"


_COMPARE: Mapping[type[Any], Callable[[Any, LogEntry, Truth], str | None]] = {
    ContextUpdate: _context_update,
    CjToolCall: _tool_call,
    CjMessage: _message,
    TransitionTo: lambda wanted, entry, _truth: _one_value("to", wanted.to, entry),
    WorkflowEvent: lambda wanted, entry, _truth: (
        _one_value("name", wanted.name, entry) or _missing(wanted.data, entry.body["data"], "")
    ),
    ErrorCode: lambda wanted, entry, _truth: _one_value("code", wanted.code, entry),
    ShopifyRequest: lambda wanted, entry, _truth: _one_value("data_type", wanted.data_type, entry),
}


def _missing(wanted: Any, found: Any, at: str) -> str | None:
    """Why `found` does not contain all that is `wanted`. Maps may contain more, lists may not."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            place = f"{at}.{key}" if at else str(key)
            if key not in found:
                return f"has no {place}"
            if why := _missing(value, found[key], place):
                return why
        return None
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return next((why for n, (one, other) in pairs if (why := _missing(one, other, f"{at}[{n}]"))), None)
    same = wanted == found and isinstance(wanted, bool) is isinstance(found, bool)
    return None if same else f"{at} is {found!r}"
