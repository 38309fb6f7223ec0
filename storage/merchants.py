"""Merchants and their shops: with `storage.renewals` the only reader and writer of access tokens.

`connect_shop` is what the auth service calls: it keeps the token and records the event, in one transaction, so
that there is never a token without its `oauth_complete` nor the reverse. A token is sealed before it becomes a
parameter of a statement, and bound to the merchant and the shop of its row (`storage.vault`). Everyone who needs
no token reads the view `integrations`. The statements stand in `merchants.sql`.
"""

import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage import inbox, sql
from storage.errors import (
    InvalidShopDomain,
    MerchantNameTaken,
    ShopConnectedElsewhere,
    StorageRefused,
    TokenUnreadable,
)
from storage.inbox import Accepted, NewEvent, Reused
from storage.vault import Vault, binding, key_id_of

#: The same token for the same shop and conversation within so many seconds is the same connection: a caller that
#: could not see its commit happen runs it again.
RERUN_SECONDS = 60.0
EVENT_TYPE = "oauth_complete"
#: Namespace of the ids of events recorded here.
EVENT_NAMESPACE = uuid.UUID("6f1d3a52-5c0e-5d43-9a55-0f3c1f0b7c11")

SHOP_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")

SQL = sql.load("merchants")


@dataclass(frozen=True)
class Integration:
    """A merchant's shop, without secrets. `token_version` changes with every new token."""

    merchant_id: str
    type: str
    shop_domain: str
    token_version: int
    scopes: tuple[str, ...]
    is_active: bool
    status: str
    access_expires_at: datetime | None
    connected_at: datetime


@dataclass(frozen=True)
class AccessToken:
    """A token in clear. It goes to `integration.shop_domain` and nowhere else."""

    integration: Integration
    secret: SecretStr
    expires_at: datetime | None
    #: By the database's clock.
    read_at: datetime
    #: Until it expires, by the database's clock when it was read; None for never.
    seconds_left: float | None = None
    #: Whether a refresh token is kept with it.
    renewable: bool = False


@dataclass(frozen=True)
class Connected:
    """What `connect_shop` did. Publishing the event is optional (it only saves a second): send `event_data` under
    `event_id`, or the copy counts as another event. `fresh`: False if this very connection was there already."""

    integration: Integration
    event_key: int | None
    event_id: str | None
    event_data: dict[str, Any] | None
    fresh: bool


@dataclass(frozen=True)
class Resealed:
    """One batch: how many rows were sealed anew, ids of rows that do not open, and where the next batch begins."""

    count: int
    unreadable: tuple[int, ...]
    next: int | None


def add_merchant(session: Session, merchant_id: str, name: str | None = None) -> None:
    """Make the merchant known; nothing to do if it is. Its name is `name`, or else its id.

    Raises MerchantNameTaken if another merchant has the given name.
    """
    wanted = [name] if name is not None else [merchant_id, f"{merchant_id} ({uuid.uuid4().hex[:8]})"]
    for candidate in wanted:
        session.execute(SQL["add_merchant"], {"merchant_id": merchant_id, "name": candidate})
        if merchant_exists(session, merchant_id):
            return
    raise MerchantNameTaken(f"another merchant is called {name!r}; choose another name")


def merchant_exists(session: Session, merchant_id: str) -> bool:
    """Whether the merchant is known."""
    return bool(session.execute(SQL["merchant_exists"], {"merchant_id": merchant_id}).scalar_one())


def integration_of(session: Session, merchant_id: str, type: str = "shopify") -> Integration | None:
    """The merchant's shop, in whatever status."""
    where = {"merchant_id": merchant_id, "type": type}
    row = session.execute(SQL["integration_of"], where).one_or_none()
    return None if row is None else _integration(row)


def integration_by_shop(session: Session, shop_domain: str) -> Integration | None:
    """The active connection of a shop."""
    row = session.execute(SQL["integration_by_shop"], {"shop_domain": shop_domain}).one_or_none()
    return None if row is None else _integration(row)


