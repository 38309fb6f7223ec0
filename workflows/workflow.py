"""A workflow that is checked and compiled, and the set of those that a worker has loaded."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from workflows.actions import CompiledAction, ProcessMessage, Transition
from workflows.definition import LimitsSection, ModelSection, WorkflowDefinition
from workflows.errors import UnknownWorkflow
from workflows.expression.evaluate import Condition
from workflows.problems import Problem


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do about an event if the condition holds. `line`: where the rule begins in the file."""

    index: int
    line: int
    condition: Condition
    actions: tuple[CompiledAction, ...]


@dataclass(frozen=True, slots=True)
class TransitionRule:
    """Where to go if the condition holds."""

    line: int
    condition: Condition
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
        """SHA-256 of the text, in hex. A turn stores it, so that it ends under the text it began with."""
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
    def truth(self) -> Literal["strict", "report"]:
        return self.definition.truth

    @property
    def requirements(self) -> frozenset[str]:
        """What must be met when a conversation starts for `already_authenticated` to be taken."""
        listed = self.definition.requirements
        return frozenset(name for item in listed for name, wanted in item.items() if wanted)


class WorkflowSet:
    """The loaded workflows: first those in which CJ begins, then the others, each by name."""

    def __init__(self, workflows: Iterable[Workflow], warnings: Iterable[Problem] = ()) -> None:
        def order(workflow: Workflow) -> tuple[bool, str]:
            return workflow.definition.behavior.initiator != "cj", workflow.name

        ordered = sorted(workflows, key=order)
        self._workflows = {workflow.name: workflow for workflow in ordered}
        self.warnings = tuple(warnings)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._workflows)

    @property
    def default(self) -> Workflow:
        """The workflow of a conversation when nothing else decides it."""
        return next(iter(self._workflows.values()))

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

    def starting_with(self, event_type: str) -> Workflow | None:
        """The first workflow with a rule for the event, or None."""
        return next((workflow for workflow in self._workflows.values() if event_type in workflow.rules), None)

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the text of any workflow does."""
        return hashlib.sha256("".join(workflow.hash for workflow in self._workflows.values()).encode()).hexdigest()
