"""Reads scenario files and reports every mistake with its position and what was probably meant.

oauth.yaml:12:13: unknown expectation 'cj_mesage', did you mean 'cj_message'?

pydantic finds wrong keys and values; expectations that could never be met are found after that.
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
    Action,
    CjMessage,
    CjToolCall,
    ContextUpdate,
    ErrorCode,
    Expectation,
    Expected,
    Given,
    Kill,
    MerchantMessage,
    ModelAnswer,
    PlannedFault,
    PublishEvent,
    ScenarioDefinition,
    TimeLimits,
    TransitionTo,
)
from workflows.actions import Section
from workflows.check.sections import describe, empty_values, name_of, path_of, value_at, wrong_value
from workflows.definition import TOOLS, WorkflowDefinition
from workflows.problems import Problem, render
from workflows.source import MAX_BYTES, Document
from workflows.source import Path as KeyPath
from workflows.suggest import closest, or_one_of
from workflows.yaml_reader import line_and_col

#: A mistake's path, and the message.
Mistake = tuple[KeyPath, str]

FAULT_PLACES = ("model", "shopify.*", *(f"shopify.{data_type}" for data_type in DATA_TYPES))
_SECTIONS: Mapping[str, tuple[type[Section], str]] = {
    "given": (Given, "'given'"),
    "model": (ModelAnswer, "an answer under 'model'"),
    "faults": (PlannedFault, "a fault under 'faults'"),
    "limits": (TimeLimits, "'limits'"),
}
_NOUNS = {"action": "action", "expect": "expectation"}
#: Below these keys values may be anything, including empty.
_FREE = frozenset({"data", "context", "values", "params", "result", "call"})


class InvalidScenario(Exception):
    """A scenario has mistakes, all of them in `problems`."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        super().__init__("\n".join(render(problem) for problem in self.problems))


@dataclass(frozen=True)
class Passage:
    """Some lines of the file, and the number of the first, from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class Scenario:
    """A scenario and the positions of its parts in its file."""

    file: str
    definition: ScenarioDefinition
    steps: tuple[Passage, ...]
    limits: Passage

    @property
    def name(self) -> str:
        """The test's name."""
        return self.definition.name


