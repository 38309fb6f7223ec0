"""The development store without HTTP: shops, tokens, buckets, faults, and what was asked."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shopify.development_store.bucket import Bucket
from shopify.development_store.faults import Faults
from shopify.development_store.journal import Journal
from shopify.development_store.shop import RESTORE_RATES, InvalidShop, Shop, ShopSettings
from shopify.development_store.tokens import APP_KINDS, CUSTOM, DEFAULT_SCOPES, Tokens, token_for

BUCKET_SECONDS = 20
"""A bucket holds this many seconds of its restore rate: 2000/100, 4000/200, 20000/1000 as observed."""

BUILT_IN = {
    "dev-new.myshopify.com": "new",
    "dev-tiny.myshopify.com": "tiny",
    "dev-medium.myshopify.com": "medium",
    "dev-large.myshopify.com": "large",
    "dev-huge.myshopify.com": "huge",
    "test.myshopify.com": "medium",
}
"""The shops that exist from the start, and their sizes. `token_for(domain)` is the token of each."""


class UnknownShop(LookupError):
    """No shop of that domain is registered."""


@dataclass(frozen=True)
class Registration:
    """A shop and how an app gets in."""

    shop_domain: str
    token: str
    refresh_token: str | None
    scopes: tuple[str, ...]


class Store:
    """Everything the development store knows. Safe to use from several threads."""

    def __init__(self, *, now: datetime | None = None) -> None:
        self.tokens = Tokens()
        self.faults = Faults()
        self.journal = Journal()
        self._now = now
        self._lock = threading.Lock()
        self._shops: dict[str, Shop] = {}
        self._registrations: dict[str, Registration] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._register_built_in()

    def register(
        self,
        settings: ShopSettings,
        *,
        token: str | None = None,
        scopes: Sequence[str] = DEFAULT_SCOPES,
        app: str = CUSTOM,
        expires_in: float | None = None,
        refresh_token: str | None = None,
        now: datetime | None = None,
    ) -> Registration:
        """Open a shop, or open it anew: the tokens of an earlier registration are dead. Raises InvalidShop."""
        if app not in APP_KINDS:
            raise InvalidShop(f"app must be one of {', '.join(APP_KINDS)}, got {app!r}")
        domain = settings.shop_domain
        made = Registration(domain, token or token_for(domain), refresh_token, tuple(scopes))
        self.tokens.revoke(domain)
        self.tokens.issue(
            domain, made.token, scopes=made.scopes, app=app, expires_in=expires_in, refresh_token=refresh_token
        )
        with self._lock:
            self._shops[domain] = Shop(settings, now=now or self._now)
            self._registrations[domain] = made
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if key[0] != domain}
        return made

    def shop(self, shop_domain: str) -> Shop:
        """The shop of a domain. Raises UnknownShop."""
        with self._lock:
            if shop_domain not in self._shops:
                raise UnknownShop(f"no shop {shop_domain} is registered; there are: {', '.join(sorted(self._shops))}")
            return self._shops[shop_domain]

    def registration(self, shop_domain: str) -> Registration:
        """How the shop was registered. Raises UnknownShop."""
        self.shop(shop_domain)
        return self._registrations[shop_domain]

    @property
    def domains(self) -> list[str]:
        """The registered shops, by name."""
        with self._lock:
            return sorted(self._shops)

    def bucket(self, shop_domain: str, app: str = CUSTOM) -> Bucket:
        """The cost bucket of one app at one shop. Raises UnknownShop."""
        settings = self.shop(shop_domain).settings
        with self._lock:
            key = shop_domain, app
            if key not in self._buckets:
                rate = settings.restore_rate or RESTORE_RATES[settings.plan]
                self._buckets[key] = Bucket(settings.maximum_available or rate * BUCKET_SECONDS, rate)
            return self._buckets[key]

    def truth(self, shop_domain: str) -> dict[str, Any]:
        """The true numbers of a shop, as the scopes it was registered with show them. Raises UnknownShop."""
        shop = self.shop(shop_domain)
        complete = any(s in self.registration(shop_domain).scopes for s in ("read_all_orders", "write_all_orders"))
        return shop.truth(complete_history=complete)

    def reset(self) -> None:
        """As on the first day: built-in shops only, full buckets, no faults, nothing asked yet."""
        self.faults.clear()
        self.journal.clear()
        with self._lock:
            gone = [domain for domain in self._shops if domain not in BUILT_IN]
            for domain in gone:
                del self._shops[domain], self._registrations[domain]
            self._buckets.clear()
        for domain in gone:
            self.tokens.revoke(domain)
        self._register_built_in()

    def _register_built_in(self) -> None:
        moment = self._now or datetime.now(UTC)
        for domain, size in BUILT_IN.items():
            self.register(ShopSettings(domain, size), now=moment)
