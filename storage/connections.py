"""Connections of merchants to shops, without tokens: the shop's merchant, its status, its facts from Shopify.

Everything may import this module: only `storage.merchants` touches tokens. The SQL is in `connections.sql`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from events.catalog import OAuthComplete
from events.fields import refusal
from storage import inbox, sql
from storage.errors import StorageRefused
from storage.inbox import Accepted, NewEvent, Reused

if TYPE_CHECKING:
    from sqlalchemy import Row

    from storage.database import Session

EVENT_TYPE = "oauth_complete"
#: UUID namespace for the ids of events recorded here.
EVENT_NAMESPACE = uuid.UUID("6f1d3a52-5c0e-5d43-9a55-0f3c1f0b7c11")

SQL = sql.load("connections")


@dataclass(frozen=True)
class Integration:
    """A merchant's shop, without secrets. `token_version` changes with every new token."""

    merchant_id: str
    shop_domain: str
    token_version: int
    scopes: tuple[str, ...]
    is_active: bool
    status: str
    access_expires_at: datetime | None
    connected_at: datetime

    @property
    def connection(self) -> int:
        """Identifies this connection among the merchant's; unchanged when its token is renewed."""
        return int(self.connected_at.timestamp() * 1000)

    @classmethod
    def from_row(cls, row: Row[Any] | Sequence[Any]) -> Integration:
        """From the columns of the fragment `public`, in their order."""
        merchant_id, shop_domain, version, scopes, is_active, status, expires_at, connected_at = tuple(row)
        return cls(merchant_id, shop_domain, version, tuple(scopes), is_active, status, expires_at, connected_at)


@dataclass(frozen=True)
class ShopFacts:
    """What Shopify returned about a shop `age_seconds` ago: all granted `scopes`, and an IANA time zone."""

    scopes: tuple[str, ...]
    time_zone: str | None
    currency: str | None
    age_seconds: float = 0.0


@dataclass(frozen=True)
class Known:
    """What is known of a merchant. `erased_at`: when all their data was erased, if it ever was."""

    integration: Integration | None
    is_known: bool
    is_invented: bool
    erased_at: datetime | None
    waiting: int
    """How many of the merchant's turns wait, whatever for."""


@dataclass(frozen=True)
class FormerConnection:
    """An earlier connection. `uninstalled_at`: None if no uninstall was reported."""

    shop_domain: str
    uninstalled_at: datetime | None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FormerConnection:
        ended = value["uninstalled_at"]
        return cls(value["shop_domain"], None if ended is None else datetime.fromisoformat(ended))


def integration_of(session: Session, merchant_id: str) -> Integration | None:
    """The merchant's shop, whatever its status; None if there is none."""
    row = session.execute(SQL["integration_of"], {"merchant_id": merchant_id}).one_or_none()
    return None if row is None else Integration.from_row(row)


def known(session: Session, merchant_id: str, *, most_waiting: int) -> Known:
    """The merchant's shop, and what else the handling of an event needs; turns are counted up to `most_waiting`."""
    row = session.execute(SQL["known"], {"merchant_id": merchant_id, "most": most_waiting}).one()
    *shop, is_known, is_invented, erased_at, waiting = tuple(row)
    return Known(None if shop[0] is None else Integration.from_row(shop), is_known, is_invented, erased_at, waiting)


def former(session: Session, merchant_id: str) -> list[FormerConnection]:
    """The merchant's earlier connections, oldest first."""
    found = session.execute(SQL["former"], {"merchant_id": merchant_id}).scalar()
    return [FormerConnection.from_json(value) for value in found or ()]


def integration_by_shop(session: Session, shop_domain: str) -> Integration | None:
    """The active connection of a shop."""
    row = session.execute(SQL["integration_by_shop"], {"shop_domain": shop_domain}).one_or_none()
    return None if row is None else Integration.from_row(row)


def mark_needs_reauth(session: Session, merchant_id: str, *, token_version: int) -> bool:
    """Record that Shopify no longer accepts this token; False if a newer one was stored meanwhile."""
    values = {"merchant_id": merchant_id, "token_version": token_version}
    return session.execute(SQL["mark_needs_reauth"], values).first() is not None


def disconnect(session: Session, event_key: int) -> bool:
    """Wipe the tokens of the shop in this event, an `app_uninstalled` being handled.

    Returns False, and changes nothing, if the shop was connected later, is another shop, or was already wiped.
    """
    return bool(session.execute(SQL["disconnect"], {"key": event_key}).scalar_one())


