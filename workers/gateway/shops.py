"""Connected shops: stores Shopify's token response together with its event, in one transaction."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from events.fields import EventId, Identifier, validated
from events.shop_domain import normalize_shop_domain
from shopify import token_response
from shopify.token_response import TokenResponse
from storage import connections, merchants
from storage.database import Session
from storage.inbox import Accepted
from storage.vault import Vault
from workers.gateway import incoming

SOURCE = "/auth"


class NewShop(BaseModel):
    """A shop that a merchant has connected. `state` is the OAuth state, which is the same in a retry."""

    model_config = ConfigDict(extra="ignore")

    merchant_id: Identifier
    shop_domain: str
    state: EventId
    token: TokenResponse
    conversation_id: Identifier | None = None
    name: Identifier | None = None
    delivery: Literal["queue", "door"] = "door"


PRIVATE = ("token", *(f"token.{name}" for name in token_response.PRIVATE))
"""Fields of a NewShop that errors must not repeat."""


def read(value: Any) -> NewShop:
    """The shop in a JSON value. Raises InvalidEvent, whose text contains no token."""
    return validated(NewShop, value, private=PRIVATE)


def connect(session: Session, vault: Vault, shop: NewShop, traceparent: str | None, per_merchant: int) -> Accepted:
    """Store the token and record its event, with the OAuth state as id, in one transaction; a repetition does
    nothing."""
    token = shop.token
    scopes = sorted(set(token.scopes))
    data = connections.oauth_complete(
        merchant_id=shop.merchant_id,
        shop_domain=normalize_shop_domain(shop.shop_domain),
        scopes=scopes,
        conversation_id=shop.conversation_id,
    )
    by_door = shop.delivery == "door"
    event = connections.new_event(data, SOURCE, shop.state, traceparent=traceparent, by_door=by_door)
    # First, so that a concurrent repetition waits here and then finds it done.
    [answer] = incoming.accept(session, [event], per_merchant)
    if answer.fresh:
        merchants.connect_shop(
            session,
            vault,
            merchant_id=shop.merchant_id,
            shop_domain=shop.shop_domain,
            access_token=token.access_token,
            scopes=scopes,
            refresh_token=token.refresh_token,
            access_expires_in=token.expires_in,
            refresh_expires_in=token.refresh_token_expires_in,
            conversation_id=shop.conversation_id,
            name=shop.name,
            emit=False,
        )
    return answer
