"""What is wrong with the keys and values of a scenario: pydantic finds it, this says it in the author's words.

unknown expectation 'cj_mesage', did you mean 'cj_message'?
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from workers.scenario.language import (
    ACTIONS,
    EXPECTATIONS,
    STEPS,
    Definition,
    Fault,
    Given,
    Limits,
    ModelAnswer,
    tag,
)
from workflows.actions import Section
from workflows.suggest import closest, did_you_mean, or_one_of
from workflows.yaml_marks import Document

Path = tuple[str | int, ...]

_SECTIONS: Mapping[str, type[Section]] = {"given": Given, "model": ModelAnswer, "faults": Fault, "limits": Limits}
_KINDS = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "dict_type": "a map",
    "list_type": "a list",
}
_BOUNDS = {"greater_than_equal": ("ge", "at least"), "greater_than": ("gt", "more than")}
_BOUNDS |= {"less_than_equal": ("le", "at most")}
#: Where a value may be anything, also empty.
_FREE = frozenset({"data", "context", "values", "params", "result", "call"})


def check_structure(document: Document) -> Definition | None:
    """Validate the data of a document; notes what is wrong and returns None if anything is."""
    if not isinstance(document.data, dict):
        document.at((), f"a scenario is a map that begins with 'name: …', this is {kind(document.data)}")
        return None
    if "prompts" in document.data and "steps" not in document.data:
        document.at((), "this is a workflow, not a scenario: `cj workflows check` checks it; a scenario has 'steps'")
        return None
    empty = set(_empty_values(document.data))
    for path in empty:
        document.at(path, f"{path[-1]!r} is empty: fill it in or remove the line", key=True)
    try:
        definition = Definition.model_validate(document.data)
    except ValidationError as error:
        _Reporter(document, empty).report(error.errors(include_url=False))
        return None
    return None if empty else definition


def _empty_values(data: Any, path: Path = ()) -> Iterator[Path]:
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        if value is None:
            yield (*path, key)
        elif key not in _FREE:
            yield from _empty_values(value, (*path, key))


class _Reporter:
    def __init__(self, document: Document, empty: set[Path]) -> None:
        self.document = document
        self.told = set(empty)
        self.meant: set[Path] = set()  # keys that an unknown one was probably meant to be

    def report(self, errors: list[ErrorDetails]) -> None:
        for error in sorted(errors, key=lambda error: error["type"] != "extra_forbidden"):
            path = _path(error["loc"], self.document.data)
            if path not in self.told | self.meant:
                self.told.add(path)
                self.one(error, path)

    def one(self, error: ErrorDetails, path: Path) -> None:
        problem, name = error["type"], _named(path)
        context = error.get("ctx", {})
        value = _at(self.document.data, path)
        if problem == "extra_forbidden":
            self.unknown_key(path)
        elif problem == "missing":
            self.document.at(path[:-1], f"key {path[-1]!r} is missing in {section_at(path, self.document.data).place}")
        elif problem in ("union_tag_not_found", "union_tag_invalid"):
            self.unknown_step(path, value)
        elif problem == "literal_error":
            self.not_one_of(path, value)
        elif problem == "string_pattern_mismatch":
            self.document.at(path, f"{str(value)!r} cannot be a name: small letters, digits and _")
        elif problem in ("too_short", "string_too_short"):
            self.document.at(path, f"{name} is empty")
        elif problem in _BOUNDS:
            key, words = _BOUNDS[problem]
            self.document.at(path, f"{name} is {value}, it must be {words} {context[key]:g}")
        elif problem == "value_error":
            self.document.at(path, f"{name} {context['error']}")
        else:
            self.wrong_kind(path, value, problem)

    def unknown_key(self, path: Path) -> None:
        section = section_at(path, self.document.data)
        keys = _keys(section)
        present = _at(self.document.data, path[:-1])
        near = closest(path[-1], [key for key in keys if key not in present])
        if near is not None:
            self.meant.add((*path[:-1], near))
            message = f"unknown key {path[-1]!r}, did you mean {near!r}?"
        else:
            message = f"unknown key {path[-1]!r} in {section.place}; possible here: {', '.join(keys)}"
        self.document.at(path, message, key=True)

    def unknown_step(self, path: Path, value: Any) -> None:
        if not isinstance(value, dict):
            return self.document.at(path, f"a step is a map that begins with action or expect, this is {kind(value)}")
        for key, noun, sections in (("action", "action", ACTIONS), ("expect", "expectation", EXPECTATIONS)):
            if key in value and len(value.keys() & {"action", "expect"}) == 1:
                names = [tag(section).split()[1] for section in sections]
                written, steps = value[key], [name for name, section in STEPS.items() if section not in sections]
                if (other := next((step for step in steps if step.split()[1] == written), None)) is not None:
                    begin = other.split()[0]
                    return self.document.at((*path, key), f"{written!r} is no {noun}: write '{begin}: {written}'")
                return self.document.at((*path, key), f"unknown {noun} {written!r}{or_one_of(written, names)}")
        if {"action", "expect"} <= value.keys():
            return self.document.at(path, "a step is an action or an expectation, not both: begin a new '- ' item")
        near = {key: closest(key, ("action", "expect")) for key in map(str, value)}
        for key, meant in near.items():
            if meant is not None:
                return self.document.at((*path, key), f"unknown key {key!r}, did you mean {meant!r}?", key=True)
        return self.document.at(path, "a step begins with 'action: …' or 'expect: …'")

    def not_one_of(self, path: Path, value: Any) -> None:
        options = [str(option) for option in _options(section_at(path, self.document.data), path)]
        if path[-1] == "call":
            return self.document.at(path, "'call' is the number of a request, from 1, or the word every")
        return self.document.at(path, f"{_named(path)} cannot be {value!r}{or_one_of(value, options)}")

    def wrong_kind(self, path: Path, value: Any, problem: str) -> None:
        if path[-1:] == ("call",) and "faults" in path:
            return self.document.at(path, "'call' is the number of a request, from 1, or the word every")
        wanted = "a map" if problem.startswith("model_") else _KINDS.get(problem, "something else")
        advice = ": put it in quotes" if problem == "string_type" and isinstance(value, int | float) else ""
        if problem == "bool_type":
            advice = did_you_mean({"yes": "true", "no": "false"}.get(str(value), value), ("true", "false"))
        named = f"each item of {_named(path)}" if isinstance(path[-1], int) else _named(path)
        return self.document.at(path, f"{named} is {wanted}, this is {kind(value)}{advice}")


def section_at(path: Path, data: Any) -> type[Section]:
    """The section that holds the last key of `path`."""
    if len(path) < 2:
        return Definition
    if path[0] == "steps":
        step = _at(data, path[:2])
        keys = [key for key in ("action", "expect") if key in step] if isinstance(step, dict) else []
        return STEPS.get(f"{keys[0]} {step[keys[0]]}", Definition) if keys else Definition
    return _SECTIONS.get(str(path[0]), Definition)


def _path(location: tuple[int | str, ...], data: Any) -> Path:
    """The place in the file for pydantic's location, which also names branches of unions and wrapped single items."""
    path: list[str | int] = []
    for number, part in enumerate(location):
        last = number == len(location) - 1
        if isinstance(data, dict) and isinstance(part, str) and (part in data or (last and part not in STEPS)):
            if part not in data and path[-1:] == ["call"]:  # a branch of `call`'s union
                break
            path.append(part)
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            path.append(part)
            data = data[part]
    return tuple(path)


def _at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _keys(section: type[Section]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _options(section: type[Section], path: Path) -> tuple[Any, ...]:
    for name, field in section.model_fields.items():
        if (field.alias or name) == path[-1]:
            return _literals(field.annotation)
    return ()


def _literals(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(option for part in get_args(annotation) for option in _literals(part))


def _named(path: Path) -> str:
    keys = [part for part in path if isinstance(part, str)]
    return repr(keys[-1]) if keys else "the scenario"


def kind(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return "empty" if value is None else f"the text {str(value)[:40]!r}"
