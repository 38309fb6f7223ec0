"""The actions of rules: for each, one class for its YAML, and one for what a worker carries out.

To add an action, write its two classes here, add them to the unions `Action` and `_ActionSection`, and carry it out in
`workers.workflow.event_conversation` (`_carry_out`). The checker, the editor's completion and `explain` use the
classes; `python -m workflows.schema` writes the schema.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from events.data_types import DataType
from workflows.expression.evaluate import BUDGET, Budget, preview
from workflows.expression.parse import seconds_of
from workflows.expression.template import Template, compile_tree, fill_tree

_NAME = r"^[a-z][a-z0-9_]*$"
Name = Annotated[str, StringConstraints(pattern=_NAME, max_length=80)]
Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
Sender = Literal["merchant", "system", "cj"]
#: Bounds of a follow_up, in seconds. At most four weeks, because rows are deleted after 30 days.
FOLLOW_UP_SECONDS = (60, 28 * 86_400)
#: The default condition of a follow_up.
NOT_ANSWERED = "answered == false"


def is_name(text: str) -> bool:
    """Whether a text is a valid name for a workflow, a transition or a context key."""
    return re.fullmatch(_NAME, text) is not None and not text.endswith("\n")


@dataclass(frozen=True, slots=True)
class UpdateContext:
    """Put these values into the conversation's context."""

    type: ClassVar = "update_context"
    values: dict[str, Any]

    def describe(self) -> str:
        """In words, for `explain`."""
        return f"store in the context: {preview(self.values, 400)}"


@dataclass(frozen=True, slots=True)
class ProcessMessage:
    """Run one agent turn on this message. `cleanup_trigger`: the model sees it in this turn only."""

    type: ClassVar = "process_message"
    text: str
    sender: Sender = "system"
    cleanup_trigger: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> str:
        """In words, for `explain`."""
        metadata = f" with {preview(self.metadata, 200)}" if self.metadata else ""
        once = ", for this turn only" if self.cleanup_trigger else ""
        return f"turn on a {self.sender} message: {preview(self.text, 200)}{metadata}{once}"


@dataclass(frozen=True, slots=True)
class Prefetch:
    """Ask Shopify for these data types now, so that they are there when the turn needs them. `inject`: turns of later
    actions of the rule start with the results, as if CJ had asked."""

    type: ClassVar = "prefetch"
    data_types: tuple[str, ...]
    inject: bool = False

    def describe(self) -> str:
        """In words, for `explain`."""
        return f"fetch ahead{' and begin with' if self.inject else ''}: {', '.join(self.data_types)}"


@dataclass(frozen=True, slots=True)
class Transition:
    """Move the conversation to another workflow. `name` is the transition's; None if a rule's action asked for it."""

    type: ClassVar = "transition"
    target_workflow: str
    message: str | None = None
    name: str | None = None

    def describe(self) -> str:
        """In words, for `explain`."""
        message = f", saying {preview(self.message, 200)}" if self.message else ""
        return f"move to {self.target_workflow}{message}"


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Run a turn on this message after `seconds`, if `condition` holds then."""

    type: ClassVar = "follow_up"
    seconds: int
    text: str
    condition: str

    def describe(self) -> str:
        """In words, for `explain`."""
        return f"in {self.seconds / 3600:.4g} h, if {self.condition}: turn on {preview(self.text, 200)}"


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell other systems that something happened."""

    type: ClassVar = "emit"
    name: str
    data: dict[str, Any]

    def describe(self) -> str:
        """In words, for `explain`."""
        return f"tell the systems outside: {self.name} {preview(self.data, 400)}"


Action = UpdateContext | ProcessMessage | Prefetch | Transition | FollowUp | Emit


class Section(BaseModel):
    """A map in the YAML, without unknown keys or conversion of values. `place`: its name in error messages."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)
    place: ClassVar[str] = ""


class ActionSection(Section):
    """An action in the YAML. In the keys in `templated`, `{{ field }}` is filled in from the event."""

    templated: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def tag(cls) -> str:
        """The action's `type`."""
        return str(get_args(cls.model_fields["type"].annotation)[0])

    def compiled(self) -> "CompiledAction":
        """The action with its templates compiled; raises InvalidExpression."""
        return CompiledAction(self, {key: compile_tree(getattr(self, key)) for key in self.templated})

    def filled(self, values: Mapping[str, Any]) -> Action:
        """The action to carry out, given the values of the templated keys."""
        raise NotImplementedError


