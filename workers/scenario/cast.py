"""Who plays in a scenario: one merchant, one shop, one conversation."""

from dataclasses import dataclass
from typing import Any

from events.catalog import CATALOG
from workers.scenario.definition import Definition, PublishEvent, SimulateOauthComplete

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
        """The first ids that the scenario names; where it names none, those above."""
        named: dict[str, str] = {}
        for step in definition.steps:
            if isinstance(step, SimulateOauthComplete | PublishEvent):
                for key in ("merchant_id", "shop_domain", "conversation_id"):
                    if isinstance(step.data.get(key), str):
                        named.setdefault(key, step.data[key])
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
