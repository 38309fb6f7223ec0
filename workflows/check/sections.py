"""Sections, keys and kinds of value: pydantic finds the errors; this module words them for authors, with positions.

unknown key 'cleanup_triger', did you mean 'cleanup_trigger'?
'tools' belongs at the top level, not in 'behavior': check the indentation
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from workflows.actions import ACTIONS, ActionSection, ProcessMessageAction, Section
from workflows.definition import (
    EVENT_TYPES,
    REQUIREMENTS,
    BehaviorSection,
    LimitsSection,
    ModelSection,
    PromptSection,
    PromptsSection,
    RuleSection,
    TransitionSection,
    WorkflowDefinition,
)
from workflows.source import Document, Path
from workflows.suggest import closest, did_you_mean, meant_boolean, or_one_of

_FREE = frozenset({"data", "metadata", "config"})  # below these keys a value may be anything, also empty
_FIXED: Mapping[Path, type[Section]] = {
    (): WorkflowDefinition,
    ("behavior",): BehaviorSection,
    ("behavior", "initial_action"): ProcessMessageAction,
    ("limits",): LimitsSection,
    ("model",): ModelSection,
    ("prompts",): PromptsSection,
    ("prompts", "cj"): PromptSection,
}
_UNDER_EVENTS: tuple[type[Section], ...] = (RuleSection, *ACTIONS.values())
_SECTIONS: Collection[type[Section]] = dict.fromkeys((*_FIXED.values(), TransitionSection, *_UNDER_EVENTS))
_AT_VALUE = ("union_tag_invalid", "too_short")
_QUOTED = re.compile(r"'(\w+)'")
#: Keys whose items are names.
_OF_NAMES = frozenset({"tools", "opens", "opens_before", "data_types", "fallbacks"})
#: Keys from other tools, and what to do instead.
_NO_KEYS = {
    **dict.fromkeys(
        ("else", "default", "otherwise"), "a rule without a 'condition' takes what the rules before it have left"
    ),
    **dict.fromkeys(
        ("schedule", "cron", "every"),
        "there is no clock in a workflow: a cron job elsewhere publishes conversation_started with its name",
    ),
    **dict.fromkeys(
        ("enabled", "disabled", "active"),
        "a workflow is in use while its file is in the folder; with 'behavior.opens: []' it opens no conversation",
    ),
}
#: Letters and their common ASCII spelling.
_SPELT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa"})
#: What a number with a unit means in the unit of its key.
_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds", "sek", "sekunde", "sekunden"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes", "minuten"), 60),
    **dict.fromkeys(("h", "hour", "hours", "std", "stunde", "stunden"), 3600),
    "k": 1000,
}
#: pydantic's error types for a wrong kind of value, and the expected kind.
_KINDS = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
}
#: Likewise for numbers out of range.
_BOUNDS = {
    "greater_than_equal": "at least {ge:,g}",
    "greater_than": "more than {gt:,g}",
    "less_than_equal": "at most {le:,g}",
}


def check_sections(document: Document) -> WorkflowDefinition | None:
    """Validate the data of a document; adds the problems to it, and returns None if there are any.

    A key or action type that is clearly a typo is reported and then corrected, so that problems below it are found in
    the same run.
    """
    data = document.data
    if isinstance(data, dict) and "steps" in data and "prompts" not in data:
        document.at((), "this is a scenario, not a workflow: `cj workflows test` runs it; a workflow has 'prompts'")
        return None
    _check_events(document)
    empty = set(empty_values(data, _FREE))
    for path in empty:
        message = f"{name_of(path)} is empty: fill it in or remove the line"
        message = _decimals(data, path) or (_no_key(path[-1]) if path[-1] in _NO_KEYS else message)
        document.at(path, message, key=isinstance(path[-1], str))
    for path in set(empty_values(data, ("config",))) - empty:
        if (node := document.find(path)) is not None and node.start == node.end:
            document.at(path, f"{name_of(path)} is empty: if it should be, write null", key=True, severity="warning")
    while True:
        try:
            definition = WorkflowDefinition.model_validate(data)
        except ValidationError as error:
            reporter = _SectionReporter(document, error.errors(include_url=False), empty)
            if not reporter.repair():
                reporter.report()
                return None
        else:
            return None if document.has_errors else definition


def _decimals(data: Any, path: Path) -> str | None:
    """Advice on {temperature: 0,3}, in which the 3 is a separate key."""
    above, key = value_at(data, path[:-1]), str(path[-1])
    if not isinstance(above, dict) or not key.isdecimal():
        return None
    before = list(above)[list(above).index(path[-1]) - 1]
    number = above[before]
    is_number = isinstance(number, int) and not isinstance(number, bool)
    return f"a comma ends the number, and {key!r} is a key of its own: write {number}.{key}" if is_number else None


def _check_events(document: Document) -> None:
    events = value_at(document.data, ("system_events",))
    for event in list(events) if isinstance(events, dict) else ():
        if event not in EVENT_TYPES:
            path = ("system_events", event)
            document.at(path, f"unknown event {event!r}{or_one_of(event, EVENT_TYPES)}", key=True)
            near = closest(event, EVENT_TYPES)
            if near is not None and near not in events:
                document.rename(path, near)


class _SectionReporter:
    """Adds pydantic's errors to a document."""

    def __init__(self, document: Document, errors: list[ErrorDetails], empty: Collection[Path]) -> None:
        self.document, self.data = document, document.data
        found = [(error, path_of(error["loc"], self.data, missing=error["type"] == "missing")) for error in errors]
        # Further keys of a wrong action type are no additional mistakes.
        other = {path[:-1] for error, path in found if error["type"] == "literal_error" and path[-1] == "type"}
        known = [path for _, path in found if path in empty or (path[:-1] in other and path[-1] != "type")]
        self.errors = [(error, path) for error, path in found if path not in known]

    def repair(self) -> bool:
        """Report and correct one clear typo; False if there is none."""
        repaired = [self.repaired(error["type"], path) for error, path in self.errors]
        return any(repaired)

    def repaired(self, kind: str, path: Path) -> bool:
        if kind == "union_tag_invalid":
            path = (*path, "type")
            tag = value_at(self.data, path)
            near = closest(tag, ACTIONS)
            if near is not None:
                self.document.at(path, f"unknown action type {tag!r}, did you mean {near!r}?")
                self.document.replace(path, near)
            return near is not None
        if kind == "extra_forbidden":
            return self.renamed(path, self.section(path[:-1]).model_fields)
        action = value_at(self.data, path)
        keys = list(action) if kind == "union_tag_not_found" and isinstance(action, dict) else ()
        return any(self.renamed((*path, key), ["type"]) for key in keys)

    def renamed(self, path: Path, names: Collection[str]) -> bool:
        present = value_at(self.data, path[:-1])
        near = closest(path[-1], [name for name in names if name not in present])
        if near is not None:
            self.document.at(path, f"unknown key {path[-1]!r}, did you mean {near!r}?", key=True)
            self.document.rename(path, near)
        return near is not None

    def report(self) -> None:
        """Report everything, each mistake once: a misplaced key is not reported as missing, too."""
        misplaced = [path for error, path in self.errors if error["type"] == "extra_forbidden"]
        for error, path in self.errors:
            kind = error["type"]
            if kind == "missing" and any(path[-1] == key[-1] or path[:-1] == key[:-1] for key in misplaced):
                continue
            at_key = kind == "extra_forbidden" or (isinstance(error["input"], dict) and kind not in _AT_VALUE)
            self.document.at(*self.told(error, path, kind), key=at_key or _of_key(error))

    def told(self, error: ErrorDetails, path: Path, kind: str) -> tuple[Path, str]:
        """Where to point, and what to say."""
        section = self.section(path[:-1])
        if kind == "extra_forbidden":
            return path, _unknown_key(str(path[-1]), section)
        if kind == "missing":
            where = "" if section is WorkflowDefinition else f" in {section.place}"
            return self.opening(path[:-1]), f"key {path[-1]!r} is missing{where}"
        if kind == "union_tag_invalid":
            tag = error["ctx"]["tag"]
            return (*path, "type"), f"unknown action type {tag!r}{or_one_of(tag, ACTIONS)}"
        if path[-2:-1] == ("actions",):
            return self.opening(path), _no_action(error["input"])
        return path, wrong_value(error, path, self.section(path)) if path else _no_workflow(error["input"])

    def opening(self, path: Path) -> Path:
        """Where to point at a map that lacks a key: its own key, or its first one if it is an item or the file."""
        keys = value_at(self.data, path)
        named = path and isinstance(path[-1], str)
        return (*path, next(iter(keys))) if not named and isinstance(keys, dict) and keys else path

    def section(self, path: Path) -> type[Section]:
        """The section at `path`."""
        match path:
            case ("behavior", "transitions", _):
                return TransitionSection
            case ("system_events", _, *_, "actions", _):
                return ACTIONS.get(str(value_at(self.data, (*path, "type"))), ActionSection)
            case ("system_events", _) | ("system_events", _, int()):
                return RuleSection
        return _FIXED.get(path, WorkflowDefinition)


