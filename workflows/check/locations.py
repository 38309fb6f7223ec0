"""Where an error of pydantic's is in the file and in the sections, and what is allowed there."""

import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from workflows.actions import ACTIONS, Section
from workflows.definition import (
    EVENT_TYPES,
    BehaviorSection,
    LimitsSection,
    ModelSection,
    PromptSection,
    PromptsSection,
    RuleSection,
    TransitionSection,
    WorkflowDefinition,
)
from workflows.source import Path

_RULE_SECTIONS: tuple[type[Section], ...] = (RuleSection, *ACTIONS.values())
_SECTIONS: tuple[type[Section], ...] = (
    WorkflowDefinition,
    BehaviorSection,
    TransitionSection,
    *_RULE_SECTIONS,
    LimitsSection,
    ModelSection,
    PromptsSection,
    PromptSection,
)


@dataclass(frozen=True, slots=True)
class Location:
    """The place of an error: its path in the data, the section it is in, the type wanted there, the value found."""

    path: Path
    section: type[Section]
    wanted: Any
    value: Any
    of_key: bool = False

    @property
    def name(self) -> str:
        """The last key of the path, in quotes; an item of a list goes by the list's key."""
        keys = [part for part in self.path if isinstance(part, str)]
        item = "an item of " if self.path and isinstance(self.path[-1], int) else ""
        return f"{item}{keys[-1]!r}" if keys else "the file"

    @property
    def options(self) -> tuple[Any, ...]:
        """The values that a Literal allows here."""
        literal = bare(self.wanted)
        return get_args(literal) if get_origin(literal) is Literal else ()

    @property
    def bounds(self) -> tuple[float, float | None]:
        """The smallest and the largest number allowed here; None: no upper bound."""
        low: float = 0
        high: float | None = None
        for bound in self.section.model_fields[str(self.path[-1])].metadata:
            low, high = getattr(bound, "ge", low), getattr(bound, "le", high)
        return low, high


def locate(location: tuple[int | str, ...], data: Any) -> Location:
    """Follow pydantic's `loc` through models and data at once, dropping the steps that only pydantic sees."""
    path: list[str | int] = []
    section: type[Section] = WorkflowDefinition
    wanted: Any = WorkflowDefinition
    for part in location:
        wanted = bare(wanted)
        if part == "[key]":
            return Location(tuple(path), section, str, path[-1], of_key=True)
        if is_section(wanted):
            section = wanted
            path.append(part)
            wanted = section.model_fields[str(part)].rebuild_annotation() if part in section.model_fields else Any
        elif get_origin(wanted) is dict:
            path.append(part)
            wanted = get_args(wanted)[1]
        elif get_origin(wanted) is list:
            wanted = get_args(wanted)[0]
            if not isinstance(data, list):  # a single rule, which pydantic sees as a list of one
                continue
            path.append(part)
        elif is_union(wanted):
            wanted = ACTIONS.get(str(part), Any)
            continue
        data = step(data, part)
    return Location(tuple(path), section, wanted, data)


def bare(wanted: Any) -> Any:
    """A type without its annotations and without its `| None`."""
    while get_origin(wanted) is Annotated:
        wanted = get_args(wanted)[0]
    if is_union(wanted):
        options = [option for option in get_args(wanted) if option is not types.NoneType]
        return bare(options[0]) if len(options) == 1 else wanted
    return wanted


def is_union(wanted: Any) -> bool:
    """Whether a type is one of several, such as an action."""
    return get_origin(wanted) in (Union, types.UnionType)


def is_section(wanted: Any) -> typing.TypeGuard[type[Section]]:
    """Whether a type is a map with keys of its own."""
    return isinstance(wanted, type) and issubclass(wanted, Section)


def step(data: Any, part: str | int) -> Any:
    """One step into plain data; None if there is nothing."""
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def at_path(data: Any, path: Path) -> Any:
    """What is at a path in plain data; None if there is nothing."""
    for part in path:
        data = step(data, part)
    return data


def sections_in(wanted: Any) -> list[type[Section]]:
    """The sections that a value of this type holds, as itself or as items."""
    wanted = bare(wanted)
    if is_section(wanted):
        return [wanted]
    return [section for inner in get_args(wanted) for section in sections_in(inner)]


def describe_unknown(key: str, here: type[Section]) -> str:
    """What to say about a key that its section does not have: where it belongs, or what is possible here."""
    if key in EVENT_TYPES:
        return f"{key!r} is an event: it belongs under 'system_events'"
    if here is RuleSection and key == "type":
        return "'type' begins an action: put '- type: …' under 'actions'"
    homes = [section for section in _SECTIONS if key in section.model_fields]
    near = [section for section in homes if here in _RULE_SECTIONS and section in _RULE_SECTIONS]
    if homes:
        return f"{key!r} belongs {_in(near or homes)}, not {_in([here])}: check the indentation"
    where = "" if here is WorkflowDefinition else f" in {here.place}"
    return f"unknown key {key!r}{where}; possible here: {', '.join(here.model_fields)}"


def _in(sections: list[type[Section]]) -> str:
    return " or ".join(
        "at the top level" if section is WorkflowDefinition else f"in {section.place}" for section in sections
    )
