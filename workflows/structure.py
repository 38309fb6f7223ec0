"""Sections, keys and kinds of value: pydantic finds what is wrong, this says it in the author's words, with its place.

unknown key 'cleanup_triger', did you mean 'cleanup_trigger'?
'tools' belongs at the top level, not in 'behavior': check the indentation
"""

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from workflows.actions import ACTIONS, ActionSection, Section
from workflows.definition import AgentPrompt, Behavior, Definition, Limits, Model, Prompts, Rule, TransitionSection
from workflows.suggest import closest, did_you_mean, or_one_of
from workflows.vocabulary import EVENT_TYPES
from workflows.yaml_marks import Document

_SECTIONS: tuple[type[Section], ...] = (
    *(Definition, Behavior, TransitionSection, Rule),
    *ACTIONS,
    *(Limits, Model, Prompts, AgentPrompt),
)
_FREE = ("data", "metadata", "config")  # below these keys a value may be anything, also empty
_TRUE, _FALSE = ("yes", "on", "y", "true", "1"), ("no", "off", "n", "false", "0")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an error is: its path in the data, the section it is in, and what is wanted there."""

    path: tuple[str | int, ...]
    section: type[Section]
    wanted: Any
    value: Any
    of_key: bool = False

    @property
    def name(self) -> str:
        """The last key of the path, in quotes; items of a list go by their list's."""
        keys = [part for part in self.path if isinstance(part, str)]
        return repr(keys[-1]) if keys else "the file"


def check_structure(document: Document) -> Definition | None:
    """Validate the data of a document; notes what is wrong and returns None if anything is."""
    empty = set(_empty_values(document.data))
    for path in empty:
        document.at(path, f"{path[-1]!r} is empty: fill it in or remove the line", key=isinstance(path[-1], str))
    try:
        definition = Definition.model_validate(document.data)
    except ValidationError as error:
        _Reporter(document, empty).report(error.errors(include_url=False))
        return None
    return None if empty else definition


