"""What a token may read, and the shop's name, currency and time zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from shopify.client import ShopifyClient
from shopify.data.query import load_document
from shopify.errors import BadAnswer
from shopify.text import clean


@dataclass(frozen=True)
class Access:
    """As Shopify says now. `time_zone` is an IANA name, or None if this machine does not know Shopify's."""

    scopes: frozenset[str]
    shop_name: str | None
    shop_domain: str | None
    currency: str | None
    time_zone: str | None


def fetch_access(client: ShopifyClient, *, deadline: float | None = None) -> Access:
    """Ask Shopify (3 points). Raises ShopifyError."""
    response = client.execute(load_document("access"), deadline=deadline)
    shop = response.data.get("shop")
    shop = shop if isinstance(shop, Mapping) else {}
    zone = shop.get("ianaTimezone")
    return Access(
        scopes=_scopes(client.shop_domain, response.data.get("currentAppInstallation")),
        shop_name=clean(shop.get("name")),
        shop_domain=clean(shop.get("myshopifyDomain"), 100),
        currency=clean(shop.get("currencyCode"), 5),
        time_zone=zone if isinstance(zone, str) and zone_named(zone) else None,
    )


def zone_named(name: str) -> ZoneInfo | None:
    """The time zone with that IANA name, or None."""
    try:
        return ZoneInfo(name) if len(name) <= 60 else None
    except (KeyError, ValueError, OSError):
        return None


def _scopes(shop: str, installation: Any) -> frozenset[str]:
    granted = installation.get("accessScopes") if isinstance(installation, Mapping) else None
    if not isinstance(granted, list):
        raise BadAnswer(f"{shop}: no list of access scopes in the answer", reason="shape")
    handles = [clean(scope.get("handle"), 80) for scope in granted if isinstance(scope, Mapping)]
    return frozenset(handle for handle in handles if handle)
