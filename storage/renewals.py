"""Renewing an access token that expires: who does it, and what is kept.

    renewal = renewals.begin(session, vault, merchant_id, token_version=7)      # commit: the lease is mine
    …ask Shopify, outside of any transaction…
    renewals.store(session, vault, renewal, …)                                  # commit: the new pair is in use

The row is locked only for the moment of `begin`; what keeps others away while Shopify is asked is a lease in the
row. A lock held that long would need an open transaction: it would hold back vacuum, break against
`idle_in_transaction_session_timeout` and `lock_timeout` exactly when Shopify is slow, and cost a connection per
waiting thread. A lease ends by itself when its holder dies, and a holder that comes back too late writes nothing.
Nothing is lost then: until a new pair is used for the first time, Shopify takes the old refresh token once more
(https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy.orm import Session

from storage import sql
from storage.vault import Vault, binding

LEASE_SECONDS = 6.0
"""Longer than asking may take, shorter than a tool call waits: who takes over can still answer."""
PAUSE_SECONDS = 2.0
"""Nobody tries again so soon after Shopify could not renew a token."""

SQL = sql.load("renewals")


@dataclass(frozen=True)
class Renewal:
    """The right to renew one token, until the lease ends."""

    merchant_id: str
    shop_domain: str
    token_version: int
    refresh_token: SecretStr
    lease: datetime = field(repr=False)


def begin(session: Session, vault: Vault, merchant_id: str, *, token_version: int) -> Renewal | None:
    """Take the lease on this token; None if it was replaced, cannot be renewed, or another process is at it.

    Raises TokenUnreadable.
    """
    values = {"merchant_id": merchant_id, "token_version": token_version, "lease_seconds": LEASE_SECONDS}
    row = session.execute(SQL["begin"], values).one_or_none()
    if row is None:
        return None
    secret = vault.open(row.refresh_token, aad=binding(merchant_id, row.shop_domain, "refresh"))
    return Renewal(merchant_id, row.shop_domain, token_version, secret, row.renewing_until)


def store(
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
    """Replace the pair at once; False, and nothing written, if the lease was lost or the shop connected anew.

    Expiries are in seconds from now. Without a new refresh token the old one stays, as does its expiry.
    """
    merchant_id, shop_domain = renewal.merchant_id, renewal.shop_domain
    sealed_refresh = None
    if refresh_token is not None:
        sealed_refresh = vault.seal(refresh_token, aad=binding(merchant_id, shop_domain, "refresh"))
    values = {
        **_held(renewal),
        "api_key": vault.seal(access_token, aad=binding(merchant_id, shop_domain, "access")),
        "access_expires_in": access_expires_in,
        "refresh_token": sealed_refresh,
        "refresh_expires_in": refresh_expires_in,
        "scopes": sorted(set(scopes)) if scopes else None,
    }
    return session.execute(SQL["store"], values).first() is not None


def put_off(session: Session, renewal: Renewal) -> None:
    """Give the lease back after a failure; the next attempt may begin after PAUSE_SECONDS."""
    session.execute(SQL["put_off"], {**_held(renewal), "pause_seconds": PAUSE_SECONDS})


def _held(renewal: Renewal) -> dict[str, object]:
    return {
        "merchant_id": renewal.merchant_id,
        "token_version": renewal.token_version,
        "lease": renewal.lease,
    }
