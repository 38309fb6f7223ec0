"""Merchants and the tokens of their shops: the only reader and writer of access tokens.

The auth service calls `connect_shop`: it stores the token and records the event in one transaction, so that there is
never a token without its `oauth_complete` or the reverse. A token is sealed before it becomes a parameter of a
statement, and bound to the merchant and the shop of its row (`storage.vault`). Code that needs no token uses
`storage.connections`. The statements are in `merchants.sql`.

Renewing a token that expires:

    renewal = merchants.begin_renewal(session, vault, merchant_id, token_version=7)   # commit: the lease is ours
    …ask Shopify, outside of any transaction…
    merchants.store_renewal(session, vault, renewal, …)                               # commit: the new pair is in use

The row is locked only during `begin_renewal`; while Shopify is asked, a lease in the row keeps others away. A lock held
that long would need an open transaction: it would hold back vacuum, run into `idle_in_transaction_session_timeout` and
`lock_timeout` exactly when Shopify is slow, and cost each waiting thread a connection. A lease expires if its holder
dies, and a holder that comes back too late writes nothing. Nothing is lost then: until the new pair is first used,
Shopify accepts the old refresh token again
(https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens).
"""

import hmac
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import SecretStr
from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from events.catalog import OAuthComplete
from events.errors import InvalidEvent
from events.shop_domain import normalize_shop_domain
from storage import connections, sql
from storage.connections import Integration
from storage.database import Session
from storage.errors import (
    InvalidShopDomain,
    MerchantNameTaken,
    ShopCannotMove,
    ShopConnectedElsewhere,
    TokenUnreadable,
)
from storage.inbox import Accepted
from storage.vault import Vault, binding, key_id_of

#: The same token for the same shop and conversation within this many seconds is the same connection: a caller that
#: does not know whether its commit succeeded calls again.
RERUN_SECONDS = 60.0
LEASE_SECONDS = 6.0
"""How long a renewal's lease lasts: longer than a request to Shopify may take, but shorter than a tool call waits, so
that a process that takes over can still answer."""
PAUSE_SECONDS = 2.0
"""How long nobody tries again after Shopify could not renew a token."""
TRIED = 5
"""How many of a key's oldest and of its latest tokens are opened to check the key."""

SQL = sql.load("merchants")


@dataclass(frozen=True)
class AccessToken:
    """A token in clear. It goes to `integration.shop_domain` and nowhere else."""

    integration: Integration
    secret: SecretStr
    #: When it was read, by the database's clock, or `aged`.
    read_at: datetime
    #: Until it expires, by the database's clock when it was read; None for never.
    seconds_left: float | None = None
    #: Whether a refresh token is kept with it.
    renewable: bool = False
    #: Seconds since it was read.
    age: float = 0.0

    def aged(self, seconds: float) -> "AccessToken":
        """The same token, `seconds` later."""
        left = None if self.seconds_left is None else self.seconds_left - seconds
        now = self.read_at + timedelta(seconds=seconds)
        return replace(self, read_at=now, seconds_left=left, age=self.age + seconds)


@dataclass(frozen=True)
class Connected:
    """What `connect_shop` did. Publishing the event is optional (it only saves a second); if you do, send `event_data`
    under `event_id`, or it counts as another event. `fresh`: False if this very connection already existed."""

    integration: Integration
    event_key: int | None
    event_id: str | None
    event_data: dict[str, Any] | None
    fresh: bool


@dataclass(frozen=True)
class ShopOwner:
    """The merchant who has a shop, or had it last. `is_invented`: known only from an import."""

    merchant_id: str
    is_invented: bool
    status: str


@dataclass(frozen=True)
class Renewal:
    """The right to renew one token, until the lease ends."""

    merchant_id: str
    shop_domain: str
    token_version: int
    refresh_token: SecretStr
    sealed_for: str
    lease: datetime = field(repr=False)


@dataclass(frozen=True)
class KeyTrial:
    """How many tokens sealed under one key id were tried, and how many the configured key of that id opened."""

    tried: int
    opened: int


@dataclass(frozen=True)
class Resealed:
    """One batch: the number of rows resealed, the ids of rows that could not be opened, and where the next batch
    begins."""

    count: int
    unreadable: tuple[int, ...]
    next: int | None


