"""A checked and compiled workflow, and the set of those that a worker has loaded."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from workflows.actions import CompiledAction, ProcessMessage, Transition
from workflows.definition import LimitsSection, ModelSection, WorkflowDefinition
from workflows.errors import UnknownWorkflow
from workflows.expression.evaluate import Expression
from workflows.problems import Problem


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do about an event if the condition holds. `line`: where the rule begins in the file."""

    index: int
    line: int
    condition: Expression
    actions: tuple[CompiledAction, ...]


@dataclass(frozen=True, slots=True)
class TransitionRule:
    """Where to go if the condition holds."""

    line: int
    condition: Expression
    transition: Transition


@dataclass(frozen=True)
class Workflow:
    """One workflow. Two are equal if their texts are."""

    name: str
    text: str
    definition: WorkflowDefinition = field(repr=False, compare=False)
    rules: Mapping[str, tuple[Rule, ...]] = field(repr=False, compare=False)
    transitions: tuple[TransitionRule, ...] = field(repr=False, compare=False)
    already_authenticated: Transition | None = field(default=None, repr=False, compare=False)
    initial_action: ProcessMessage | None = field(default=None, repr=False, compare=False)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the text, in hex. A turn stores it, so that it ends with the text it started with."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def prompt(self) -> str:
        """CJ's system prompt."""
        return self.definition.prompts.cj.system

    @property
    def tools(self) -> tuple[str, ...] | None:
        """The tools CJ may use; None for all."""
        return None if self.definition.tools is None else tuple(dict.fromkeys(self.definition.tools))

    @property
    def limits(self) -> LimitsSection:
        return self.definition.limits

    @property
    def model(self) -> ModelSection:
        return self.definition.model

    @property
    def opens(self) -> Collection[str] | None:
        """The events that may open a conversation here; None for every one."""
        return self.definition.behavior.opens

    @property
    def opens_before(self) -> Collection[str]:
        """The workflows over which this one has priority if both could open a conversation."""
        return self.definition.behavior.opens_before

    def may_open(self, event_type: str) -> bool:
        """Whether this event may open a conversation here."""
        return self.opens is None or event_type in self.opens

    def opens_any(self, event_type: str) -> bool:
        """Whether this event may open a conversation here without a rule that takes it."""
        return self.opens is None or (event_type in self.opens and event_type not in self.rules)

    @property
    def truth(self) -> Literal["strict", "report"]:
        return self.definition.truth

    @property
    def stream(self) -> Literal["sentences", "whole"]:
        return self.definition.stream

    @property
    def requirements(self) -> frozenset[str]:
        """What must be met at the start of a conversation for `already_authenticated` to be taken."""
        listed = self.definition.requirements
        return frozenset(name for item in listed for name, wanted in item.items() if wanted)


class WorkflowSet:
    """The loaded workflows, in the order in which they may open a conversation."""

    def __init__(self, workflows: Iterable[Workflow], warnings: Iterable[Problem] = ()) -> None:
        self._workflows = {workflow.name: workflow for workflow in in_order(workflows)}
        self.warnings = tuple(warnings)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._workflows)

    @property
    def default(self) -> Workflow:
        """The default workflow of a conversation."""
        return next((each for each in self if each.opens is None), next(iter(self)))

    def get(self, name: str) -> Workflow:
        """The workflow of that name; raises UnknownWorkflow."""
        if name not in self._workflows:
            raise UnknownWorkflow(name, self._workflows)
        return self._workflows[name]

    def or_default(self, name: str) -> Workflow:
        """The workflow of that name; the default one if its file is gone."""
        return self._workflows.get(name, self.default)

    def __contains__(self, name: object) -> bool:
        return name in self._workflows

    def __iter__(self) -> Iterator[Workflow]:
        return iter(self._workflows.values())

    def __len__(self) -> int:
        return len(self._workflows)

    def opener(self, event_type: str, data: Mapping[str, Any]) -> tuple[Workflow, Rule | None]:
        """The workflow in which this event opens a conversation, and the rule that decides it: the first that holds.

        If none does, the first workflow that takes the event without a rule, and no rule.
        """
        openers = [each for each in self if each.may_open(event_type)]
        for each in openers:
            rule = next((rule for rule in each.rules.get(event_type, ()) if rule.condition.holds(data)), None)
            if rule is not None:
                return each, rule
        return next((each for each in openers if each.opens_any(event_type)), self.default), None

    def take_up(self, other: "WorkflowSet") -> None:
        """Switch to the workflows of another set. Users of a previous workflow keep it."""
        self._workflows, self.warnings = other._workflows, other.warnings
        self.__dict__.pop("fingerprint", None)

    @property
    def models(self) -> dict[str, str]:
        """The models that workflows name, each with the first workflow that names it."""
        named = [(name, each.name) for each in self for name in (each.model.name, *each.model.fallbacks) if name]
        return dict(reversed(named))

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the text of any workflow does."""
        return hashlib.sha256("".join(workflow.hash for workflow in self._workflows.values()).encode()).hexdigest()


def in_order(workflows: Iterable[Workflow]) -> list[Workflow]:
    """The order in which workflows may open a conversation: as `opens_before` says, then those in which CJ begins, then
    by name."""
    known = {workflow.name: workflow for workflow in workflows}
    ranks = {name: rank(name, known) for name in known}
    left = sorted(known.values(), key=lambda each: (ranks[each.name], each.name))
    ordered: list[Workflow] = []
    while left:
        free = (each for each in left if not any(each.name in other.opens_before for other in left))
        ordered.append(next(free, left[0]))  # in a circle, which the check reports, none is free
        left.remove(ordered[-1])
    return ordered


def after(name: str, workflows: Mapping[str, Workflow]) -> set[str]:
    """The workflows over which this one has priority, directly or indirectly."""
    found: set[str] = set()
    new = {name}
    while new:
        new = {other for each in new & workflows.keys() for other in workflows[each].opens_before} - found
        found |= new
    return found


def rank(name: str, workflows: Mapping[str, Workflow]) -> int:
    """0 if CJ begins in this workflow, or in one over which it has priority, else 1; lower comes first."""
    group = {name, *after(name, workflows)} & workflows.keys()
    return min(int(workflows[each].definition.behavior.initiator != "cj") for each in group)
