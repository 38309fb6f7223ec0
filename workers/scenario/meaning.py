"""What is wrong with a scenario whose keys and values are right: things that could never happen, or never match."""

import re
from collections.abc import Collection, Iterator

from events.catalog import CATALOG
from shopify.data import DATA_TYPES
from workers.scenario.facts import FACT, FACTS
from workers.scenario.killable import POINTS
from workers.scenario.language import (
    CjMessage,
    CjToolCall,
    Definition,
    ErrorCode,
    Expectation,
    Kill,
    PublishEvent,
    TransitionTo,
)
from workflows.suggest import or_one_of
from workflows.vocabulary import TOOLS
from workflows.yaml_marks import Document

FAULT_PLACES = ("model", "shopify.*", *(f"shopify.{data_type}" for data_type in DATA_TYPES))

Path = tuple[str | int, ...]


def check_meaning(document: Document, definition: Definition, workflows: Collection[str] | None) -> None:
    """Note what is wrong. `workflows`: the names that exist, None if that is not known."""
    for path, message in _problems(definition, workflows):
        document.at(path, message)


def _problems(definition: Definition, workflows: Collection[str] | None) -> Iterator[tuple[Path, str]]:
    yield from _faults(definition)
    for number, answer in enumerate(definition.model or ()):
        if answer.say is None and not answer.call:
            yield ("model", number), "an answer says something or calls a tool: 'say', 'call' or both"
    if "expect" in type(definition.steps[0]).model_fields:
        yield ("steps", 0), "the first step is an action: nothing happens before it"
    if workflows is not None and definition.given.workflow not in (None, *workflows):
        yield ("given", "workflow"), _unknown_workflow(definition.given.workflow, workflows)
    for number, step in enumerate(definition.steps):
        at: Path = ("steps", number)
        if isinstance(step, Expectation) and step.within is not None and (step.min_delay or 0) > step.within:
            yield (*at, "within"), "'within' is less than 'min_delay': nothing can come then"
        match step:
            case PublishEvent():
                yield from _event_type(at, step, definition)
            case Kill():
                yield from _point(at, step)
            case CjToolCall():
                yield from _tool_call(at, step, definition)
            case CjMessage():
                yield from _facts(at, step)
            case TransitionTo() if workflows is not None and step.to not in workflows:
                yield (*at, "to"), _unknown_workflow(step.to, workflows)


def _faults(definition: Definition) -> Iterator[tuple[Path, str]]:
    for number, fault in enumerate(definition.faults):
        at: Path = ("faults", number)
        if fault.on not in FAULT_PLACES:
            yield (*at, "on"), f"unknown place {fault.on!r}{or_one_of(fault.on, FAULT_PLACES)}"
        elif fault.on == "model" and definition.model is None:
            yield (*at, "on"), "the demo model cannot fail: give the model's answers under 'model'"
        if fault.seconds is not None and fault.fail not in ("slow", "rate_limit"):
            yield (*at, "seconds"), f"'seconds' means nothing with {fault.fail}, only with slow and rate_limit"


def _event_type(at: Path, step: PublishEvent, definition: Definition) -> Iterator[tuple[Path, str]]:
    """An unknown type is meant if a refusal is expected."""
    meant = any(isinstance(s, ErrorCode) and s.code in (None, "event.unknown_type") for s in definition.steps)
    if step.type not in CATALOG and not meant:
        yield (*at, "type"), f"unknown event type {step.type!r}{or_one_of(step.type, CATALOG)}"


def _point(at: Path, step: Kill) -> Iterator[tuple[Path, str]]:
    points = POINTS[step.worker]
    if step.at is not None and step.at not in points:
        yield (*at, "at"), f"unknown point {step.at!r}{or_one_of(step.at, points)}"


def _tool_call(at: Path, step: CjToolCall, definition: Definition) -> Iterator[tuple[Path, str]]:
    scripted = [
        (name, params) for answer in definition.model or () for call in answer.call for name, params in call.items()
    ]
    if step.tool not in (*TOOLS, *(name for name, _ in scripted)):
        yield (*at, "tool"), f"unknown tool {step.tool!r}{or_one_of(step.tool, TOOLS)}"
    data_type = step.params.get("data_type")
    known = (None, *DATA_TYPES, *(params.get("data_type") for _, params in scripted))
    if data_type not in known:
        yield (*at, "params", "data_type"), f"unknown data type {data_type!r}{or_one_of(data_type, DATA_TYPES)}"


def _facts(at: Path, step: CjMessage) -> Iterator[tuple[Path, str]]:
    for key, texts in (("contains", step.contains), ("excludes", step.excludes)):
        for text in texts:
            for found in re.finditer(r"\{\{(.*?)\}\}", text):
                named = FACT.fullmatch(found[0])
                if named is None or named[1] not in FACTS:
                    written = found[1].strip().removeprefix("store.")
                    known = [f"store.{name}" for name in FACTS]
                    yield (*at, key), f"unknown fact {found[0]}{or_one_of(f'store.{written}', known)}"


def _unknown_workflow(name: str | None, workflows: Collection[str]) -> str:
    return f"unknown workflow {name!r}{or_one_of(name, workflows)}"
