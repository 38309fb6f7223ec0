"""What each type of event says: one frozen model per type.

To add a type, write its class here and list it in EVENT_DATA. Reading is strict ("true" is not true) and ignores
unknown fields, so a new optional field is a compatible change; anything that refuses what was accepted before is a
new type.

Ids are the sender's and opaque. The privacy events carry Shopify's ids only, never a name or an address:
https://shopify.dev/docs/apps/build/privacy-law-compliance
"""

from collections.abc import Collection
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from events.fields import Identifier, Note, NotGiven, Said, ShopDomain


class EventData(BaseModel):
    """Base of all event data. Field names are what conditions in workflow YAML use."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    #: Fields whose values no error may show.
    private: ClassVar[Collection[str]] = ()

    @property
    def payload(self) -> dict[str, Any]:
        """The known fields that have a value, as JSON values."""
        return self.model_dump(mode="json", exclude_none=True)


class OAuthComplete(EventData):
    """A merchant came back from the consent page of a provider, with or without its consent."""

    private = ("error",)

    provider: Identifier = Field(description="Whose account was connected.", examples=["shopify"])
    success: bool
    merchant_id: Identifier
    shop_domain: ShopDomain | None = Field(None, description="Required when success is true.")
    conversation_id: Identifier | None = Field(
        None, description="Absent: the merchant's latest open conversation, else a new one."
    )
    error: Note | None = Field(None, description="Why it failed, for operators.")
    scopes: list[Identifier] | None = Field(None, description="Granted access scopes.")

    @model_validator(mode="before")
    @classmethod
    def _success_names_the_shop(cls, data: object) -> object:
        if isinstance(data, dict) and data.get("success") is True and data.get("shop_domain") is None:
            return {**data, "shop_domain": NotGiven.NULL if "shop_domain" in data else NotGiven.MISSING}
        return data


class AppUninstalled(EventData):
    """The merchant removed the app: its token is dead."""

    merchant_id: Identifier
    shop_domain: ShopDomain


class ConversationStarted(EventData):
    """A merchant opened a conversation that CJ should begin."""

    merchant_id: Identifier
    conversation_id: Identifier
    workflow: Identifier | None = Field(None, description="Absent: the default workflow.")


class MessageReceived(EventData):
    """A merchant said something."""

    private = ("text",)

    merchant_id: Identifier
    conversation_id: Identifier
    text: Said


class CustomersDataRequest(EventData):
    """A customer asked the merchant for what is stored about them."""

    merchant_id: Identifier
    shop_domain: ShopDomain
    customer_id: Identifier
    order_ids: list[Identifier]


class CustomersRedact(EventData):
    """What is stored about this customer and these orders must be deleted."""

    merchant_id: Identifier
    shop_domain: ShopDomain
    customer_id: Identifier
    order_ids: list[Identifier]


class ShopRedact(EventData):
    """Everything of this shop must be deleted."""

    merchant_id: Identifier
    shop_domain: ShopDomain


#: Every event type. The key is the envelope's `type` and the name used in workflow YAML.
EVENT_DATA: dict[str, type[EventData]] = {
    "oauth_complete": OAuthComplete,
    "app_uninstalled": AppUninstalled,
    "conversation_started": ConversationStarted,
    "message_received": MessageReceived,
    "customers_data_request": CustomersDataRequest,
    "customers_redact": CustomersRedact,
    "shop_redact": ShopRedact,
}
