"""A workflow as it is written: the YAML's sections, keys and limits. Also the source of workflow.schema.json.

Docstrings are what an editor shows on hover; a key without a default must be there.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from workflows.actions import ActionSections, Name, ProcessMessageAction, Section, Text


class Rule(Section):
    """What to do when an event comes: if the condition holds, run the actions in order."""

    place: ClassVar = "a rule under 'system_events.<event>'"

    condition: Text = "true"
    """A question about the event's fields: == != < <= > >= in and or not. Without it the rule takes every event."""
    actions: list[ActionSections] = Field(min_length=1)
    """What to do, in order."""


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


#: One rule, or a list of which the first that holds is taken.
Rules = Annotated[list[Rule], Field(min_length=1), BeforeValidator(_as_list, json_schema_input_type=Rule | list[Rule])]


class TransitionSection(Section):
    """When the conversation moves on to another workflow: asked at its start and after each turn."""

    place: ClassVar = "a transition under 'behavior.transitions.<name>'"

    target_workflow: Name
    """The workflow from the next turn on."""
    message: Text | None = None
    """What the merchant is told."""
    condition: Text | None = None
    """A question about the conversation's context: shop_domain, shopify_connected, merchant_id, workflow, turns,
    fetched, last_error, and whatever update_context sets."""


class Behavior(Section):
    """Who begins, with what, and when the conversation moves on."""

    place: ClassVar = "'behavior'"

    initiator: Literal["cj", "merchant"] = "merchant"
    """Who speaks first in a new conversation."""
    initial_action: ProcessMessageAction | None = None
    """What CJ acts on when it begins."""
    transitions: dict[Name, TransitionSection] = Field(default_factory=dict)
    """Ways to other workflows. The first whose condition holds is taken; already_authenticated needs none: it is
    taken at the start of a conversation whose requirements are all met."""


class Limits(Section):
    """Bounds of one turn."""

    place: ClassVar = "'limits'"

    max_tool_rounds: int = Field(6, ge=1, le=20)
    """How often CJ may call tools before it must answer."""
    turn_timeout_seconds: int = Field(60, ge=1, le=600)
    """When a turn must have ended."""
    pause_between_messages_seconds: float = Field(1.0, ge=0, le=10)
    """The least time between two messages of one turn."""
    max_history_messages: int = Field(40, ge=2, le=400)
    """How many earlier messages CJ gets to read."""


class Model(Section):
    """Which language model speaks; without it the one that the operator has set."""

    place: ClassVar = "'model'"

    name: Text | None = None
    """As litellm names it, such as openai/gpt-4.1."""
    fallbacks: list[Text] = Field(default_factory=list)
    """Models to ask when the first is not available, in order."""
    temperature: float | None = Field(None, ge=0, le=2)
    """0: always the likeliest words."""
    max_output_tokens: int | None = Field(None, ge=1, le=100_000)
    """The longest answer."""


class AgentPrompt(Section):
    """What one agent is told."""

    place: ClassVar = "'prompts.cj'"

    system: Text
    """Who CJ is and how it works. Sent as it is; the context is added to it by itself."""


class Prompts(Section):
    """What the agents are told."""

    place: ClassVar = "'prompts'"

    cj: AgentPrompt
    """CJ's prompt."""


class Definition(Section):
    """A workflow: what CJ is told, what events mean, and where the conversation goes from here."""

    place: ClassVar = "the top level"

    name: Name
    """How other workflows refer to this one."""
    description: Text
    """One line for people."""
    requirements: list[dict[Name, bool]] = Field(default_factory=list)
    """What must be done for transitions.already_authenticated to be taken, such as shopify_oauth: true."""
    behavior: Behavior = Field(default_factory=Behavior)
    """Who begins, with what, and when the conversation moves on."""
    system_events: dict[Name, Rules] = Field(default_factory=dict)
    """What each event means: one rule, or a list of rules of which the first that holds is taken."""
    tools: list[Name] | None = None
    """The tools CJ may use; without it all of them."""
    model: Model = Field(default_factory=Model)
    """Which language model speaks."""
    limits: Limits = Field(default_factory=Limits)
    """Bounds of one turn."""
    config: dict[str, Any] | None = None
    """Accepted as it is; nothing reads it."""
    prompts: Prompts
    """What the agents are told."""
