"""Whether what happened is what was expected. Pure: an expectation, the log, times in; an outcome out."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.scenario.facts import filled
from workers.scenario.language import (
    CjMessage,
    CjToolCall,
    ContextUpdate,
    ErrorCode,
    Expectation,
    Expected,
    Nothing,
    ShopifyRequest,
    TransitionTo,
)
from workers.scenario.log import ACTION, TURN, Entry

TOLERANCE_SECONDS = 0.02
"""Rows of one commit, and the clocks of two processes, differ by so much."""

Truth = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """It came."""

    entry: Entry


@dataclass(frozen=True)
class Waiting:
    """It has not come yet."""

    differs: Mapping[int, str] = field(default_factory=dict)
    """Why entries of the same kind are not it, by their number in the log."""


@dataclass(frozen=True)
class Wrong:
    """It came, but not as expected; or what must not come came."""

    why: str
    entry: Entry | None = None


Outcome = Found | Waiting | Wrong
NOT_YET = "not known yet"


def find(wanted: Expected, entries: Sequence[Entry], *, since: float, truth: Truth) -> Outcome:
    """Look for `wanted` among `entries`. `since`: when the step before happened; `truth`: the store's true numbers."""
    if isinstance(wanted, Nothing):
        return _must_not_come(wanted, entries)
    differs: dict[int, str] = {}
    for entry in entries:
        if entry.kind != wanted.expect:
            continue
        why = _difference(wanted, entry, truth)
        if why is None:
            late = _timing(wanted, entry, since)
            return Wrong(late, entry) if late else Found(entry)
        differs[entry.number] = why
        if why is NOT_YET:
            break
    return Waiting(differs)


def _must_not_come(wanted: Nothing, entries: Sequence[Entry]) -> Outcome:
    for entry in entries:
        if entry.kind == wanted.kind or (wanted.kind == "any" and entry.kind not in (ACTION, TURN)):
            return Wrong(f"{entry.kind} came, nothing was to come", entry)
    return Waiting()


def _timing(wanted: Expectation, entry: Entry, since: float) -> str | None:
    after = entry.at - since
    if wanted.min_delay is not None and after < wanted.min_delay - TOLERANCE_SECONDS:
        return f"came {shown(after)} after the step before, expected at least {shown(wanted.min_delay)}"
    if wanted.within is not None and after > wanted.within + TOLERANCE_SECONDS:
        return f"came {shown(after)} after the step before, expected at most {shown(wanted.within)}"
    if isinstance(wanted, CjToolCall) and wanted.max_seconds is not None:
        took = float(entry.body["seconds"])
        if took > wanted.max_seconds:
            return f"took {shown(took)}, expected at most {shown(wanted.max_seconds)}"
    return None


def shown(value: float) -> str:
    """As people read it: 1.0 s, 0.013 s."""
    return f"{value:.3f} s" if value < 0.1 else f"{value:.2f} s" if value < 1 else f"{value:.1f} s"


def _difference(wanted: Expected, entry: Entry, truth: Truth) -> str | None:
    """Why the entry is not what is wanted; None if it is."""
    compare: Callable[[Any, Entry, Truth], str | None] = _COMPARE[type(wanted)]
    return compare(wanted, entry, truth)


def _context_update(wanted: ContextUpdate, entry: Entry, _truth: Truth) -> str | None:
    if not wanted.values.keys() & entry.body["changed"]:
        return f"none of {', '.join(wanted.values)} changed"
    return _missing(wanted.values, entry.body["context"], "")


def _tool_call(wanted: CjToolCall, entry: Entry, _truth: Truth) -> str | None:
    if entry.body["tool"] != wanted.tool:
        return f"tool is {entry.body['tool']}"
    why = _missing(wanted.params, entry.body["params"], "")
    if why is not None or not (wanted.result or wanted.max_seconds is not None):
        return why
    if entry.body.get("result") is None:
        return NOT_YET if entry.is_open else "it has no result"
    return _missing(wanted.result, entry.body["result"], "result")


def _message(wanted: CjMessage, entry: Entry, truth: Truth) -> str | None:
    said = entry.body["text"]
    for part in (filled(text, truth) for text in wanted.contains):
        if part not in said:
            return f"does not contain {part!r}"
    for part in (filled(text, truth) for text in wanted.excludes):
        if part in said:
            return f"contains {part!r}"
    if wanted.matches is not None and re.search(wanted.matches, said) is None:
        return f"does not match {wanted.matches!r}"
    if wanted.final is None:
        return None
    if entry.is_open:
        return NOT_YET
    return None if entry.body["final"] is wanted.final else f"final is {str(entry.body['final']).lower()}"


def _transition(wanted: TransitionTo, entry: Entry, _truth: Truth) -> str | None:
    return None if entry.body["to"] == wanted.to else f"to is {entry.body['to']}"


def _error(wanted: ErrorCode, entry: Entry, _truth: Truth) -> str | None:
    return None if wanted.code in (None, entry.body["code"]) else f"code is {entry.body['code']}"


def _shopify_request(wanted: ShopifyRequest, entry: Entry, _truth: Truth) -> str | None:
    if wanted.data_type in (None, entry.body["data_type"]):
        return None
    return f"data_type is {entry.body['data_type']}"


_COMPARE: Mapping[type[Any], Callable[[Any, Entry, Truth], str | None]] = {
    ContextUpdate: _context_update,
    CjToolCall: _tool_call,
    CjMessage: _message,
    TransitionTo: _transition,
    ErrorCode: _error,
    ShopifyRequest: _shopify_request,
}


def _missing(wanted: Any, found: Any, at: str) -> str | None:
    """Why `found` does not hold all that is `wanted`; None if it does. Maps may hold more, lists may not."""
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
