"""The data of each event type: one frozen model per type.

To add a type, write its class here, with an example, and list it in CATALOG. Parsing is strict ("true" is not true) and
ignores unknown fields, so a new optional field is a compatible change. A change that refuses what was accepted before
needs a new type.

Ids are the sender's and opaque. The privacy events carry what Shopify's webhooks say about a customer, who may have
only an e-mail address: https://shopify.dev/docs/apps/build/privacy-law-compliance
"""

import difflib
import hashlib
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from events import strict_json
from events.errors import InvalidEvent, quoted
from events.fields import (
    MAX_ID,
    Contact,
    CustomerId,
    FreeData,
    Identifier,
    MessageText,
    NotGiven,
    OperatorNote,
    ShopDomain,
)

#: "string", "boolean", "number", "list", "object", the fields of an object, or None for any kind.
Kind = typing.Union[str, Mapping[str, "Kind"], None]  # noqa: UP007 - X | "Kind" cannot name itself

SHOPIFY = "shopify"
"""The provider whose connections are shops."""
_SHOP = {"merchant_id": "test_123", "shop_domain": "test.myshopify.com"}
_CUSTOMER = {**_SHOP, "customer_id": "207119551", "order_ids": ["299938", "280263"]}


class EventData(BaseModel):
    """Base of all event data. Conditions in workflow YAML use the field names."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    #: Fields whose values must not appear in errors.
    private: ClassVar[Collection[str]] = ()
    #: Fields that workflows do not see, so that they never get into a prompt.
    personal: ClassVar[Collection[str]] = ()
    #: Whether the envelope must have `time`: a late event about an earlier connection must not harm the current one.
    timed: ClassVar[bool] = False
    #: A payload of this type, for the documentation.
    example: ClassVar[Mapping[str, Any]]

    @property
    def payload(self) -> dict[str, Any]:
        """The known fields that have a value, as JSON values."""
        return self.model_dump(mode="json", exclude_none=True)

    def content_hash(self, event_type: str) -> bytes:
        """SHA-256 of an event's type and payload: tells a repeated event from a different one with the same id."""
        return hashlib.sha256(strict_json.dumps([event_type, self.payload], sort_keys=True)).digest()


class OAuthComplete(EventData):
    """A merchant came back from a provider's consent page and consented or not."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {
                "properties": {"provider": {"const": SHOPIFY}, "success": {"const": True}},
                "required": ["provider", "success"],
            },
            "then": {"properties": {"shop_domain": {"type": "string"}}, "required": ["shop_domain"]},
        }
    )
    private = ("error",)
    example = MappingProxyType(
        {
            "provider": "shopify",
            "success": True,
            "shop_domain": "test.myshopify.com",
            "merchant_id": "test_123",
            "conversation_id": "conv_1",
        }
    )

    provider: Identifier = Field(description="Whose account was connected.", examples=["shopify"])
    success: bool
    merchant_id: Identifier
    shop_domain: ShopDomain | None = Field(None, description="Required when a Shopify store was connected.")
    conversation_id: Identifier | None = Field(
        None, description="Absent: the merchant's latest open conversation, else a new one."
    )
    error: OperatorNote | None = Field(None, description="Why it failed, for operators.")
    scopes: list[Identifier] | None = Field(None, description="Granted access scopes.")

    @model_validator(mode="before")
    @classmethod
    def _success_names_the_shop(cls, data: object) -> object:
        is_connection = isinstance(data, dict) and data.get("provider") == SHOPIFY and data.get("success") is True
        if is_connection and isinstance(data, dict) and data.get("shop_domain") is None:
            return {**data, "shop_domain": NotGiven.NULL if "shop_domain" in data else NotGiven.MISSING}
        return data


class AppUninstalled(EventData):
    """The merchant removed the app: its token is dead."""

    timed = True
    example = MappingProxyType(_SHOP)

    merchant_id: Identifier
    shop_domain: ShopDomain


class ConversationStarted(EventData):
    """A merchant opened a conversation; CJ should speak first."""

    example = MappingProxyType({"merchant_id": "test_123", "conversation_id": "conv_1", "workflow": "ad_hoc_support"})

    merchant_id: Identifier
    conversation_id: Identifier
    workflow: Identifier | None = Field(None, description="Absent: the default workflow.")


class MessageReceived(EventData):
    """A merchant said something."""

    private = ("text",)
    example = MappingProxyType({"merchant_id": "test_123", "conversation_id": "conv_1", "text": "How was this week?"})

    merchant_id: Identifier
    conversation_id: Identifier
    text: MessageText


class StopRequested(EventData):
    """A merchant no longer wants an answer. What was said stays."""

    example = MappingProxyType({"merchant_id": "test_123", "conversation_id": "conv_1"})

    merchant_id: Identifier
    conversation_id: Identifier
    all: bool | None = Field(None, description="Also the messages that wait behind the one being answered.")


class Place(BaseModel):
    """A reply's place in its conversation."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    turn: int = Field(ge=0)
    sequence: int = Field(ge=0, description="As a number.")