def _of_key(error: ErrorDetails) -> bool:
    return error["loc"][-1:] == ("[key]",)


def _no_key(key: int | str) -> str:
    return f"unknown key {key!r}: {_NO_KEYS[str(key)]}"


def _unknown_key(key: str, here: type[Section]) -> str:
    """Advice on an unknown key: where it belongs, or which keys are possible here."""
    if key in _NO_KEYS:
        return _no_key(key)
    if key in EVENT_TYPES:
        return f"{key!r} is an event: it belongs under 'system_events'"
    homes = [section for section in _SECTIONS if key in section.model_fields]
    near = [section for section in homes if here in _UNDER_EVENTS and section in _UNDER_EVENTS]
    if homes:
        exactly = here in ACTIONS.values() and any(section in ACTIONS.values() for section in near or homes)
        places = [_in(section, exactly=exactly) for section in near or homes]
        belongs, not_in = " or ".join(dict.fromkeys(places)), _in(here, exactly=exactly)
        return f"{key!r} belongs {belongs}, not {not_in}: check the indentation"
    where = "" if here is WorkflowDefinition else f" in {here.place}"
    return f"unknown key {key!r}{where}; possible here: {', '.join(here.model_fields)}"


def _in(section: type[Section], *, exactly: bool) -> str:
    if section is WorkflowDefinition:
        return "at the top level"
    return "in an action" if section in ACTIONS.values() and not exactly else f"in {section.place}"