def add_merchant(session: Session, merchant_id: str, name: str | None = None, *, invented: bool = False) -> None:
    """Add the merchant unless it exists. Its name is `name`, or else its id. `invented`: no service has named it yet.

    Raises MerchantNameTaken if another merchant has the given name.
    """
    wanted = [name] if name is not None else [merchant_id, f"{merchant_id} ({uuid.uuid4().hex[:8]})"]
    for candidate in wanted:
        values = {"merchant_id": merchant_id, "name": candidate, "invented": invented}
        session.execute(SQL["add_merchant"], values)
        if merchant_exists(session, merchant_id):
            return
    raise MerchantNameTaken(f"another merchant is called {name!r}; choose another name")


def merchant_exists(session: Session, merchant_id: str) -> bool:
    """Whether the merchant is known."""
    return bool(session.execute(SQL["merchant_exists"], {"merchant_id": merchant_id}).scalar_one())


def confirm(session: Session, merchant_id: str) -> None:
    """Another service named this merchant: if it was invented by an import, it no longer is."""
    session.execute(SQL["confirm"], {"merchant_id": merchant_id})


def owner_of_shop(session: Session, shop_domain: str) -> ShopOwner | None:
    """The merchant who has the shop, or had it last; None if nobody ever connected it."""
    row = session.execute(SQL["owner_of_shop"], {"shop_domain": shop_domain}).one_or_none()
    return None if row is None else ShopOwner(*row)


def move_shop(session: Session, shop_domain: str, merchant_id: str) -> str | None:
    """Give a connected shop and its tokens to another merchant, who may be new; returns its former merchant.

    Returns None and changes nothing if it already belongs to that merchant. Promises to the former merchant about the
    shop end; its conversations stay, without a store. Raises ShopCannotMove, InvalidShopDomain.
    """
    shop = _shop_domain(shop_domain)
    owner = owner_of_shop(session, shop)
    if owner is None or owner.status == "uninstalled":
        raise ShopCannotMove(f"{shop} is not connected, so there is nothing to move; its merchant connects it")
    if owner.merchant_id == merchant_id:
        confirm(session, merchant_id)
        return None
    add_merchant(session, merchant_id)
    for each in sorted((owner.merchant_id, merchant_id)):
        lock(session, each)
    present = connections.integration_of(session, merchant_id)
    if present is not None and present.status != "uninstalled" and present.shop_domain != shop:
        raise ShopCannotMove(
            f"merchant {merchant_id} has another shop, {present.shop_domain}, and a merchant has one: uninstall the "
            "app there first, or move that shop"
        )
    values = {"shop_domain": shop, "merchant_id": merchant_id}
    if session.execute(SQL["move_shop"], values).scalar() != owner.merchant_id:
        raise ShopCannotMove(f"{shop} was connected or moved at this moment; run the command again")
    confirm(session, merchant_id)
    session.execute(SQL["drop_invented"], {"shop_domain": shop})
    return owner.merchant_id


def lock(session: Session, merchant_id: str) -> str | None:
    """Lock the merchant, so that nobody else connects or greets it until the transaction ends; returns its name if
    known."""
    name: str | None = session.execute(SQL["lock_merchant"], {"merchant_id": merchant_id}).scalar()
    return name


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
    delivery: Literal["queue", "door"] = "queue",
    emit: bool = True,
    invented: bool = False,
) -> Connected:
    """Store a shop's token and, with `emit`, record `oauth_complete`. Expiries are in seconds from now. `delivery`:
    where replies go if the event opens a conversation.

    If the shop's merchant was only `invented` by an import, this merchant takes the shop and the invented one is
    deleted. Raises ShopConnectedElsewhere while the shop belongs to another merchant, InvalidShopDomain,
    MerchantNameTaken.
    """
    shop_domain = _shop_domain(shop_domain)
    owner = {"merchant_id": merchant_id, "shop_domain": shop_domain}
    _upsert_merchant(session, merchant_id, name, invented=invented)
    granted = sorted({scope.strip() for scope in scopes if scope.strip()})
    data = connections.oauth_complete(
        merchant_id=merchant_id, shop_domain=shop_domain, scopes=granted, conversation_id=conversation_id
    )
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
    if not invented:
        session.execute(SQL["drop_invented"], {"shop_domain": shop_domain})
    integration = _store(session, values)
    if not emit:
        return Connected(integration, None, None, None, fresh=True)
    key, event_id = connections.record(session, integration, data, event_source, by_door=delivery == "door")
    return Connected(integration, key, event_id, data.payload, fresh=True)


