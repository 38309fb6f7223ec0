"""Reads scenario files and reports every mistake with its place and what was probably meant.

oauth.yaml:12:13: unknown expectation 'cj_mesage', did you mean 'cj_message'?

pydantic finds what is wrong with keys and values; what is right there but could never happen is found after that.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from events.catalog import CATALOG
from events.data_types import DATA_TYPES
from workers.failpoints import FAILPOINTS
from workers.scenario.language import (
    FACT,
    FACTS,
    STEPS,
    CjMessage,
    CjToolCall,
    ErrorCode,
    Expectation,
    Given,
    Kill,
    ModelAnswer,
    PlannedFault,
    PublishEvent,
    ScenarioDefinition,
    TimeLimits,
    TransitionTo,
)
from workflows.actions import Section
from workflows.check.sections import describe
from workflows.definition import TOOLS
from workflows.problems import Problem, render
from workflows.source import Document
from workflows.suggest import closest, did_you_mean, or_one_of
from workflows.yaml_reader import line_and_col

KeyPath = tuple[str | int, ...]
#: A mistake's place, and what to say about it.
Mistake = tuple[KeyPath, str]

FAULT_PLACES = ("model", "shopify.*", *(f"shopify.{data_type}" for data_type in DATA_TYPES))
_SECTIONS: Mapping[str, tuple[type[Section], str]] = {
    "given": (Given, "'given'"),
    "model": (ModelAnswer, "an answer under 'model'"),
    "faults": (PlannedFault, "a fault under 'faults'"),
    "limits": (TimeLimits, "'limits'"),
}
_NOUNS = {"action": "action", "expect": "expectation"}
_KINDS = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
}
_LIMITS = {"greater_than_equal": "at least {ge:g}", "greater_than": "more than {gt:g}"}
_LIMITS |= {"less_than_equal": "at most {le:g}"}
#: Below these keys a value may be anything, also empty.
_FREE = frozenset({"data", "context", "values", "params", "result", "call"})


class InvalidScenario(Exception):
    """A scenario cannot be run as it is written; `problems` are all that is wrong with it."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        super().__init__("\n".join(render(problem) for problem in self.problems))


