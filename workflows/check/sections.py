"""Sections, keys and kinds of value: pydantic finds what is wrong, this says it in the author's words, with its place.

unknown key 'cleanup_triger', did you mean 'cleanup_trigger'?
'tools' belongs at the top level, not in 'behavior': check the indentation
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from workflows.actions import ACTIONS
from workflows.check.locations import (
    Location,
    at_path,
    bare,
    describe_unknown,
    is_section,
    is_union,
    locate,
    sections_in,
)
from workflows.definition import EVENT_TYPES, WorkflowDefinition
from workflows.source import Document, Path
from workflows.suggest import closest, did_you_mean, or_one_of

_FREE = ("data", "metadata", "config")  # below these keys a value may be anything, also empty
_TRUE, _FALSE = ("yes", "on", "y", "true", "1"), ("no", "off", "n", "false", "0")


def check_sections(document: Document) -> WorkflowDefinition | None:
    """Validate the data of a document; adds what is wrong to it, and returns None if anything is.

    A key or action type that was clearly meant to be another one is reported and then replaced by that one, so that
    what is wrong below it is found in the same run.
    """
    if isinstance(document.data, dict) and "steps" in document.data and "prompts" not in document.data:
        document.at((), "this is a scenario, not a workflow: `cj workflows test` runs it; a workflow has 'prompts'")
        return None
    _check_events(document)
    empty = set(_empty_values(document.data))
    for path in empty:
        is_key = isinstance(path[-1], str)
        what = repr(path[-1]) if is_key else f"this item of {path[-2]!r}" if path[1:] else "this item"
        document.at(path, f"{what} is empty: fill it in or remove the line", key=is_key)
    while True:
        try:
            definition = WorkflowDefinition.model_validate(document.data)
        except ValidationError as error:
            repaired = _SectionReporter(document, empty).report(error.errors(include_url=False))
            if not repaired:
                return None
        else:
            return None if document.has_errors else definition


def _check_events(document: Document) -> None:
    events = document.data.get("system_events") if isinstance(document.data, dict) else None
    if not isinstance(events, dict):
        return
    for event in events.keys() - EVENT_TYPES:
        path = ("system_events", event)
        document.at(path, f"unknown event {event!r}{or_one_of(event, EVENT_TYPES)}", key=True)
        near = closest(event, EVENT_TYPES)
        if near is not None and near not in events:
            document.rename(path, near)


def _empty_values(data: Any, path: Path = ()) -> Iterator[Path]:
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        if value is None:
            yield (*path, key)
        elif key not in _FREE:
            yield from _empty_values(value, (*path, key))


class _SectionReporter:
    """Adds pydantic's errors to a document."""

    def __init__(self, document: Document, empty: set[Path]) -> None:
        self.document = document
        self.empty = empty
        self.misplaced: list[Path] = []  # keys in the wrong section
        self.repairs: list[Callable[[], None]] = []  # change the document to what was probably meant

    def report(self, errors: list[ErrorDetails]) -> bool:
        """Report all errors; true if something was repaired, so that there may be more to find."""
        unknown_first = sorted(errors, key=lambda error: error["type"] != "extra_forbidden")
        located = [(error, locate(error["loc"], self.document.data)) for error in unknown_first]
        meant = [self.meant(place) for error, place in located if error["type"] == "extra_forbidden"]
        other = [
            place.path for error, place in located if error["type"] == "literal_error" and place.path[-1] == "type"
        ]
        of_another_kind = {path[:-1] for path in other}  # what else they have is no error of its own
        for error, place in located:
            known = place.path in self.empty or place.path in meant
            if not known and (place.path in other or place.path[:-1] not in of_another_kind):
                self.one(error, place)
        for repair in self.repairs:
            repair()
        return bool(self.repairs)

    def meant(self, place: Location) -> Path | None:
        """The path of the key that an unknown one was probably meant to be."""
        present = at_path(self.document.data, place.path[:-1]) or {}
        near = closest(place.path[-1], [name for name in place.section.model_fields if name not in present])
        return None if near is None else (*place.path[:-1], near)

    def one(self, error: ErrorDetails, place: Location) -> None:
        kind, context = error["type"], error.get("ctx", {})
        if kind == "extra_forbidden":
            self.unknown_key(place)
        elif kind == "missing":
            self.missing(place)
        elif kind == "union_tag_not_found":
            self.missing_type(place)
        elif kind == "union_tag_invalid":
            self.unknown_action(place, context["tag"])
        elif kind == "literal_error":
            self.not_one_of(place)
        elif place.of_key or kind == "string_pattern_mismatch":
            self.bad_name(place)
        elif kind in ("too_short", "string_too_short"):
            self.at(place, f"{place.name} is empty")
        elif kind in ("greater_than_equal", "less_than_equal"):
            self.out_of_range(place)
        elif kind == "string_too_long":
            self.at(place, f"{place.name} is longer than {context['max_length']} characters")
        else:
            self.wrong_kind(place)

    def at(self, place: Location, message: str, *, key: bool = False) -> None:
        self.document.at(place.path, message, key=key or place.of_key)

    def unknown_key(self, place: Location) -> None:
        key, meant = str(place.path[-1]), self.meant(place)
        if meant is not None:
            self.at(place, f"unknown key {key!r}, did you mean {meant[-1]!r}?", key=True)
            self.repairs.append(lambda: self.document.rename(place.path, str(meant[-1])))
        else:
            self.misplaced.append(place.path)
            self.at(place, describe_unknown(key, place.section), key=True)

    def missing(self, place: Location) -> None:
        if not self.is_elsewhere(place):
            where = "" if place.section is WorkflowDefinition else f" in {place.section.place}"
            message = f"key {place.path[-1]!r} is missing{where}"
            self.document.at(self.opening(place.path[:-1]), message, key=True)

    def is_elsewhere(self, place: Location) -> bool:
        """Whether a misplaced key explains why this one is missing: it is this one, or one that goes under it."""
        for path in self.misplaced:
            above, key = path[:-1], path[-1]
            if key == place.path[-1] and place.path[: len(above)] == above:
                return True
            inner = sections_in(place.wanted)
            if above == place.path[:-1] and any(key in section.model_fields for section in inner):
                return True
        return False

    def missing_type(self, place: Location) -> None:
        value = place.value
        if not isinstance(value, dict):
            advice = f"'- type: {value}'" if value in list(ACTIONS) else "'- type: …'"
            return self.at(place, f"an action begins with {advice}; this is {_kind(value)}")
        only = next(iter(value)) if len(value) == 1 else None
        meant = next((str(key) for key in value if closest(key, ["type"])), None)
        fitting = [tag for tag, action in ACTIONS.items() if value.keys() <= action.model_fields.keys()]
        if only in ACTIONS:
            message = f"an action is written '- type: {only}', with its keys on the lines below"
        elif meant is not None:
            message = f"unknown key {meant!r}, did you mean 'type'?"
            self.document.at((*place.path, meant), message, key=True)
            return self.repairs.append(lambda: self.document.rename((*place.path, meant), "type"))
        elif len(fitting) == 1:
            message = f"an action begins with its type, here probably '- type: {fitting[0]}'"
        else:
            message = f"an action begins with its type, one of: {', '.join(ACTIONS)}"
        return self.document.at(self.opening(place.path), message, key=True)

    def opening(self, path: Path) -> Path:
        """Where to point at a map that lacks a key: its own key, or its first one if it is an item or the file."""
        if path and isinstance(path[-1], str):
            return path
        keys = at_path(self.document.data, path)
        return (*path, next(iter(keys))) if isinstance(keys, dict) and keys else path

    def unknown_action(self, place: Location, tag: object) -> None:
        path = (*place.path, "type")
        self.document.at(path, f"unknown action type {tag!r}{or_one_of(tag, ACTIONS)}")
        near = closest(tag, ACTIONS)
        if near is not None:
            self.repairs.append(lambda: self.document.replace(path, near))

    def not_one_of(self, place: Location) -> None:
        options = [str(option) for option in place.options]
        if not isinstance(place.value, str):
            return self.at(place, f"{place.name} cannot be {_kind(place.value)}{or_one_of('', options)}")
        if place.path[-1] == "type":
            above = place.path[-2] if place.path[1:] else "this"
            return self.at(place, f"{above!r} is a {' or '.join(options)}, it cannot be {place.value!r}")
        what = "unknown data type" if "data_types" in place.path else f"{place.name} cannot be"
        return self.at(place, f"{what} {place.value!r}{or_one_of(place.value, options)}")

    def bad_name(self, place: Location) -> None:
        written = str(place.path[-1] if place.of_key else place.value)
        if not written.strip():
            return self.at(place, f"{place.name} is empty")
        tidy = "".join(c if c.isascii() and c.isalnum() else "_" for c in written.lower()).strip("_0123456789")
        advice = f", such as {tidy!r}" if tidy and tidy != written else ""
        return self.at(place, f"{written!r} cannot be a name: a name has lowercase letters, digits and _{advice}")

    def out_of_range(self, place: Location) -> None:
        low, high = place.bounds
        bounds = f"from {low:,} to {high:,}" if high is not None else f"at least {low:,}"
        self.at(place, f"{place.name} must be {bounds}, not {place.value:,}")

    def wrong_kind(self, place: Location) -> None:
        wanted, value = bare(place.wanted), place.value
        if wanted is str:
            advice = ": put it in quotes" if isinstance(value, int | float) else ""
            return self.at(place, f"{place.name} must be text, not {_kind(value)}{advice}")
        if wanted is bool:
            return self.at(place, f"{place.name} must be true or false, not {_kind(value)}{_meant_boolean(value)}")
        if wanted in (int, float):
            number = "a whole number" if wanted is int else "a number"
            quoted = isinstance(value, str) and value.strip().replace(".", "", 1).isdigit()
            advice = ": remove the quotes" if quoted else ""
            return self.at(place, f"{place.name} must be {number}, not {_kind(value)}{advice}")
        if get_origin(wanted) is list:
            of_words = not sections_in(wanted) and get_origin(get_args(wanted)[0]) is not dict
            advice = f"write [{value}]" if of_words and isinstance(value, str) else "begin each item with '- '"
            return self.at(place, f"{place.name} must be a list: {advice}", key=isinstance(value, dict))
        if is_union(wanted):
            return self.missing_type(place)
        return self.map_wanted(place)

    def map_wanted(self, place: Location) -> None:
        wanted, value = bare(place.wanted), place.value
        glued = re.match(r"([a-z_]+):\S", value) if isinstance(value, str) else None
        if glued:
            return self.at(place, f"a space is missing after '{glued[1]}:'")
        if not place.path:
            return self.at(place, f"a workflow is a map that begins with 'name: …'; this is {_kind(value)}")
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return self.at(place, f"{place.name} must be a map: remove the '- ' before its keys")
        advice = ""
        if is_section(wanted):
            plural = "s" if len(wanted.model_fields) > 1 else ""
            advice = f" with the key{plural} {', '.join(wanted.model_fields)}"
        elif place.name == "an item of 'requirements'":
            advice = f" such as '{value}: true'"
        return self.at(place, f"{place.name} must be a map{advice}; this is {_kind(value)}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list):
        return "a list"
    shown = value if len(str(value)) <= 40 else f"{str(value)[:40]}…"
    return "empty" if value is None else f"the text {shown!r}"


def _meant_boolean(value: Any) -> str:
    word = str(value).strip().lower()
    if word in _TRUE:
        return ": write true"
    return ": write false" if word in _FALSE else did_you_mean(value, ("true", "false"))
