"""A scenario as it is written: what is given, what is done, what must come of it.

A key without a default must be there. To add an action or an expectation, write its class here and list it in
ACTIONS or EXPECTATIONS; `acting` carries actions out, `matching` compares expectations with what happened.
"""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from workflows.actions import DataType, Name, Section, Text

Seconds = Annotated[float, Field(ge=0, le=86_400)]
StoreSize = Literal["new", "empty", "tiny", "medium", "large", "huge"]
Trouble = Literal["rate_limit", "unauthorized", "timeout", "server_error", "malformed", "network", "slow"]
WorkerKind = Literal["intake", "workflow", "agent", "shopify"]
Kind = Literal["context_update", "cj_tool_call", "cj_message", "transition", "error", "shopify_request", "any"]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


#: One text, or several.
Texts = Annotated[list[Text], BeforeValidator(_as_list, json_schema_input_type=Text | list[Text])]


class Given(Section):
    """What is there before the first step."""

    place: ClassVar = "'given'"

    workflow: Name | None = None
    """The conversation is open already, in this workflow."""
    context: dict[Name, Any] = Field(default_factory=dict)
    """What the open conversation's context holds."""
    store: StoreSize = "medium"
    """The store: new (no orders), tiny (under 10), medium (over 100), large (over 1,000), huge (over 10,000)."""
    connected: bool = False
    """True: the merchant's store has been connected before."""
    scopes: list[Text] | None = None
    """The permissions that the merchant granted."""


ToolCalls = Annotated[
    list[dict[str, dict[str, Any]]],
    BeforeValidator(_as_list, json_schema_input_type=dict[str, Any] | list[dict[str, Any]]),
]


class ModelAnswer(Section):
    """One answer of the scripted model: words, tool calls, or both."""

    place: ClassVar = "an answer under 'model'"

    say: Text | None = None
    """What the model says."""
    call: ToolCalls = Field(default_factory=list)
    """The tools it calls: {shopify_data: {data_type: counts}}, or a list of such."""


class Fault(Section):
    """Something goes wrong."""

    place: ClassVar = "a fault under 'faults'"

    on: Text
    """Where: shopify.counts, shopify.recent_orders, shopify.overview, shopify.week_orders, shopify.*, or model."""
    call: Annotated[int, Field(ge=1, le=1000)] | Literal["every"] = 1
    """Which request there: the first, the second …, or every."""
    fail: Trouble
    """How."""
    seconds: Seconds | None = None
    """slow: how long the answer takes (2). rate_limit: how long to wait (0.2)."""


class Limits(Section):
    """Bounds of the whole scenario, in seconds from its first action."""

    place: ClassVar = "'limits'"

    first_fetch_seconds: Seconds | None = None
    """When Shopify must have been asked for the first time."""
    total_seconds: Seconds | None = None
    """When the last thing expected must have come."""


# --- actions ----------------------------------------------------------------------------------------------------


class SimulateOauthComplete(Section):
    """The merchant comes back from Shopify: the token is stored and the event published, as the auth service does."""

    place: ClassVar = "a 'simulate_oauth_complete' action"

    action: Literal["simulate_oauth_complete"]
    data: dict[str, Any] = Field(default_factory=dict)
    """The event's data; what is not given is filled in."""


class PublishEvent(Section):
    """Any event, also one that must be refused."""

    place: ClassVar = "an 'event' action"

    action: Literal["event"]
    type: Text
    """The event's type."""
    data: dict[str, Any] = Field(default_factory=dict)
    """The event's data; ids that the type needs and that are not given are filled in."""
    id: Text | None = None
    """The event's id; events with the same id are the same event."""
    times: int = Field(1, ge=1, le=100)
    """How often it is published, with the same id."""


class MerchantMessage(Section):
    """The merchant writes."""

    place: ClassVar = "a 'merchant_message' action"

    action: Literal["merchant_message"]
    text: Text
    """What the merchant says."""


class AdvanceClock(Section):
    """Time passes: everything stored becomes older, what expires in the meantime is gone. A kill that was ordered for
    a named point takes place first."""

    place: ClassVar = "an 'advance_clock' action"

    action: Literal["advance_clock"]
    seconds: float = Field(gt=0, le=366 * 86_400)
    """How much time."""


class Kill(Section):
    """kill -9 of a worker process; another one is started, as `cj up` does."""

    place: ClassVar = "a 'kill' action"

    action: Literal["kill"]
    worker: WorkerKind
    """Which kind."""
    at: Text | None = None
    """When: at once, or when it gets to this point (`workers.failpoints`) for the next time, such as model.before;
    such a kill stands before the action that leads there."""


class Flush(Section):
    """Redis loses everything it holds."""

    place: ClassVar = "a 'flush' action"

    action: Literal["flush"]
    what: Literal["broker", "cache", "all"] = "all"
    """Whose Redis."""


ACTIONS: tuple[type[Section], ...] = (
    SimulateOauthComplete,
    PublishEvent,
    MerchantMessage,
    AdvanceClock,
    Kill,
    Flush,
)

# --- expectations -----------------------------------------------------------------------------------------------


class Expectation(Section):
    """Something that must come after what was expected before it; other things may lie between."""

    min_delay: Seconds | None = None
    """It comes at least so long after the step before."""
    within: Seconds | None = None
    """It comes at most so long after the step before."""


