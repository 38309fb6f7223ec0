"""A workflow as its author writes it: the YAML's sections, keys and limits, and the names it may use.

The checker, workflow.schema.json and the editor's completion follow from these classes. A docstring is what an editor
shows on hover; a key without a default is required.
"""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from events.catalog import CATALOG, REQUESTS, fields
from events.data_types import DATA_TYPES
from events.shop_domain import is_shop_domain
from workflows.actions import ActionSections, Name, ProcessMessageAction, Section, Text
from workflows.expression.kinds import Choice, Kind, Shaped
from workflows.suggest import closest

# Event types that are added to the catalog are known here automatically.
EVENT_TYPES: tuple[str, ...] = tuple(event for event in CATALOG if event not in REQUESTS)
TOOLS: tuple[str, ...] = ("shopify_data", "calculate_metrics")

REQUIREMENTS: tuple[str, ...] = ("shopify_oauth",)

#: Events that open a conversation if there is none.
OpeningEvent = Literal["oauth_complete", "conversation_started", "message_received"]
OPENING_EVENTS: tuple[str, ...] = get_args(OpeningEvent)

#: The condition for an event that says a store was connected.
CONNECTION = "provider == 'shopify' and success == true"

#: The transition taken when a conversation starts with all requirements met; it has no condition.
ALREADY_AUTHENTICATED = "already_authenticated"

#: Default limit of tokens in one request to a model, and how they are estimated.
PROMPT_TOKENS = 40_000
BYTES_PER_TOKEN = 3

#: Context keys that the workers maintain, and why a workflow cannot set them.
KEPT_BY_WORKERS: Mapping[str, str] = {
    "workflow": "a transition changes the conversation's workflow",
    "turns": "the workers count the turns",
    "fetched": "the workers record what was fetched",
    "last_error": "the workers record the last error",
    "last_question": "the workers record what CJ asked last",
    "now": "it is the current time",
    "answered": "in a follow_up it says whether the merchant has written since",
}

#: Scopes that a Shopify app may have: a similar word is a typo. https://shopify.dev/docs/api/usage/access-scopes
_SCOPES = tuple(
    f"{access}_{what}"
    for access in ("read", "write")
    for what in (
        *("all_orders", "assigned_fulfillment_orders", "checkouts", "customers", "discounts", "draft_orders", "files"),
        *("fulfillments", "gift_cards", "inventory", "legal_policies", "locales", "locations", "marketing_events"),
        *("markets", "merchant_managed_fulfillment_orders", "metaobjects", "online_store_pages", "order_edits"),
        *("orders", "payment_terms", "price_rules", "product_listings", "products", "publications", "purchase_options"),
        *("reports", "returns", "script_tags", "shipping", "themes", "translations"),
    )
)


@cache
def event_fields(event_type: str) -> Mapping[str, Kind]:
    """The data fields of an event type in EVENT_TYPES."""
    return {name: _SHAPES.get(name, kind) for name, kind in fields(event_type).items()}


def rule_fields(event_type: str, context: Mapping[str, Kind]) -> Mapping[str, Kind]:
    """What a rule reads: the event's fields, its `time`, and the `context` before the event."""
    return {**event_fields(event_type), "time": "string", "context": context}


def _shop_domain(written: str) -> str | None:
    if is_shop_domain(written):
        return None
    lower = written.lower() if is_shop_domain(written.lower()) else ""
    return f"no shop is called {written!r}: a shop_domain " + (
        f"is in lower case; write {lower!r}" if lower else "is <name>.myshopify.com, in lower case"
    )


def _provider(written: str) -> str | None:
    """Any provider is allowed, except a misspelt "shopify"."""
    near = closest(written, ["shopify"])
    return f"unknown provider {written!r}, did you mean {near!r}?" if near not in (None, written) else None


def _scope(written: str) -> str | None:
    near = closest(written, _SCOPES, cutoff=0.8) if written not in _SCOPES else None
    return f"unknown scope {written!r}, did you mean {near!r}?" if near is not None else None


#: Fields with known values or formats.
_SHAPES: Mapping[str, Kind] = {
    "shop_domain": Shaped("string", _shop_domain),
    "provider": Shaped("string", _provider),
    "scopes": Shaped("list", _scope),
}


def context_fields(workflow_names: Collection[str] | None) -> dict[str, Kind]:
    """The context that transitions read. `workflow_names`: all loaded workflows, or None if unknown."""
    return {
        "shop_domain": _SHAPES["shop_domain"],
        "shopify_connected": "boolean",
        "scopes": _SHAPES["scopes"],
        "connected_at": "string",
        "merchant_id": "string",
        "workflow": "string" if workflow_names is None else Choice("string", workflow_names, "workflow"),
        "turns": "number",
        "fetched": Choice("list", DATA_TYPES, "data type"),
        "last_error": "string",
        "last_question": "string",
    }


class RuleSection(Section):
    """What to do about an event: if the condition holds, run the actions in order."""

    place: ClassVar = "a rule under 'system_events.<event>'"

    condition: Text = "true"
    """When the rule applies: a condition over the event's fields, its time and the context (context.turns) with == != <
    <= > >= in, says, older than, and or not. Without it the rule takes every event."""
    actions: list[ActionSections] = Field(min_length=1)
    """What to do, in order."""