def connect_account(session: Session, event_key: int) -> None:
    """Record the connection in this event, an `oauth_complete` from a provider other than Shopify."""
    session.execute(SQL["connect_account"], {"key": event_key})


def claim_shop(session: Session, event_key: int) -> bool:
    """Give the shop in this event, an `oauth_complete` being handled, to the event's merchant if its current merchant
    was only invented by an import and is then deleted. The merchant must exist. On False, check the current state and
    roll back."""
    return bool(session.execute(SQL["claim_shop"], {"key": event_key}).scalar_one())


def accounts(session: Session, merchant_id: str) -> list[str]:
    """The providers other than Shopify that the merchant has connected."""
    return list(session.execute(SQL["accounts"], {"merchant_id": merchant_id}).scalars())


def shop_facts(session: Session, integration: Integration) -> ShopFacts | None:
    """The facts about the shop's current connection; None if Shopify has not been asked since it was made."""
    where = {"merchant_id": integration.merchant_id, "shop_domain": integration.shop_domain}
    row = session.execute(SQL["shop_facts"], where).one_or_none()
    return None if row is None else ShopFacts(tuple(row.scopes), row.time_zone, row.currency, float(row.age))


def keep_shop_facts(session: Session, integration: Integration, facts: ShopFacts) -> bool:
    """Store current facts; returns False, and stores nothing, if the shop was reconnected meanwhile."""
    values = {
        "merchant_id": integration.merchant_id,
        "shop_domain": integration.shop_domain,
        "token_version": integration.token_version,
        "scopes": sorted(set(facts.scopes)),
        "time_zone": facts.time_zone,
        "currency": facts.currency,
    }
    return session.execute(SQL["keep_shop_facts"], values).first() is not None


def keep_scopes(session: Session, integration: Integration, scopes: Collection[str]) -> None:
    """Store the token's scopes as returned by Shopify, unless the shop was reconnected meanwhile."""
    values = {"merchant_id": integration.merchant_id, "token_version": integration.token_version}
    session.execute(SQL["keep_scopes"], {**values, "scopes": sorted(set(scopes))})


def oauth_complete(
    *, merchant_id: str, shop_domain: str, scopes: Sequence[str], conversation_id: str | None
) -> OAuthComplete:
    """The data of a successful connection's event. Raises StorageRefused for an id that the contract does not allow."""
    try:
        return OAuthComplete(
            provider="shopify",
            success=True,
            merchant_id=merchant_id,
            shop_domain=shop_domain,
            conversation_id=conversation_id,
            error=None,
            scopes=list(scopes),
        )
    except ValidationError as error:
        raise StorageRefused(refusal(error).message) from None


def record(
    session: Session, integration: Integration, data: OAuthComplete, source: str, *, by_door: bool = False
) -> tuple[int, str]:
    """Record the event of a new connection; returns its key and its id.

    The id may be taken by a connection from before the merchant was erased, since versions start at 1 again.
    """
    for life in range(100):
        accepted = accept(session, integration, data, source, life=life, by_door=by_door)
        if isinstance(accepted, Accepted) and accepted.fresh:
            return accepted.key, event_id(integration, life)
    raise StorageRefused(f"merchant {integration.merchant_id!r} was connected and erased too often")


def accept(
    session: Session,
    integration: Integration,
    data: OAuthComplete,
    source: str,
    *,
    life: int = 0,
    by_door: bool = False,
) -> Accepted | Reused:
    """Store a connection's event once. `by_door`: replies of a conversation that it opens are read at the door."""
    event = new_event(data, source, event_id(integration, life), time=integration.connected_at, by_door=by_door)
    return inbox.accept(session, [event])[0]


def new_event(data: OAuthComplete, source: str, id: str, **more: Any) -> NewEvent:
    """A connection's event; `more`: further fields of a NewEvent."""
    return NewEvent(
        source=source,
        id=id,
        type=EVENT_TYPE,
        data=data.payload,
        content_hash=data.content_hash(EVENT_TYPE),
        merchant_id=data.merchant_id,
        conversation_id=data.conversation_id,
        **more,
    )


def event_id(integration: Integration, life: int = 0) -> str:
    """The id of a connection's event: the same for the same connection."""
    parts = [integration.merchant_id, integration.shop_domain, str(integration.token_version)]
    return str(uuid.uuid5(EVENT_NAMESPACE, ":".join(parts + ([str(life)] if life else []))))
