"""What Shopify told of a shop: what the token may read, the shop's time zone and currency.

Asked for once after a connection and again when it may have changed, so that not every fetch has to. The statements
stand in `connections.sql`.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from storage import sql
from storage.merchants import Integration

SQL = sql.load("connections")


@dataclass(frozen=True)
class ShopFacts:
    """As of `age_seconds` ago. `scopes` are all that were granted; the time zone is an IANA name."""

    scopes: tuple[str, ...]
    time_zone: str | None
    currency: str | None
    age_seconds: float = 0.0


def read(session: Session, integration: Integration) -> ShopFacts | None:
    """The facts of the shop as it is connected now; None if Shopify was not asked since."""
    where = {"merchant_id": integration.merchant_id, "shop_domain": integration.shop_domain}
    row = session.execute(SQL["read"], where).one_or_none()
    return None if row is None else ShopFacts(tuple(row.scopes), row.time_zone, row.currency, float(row.age))


def store(
    session: Session,
    integration: Integration,
    *,
    scopes: Collection[str],
    time_zone: str | None,
    currency: str | None,
) -> bool:
    """Keep what was told just now; False, and nothing kept, if the shop was connected anew meanwhile."""
    values = {
        "merchant_id": integration.merchant_id,
        "shop_domain": integration.shop_domain,
        "token_version": integration.token_version,
        "scopes": sorted(set(scopes)),
        "time_zone": time_zone,
        "currency": currency,
    }
    return session.execute(SQL["store"], values).first() is not None