def read_access_token(session: Session, vault: Vault, merchant_id: str) -> AccessToken | None:
    """The token of the merchant's active shop. Raises TokenUnreadable."""
    row = session.execute(SQL["read_access_token"], {"merchant_id": merchant_id}).one_or_none()
    if row is None:
        return None
    sealed, sealed_for, renewable, seconds_left, read_at, *public = tuple(row)
    integration = Integration.from_row(public)
    secret = vault.open(sealed, aad=binding(sealed_for, integration.shop_domain, "access"))
    return AccessToken(integration, secret, read_at, seconds_left, renewable)


def begin_renewal(session: Session, vault: Vault, merchant_id: str, *, token_version: int) -> Renewal | None:
    """Take the lease on this token; None if it was replaced, cannot be renewed, or is being renewed by another process.

    Raises TokenUnreadable.
    """
    values = {"merchant_id": merchant_id, "token_version": token_version, "lease_seconds": LEASE_SECONDS}
    row = session.execute(SQL["begin_renewal"], values).one_or_none()
    if row is None:
        return None
    secret = vault.open(row.refresh_token, aad=binding(row.sealed_for, row.shop_domain, "refresh"))
    return Renewal(merchant_id, row.shop_domain, token_version, secret, row.sealed_for, row.renewing_until)


def store_renewal(
    session: Session,
    vault: Vault,
    renewal: Renewal,
    *,
    access_token: SecretStr,
    access_expires_in: int,
    refresh_token: SecretStr | None,
    refresh_expires_in: int | None,
    scopes: Sequence[str] | None = None,
) -> bool:
    """Replace both tokens together. Writes nothing and returns False if the lease was lost or the shop was reconnected.

    Expiries are in seconds from now. Without a new refresh token the old one and its expiry stay.
    """
    sealed_for, shop_domain = renewal.sealed_for, renewal.shop_domain
    values = {
        **_held(renewal),
        "api_key": vault.seal(access_token, aad=binding(sealed_for, shop_domain, "access")),
        "access_expires_in": access_expires_in,
        "refresh_token": _sealed_refresh(vault, refresh_token, sealed_for, shop_domain),
        "refresh_expires_in": refresh_expires_in,
        "scopes": sorted(set(scopes)) if scopes else None,
    }
    return session.execute(SQL["store_renewal"], values).first() is not None


def put_off_renewal(session: Session, renewal: Renewal) -> None:
    """Give the lease back after a failure; the next attempt may begin after PAUSE_SECONDS."""
    session.execute(SQL["put_off_renewal"], {**_held(renewal), "pause_seconds": PAUSE_SECONDS})


def reseal(session: Session, vault: Vault, *, after: int = 0, limit: int = 100) -> Resealed:
    """Seal a batch of tokens with the vault's first key, except those already sealed with it. Safe to repeat."""
    rows = session.execute(SQL["sealed"], {"after": after, "limit": limit}).all()
    count, unreadable = 0, []
    for row in rows:
        try:
            count += _reseal_row(session, vault, row)
        except TokenUnreadable:
            unreadable.append(int(row.id))
    return Resealed(count, tuple(unreadable), int(rows[-1].id) if len(rows) == limit else None)


def try_keys(session: Session, vault: Vault, *, each: int = TRIED) -> dict[int, KeyTrial]:
    """Try the configured keys on a few stored tokens of every key id.

    The id alone proves nothing: a different key may have been configured under it.
    """
    found: dict[int, KeyTrial] = {}
    for row in session.execute(SQL["some_of_each_key"], {"each": each}):
        before = found.get(row.key_id, KeyTrial(0, 0))
        opens = _opens(vault, row.sealed, binding(row.sealed_for, row.shop_domain, row.kind))
        found[int(row.key_id)] = KeyTrial(before.tried + 1, before.opened + opens)
    return found