def _no_action(value: Any) -> str:
    """Advice on an action without a type; a known word in it shows which one was meant."""
    keys = value.keys() if isinstance(value, dict) else {str(value)}
    fitting = [tag for tag, action in ACTIONS.items() if keys == {tag} or keys <= action.model_fields.keys()]
    if len(fitting) == 1:
        return f"an action begins with its type, '- type: {fitting[0]}', and has its keys on the lines below"
    return f"an action begins with its type, '- type: …', one of: {', '.join(ACTIONS)}"


def _no_workflow(value: Any) -> str:
    return f"a workflow is a map that begins with 'name: …', not {describe(value)}"


# Scenarios use these, too: plain data, the positions of pydantic's errors, and advice on values.


def wrong_value(error: ErrorDetails, path: Path, here: type[Section]) -> str:
    """Advice on a value of the wrong kind, out of range, empty, or not a name. `here`: the section it should be;
    WorkflowDefinition if it should not be a section."""
    kind, value, context, name = error["type"], error["input"], error.get("ctx", {}), name_of(path)
    if kind == "literal_error":
        shown = repr(value) if isinstance(value, str) else describe(value)
        return f"{name} cannot be {shown}{or_one_of(value, _QUOTED.findall(context['expected']))}"
    if kind in ("too_short", "string_too_short") or (isinstance(value, str) and not value.strip()):
        return f"{name} is empty"
    if _of_key(error) or kind == "string_pattern_mismatch":
        return _bad_name(str(value))
    if kind == "string_too_long":
        return f"{name} is longer than {context['max_length']} characters"
    if kind in _BOUNDS:
        return f"{name} must be {_BOUNDS[kind].format(**context)}, not {value:,}"
    return _wrong_kind(name, value, kind, here)