class ContextUpdate(Expectation):
    """The conversation's context changes."""

    place: ClassVar = "a 'context_update' expectation"

    expect: Literal["context_update"]
    values: dict[str, Any] = Field(min_length=1)
    """What it holds then; further keys do not matter."""


class CjToolCall(Expectation):
    """CJ calls a tool."""

    place: ClassVar = "a 'cj_tool_call' expectation"

    expect: Literal["cj_tool_call"]
    tool: Name = "shopify_data"
    """Which tool."""
    params: dict[str, Any] = Field(default_factory=dict)
    """With which arguments; further ones do not matter."""
    result: dict[str, Any] = Field(default_factory=dict)
    """What the result holds, such as {success: true, cached: true}; further keys do not matter."""
    max_seconds: Seconds | None = None
    """How long the call may take."""


class CjMessage(Expectation):
    """CJ says something. {{store.customers}} in a text is the store's true number; so are orders, open_orders,
    unfulfilled_orders, products and orders_last_7_days."""

    place: ClassVar = "a 'cj_message' expectation"

    expect: Literal["cj_message"]
    contains: Texts = Field(default_factory=list)
    """Words in it; of several, all."""
    excludes: Texts = Field(default_factory=list)
    """Words not in it; of several, none."""
    matches: Text | None = None
    """A regular expression that is found in it."""
    final: bool | None = None
    """Whether it is the last message of its turn."""

    @field_validator("matches")
    @classmethod
    def _is_an_expression(cls, written: str | None) -> str | None:
        import re

        try:
            re.compile(written or "")
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        return written


class TransitionTo(Expectation):
    """The conversation moves to another workflow."""

    place: ClassVar = "a 'transition' expectation"

    expect: Literal["transition"]
    to: Name
    """Which workflow."""


class ErrorCode(Expectation):
    """A turn ends with an error, a tool call fails, or an event is refused."""

    place: ClassVar = "an 'error' expectation"

    expect: Literal["error"]
    code: Text | None = None
    """Its code, such as shopify.unauthorized; without it any error."""


class ShopifyRequest(Expectation):
    """A request reaches the store."""

    place: ClassVar = "a 'shopify_request' expectation"

    expect: Literal["shopify_request"]
    data_type: DataType | None = None
    """What it asks for; without it anything."""


class Nothing(Section):
    """Nothing of a kind happens: neither since the step before nor for some time from now."""

    place: ClassVar = "a 'nothing' expectation"

    expect: Literal["nothing"]
    kind: Kind = "any"
    """Of which kind."""
    seconds: Seconds = Field(1.0, alias="for")
    """For how long from now."""


EXPECTATIONS: tuple[type[Section], ...] = (
    ContextUpdate,
    CjToolCall,
    CjMessage,
    TransitionTo,
    ErrorCode,
    ShopifyRequest,
    Nothing,
)

Action = SimulateOauthComplete | PublishEvent | MerchantMessage | AdvanceClock | Kill | Flush
Expected = ContextUpdate | CjToolCall | CjMessage | TransitionTo | ErrorCode | ShopifyRequest | Nothing


def tag(section: type[Section]) -> str:
    """How a step of this class begins: `expect: cj_message` → "expect cj_message"."""
    key = "action" if "action" in section.model_fields else "expect"
    return f"{key} {get_args(section.model_fields[key].annotation)[0]}"


def _tag_of(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    keys = [key for key in ("action", "expect") if key in value]
    return f"{keys[0]} {value[keys[0]]}" if len(keys) == 1 else None


STEPS: dict[str, type[Section]] = {tag(section): section for section in (*ACTIONS, *EXPECTATIONS)}

Step = Annotated[
    Annotated[SimulateOauthComplete, Tag("action simulate_oauth_complete")]
    | Annotated[PublishEvent, Tag("action event")]
    | Annotated[MerchantMessage, Tag("action merchant_message")]
    | Annotated[AdvanceClock, Tag("action advance_clock")]
    | Annotated[Kill, Tag("action kill")]
    | Annotated[Flush, Tag("action flush")]
    | Annotated[ContextUpdate, Tag("expect context_update")]
    | Annotated[CjToolCall, Tag("expect cj_tool_call")]
    | Annotated[CjMessage, Tag("expect cj_message")]
    | Annotated[TransitionTo, Tag("expect transition")]
    | Annotated[ErrorCode, Tag("expect error")]
    | Annotated[ShopifyRequest, Tag("expect shopify_request")]
    | Annotated[Nothing, Tag("expect nothing")],
    Discriminator(_tag_of),
]


class Definition(Section):
    """A scenario: one conversation of one merchant, step by step."""

    place: ClassVar = "the top level"

    name: Text
    """What the test is called."""
    description: Text | None = None
    """One line for people."""
    given: Given = Field(default_factory=Given)
    """What is there before the first step."""
    model: list[ModelAnswer] | None = Field(None, min_length=1)
    """What the language model answers, in order; without it the demo model speaks."""
    faults: list[Fault] = Field(default_factory=list)
    """What goes wrong."""
    limits: Limits = Field(default_factory=Limits)
    """Bounds of the whole scenario."""
    steps: list[Step] = Field(min_length=1)
    """Actions, and what must come of them, in order."""