class UpdateContextAction(ActionSection):
    """Keep values in the conversation's context, for transitions and for CJ."""

    place: ClassVar = "an 'update_context' action"
    templated: ClassVar = ("data",)

    type: Literal["update_context"]
    data: dict[Name, Any] = Field(min_length=1)
    """Context key: value. "{{field}}" copies a field of the event with its type."""

    def filled(self, values: Mapping[str, Any]) -> UpdateContext:
        return UpdateContext(values["data"])


class ProcessMessageAction(ActionSection):
    """Give CJ a message to act on: one agent turn."""

    place: ClassVar = "a 'process_message' action"
    templated: ClassVar = ("message", "metadata")

    type: Literal["process_message"]
    message: Text
    """What CJ reads; "{{field}}" fills in a field of the event."""
    sender: Sender = "system"
    """Who says it: system (an event that CJ acts on), merchant, or cj."""
    cleanup_trigger: bool = False
    """True: CJ sees the message in this turn only."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    """More values, which CJ gets with a system message."""

    def filled(self, values: Mapping[str, Any]) -> ProcessMessage:
        return ProcessMessage(values["message"], self.sender, self.cleanup_trigger, values["metadata"])


class PrefetchAction(ActionSection):
    """Fetch Shopify data in parallel before the turn begins."""

    place: ClassVar = "a 'prefetch' action"

    type: Literal["prefetch"]
    data_types: list[DataType] = Field(min_length=1)
    """What to fetch."""
    inject: bool = False
    """True: CJ begins the next process_message with this data, as if it had asked."""

    def filled(self, values: Mapping[str, Any]) -> Prefetch:
        return Prefetch(tuple(dict.fromkeys(self.data_types)), self.inject)


class TransitionAction(ActionSection):
    """Move the conversation to another workflow."""

    place: ClassVar = "a 'transition' action"
    templated: ClassVar = ("message",)

    type: Literal["transition"]
    target_workflow: Name
    """The workflow from the next turn on."""
    message: Text | None = None
    """What the merchant is told."""

    def filled(self, values: Mapping[str, Any]) -> Transition:
        return Transition(self.target_workflow, values["message"])


class FollowUpAction(ActionSection):
    """Come back to the merchant later, with another turn."""

    place: ClassVar = "a 'follow_up' action"
    templated: ClassVar = ("message",)

    type: Literal["follow_up"]
    after: Text
    """When: '30m', '2 hours', '3d', from a minute to four weeks."""
    message: Text
    """What CJ reads then; "{{field}}" fills in a field of the current event."""
    condition: Text = NOT_ANSWERED
    """A condition over the context at that time, and `answered`: whether the merchant has written since. If it does not
    hold, CJ says nothing."""

    def filled(self, values: Mapping[str, Any]) -> FollowUp:
        return FollowUp(seconds_of(self.after) or 0, values["message"], self.condition)


class EmitAction(ActionSection):
    """Tell other systems that something happened: they get it with the next reply."""

    place: ClassVar = "an 'emit' action"
    templated: ClassVar = ("data",)

    type: Literal["emit"]
    name: Name
    """What happened."""
    data: dict[Name, Any] = Field(default_factory=dict)
    """More about it; "{{field}}" copies a field of the event with its type."""

    def filled(self, values: Mapping[str, Any]) -> Emit:
        return Emit(self.name, values["data"])


_ActionSection = (
    UpdateContextAction | ProcessMessageAction | PrefetchAction | TransitionAction | FollowUpAction | EmitAction
)
ActionSections = Annotated[_ActionSection, Field(discriminator="type")]
ACTIONS: Mapping[str, type[ActionSection]] = {action.tag(): action for action in get_args(_ActionSection)}


@dataclass(frozen=True, slots=True)
class CompiledAction:
    """An action of a loaded workflow, its templates compiled."""

    section: ActionSection
    templates: Mapping[str, Any]

    def filled(self, data: Mapping[str, Any]) -> Action:
        """The action for one event. Never raises; values that exceed the evaluation budget are null or left out."""
        budget: Budget = [BUDGET]
        return self.section.filled({key: _fill(key, tree, data, budget) for key, tree in self.templates.items()})


def _fill(key: str, tree: Any, data: Mapping[str, Any], budget: Budget) -> Any:
    """Messages are always text; everything else keeps its type."""
    if key == "message" and isinstance(tree, Template):
        return tree.text(data, budget)
    return fill_tree(tree, data, budget)
