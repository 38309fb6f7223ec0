"""The language of scenario files: what is given, what is done, what must come of it.

A key without a default is required. To add an action or an expectation, write its class here and name it in `Action`
or `Expected`; `act` carries actions out, `match` compares expectations with what happened.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from events.data_types import DataType
from workflows.actions import Name, Section, Text
from workflows.definition import as_list

Seconds = Annotated[float, Field(ge=0, le=86_400)]
StoreSize = Literal["new", "empty", "tiny", "medium", "large", "huge"]
FaultKind = Literal["rate_limit", "unauthorized", "timeout", "server_error", "malformed", "network", "slow"]
WorkerKind = Literal["intake", "workflow", "agent", "shopify"]
EntryKind = Literal[
    "context_update", "cj_tool_call", "cj_message", "transition", "workflow_event", "error", "shopify_request", "any"
]

#: What {{store.NAME}} in an expected text may name: true numbers of the development store.
FACTS = ("customers", "orders", "open_orders", "unfulfilled_orders", "products", "orders_last_7_days")
FACT = re.compile(r"\{\{ *store\.(\w+) *\}\}")

#: One text, or several.
Texts = Annotated[list[Text], BeforeValidator(as_list)]
ToolCalls = Annotated[list[dict[str, dict[str, Any]]], BeforeValidator(as_list)]


class Given(Section):
    """What is there before the first step."""

    workflow: Name | None = None
    """The conversation is open already, in this workflow."""
    context: dict[Name, Any] = Field(default_factory=dict)
    """The context of the open conversation."""
    store: StoreSize = "medium"
    """The store: new (no orders), tiny (under 10), medium (over 100), large (over 1,000), huge (over 10,000)."""
    connected: bool = False
    """Whether the merchant's store is connected already."""
    scopes: list[Text] | None = None
    """The permissions that the merchant granted."""


class ModelAnswer(Section):
    """One answer of the scripted model: words, tool calls, or both."""

    say: Text | None = None
    """What the model says."""
    call: ToolCalls = Field(default_factory=list)
    """The tools it calls: {shopify_data: {data_type: counts}}, or a list of such maps."""


class PlannedFault(Section):
    """Something that goes wrong."""

    on: Text
    """Where: shopify.counts (or another data type), shopify.*, or model."""
    call: Annotated[int, Field(ge=1, le=1000)] | Literal["every"] = 1
    """Which request there: 1 for the first, and so on, or every."""
    fail: FaultKind
    """How."""
    seconds: Seconds | None = None
    """slow: how long the answer takes (2). rate_limit: how long to wait (0.2; for the model 1)."""


class TimeLimits(Section):
    """Limits of the whole scenario, in seconds from its first action."""

    first_fetch_seconds: Seconds | None = None
    """Until when Shopify must have been asked for the first time."""
    total_seconds: Seconds | None = None
    """Until when the last expectation must have been met."""


# --- actions ----------------------------------------------------------------------------------------------------


class SimulateOauthComplete(Section):
    """The merchant comes back from Shopify: the token is stored and the event published, as the auth service does."""

    action: Literal["simulate_oauth_complete"]
    data: dict[str, Any] = Field(default_factory=dict)
    """The event's data; missing fields are filled in."""


class PublishEvent(Section):
    """Any event, even one that must be refused."""

    action: Literal["event"]
    type: Text
    """The event's type."""
    data: dict[str, Any] = Field(default_factory=dict)
    """The event's data; missing ids that the type requires are filled in."""
    id: Text | None = None
    """The event's id; events with the same id are the same event."""
    times: int = Field(1, ge=1, le=100)
    """How often it is published, with the same id."""


class MerchantMessage(Section):
    """The merchant writes."""

    action: Literal["merchant_message"]
    text: Text
    """What the merchant says."""


class AdvanceClock(Section):
    """Time passes, and whatever expires meanwhile is gone. A kill ordered for a failpoint happens first."""

    action: Literal["advance_clock"]
    seconds: float = Field(gt=0, le=366 * 86_400)
    """How many seconds."""


class Kill(Section):
    """kill -9 of a worker process; another one is started, as `cj up` does."""

    action: Literal["kill"]
    worker: WorkerKind
    """Which kind."""
    at: Text | None = None
    """When: at once, or when a process next reaches this failpoint (`workers.failpoints`), such as model.before; put
    such a kill before the action that leads there."""


class Flush(Section):
    """Redis loses everything it holds."""

    action: Literal["flush"]
    what: Literal["broker", "cache", "all"] = "all"
    """Whose Redis."""


# --- expectations -----------------------------------------------------------------------------------------------