def connect_shop(
    session: Session,
    vault: Vault,
    *,
    merchant_id: str,
    shop_domain: str,
    access_token: SecretStr,
    scopes: Sequence[str],
    refresh_token: SecretStr | None = None,
    access_expires_in: int | None = None,
    refresh_expires_in: int | None = None,
    conversation_id: str | None = None,
    name: str | None = None,
    event_source: str = "/auth",
    emit: bool = True,
) -> Connected:
    """Keep a shop's token and, with `emit`, record `oauth_complete`. Expiries are in seconds from now.

    Raises ShopConnectedElsewhere while the shop is another merchant's, InvalidShopDomain, MerchantNameTaken.
    """
    shop_domain = _shop_domain(shop_domain)
    owner = {"merchant_id": merchant_id, "shop_domain": shop_domain}
    _upsert_merchant(session, merchant_id, name)
    granted = sorted({scope.strip() for scope in scopes if scope.strip()})
    data = _event_data(merchant_id, shop_domain, granted, conversation_id)
    before = _same_connection(session, vault, access_token, data, event_source, emit=emit)
    if before is not None:
        return before
    values = {
        **owner,
        "api_key": vault.seal(access_token, aad=binding(merchant_id, shop_domain, "access")),
        "refresh_token": _sealed_refresh(vault, refresh_token, merchant_id, shop_domain),
        "access_expires_in": access_expires_in,
        "refresh_expires_in": refresh_expires_in,
        "scopes": granted,
    }
    integration = _store(session, values)
    if not emit:
        return Connected(integration, None, None, None, fresh=True)
    return _recorded(session, integration, data, event_source)


def read_access_token(session: Session, vault: Vault, merchant_id: str) -> AccessToken | None:
    """The token of the merchant's active shop. Raises TokenUnreadable."""
    row = session.execute(SQL["read_access_token"], {"merchant_id": merchant_id}).one_or_none()
    if row is None:
        return None
    sealed, renewable, seconds_left, read_at, *public = tuple(row)
    integration = _integration(public)
    secret = vault.open(sealed, aad=binding(integration.merchant_id, integration.shop_domain, "access"))
    return AccessToken(integration, secret, integration.access_expires_at, read_at, seconds_left, renewable)


def mark_needs_reauth(session: Session, merchant_id: str, *, token_version: int) -> bool:
    """Note that Shopify no longer accepts this token; False if another one was stored meanwhile."""
    values = {"merchant_id": merchant_id, "token_version": token_version}
    return session.execute(SQL["mark_needs_reauth"], values).first() is not None


def disconnect(session: Session, merchant_id: str, shop_domain: str, *, at: datetime) -> bool:
    """Wipe the tokens of a shop that uninstalled the app at `at`.

    False, and nothing done, if it was connected (again) after that, is another shop, or was wiped before.
    """
    values = {"merchant_id": merchant_id, "shop_domain": shop_domain, "at": at}
    return bool(session.execute(SQL["disconnect"], values).scalar_one())


def reseal(session: Session, vault: Vault, *, after: int = 0, limit: int = 100) -> Resealed:
    """Seal a batch of tokens with the vault's first key where another one was used. Safe to repeat."""
    rows = session.execute(SQL["sealed"], {"after": after, "limit": limit}).all()
    count, unreadable = 0, []
    for row in rows:
        try:
            count += _reseal_row(session, vault, row)
        except TokenUnreadable:
            unreadable.append(int(row.id))
    return Resealed(count, tuple(unreadable), int(rows[-1].id) if len(rows) == limit else None)


def key_ids_in_use(session: Session) -> set[int]:
    """The ids of all keys that stored tokens are sealed with: each must stay in CJ_TOKEN_KEYS."""
    return {int(key_id) for key_id in session.execute(SQL["key_ids"]).scalars()}


def content_hash(event_type: str, payload: dict[str, Any]) -> bytes:
    """The hash the inbox compares events by; the same rule as in the event catalog."""
    canonical = json.dumps([event_type, payload], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).digest()


def _integration(row: Row[Any] | Sequence[Any]) -> Integration:
    merchant_id, kind, shop_domain, version, scopes, is_active, status, expires_at, connected_at = tuple(row)
    return Integration(
        merchant_id, kind, shop_domain, version, tuple(scopes), is_active, status, expires_at, connected_at
    )


def _shop_domain(text: str) -> str:
    # ASCII first: there are letters whose lower case is an ASCII one.
    lower = text.lower() if text.isascii() else ""
    if SHOP_DOMAIN.fullmatch(lower) is None:
        raise InvalidShopDomain(f"shop_domain {text[:80]!r} is not <name>.myshopify.com")
    return lower


def _upsert_merchant(session: Session, merchant_id: str, name: str | None) -> None:
    add_merchant(session, merchant_id, name)
    current = session.execute(SQL["lock_merchant"], {"merchant_id": merchant_id}).scalar_one()
    if name is None or name == current:
        return
    if session.execute(SQL["rename"], {"merchant_id": merchant_id, "name": name}).first() is None:
        raise MerchantNameTaken(f"another merchant is called {name!r}; choose another name")