@dataclass(frozen=True)
class Passage:
    """Some lines of the file, and the number of the first; lines count from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class Scenario:
    """A scenario and where its parts stand in its file."""

    file: str
    definition: ScenarioDefinition
    steps: tuple[Passage, ...]
    limits: Passage

    @property
    def name(self) -> str:
        """What the test is called."""
        return self.definition.name


def read(path: Path, *, file: str | None = None, workflows: Collection[str] | None = None) -> Scenario:
    """The scenario in a file, called `file` in messages. Raises InvalidScenario, OSError.

    `workflows` are the names of workflows that exist; None: not known.
    """
    name = file or str(path)
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise InvalidScenario([Problem(name, 1, 1, f"not UTF-8 text (byte {error.start})")]) from None
    return read_text(text, file=name, workflows=workflows)


def read_text(text: str, *, file: str, workflows: Collection[str] | None = None) -> Scenario:
    """The scenario in a text. Raises InvalidScenario."""
    document = Document(file, text)
    definition = _definition(document) if document.root is not None else None
    for path, message in _contradictions(definition, workflows) if definition is not None else ():
        document.at(path, message)
    errors = [problem for problem in document.problems if problem.severity == "error"]
    if errors or definition is None:
        raise InvalidScenario(errors)
    steps = tuple(_passage(document, ("steps", number)) for number in range(len(definition.steps)))
    return Scenario(file, definition, steps, _passage(document, ("limits",)))


def _passage(document: Document, path: KeyPath) -> Passage:
    node = document.node(path)
    if node is None:
        return Passage(1, "")
    first, _ = line_and_col(document.text, node.start)
    last, _ = line_and_col(document.text, max(node.end - 1, node.start))
    return Passage(first, "\n".join(document.line(number) for number in range(first, last + 1)))


# --- keys and values --------------------------------------------------------------------------------------------


def _definition(document: Document) -> ScenarioDefinition | None:
    """Validate the data of a document; adds what is wrong to it and returns None if anything is."""
    data = document.data
    if not isinstance(data, dict):
        document.at((), f"a scenario is a map that begins with 'name: …', this is {describe(data)}")
        return None
    if "prompts" in data and "steps" not in data:
        document.at((), "this is a workflow, not a scenario: `cj workflows check` checks it; a scenario has 'steps'")
        return None
    empty = set(_empty_values(data))
    for path in empty:
        document.at(path, f"{path[-1]!r} is empty: fill it in or remove the line", key=True)
    try:
        definition = ScenarioDefinition.model_validate(data)
    except ValidationError as error:
        _ScenarioReporter(document, empty).report(error.errors(include_url=False))
        return None
    return None if empty else definition


def _empty_values(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        if value is None:
            yield (*path, key)
        elif key not in _FREE:
            yield from _empty_values(value, (*path, key))


class _ScenarioReporter:
    """Says in the author's words what pydantic has found, once for each place."""

    def __init__(self, document: Document, told: set[KeyPath]) -> None:
        self._document, self._data = document, document.data
        self._told = told

    def report(self, errors: list[ErrorDetails]) -> None:
        """Unknown keys first: a key that one of them was meant to be is not missing as well."""
        for error in sorted(errors, key=lambda error: error["type"] != "extra_forbidden"):
            path = _path(error["loc"], self._data)
            place = (*path, error["loc"][-1]) if error["type"] == "missing" else path
            if place not in self._told:
                self._told.add(place)
                self._one(error, path)

    def _one(self, error: ErrorDetails, path: KeyPath) -> None:
        problem, context, value = error["type"], error.get("ctx", {}), _at(self._data, path)
        key = next((part for part in reversed(path) if isinstance(part, str)), "the scenario")
        name = f"{key!r}" if path else key
        if path[:1] == ("faults",) and key == "call":
            message = "'call' is the number of a request, from 1, or the word every"
        elif problem == "extra_forbidden":
            return self._unknown_key(path)
        elif problem.startswith("union_tag"):
            return self._unknown_step(path, value)
        elif problem == "missing":
            message = f"key {error['loc'][-1]!r} is missing in {_section(path, self._data)[1]}"
        elif problem == "literal_error":
            options = re.findall(r"\w+", context["expected"])
            message = f"{name} cannot be {value!r}{or_one_of(value, options)}"
        elif problem == "string_pattern_mismatch":
            message = f"{str(value)!r} cannot be a name: small letters, digits and _"
        elif problem in ("too_short", "string_too_short"):
            message = f"{name} is empty"
        elif problem in _LIMITS:
            message = f"{name} is {value}, it must be {_LIMITS[problem].format(**context)}"
        elif problem == "value_error":
            message = f"{name} {context['error']}"
        else:
            message = _wrong_kind(f"each item of {name}" if isinstance(path[-1], int) else name, value, problem)
        return self._document.at(path, message)

    def _unknown_key(self, path: KeyPath) -> None:
        section, place = _section(path[:-1], self._data)
        keys = [field.alias or name for name, field in section.model_fields.items()]
        near = closest(path[-1], set(keys) - _at(self._data, path[:-1]).keys())
        if near is not None:
            self._told.add((*path[:-1], near))
            message = f"unknown key {path[-1]!r}, did you mean {near!r}?"
        else:
            message = f"unknown key {path[-1]!r} in {place}; possible here: {', '.join(keys)}"
        self._document.at(path, message, key=True)

    def _unknown_step(self, path: KeyPath, step: Any) -> None:
        at = self._document.at
        if not isinstance(step, dict):
            return at(path, f"a step is a map that begins with action or expect, this is {describe(step)}")
        begins = [key for key in STEPS if key in step]
        if len(begins) > 1:
            return at(path, "a step is an action or an expectation, not both: begin a new '- ' item")
        if begins:
            [key], [other] = begins, STEPS.keys() - begins
            written, noun = str(step[key]), _NOUNS[key]
            if written in STEPS[other]:
                return at((*path, key), f"{written!r} is no {noun}: write '{other}: {written}'")
            return at((*path, key), f"unknown {noun} {written!r}{or_one_of(written, STEPS[key])}")
        for key in map(str, step):
            if (meant := closest(key, STEPS)) is not None:
                return at((*path, key), f"unknown key {key!r}, did you mean {meant!r}?", key=True)
        return at(path, "a step begins with 'action: …' or 'expect: …'")


def _path(location: tuple[int | str, ...], data: Any) -> KeyPath:
    """The place in the file for pydantic's location, which also names branches of unions and keys that are missing."""
    path: list[str | int] = []
    for part in location if location[0] != "steps" else (*location[:2], *location[4:]):
        is_there = part in data if isinstance(data, dict) else isinstance(data, list) and part in range(len(data))
        if is_there:
            path.append(part)
            data = data[part]
    return tuple(path)


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _section(path: KeyPath, data: Any) -> tuple[type[Section], str]:
    """The section at `path`, and what messages call it."""
    if path[:1] == ("steps",) and len(path) > 1:
        step = _at(data, path[:2])
        [key] = [key for key in STEPS if key in step]
        return STEPS[key][step[key]], f"{'an' if step[key][0] in 'aeo' else 'a'} '{step[key]}' {_NOUNS[key]}"
    return _SECTIONS[str(path[0])] if path else (ScenarioDefinition, "the top level")