def _bad_name(written: str) -> str:
    if re.fullmatch(r"[a-z][a-z0-9_]*\.ya?ml", written):
        return f"{written!r} is a file; write the workflow's name: {written.rpartition('.')[0]!r}"
    spelt = unicodedata.normalize("NFKD", written.lower().translate(_SPELT))
    bare = "".join(c for c in spelt if not unicodedata.combining(c))
    tidy = re.sub(r"[^a-z0-9]+", "_", bare).strip("_0123456789")
    advice = f", such as {tidy!r}" if tidy and tidy != written else ""
    return f"{written!r} cannot be a name: a name has lowercase letters, digits and _{advice}"


def _number_meant(written: str, *, whole: bool) -> str:
    """The number that a text was meant to be."""
    found = re.fullmatch(r"(-?\d[\d_ ]*(?:[.,]\d+)?) *([a-z]*)\.?", written.strip().lower())
    if found is None or found[2] not in ("", *_UNITS):
        return ""
    digits = re.sub(r"[_ ]", "", found[1]).replace(",", ".")
    if digits == written.strip():
        return ": remove the quotes"
    number = float(digits) * _UNITS.get(found[2], 1)
    return f": write {number:.10g}" if number.is_integer() or not whole else ""


def _wrong_kind(name: str, value: Any, kind: str, here: type[Section]) -> str:
    wanted, advice, glued = _KINDS.get(kind, "something else"), "", re.match(r"[a-z_]+:(?=\S)", str(value))
    if name == "'after'":
        advice = ": an age, such as '30m' or '3d'"
    elif name == "'condition'" and isinstance(value, list):
        advice = ": join the parts with 'and' or 'or', in one text"
    elif name == "'condition'" and isinstance(value, dict):
        advice = ': write e.g. "success == false"'
    elif wanted == "text" and isinstance(value, int | float):
        advice = ": put it in quotes"
    elif wanted == "true or false":
        meant = meant_boolean(value)
        advice = f": write {meant}" if meant else did_you_mean(value, ("true", "false"))
    elif "number" in wanted and isinstance(value, str):
        advice = _number_meant(value, whole="whole" in wanted)
    elif wanted == "a list" and name.strip("'") in _OF_NAMES and isinstance(value, str):
        none, every = value in ("none", "no", "off"), value in ("all", "any", "*")
        advice = ": write [] for none" if none else ": leave it out for all" if every else f": write [{value}]"
    elif wanted == "a list":
        advice = ": begin each item with '- '"
    elif wanted == "a map" and isinstance(value, list):
        advice = ": remove the '- ' before its keys"
    elif wanted == "a map" and glued:
        return f"a space is missing after '{glued[0]}'"
    elif wanted == "a map" and name == "'model'" and isinstance(value, str):
        advice = f": write {{name: {value}}}"
    elif wanted == "a map" and isinstance(value, str) and value in REQUIREMENTS:
        advice = f": write {value}: true"
    elif wanted == "a map" and here is not WorkflowDefinition:
        advice = f"; its keys: {', '.join(here.model_fields)}"
    return f"{name} must be {wanted}, not {describe(value)}{advice}"


def name_of(path: Path) -> str:
    """The name of the value at a path in messages: its key, or that of its list."""
    keys = [part for part in path if isinstance(part, str)]
    item = "an item of " if path and isinstance(path[-1], int) else ""
    return f"{item}{keys[-1]!r}" if keys else "the file"


def path_of(location: tuple[int | str, ...], data: Any, *, missing: bool) -> Path:
    """The path for pydantic's location, without steps that only pydantic has, such as action types. `missing`: the last
    step is a missing key."""
    path: list[str | int] = []
    for at, part in enumerate(location):
        is_there = part in data if isinstance(data, dict) else isinstance(data, list) and part in range(len(data))
        if is_there or (missing and at == len(location) - 1):
            path.append(part)
        if is_there:
            data = data[part]
    return tuple(path)


def value_at(data: Any, path: Path) -> Any:
    """What is at a path in plain data; None if there is nothing."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def empty_values(data: Any, free: Collection[str], path: Path = ()) -> Iterator[Path]:
    """Paths of keys and items without a value. Below the keys in `free` values may be empty."""
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        if value is None:
            yield (*path, key)
        elif key not in free:
            yield from empty_values(value, free, (*path, key))


def describe(value: Any) -> str:
    """A value in words."""
    match value:
        case None:
            return "empty"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case dict():
            return "a map"
        case list():
            return "a list"
    return f"the text {str(value)[:40]!r}"