def read(path: Path, *, file: str | None = None, workflows: Collection[str] | None = None) -> Scenario:
    """The scenario in a file, called `file` in messages. Raises InvalidScenario.

    `workflows`: the names of existing workflows; None if unknown.
    """
    name = file or str(path)
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
        text = raw.decode(errors="strict" if len(raw) <= MAX_BYTES else "replace")  # it may be cut in a character
    except OSError as error:
        raise InvalidScenario([Problem(name, 1, 1, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise InvalidScenario([Problem(name, 1, 1, f"not UTF-8 text (byte {error.start})")]) from None
    return read_text(text, file=name, workflows=workflows)


def read_text(text: str, *, file: str, workflows: Collection[str] | None = None) -> Scenario:
    """The scenario in a text. Raises InvalidScenario."""
    document = Document(file, text)
    definition = _definition(document) if document.root is not None else None
    for path, message in _contradictions(definition, workflows) if definition is not None else ():
        document.at(path, message)
    # A warning, too: a test that is not read as it was meant passes for the wrong reason.
    if document.problems or definition is None:
        raise InvalidScenario(document.problems)
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
    """Validate the data of a document; adds problems to it, and returns None if there are any."""
    data = document.data
    if not isinstance(data, dict):
        document.at((), f"a scenario is a map that begins with 'name: …', not {describe(data)}")
        return None
    if "prompts" in data and "steps" not in data:
        document.at((), "this is a workflow, not a scenario: `cj workflows check` checks it; a scenario has 'steps'")
        return None
    empty = set(empty_values(data, _FREE))
    for path in empty:
        document.at(path, f"{name_of(path)} is empty: fill it in or remove the line", key=True)
    try:
        definition = ScenarioDefinition.model_validate(data)
    except ValidationError as error:
        _ScenarioReporter(document, empty).report(error.errors(include_url=False))
        return None
    return None if empty else definition


class _ScenarioReporter:
    """Words pydantic's errors for authors, once for each position."""

    def __init__(self, document: Document, told: set[KeyPath]) -> None:
        self._document, self._data = document, document.data
        self._told = told
        self._calls: set[KeyPath] = set()  # positions with a mistake: one is reported for each

    def report(self, errors: list[ErrorDetails]) -> None:
        """Unknown keys first: if one is a misspelt key, that key is not reported as missing, too."""
        for error in sorted(errors, key=lambda error: error["type"] != "extra_forbidden"):
            location = error["loc"] if error["loc"][0] != "steps" else (*error["loc"][:2], *error["loc"][4:])
            path = path_of(location, self._data, missing=error["type"] == "missing")
            if path not in self._told:
                self._told.add(path)
                self._one(error, path)

    def _one(self, error: ErrorDetails, path: KeyPath) -> None:
        kind = error["type"]
        if path[:1] == ("faults",) and path[2:3] == ("call",):
            message = "'call' is the number of a request, from 1, or the word every"
        elif kind == "extra_forbidden":
            return self._unknown_key(path)
        elif kind.startswith("union_tag"):
            return self._unknown_step(path, value_at(self._data, path))
        elif kind == "missing":
            message = f"key {path[-1]!r} is missing in {_section(path[:-1], self._data)[1]}"
        elif kind == "value_error":
            message = f"{name_of(path)} {error['ctx']['error']}"
        else:
            message = wrong_value(error, path, WorkflowDefinition)
        if path[:1] == ("model",) and path[2:3] == ("call",):
            if path[:3] in self._calls:
                return None
            self._calls.add(path[:3])
            message += "; a call names the tool, then its arguments: {shopify_data: {data_type: counts}}"
        return self._document.at(path, message)

    def _unknown_key(self, path: KeyPath) -> None:
        section, place = _section(path[:-1], self._data)
        keys = [field.alias or name for name, field in section.model_fields.items()]
        near = closest(path[-1], set(keys) - value_at(self._data, path[:-1]).keys())
        if near is not None:
            self._told.add((*path[:-1], near))
            message = f"unknown key {path[-1]!r}, did you mean {near!r}?"
        else:
            message = f"unknown key {path[-1]!r} in {place}; possible here: {', '.join(keys)}"
        self._document.at(path, message, key=True)

    def _unknown_step(self, path: KeyPath, step: Any) -> None:
        at = self._document.at
        if not isinstance(step, dict):
            return at(path, f"a step is a map that begins with action or expect, not {describe(step)}")
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


def _section(path: KeyPath, data: Any) -> tuple[type[Section], str]:
    """The section at `path`, and its name in messages."""
    if path[:1] == ("steps",) and len(path) > 1:
        step = value_at(data, path[:2])
        [key] = [key for key in STEPS if key in step]
        return STEPS[key][step[key]], f"{'an' if step[key][0] in 'aeo' else 'a'} '{step[key]}' {_NOUNS[key]}"
    return _SECTIONS[str(path[0])] if path else (ScenarioDefinition, "the top level")


# --- what could never happen, or never match --------------------------------------------------------------------


def _contradictions(definition: ScenarioDefinition, workflows: Collection[str] | None) -> Iterator[Mistake]:
    yield from _faults(definition)
    for number, answer in enumerate(definition.model or ()):
        yield from _literal(("model", number, "say"), answer.say)
        if answer.say is None and not answer.call:
            yield ("model", number), "an answer says something or calls a tool: 'say', 'call' or both"
    if "expect" in type(definition.steps[0]).model_fields:
        yield ("steps", 0), "the first step is an action: nothing happens before it"
    if not any("expect" in type(step).model_fields for step in definition.steps) and definition.limits == TimeLimits():
        yield ("steps",), "nothing is expected: without an 'expect' step a scenario passes whatever happens"
    yield from _workflow(("given", "workflow"), definition.given.workflow, workflows)
    for number, step in enumerate(definition.steps):
        yield from _in_step(("steps", number), step, definition, workflows)


def _in_step(
    at: KeyPath, step: Action | Expected, definition: ScenarioDefinition, workflows: Collection[str] | None
) -> Iterator[Mistake]:
    if isinstance(step, Expectation) and step.within is not None and (step.min_delay or 0) > step.within:
        yield (*at, "within"), "'within' is less than 'min_delay': nothing can come then"
    match step:
        case PublishEvent(type=kind):
            # An unknown type is meant if a refusal is expected.
            codes = {step.code for step in definition.steps if isinstance(step, ErrorCode)}
            if kind not in CATALOG and not codes & {None, "event.unknown_type"}:
                yield (*at, "type"), f"unknown event type {kind!r}{or_one_of(kind, CATALOG)}"
        case Kill(worker=worker, at=point) if point is not None and point not in FAILPOINTS[worker]:
            yield (*at, "at"), f"unknown point {point!r}{or_one_of(point, FAILPOINTS[worker])}"
        case CjToolCall():
            yield from _tool_call(at, step, definition)
        case CjMessage():
            yield from _facts((*at, "contains"), step.contains)
            yield from _facts((*at, "excludes"), step.excludes)
            yield from _literal((*at, "matches"), step.matches)
        case TransitionTo(to=name):
            yield from _workflow((*at, "to"), name, workflows)
        case MerchantMessage(text=text):
            yield from _literal((*at, "text"), text)
        case ContextUpdate(values=values):
            yield from _literal((*at, "values"), values)


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
    """Check a tool call; only a scripted model may call tools that do not exist."""
    yield from _literal((*at, "params"), step.params)
    yield from _literal((*at, "result"), step.result)
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


def _literal(at: KeyPath, value: Any) -> Iterator[Mistake]:
    """Report a fact where none is filled in."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _literal((*at, key), inner)
    elif isinstance(value, str) and (found := re.search(r"\{\{ *store\b.*?\}\}", value)) is not None:
        yield at, f"{found[0]} is filled in only in 'contains' and 'excludes' of a cj_message"


def _workflow(at: KeyPath, name: str | None, workflows: Collection[str] | None) -> Iterator[Mistake]:
    if workflows is not None and name not in (None, *workflows):
        yield at, f"unknown workflow {name!r}{or_one_of(name, workflows)}"
