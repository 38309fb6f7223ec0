"""A workflow that is ready to be followed, and the set of those a worker has loaded."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from workflows.actions import CompiledAction, ProcessMessage, Transition
from workflows.definition import Definition, Limits, Model
from workflows.errors import UnknownWorkflow
from workflows.expression.evaluate import Condition
from workflows.problem import Problem


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do about an event if the condition holds. `line`: where it begins in the file."""

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
    """One workflow, checked and compiled. Equal to another if its text is."""

    name: str
    text: str
    definition: Definition = field(repr=False, compare=False)
    rules: Mapping[str, tuple[Rule, ...]] = field(repr=False, compare=False)
    transitions: tuple[TransitionRule, ...] = field(repr=False, compare=False)
    already_authenticated: Transition | None = field(default=None, repr=False, compare=False)
    initial_action: ProcessMessage | None = field(default=None, repr=False, compare=False)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the text, in hex: a turn keeps it to end on the text it began with."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def description(self) -> str:
        return self.definition.description

    @property
    def prompt(self) -> str:
        """CJ's system prompt."""
        return self.definition.prompts.cj.system

    @property
    def tools(self) -> tuple[str, ...] | None:
        """The tools CJ may use; None for all."""
        return None if self.definition.tools is None else tuple(dict.fromkeys(self.definition.tools))

    @property
    def limits(self) -> Limits:
        return self.definition.limits

    @property
    def model(self) -> Model:
        return self.definition.model

    @property
    def requirements(self) -> frozenset[str]:
        """What must be met at the start for `already_authenticated` to be taken."""
        listed = self.definition.requirements
        return frozenset(name for item in listed for name, wanted in item.items() if wanted)


class WorkflowSet:
    """The loaded workflows: those that CJ begins first, then by name."""

    def __init__(self, workflows: Iterable[Workflow], warnings: Iterable[Problem] = ()) -> None:
        def begins(workflow: Workflow) -> bool:
            return workflow.definition.behavior.initiator == "cj"

        ordered = sorted(workflows, key=lambda workflow: (not begins(workflow), workflow.name))
        self._workflows = {workflow.name: workflow for workflow in ordered}
        self.warnings = tuple(warnings)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._workflows)

    @property
    def default(self) -> Workflow:
        """The workflow for a conversation that nothing else decides."""
        return next(iter(self._workflows.values()))

    def get(self, name: str) -> Workflow:
        """The workflow of that name; raises UnknownWorkflow."""
        if name not in self._workflows:
            raise UnknownWorkflow(name, self._workflows)
        return self._workflows[name]

    def or_default(self, name: str) -> Workflow:
        """The workflow a conversation is in; the default one if there is no file of that name any more."""
        return self._workflows.get(name, self.default)

    def __contains__(self, name: object) -> bool:
        return name in self._workflows

    def __iter__(self) -> Iterator[Workflow]:
        return iter(self._workflows.values())

    def __len__(self) -> int:
        return len(self._workflows)

    def starting_with(self, event_type: str) -> Workflow | None:
        """The first workflow that has a rule for the event."""
        return next((workflow for workflow in self._workflows.values() if event_type in workflow.rules), None)

    @cached_property
    def fingerprint(self) -> str:
        """Changes when any text does."""
        return hashlib.sha256("".join(workflow.hash for workflow in self._workflows.values()).encode()).hexdigest()
