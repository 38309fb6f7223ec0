"""Where in the models and in the file a fault of structure is, and what would be right there."""

import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from workflows.actions import ACTIONS, ActionSection, Section
from workflows.definition import AgentPrompt, Behavior, Definition, Limits, Model, Prompts, Rule, TransitionSection
from workflows.vocabulary import EVENT_TYPES

_SECTIONS: tuple[type[Section], ...] = (
    *(Definition, Behavior, TransitionSection, Rule),
    *ACTIONS,
    *(Limits, Model, Prompts, AgentPrompt),
)
_RULE_SECTIONS = (Rule, *ACTIONS)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error is: its path in the data, the section it is in, and what is wanted there."""

    path: tuple[str | int, ...]
    section: type[Section]
    wanted: Any
    value: Any
    of_key: bool = False

    @property
    def name(self) -> str:
        """The last key of the path, in quotes; an item of a list goes by its list's."""
        keys = [part for part in self.path if isinstance(part, str)]
        item = "an item of " if self.path and isinstance(self.path[-1], int) else ""
        return f"{item}{keys[-1]!r}" if keys else "the file"


def place_of(location: tuple[int | str, ...], data: Any) -> Place:
    """Follow pydantic's location through models and data at once, dropping the steps that only pydantic sees."""
    path: list[str | int] = []
    section: type[Section] = Definition
    wanted: Any = Definition
    for part in location:
        wanted = bare(wanted)
        if part == "[key]":
            return Place(tuple(path), section, str, path[-1], of_key=True)
        if is_section(wanted):
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
        elif is_union(wanted):
            wanted = next((action for action in ACTIONS if tag_of(action) == part), Any)
            continue
        data = step(data, part)
    return Place(tuple(path), section, wanted, data)


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


def at_path(data: Any, path: tuple[str | int, ...]) -> Any:
    """What is at a path in plain data; None if there is nothing."""
    for part in path:
        data = step(data, part)
    return data


def tag_of(action: type[ActionSection]) -> str:
    """What stands behind `type:` in the YAML."""
    return str(get_args(action.model_fields["type"].annotation)[0])


def action_types() -> list[str]:
    """Everything that can stand there."""
    return [tag_of(action) for action in ACTIONS]


def options_of(wanted: Any) -> tuple[Any, ...]:
    """The values that a Literal allows."""
    literal = bare(wanted)
    return get_args(literal) if get_origin(literal) is Literal else ()


def range_of(place: Place) -> tuple[float, float | None]:
    """The least and the greatest number allowed."""
    low: float = 0
    high: float | None = None
    for bound in place.section.model_fields[str(place.path[-1])].metadata:
        low, high = getattr(bound, "ge", low), getattr(bound, "le", high)
    return low, high


def belongs(key: str, here: type[Section]) -> str | None:
    """The sections that a key belongs in, if it is a key at all; those near by if there are any."""
    if key in EVENT_TYPES:
        return f"{key!r} is an event: it belongs under 'system_events'"
    if here is Rule and key == "type":
        return "'type' begins an action: put '- type: …' under 'actions'"
    homes = [section for section in _SECTIONS if key in section.model_fields]
    near = [section for section in homes if here in _RULE_SECTIONS and section in _RULE_SECTIONS]
    if not homes:
        return None
    return f"{key!r} belongs {_in(near or homes)}, not {_in([here])}: check the indentation"


def _in(sections: list[type[Section]]) -> str:
    return " or ".join("at the top level" if section is Definition else f"in {section.place}" for section in sections)


def sections_in(wanted: Any) -> list[type[Section]]:
    """The sections that a value of this type holds, as itself or as items."""
    wanted = bare(wanted)
    if is_section(wanted):
        return [wanted]
    return [section for inner in get_args(wanted) for section in sections_in(inner)]


def unknown(key: str, section: type[Section]) -> str:
    """What to say about a key that is none anywhere."""
    where = "" if section is Definition else f" in {section.place}"
    return f"unknown key {key!r}{where}; possible here: {', '.join(section.model_fields)}"
