"""Who plays in a scenario: one merchant, one shop, one conversation."""

from dataclasses import dataclass
from typing import Any

from events.catalog import CATALOG
from events.errors import InvalidEvent
from events.shop_domain import normalize_shop_domain
from workers.scenario.language import Definition, PublishEvent, SimulateOauthComplete

MERCHANT_ID = "test_123"
SHOP_DOMAIN = "test.myshopify.com"
CONVERSATION_ID = "conv_1"


@dataclass(frozen=True)
class Cast:
    """The ids that steps do not have to name."""

    merchant_id: str = MERCHANT_ID
    shop_domain: str = SHOP_DOMAIN
    conversation_id: str = CONVERSATION_ID

    @classmethod
    def of(cls, definition: Definition) -> "Cast":
        """Who connects a store, else whom the first event is about; where no id is named, those above."""
        connections = [step.data for step in definition.steps if isinstance(step, SimulateOauthComplete)]
        events = [step.data for step in definition.steps if isinstance(step, PublishEvent)]
        data = next(iter((*connections, *events)), {})
        named = {key: value for key in ("merchant_id", "conversation_id") if isinstance(value := data.get(key), str)}
        try:
            return cls(shop_domain=normalize_shop_domain(data.get("shop_domain", SHOP_DOMAIN)), **named)
        except InvalidEvent:
            return cls(**named)

    def event_data(self, event_type: str, given: dict[str, Any]) -> dict[str, Any]:
        """`given` with the ids that events of this type need."""
        model = CATALOG.get(event_type)
        fields = model.model_fields if model is not None else {}
        needed = {name: value for name, value in vars(self).items() if name in fields and fields[name].is_required()}
        return {**needed, **given}

    def oauth_data(self, given: dict[str, Any]) -> dict[str, Any]:
        """The data of an `oauth_complete` as the auth service sends it."""
        usual = {"provider": "shopify", "success": True, "shop_domain": self.shop_domain}
        return {**usual, "merchant_id": self.merchant_id, **given}