def as_list(value: Any) -> Any:
    """One value as a list of one, for keys that take either."""
    return value if isinstance(value, list) else [value]


#: One rule, or a list of rules; the first that holds takes the event.
Rules = Annotated[
    list[RuleSection],
    Field(min_length=1),
    BeforeValidator(as_list, json_schema_input_type=RuleSection | list[RuleSection]),
]


class TransitionSection(Section):
    """When the conversation moves to another workflow: evaluated at its start and after each turn."""

    place: ClassVar = "a transition under 'behavior.transitions.<name>'"

    target_workflow: Name
    """The workflow from the next turn on."""
    message: Text | None = None
    """What the merchant is told."""
    condition: Text | None = None
    """A condition over the conversation's context: shop_domain, shopify_connected, scopes, connected_at, merchant_id,
    workflow, turns, fetched, last_error, last_question, and whatever update_context sets in any workflow."""


class BehaviorSection(Section):
    """Who begins, with what, and when the conversation moves on."""

    place: ClassVar = "'behavior'"

    initiator: Literal["cj", "merchant"] = "merchant"
    """Who speaks first in a new conversation."""
    initial_action: ProcessMessageAction | None = None
    """What CJ acts on when it begins."""
    opens: list[OpeningEvent] | None = None
    """The events that may open a conversation here, [] for none; without it every event may."""
    opens_before: list[Name] = Field(default_factory=list)
    """Workflows over which this one has priority if both could open a conversation."""
    transitions: dict[Name, TransitionSection] = Field(default_factory=dict)
    """Transitions to other workflows. The first whose condition holds is taken; already_authenticated has none: it is
    taken at the start of a conversation whose requirements are all met."""


class LimitsSection(Section):
    """Limits of a turn, and of what a merchant may cost."""

    place: ClassVar = "'limits'"

    max_tool_rounds: int = Field(6, ge=1, le=20)
    """How often CJ may call tools before it must answer."""
    turn_timeout_seconds: int = Field(60, ge=1, le=600)
    """How long a turn may take."""
    pause_between_messages_seconds: float = Field(1.0, ge=0, le=10)
    """The shortest time between two messages of one turn."""
    max_history_messages: int = Field(40, ge=2, le=400)
    """How many earlier messages CJ reads."""
    prompt_tokens: int | None = Field(None, ge=1000, le=1_000_000)
    """Most tokens in one request to the model, estimated; default: the operator's."""
    turns_per_minute: int | None = Field(None, ge=0, le=10_000)
    """Most turns per merchant and minute, 0 for no limit; default: the operator's."""
    tokens_per_day: int | None = Field(None, ge=0, le=1_000_000_000_000)
    """Most tokens per merchant and day (UTC), 0 for no limit; default: the operator's."""


class ModelSection(Section):
    """Which language model CJ uses; default: the operator's."""

    place: ClassVar = "'model'"

    name: Text | None = None
    """As litellm names it, such as openai/gpt-4.1."""
    fallbacks: list[Text] = Field(default_factory=list)
    """Models to ask, in order, when the first is not available."""
    temperature: float | None = Field(None, ge=0, le=2)
    """0: always the most likely words."""
    max_output_tokens: int | None = Field(None, ge=1, le=100_000)
    """Most tokens in one answer."""


class PromptSection(Section):
    """The prompt of one agent."""

    place: ClassVar = "'prompts.cj'"

    system: Text
    """Who CJ is and how it works. Sent as it is, with the context added below it."""


class PromptsSection(Section):
    """The prompts of the agents."""

    place: ClassVar = "'prompts'"

    cj: PromptSection
    """CJ's prompt."""


class WorkflowDefinition(Section):
    """A workflow: CJ's prompt, what events mean, and where the conversation goes next."""

    place: ClassVar = "the top level"

    name: Name
    """How other workflows refer to this one."""
    description: Text
    """One line for people."""
    requirements: list[dict[Name, bool]] = Field(default_factory=list)
    """What must be met for transitions.already_authenticated to be taken, such as shopify_oauth: true."""
    behavior: BehaviorSection = Field(default_factory=BehaviorSection)
    """Who begins, with what, and when the conversation moves on."""
    system_events: dict[Name, Rules] = Field(default_factory=dict)
    """What each event means: one rule, or a list of rules of which the first that holds is taken."""
    tools: list[Name] | None = None
    """The tools CJ may use; without it all of them."""
    model: ModelSection = Field(default_factory=ModelSection)
    """Which language model CJ uses."""
    limits: LimitsSection = Field(default_factory=LimitsSection)
    """Bounds of one turn."""
    truth: Literal["strict", "report"] = "strict"
    """What to do with a figure, name or date that nothing CJ has read supports. strict: the model may correct it once,
    then its sentence is left out. report: it is said, and counted."""
    stream: Literal["sentences", "whole"] = "sentences"
    """How CJ's messages are sent. sentences: each as soon as the model has written it. whole: a message at a time."""
    config: dict[str, Any] | None = None
    """Accepted but never read."""
    prompts: PromptsSection
    """What the agents are told."""