def _wrong_kind(name: str, value: Any, problem: str) -> str:
    wanted = "a map" if problem in ("dict_type", "model_type") else _KINDS.get(problem, "something else")
    advice = ": put it in quotes" if problem == "string_type" and isinstance(value, int | float) else ""
    if problem == "bool_type":
        advice = did_you_mean({"yes": "true", "no": "false"}.get(str(value), value), ("true", "false"))
    return f"{name} is {wanted}, this is {describe(value)}{advice}"


# --- what could never happen, or never match --------------------------------------------------------------------


def _contradictions(definition: ScenarioDefinition, workflows: Collection[str] | None) -> Iterator[Mistake]:
    yield from _faults(definition)
    for number, answer in enumerate(definition.model or ()):
        if answer.say is None and not answer.call:
            yield ("model", number), "an answer says something or calls a tool: 'say', 'call' or both"
    if "expect" in type(definition.steps[0]).model_fields:
        yield ("steps", 0), "the first step is an action: nothing happens before it"
    yield from _workflow(("given", "workflow"), definition.given.workflow, workflows)
    for number, step in enumerate(definition.steps):
        at: KeyPath = ("steps", number)
        if isinstance(step, Expectation) and step.within is not None and (step.min_delay or 0) > step.within:
            yield (*at, "within"), "'within' is less than 'min_delay': nothing can come then"
        match step:
            case PublishEvent(type=kind):
                # An unknown type is meant if a refusal is expected.
                codes = [step.code for step in definition.steps if isinstance(step, ErrorCode)]
                if kind not in CATALOG and not {None, "event.unknown_type"} & set(codes):
                    yield (*at, "type"), f"unknown event type {kind!r}{or_one_of(kind, CATALOG)}"
            case Kill(worker=worker, at=point) if point is not None and point not in FAILPOINTS[worker]:
                yield (*at, "at"), f"unknown point {point!r}{or_one_of(point, FAILPOINTS[worker])}"
            case CjToolCall():
                yield from _tool_call(at, step, definition)
            case CjMessage():
                yield from _facts((*at, "contains"), step.contains)
                yield from _facts((*at, "excludes"), step.excludes)
            case TransitionTo(to=name):
                yield from _workflow((*at, "to"), name, workflows)


def _faults(definition: ScenarioDefinition) -> Iterator[Mistake]:
    for number, fault in enumerate(definition.faults):
        at: KeyPath = ("faults", number)
        if fault.on not in FAULT_PLACES:
            yield (*at, "on"), f"unknown place {fault.on!r}{or_one_of(fault.on, FAULT_PLACES)}"
        elif fault.on == "model" and definition.model is None:
            yield (*at, "on"), "the demo model cannot fail: give the model's answers under 'model'"
        if fault.seconds is not None and fault.fail not in ("slow", "rate_limit"):
            yield (*at, "seconds"), f"'seconds' means nothing with {fault.fail}, only with slow and rate_limit"


def _tool_call(at: KeyPath, step: CjToolCall, definition: ScenarioDefinition) -> Iterator[Mistake]:
    """A scripted model may call what does not exist."""
    scripted = [called for answer in definition.model or () for call in answer.call for called in call.items()]
    if step.tool not in (*TOOLS, *(name for name, _ in scripted)):
        yield (*at, "tool"), f"unknown tool {step.tool!r}{or_one_of(step.tool, TOOLS)}"
    data_type = step.params.get("data_type")
    if data_type not in (None, *DATA_TYPES, *(params.get("data_type") for _, params in scripted)):
        yield (*at, "params", "data_type"), f"unknown data type {data_type!r}{or_one_of(data_type, DATA_TYPES)}"


def _facts(at: KeyPath, texts: Collection[str]) -> Iterator[Mistake]:
    for found in re.finditer(r"\{\{(.*?)\}\}", "\n".join(texts)):
        named = FACT.fullmatch(found[0])
        if named is None or named[1] not in FACTS:
            written = found[1].strip().removeprefix("store.")
            yield at, f"unknown fact {found[0]}{or_one_of(f'store.{written}', [f'store.{name}' for name in FACTS])}"


def _workflow(at: KeyPath, name: str | None, workflows: Collection[str] | None) -> Iterator[Mistake]:
    if workflows is not None and name not in (None, *workflows):
        yield at, f"unknown workflow {name!r}{or_one_of(name, workflows)}"