class RepliesRequested(EventData):
    """A frontend came back and wants what was said in a conversation sent again."""

    example = MappingProxyType(
        {"merchant_id": "test_123", "conversation_id": "conv_1", "after": {"turn": 3, "sequence": 2}}
    )

    merchant_id: Identifier
    conversation_id: Identifier
    after: Place | None = Field(None, description="The last reply it has. Absent: from the beginning.")
    snapshot: bool | None = Field(
        None, description="Begin with everything that was said, as one MESSAGES_SNAPSHOT, and continue after it."
    )


class CustomerEvent(EventData):
    """A customer of a shop: by id, e-mail address or phone number, at least one of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {name: {"type": "string"}}, "required": [name]}
                for name in ("customer_id", "email", "phone")
            ]
        }
    )
    private = personal = ("email", "phone")
    example = MappingProxyType(_CUSTOMER)

    merchant_id: Identifier
    shop_domain: ShopDomain
    customer_id: CustomerId = Field(None, description="Shopify's id. Absent: email or phone is required.")
    order_ids: list[Identifier]
    email: Contact | None = Field(None, description="Removed when the request is done.")
    phone: Contact | None = Field(None, description="Removed when the request is done.")

    @model_validator(mode="before")
    @classmethod
    def _someone_is_named(cls, data: object) -> object:
        if isinstance(data, dict) and all(data.get(name) is None for name in ("customer_id", "email", "phone")):
            return {**data, "customer_id": NotGiven.MISSING}
        return data


class CustomersDataRequest(CustomerEvent):
    """A customer asked the merchant what is stored about them."""


class CustomersRedact(CustomerEvent):
    """What is stored about this customer and these orders must be deleted."""


class Custom(EventData):
    """Any other event that a workflow's rules may handle, by `name`; `data` is free-form."""

    private = ("data",)
    example = MappingProxyType({"merchant_id": "test_123", "name": "plan_changed", "data": {"plan": "pro"}})

    merchant_id: Identifier
    conversation_id: Identifier | None = Field(None, description="Absent: the merchant's latest open conversation.")
    name: Identifier = Field(description="What happened.", examples=["plan_changed"])
    data: FreeData = Field(default_factory=dict, description="More about it; no secrets and no personal data.")


class ShopRedact(EventData):
    """Everything stored about this shop must be deleted."""

    timed = True
    example = MappingProxyType(_SHOP)

    merchant_id: Identifier
    shop_domain: ShopDomain


#: Every event type. The key is the envelope's `type` and the name used in workflow YAML.
CATALOG: Mapping[str, type[EventData]] = MappingProxyType(
    {
        "oauth_complete": OAuthComplete,
        "app_uninstalled": AppUninstalled,
        "conversation_started": ConversationStarted,
        "message_received": MessageReceived,
        "stop_requested": StopRequested,
        "replies_requested": RepliesRequested,
        "custom": Custom,
        "customers_data_request": CustomersDataRequest,
        "customers_redact": CustomersRedact,
        "shop_redact": ShopRedact,
    }
)

#: Types that are carried out at once and never reach a workflow's rules.
REQUESTS = ("stop_requested", "replies_requested")
#: Shopify's privacy webhooks; those that delete what is stored never reach a conversation.
DELETIONS = frozenset({"customers_redact", "shop_redact"})
PRIVACY = DELETIONS | {"customers_data_request"}


def fields(event_type: str, *, personal: bool = False) -> Mapping[str, Kind]:
    """The data fields of an event type that workflows see (with `personal`, all of them) and their kinds.

    Raises InvalidEvent (event.unknown_type).
    """
    known = data_class(event_type)
    seen = (item for item in known.model_fields.items() if personal or item[0] not in known.personal)
    return {name: _kind(field.annotation) for name, field in seen}


def data_class(event_type: str) -> type[EventData]:
    """The class of an event type's data. Raises InvalidEvent (event.unknown_type)."""
    found = CATALOG.get(event_type)
    if found is None:
        raise InvalidEvent("event.unknown_type", f"{quoted(event_type)}{did_you_mean(event_type, CATALOG)}")
    return found


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)` if `name` resembles one of `known`, else an empty text."""
    close = difflib.get_close_matches(name[:MAX_ID], known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _kind(annotation: Any) -> Kind:
    if typing.get_origin(annotation) is typing.Annotated:
        return _kind(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = [_kind(part) for part in typing.get_args(annotation) if part is not types.NoneType]
        return kinds[0] if len(kinds) == 1 else None
    bare = typing.get_origin(annotation) or annotation
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return {name: _kind(field.annotation) for name, field in bare.model_fields.items()}
    return _KINDS.get(bare)


_KINDS: Mapping[Any, str] = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "list",
    dict: "object",
}