def _store(session: Session, values: dict[str, Any]) -> Integration:
    """The schema decides whose a shop is: two merchants may connect it at the same moment."""
    try:
        with session.begin_nested():
            return _integration(session.execute(SQL["connect"], values).one())
    except IntegrityError as error:
        if _constraint(error) != "merchant_integrations_active_shop":
            raise
    raise ShopConnectedElsewhere(
        f"{values['shop_domain']} is connected by another merchant; disconnect it there first (uninstall the app)"
    )


def _constraint(error: IntegrityError) -> str | None:
    name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    return None if name is None else str(name)


def _same_connection(
    session: Session,
    vault: Vault,
    access_token: SecretStr,
    data: dict[str, Any],
    event_source: str,
    *,
    emit: bool,
) -> Connected | None:
    """The connection as it is, if this call only repeats the one that made it."""
    rerun = {"merchant_id": data["merchant_id"], "rerun_seconds": RERUN_SECONDS}
    row = session.execute(SQL["latest_connection"], rerun).one_or_none()
    if row is None or not row.is_recent or row.status != "active" or row.shop_domain != data["shop_domain"]:
        return None
    sealed, _, *public = tuple(row)
    integration = _integration(public)
    try:
        stored = vault.open(sealed, aad=binding(integration.merchant_id, integration.shop_domain, "access"))
    except TokenUnreadable:
        return None
    given = access_token.get_secret_value().encode()
    if not hmac.compare_digest(stored.get_secret_value().encode(), given):
        return None
    if list(integration.scopes) != data["scopes"]:
        return None
    if not emit:
        return Connected(integration, None, None, None, fresh=False)
    event_id = _event_id(integration)
    accepted = _accept(session, integration, data, event_source, event_id)
    # Another conversation asked for it: that is a new connection.
    if not isinstance(accepted, Accepted):
        return None
    return Connected(integration, accepted.key, event_id, data, fresh=False)


def _sealed_refresh(vault: Vault, token: SecretStr | None, merchant_id: str, shop_domain: str) -> bytes | None:
    return None if token is None else vault.seal(token, aad=binding(merchant_id, shop_domain, "refresh"))


def _reseal_row(session: Session, vault: Vault, row: Row[Any]) -> bool:
    """Seal both tokens of a row anew unless they are sealed with the right key; returns whether it was needed."""
    used = {key_id_of(sealed) for sealed in (row.api_key, row.refresh_token) if sealed is not None}
    if used == {vault.sealing_id}:
        return False
    access = _resealed(vault, row.api_key, binding(row.merchant_id, row.shop_domain, "access"))
    refresh = _resealed(vault, row.refresh_token, binding(row.merchant_id, row.shop_domain, "refresh"))
    session.execute(SQL["store_resealed"], {"id": row.id, "api_key": access, "refresh_token": refresh})
    return True


def _resealed(vault: Vault, sealed: bytes | None, aad: str) -> bytes | None:
    return None if sealed is None else vault.seal(vault.open(sealed, aad=aad), aad=aad)


def _event_data(merchant_id: str, shop_domain: str, scopes: list[str], conversation_id: str | None) -> dict[str, Any]:
    conversation = {} if conversation_id is None else {"conversation_id": conversation_id}
    return {
        "provider": "shopify",
        "success": True,
        "shop_domain": shop_domain,
        "merchant_id": merchant_id,
        "scopes": scopes,
        **conversation,
    }


def _recorded(session: Session, integration: Integration, data: dict[str, Any], source: str) -> Connected:
    """Record the event of a new connection.

    Its id may be taken by a connection of a former life of the merchant, whose versions began at 1 as well.
    """
    for life in range(100):
        event_id = _event_id(integration, life)
        accepted = _accept(session, integration, data, source, event_id)
        if isinstance(accepted, Accepted) and accepted.fresh:
            return Connected(integration, accepted.key, event_id, data, fresh=True)
    raise StorageRefused(f"merchant {integration.merchant_id!r} was connected and erased too often")


def _event_id(integration: Integration, life: int = 0) -> str:
    parts = [integration.merchant_id, integration.shop_domain, str(integration.token_version)]
    return str(uuid.uuid5(EVENT_NAMESPACE, ":".join(parts + ([str(life)] if life else []))))


def _accept(
    session: Session, integration: Integration, data: dict[str, Any], source: str, event_id: str
) -> Accepted | Reused:
    event = NewEvent(
        source=source,
        id=event_id,
        type=EVENT_TYPE,
        time=integration.connected_at,
        subject=None,
        traceparent=None,
        data=data,
        content_hash=content_hash(EVENT_TYPE, data),
        merchant_id=integration.merchant_id,
        conversation_id=data.get("conversation_id"),
    )
    return inbox.accept_many(session, [event])[0]