def _opens(vault: Vault, sealed: bytes, aad: str) -> bool:
    try:
        vault.open(sealed, aad=aad)
    except TokenUnreadable:
        return False
    return True


def _shop_domain(text: str) -> str:
    try:
        return normalize_shop_domain(text)
    except InvalidEvent as error:
        raise InvalidShopDomain(f"shop_domain {error.message}") from None


def _upsert_merchant(session: Session, merchant_id: str, name: str | None, *, invented: bool) -> None:
    add_merchant(session, merchant_id, name, invented=invented)
    current = lock(session, merchant_id)
    if not invented:
        confirm(session, merchant_id)
    if name is None or name == current:
        return
    if session.execute(SQL["rename"], {"merchant_id": merchant_id, "name": name}).first() is None:
        raise MerchantNameTaken(f"another merchant is called {name!r}; choose another name")


def _store(session: Session, values: dict[str, Any]) -> Integration:
    """Store the connection. A unique index decides if two merchants connect the shop at the same moment."""
    try:
        with session.attempt():
            return Integration.from_row(session.execute(SQL["connect"], values).one())
    except IntegrityError as error:
        rule = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        if rule != "merchant_integrations_active_shop":
            raise
    raise ShopConnectedElsewhere(
        f"{values['shop_domain']} is connected by another merchant; disconnect it there first (uninstall the app)"
    )


def _same_connection(
    session: Session,
    vault: Vault,
    access_token: SecretStr,
    data: OAuthComplete,
    event_source: str,
    *,
    emit: bool,
) -> Connected | None:
    """The existing connection, if this call only repeats the one that created it."""
    rerun = {"merchant_id": data.merchant_id, "rerun_seconds": RERUN_SECONDS}
    row = session.execute(SQL["latest_connection"], rerun).one_or_none()
    if row is None or not row.is_recent or row.status != "active" or row.shop_domain != data.shop_domain:
        return None
    sealed, sealed_for, _, *public = tuple(row)
    integration = Integration.from_row(public)
    try:
        stored = vault.open(sealed, aad=binding(sealed_for, integration.shop_domain, "access"))
    except TokenUnreadable:
        return None
    given = access_token.get_secret_value().encode()
    if not hmac.compare_digest(stored.get_secret_value().encode(), given):
        return None
    if list(integration.scopes) != data.scopes:
        return None
    if not emit:
        return Connected(integration, None, None, None, fresh=False)
    accepted = connections.accept(session, integration, data, event_source)
    # Another conversation makes it a new connection.
    if not isinstance(accepted, Accepted):
        return None
    return Connected(integration, accepted.key, connections.event_id(integration), data.payload, fresh=False)


def _sealed_refresh(vault: Vault, token: SecretStr | None, merchant_id: str, shop_domain: str) -> bytes | None:
    return None if token is None else vault.seal(token, aad=binding(merchant_id, shop_domain, "refresh"))


def _reseal_row(session: Session, vault: Vault, row: Row[Any]) -> bool:
    """Open both tokens of a row and reseal them, unless they are already sealed with the right key for its merchant."""
    kinds: dict[Literal["access", "refresh"], bytes | None] = {"access": row.api_key, "refresh": row.refresh_token}
    opened = {
        kind: vault.open(sealed, aad=binding(row.sealed_for, row.shop_domain, kind))
        for kind, sealed in kinds.items()
        if sealed is not None
    }
    is_its_own = row.sealed_for == row.merchant_id
    if is_its_own and {key_id_of(sealed) for sealed in kinds.values() if sealed is not None} == {vault.sealing_id}:
        return False
    access, refresh = (
        vault.seal(opened[kind], aad=binding(row.merchant_id, row.shop_domain, kind)) if kind in opened else None
        for kind in kinds
    )
    session.execute(SQL["store_resealed"], {"id": row.id, "api_key": access, "refresh_token": refresh})
    return True


def _held(renewal: Renewal) -> dict[str, object]:
    return {"merchant_id": renewal.merchant_id, "token_version": renewal.token_version, "lease": renewal.lease}