def _empty_values(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        if value is None:
            yield (*path, key)
        elif key not in _FREE:
            yield from _empty_values(value, (*path, key))


class _Reporter:
    def __init__(self, document: Document, empty: set[tuple[str | int, ...]]) -> None:
        self.document = document
        self.empty = empty
        self.meant: set[tuple[str | int, ...]] = set()  # keys that an unknown one was probably meant to be

    def report(self, errors: list[ErrorDetails]) -> None:
        unknown_first = sorted(errors, key=lambda error: error["type"] != "extra_forbidden")
        for error in unknown_first:
            place = _place(error["loc"], self.document.data)
            if place.path not in self.empty:
                self.one(error, place)

    def one(self, error: ErrorDetails, place: _Place) -> None:
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

    def at(self, place: _Place, message: str, *, key: bool = False) -> None:
        self.document.at(place.path, message, key=key or place.of_key)

    def unknown_key(self, place: _Place) -> None:
        key = str(place.path[-1])
        present = _at(self.document.data, place.path[:-1])
        options = [name for name in place.section.model_fields if name not in present]
        near = closest(key, options)
        if near is not None:
            self.meant.add((*place.path[:-1], near))
            self.at(place, f"unknown key {key!r}, did you mean {near!r}?", key=True)
        else:
            self.at(place, _belongs(key, place.section) or _unknown(key, place.section), key=True)

    def missing(self, place: _Place) -> None:
        if place.path in self.meant:
            return
        where = "" if place.section is Definition else f" in {place.section.place}"
        self.document.at(self.opening(place.path[:-1]), f"key {place.path[-1]!r} is missing{where}", key=True)

    def missing_type(self, place: _Place) -> None:
        if isinstance(place.value, dict):
            message = f"an action begins with its type, one of: {', '.join(_action_types())}"
            only = next(iter(place.value)) if len(place.value) == 1 else None
            if only in _action_types():
                message = f"an action is written '- type: {only}', its keys on the lines below it"
            elif any(closest(str(key), ["type"]) for key in place.value):
                self.meant.add((*place.path, "type"))
            self.document.at(self.opening(place.path), message, key=True)
        elif isinstance(place.value, str) and place.value in _action_types():
            self.at(place, f"an action is written '- type: {place.value}', its keys on the lines below it")
        else:
            self.at(place, f"an action is a map that begins with '- type: …', this is {_kind(place.value)}")

    def opening(self, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """Where to point at a map that lacks a key: its own key, or its first one if it is an item or the file."""
        if path and isinstance(path[-1], str):
            return path
        keys = _at(self.document.data, path)
        return (*path, next(iter(keys))) if isinstance(keys, dict) and keys else path

    def unknown_action(self, place: _Place, tag: object) -> None:
        path = (*place.path, "type")
        self.document.at(path, f"unknown action type {tag!r}{or_one_of(tag, _action_types())}")

    def not_one_of(self, place: _Place) -> None:
        options = [str(option) for option in _options(place.wanted)]
        if not isinstance(place.value, str):
            return self.at(place, f"{place.name} cannot be {_kind(place.value)}{or_one_of('', options)}")
        noun = "data type" if "data_types" in place.path else f"{place.name} cannot be"
        shown = f"unknown data type {place.value!r}" if noun == "data type" else f"{noun} {place.value!r}"
        return self.at(place, f"{shown}{or_one_of(place.value, options)}")

    def bad_name(self, place: _Place) -> None:
        written = str(place.path[-1] if place.of_key else place.value)
        if not written.strip():
            return self.at(place, f"{place.name} is empty")
        tidy = "".join(c if c.isascii() and c.isalnum() else "_" for c in written.lower()).strip("_0123456789")
        advice = f", such as {tidy!r}" if tidy and tidy != written else ""
        return self.at(place, f"{written!r} cannot be a name: a name has small letters, digits and _{advice}")

    def out_of_range(self, place: _Place) -> None:
        low, high = _range(place)
        bounds = f"it can be {low:,} to {high:,}" if high is not None else f"it must be at least {low:,}"
        self.at(place, f"{place.name} is {place.value}, {bounds}")

    def wrong_kind(self, place: _Place) -> None:
        wanted, value = _bare(place.wanted), place.value
        if wanted is str:
            advice = ": put it in quotes" if isinstance(value, int | float) else ""
            return self.at(place, f"{place.name} is a text, this is {_kind(value)}{advice}")
        if wanted is bool:
            return self.at(place, f"{place.name} is true or false, this is {_kind(value)}{_meant_boolean(value)}")
        if wanted in (int, float):
            number = "a whole number" if wanted is int else "a number"
            quoted = isinstance(value, str) and value.strip().replace(".", "", 1).isdigit()
            advice = ": remove the quotes" if quoted else ""
            return self.at(place, f"{place.name} is {number}, this is {_kind(value)}{advice}")
        if get_origin(wanted) is list:
            return self.at(place, f"{place.name} is a list: begin each item with '- '", key=isinstance(value, dict))
        return self.map_wanted(place)

    def map_wanted(self, place: _Place) -> None:
        wanted, value = _bare(place.wanted), place.value
        name = place.name
        if wanted is Rule or (place.path and isinstance(place.path[-1], int)):
            name = f"each item of {place.name}"
        if not place.path:
            return self.at(place, f"a workflow is a map that begins with 'name: …', this is {_kind(value)}")
        advice = ""
        if isinstance(value, list):
            advice = ": remove the '- ' before its keys"
        elif isinstance(wanted, type) and issubclass(wanted, Section):
            advice = f" with the keys {', '.join(wanted.model_fields)}"
        elif name == "each item of 'requirements'":
            advice = f": write '- {value}: true'"
        return self.at(place, f"{name} is a map{advice}; this is {_kind(value)}")


def _place(location: tuple[int | str, ...], data: Any) -> _Place:
    """Follow pydantic's location through models and data at once, dropping the steps that only pydantic sees."""
    path: list[str | int] = []
    section: type[Section] = Definition
    wanted: Any = Definition
    for part in location:
        wanted = _bare(wanted)
        if part == "[key]":
            return _Place(tuple(path), section, str, path[-1], of_key=True)
        if _is_section(wanted):
            section = wanted
            path.append(part)
            wanted = section.model_fields[str(part)].rebuild_annotation() if part in section.model_fields else Any
        elif get_origin(wanted) is dict:
            path.append(part)
            wanted = get_args(wanted)[1]
        elif get_origin(wanted) is list:
            if isinstance(data, list):
                path.append(part)
            wanted = get_args(wanted)[0]
            if not isinstance(data, list):
                continue
        elif get_origin(wanted) in (Union, types.UnionType):
            wanted = next((action for action in ACTIONS if _tag(action) == part), Any)
            continue
        data = _step(data, part)
    return _Place(tuple(path), section, wanted, data)


def _bare(wanted: Any) -> Any:
    """A type without its annotations and without its `| None`."""
    while get_origin(wanted) is Annotated:
        wanted = get_args(wanted)[0]
    if get_origin(wanted) in (Union, types.UnionType):
        options = [option for option in get_args(wanted) if option is not types.NoneType]
        return _bare(options[0]) if len(options) == 1 else wanted
    return wanted


def _is_section(wanted: Any) -> typing.TypeGuard[type[Section]]:
    return isinstance(wanted, type) and issubclass(wanted, Section)


def _step(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def _at(data: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        data = _step(data, part)
    return data


def _tag(action: type[ActionSection]) -> str:
    return str(get_args(action.model_fields["type"].annotation)[0])


def _action_types() -> list[str]:
    return [_tag(action) for action in ACTIONS]


def _options(wanted: Any) -> tuple[Any, ...]:
    bare = _bare(wanted)
    return get_args(bare) if get_origin(bare) is Literal else ()


def _range(place: _Place) -> tuple[float, float | None]:
    low: float = 0
    high: float | None = None
    for bound in place.section.model_fields[str(place.path[-1])].metadata:
        low, high = getattr(bound, "ge", low), getattr(bound, "le", high)
    return low, high


def _belongs(key: str, here: type[Section]) -> str | None:
    """The sections that a key belongs in, if it is a key at all."""
    if key in EVENT_TYPES:
        return f"{key!r} is an event: it belongs under 'system_events'"
    if here is Rule and key == "type":
        return "'type' begins an action: put '- type: …' under 'actions'"
    homes = [section.place for section in _SECTIONS if key in section.model_fields]
    if not homes:
        return None
    return f"{key!r} belongs {_at_or_in(homes)}, not {_at_or_in([here.place])}: check the indentation"


def _at_or_in(places: list[str]) -> str:
    return " or ".join(("at " if place == Definition.place else "in ") + place for place in dict.fromkeys(places))


def _unknown(key: str, section: type[Section]) -> str:
    where = "" if section is Definition else f" in {section.place}"
    return f"unknown key {key!r}{where}; possible here: {', '.join(section.model_fields)}"


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