class Expectation(Section):
    """Something that must come after the previous expectation; other things may lie between."""

    min_delay: Seconds | None = None
    """It comes at least this many seconds after the previous step."""
    within: Seconds | None = None
    """It comes at most this many seconds after the previous step."""


class ContextUpdate(Expectation):
    """The conversation's context changes."""

    expect: Literal["context_update"]
    values: dict[str, Any] = Field(min_length=1)
    """What it holds then; other keys do not matter."""


class CjToolCall(Expectation):
    """CJ calls a tool."""

    expect: Literal["cj_tool_call"]
    tool: Name = "shopify_data"
    """Which tool."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The arguments; others do not matter."""
    result: dict[str, Any] = Field(default_factory=dict)
    """What the result holds, such as {success: true, cached: true}; other keys do not matter."""
    max_seconds: Seconds | None = None
    """How long the call may take."""


class CjMessage(Expectation):
    """CJ says something. {{store.customers}} in a text is the store's true number, as are the other FACTS."""

    expect: Literal["cj_message"]
    contains: Texts = Field(default_factory=list)
    """Text in it; if several, all of them."""
    excludes: Texts = Field(default_factory=list)
    """Text not in it; if several, none of them."""
    matches: Text | None = None
    """A regular expression that matches somewhere in it."""
    final: bool | None = None
    """Whether it is the last message of its turn."""

    @field_validator("matches")
    @classmethod
    def _is_an_expression(cls, written: str | None) -> str | None:
        try:
            re.compile(written or "")
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        return written


class TransitionTo(Expectation):
    """The conversation moves to another workflow."""

    expect: Literal["transition"]
    to: Name
    """Which workflow."""


class WorkflowEvent(Expectation):
    """Other systems are told of something (`emit`)."""

    expect: Literal["workflow_event"]
    name: Name
    """What happened."""
    data: dict[str, Any] = Field(default_factory=dict)
    """Its data; other keys do not matter."""


class ErrorCode(Expectation):
    """A turn ends with an error, a tool call fails, or an event is refused."""

    expect: Literal["error"]
    code: Text | None = None
    """Its code, such as shopify.unauthorized; without it any error."""


class ShopifyRequest(Expectation):
    """A request reaches the store."""

    expect: Literal["shopify_request"]
    data_type: DataType | None = None
    """What is requested; default: anything."""


class Nothing(Section):
    """Nothing of a kind happens: neither since the previous step nor for some time from now."""

    expect: Literal["nothing"]
    kind: EntryKind = "any"
    """Which kind."""
    seconds: Seconds = Field(1.0, alias="for")
    """For how many seconds from now."""


Action = Annotated[
    SimulateOauthComplete | PublishEvent | MerchantMessage | AdvanceClock | Kill | Flush, Discriminator("action")
]
Expected = Annotated[
    ContextUpdate | CjToolCall | CjMessage | TransitionTo | WorkflowEvent | ErrorCode | ShopifyRequest | Nothing,
    Discriminator("expect"),
]


def _classes(union: Any, key: str) -> dict[str, type[Section]]:
    return {get_args(one.model_fields[key].annotation)[0]: one for one in get_args(get_args(union)[0])}


#: The classes by the word after `action:` and after `expect:`.
STEPS: Mapping[str, Mapping[str, type[Section]]] = {
    "action": _classes(Action, "action"),
    "expect": _classes(Expected, "expect"),
}


def _action_or_expect(step: Any) -> str | None:
    keys = [key for key in STEPS if isinstance(step, dict) and key in step]
    return keys[0] if len(keys) == 1 else None


Step = Annotated[
    Annotated[Action, Tag("action")] | Annotated[Expected, Tag("expect")], Discriminator(_action_or_expect)
]


class ScenarioDefinition(Section):
    """A scenario: one conversation of one merchant, step by step."""

    name: Text
    """The test's name."""
    description: Text | None = None
    """One line for people."""
    given: Given = Field(default_factory=Given)
    """What is there before the first step."""
    model: list[ModelAnswer] | None = Field(None, min_length=1)
    """The language model's answers, in order; without it the demo model answers."""
    faults: list[PlannedFault] = Field(default_factory=list)
    """What goes wrong."""
    limits: TimeLimits = Field(default_factory=TimeLimits)
    """Limits of the whole scenario."""
    steps: list[Step] = Field(min_length=1)
    """Actions, and what must come of them, in order."""


def files(paths: Sequence[Path]) -> list[Path]:
    """The scenario files: each path, or every *.yaml and *.yml in and under it if it is a folder."""
    found = [
        sorted(each for each in path.rglob("*") if each.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
        for path in paths
    ]
    return list(dict.fromkeys(path for part in found for path in part))
