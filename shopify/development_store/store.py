"""The development store without HTTP: shops, tokens, buckets, faults, and the log of requests."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shopify.development_store.cost import Bucket
from shopify.development_store.faults import ActiveFaults
from shopify.development_store.generation import SIZES
from shopify.development_store.shop import PLANS, Shop, ShopSettings
from shopify.development_store.tokens import Tokens

BUCKET_SECONDS = 20
"""A bucket holds this many seconds of its restore rate: 2000/100, 4000/200, 20000/1000 as observed."""

BUILT_IN = {**{f"dev-{size}.myshopify.com": size for size in SIZES}, "test.myshopify.com": "medium"}
"""The built-in shops, and their sizes. `token_for(domain)` is the token of each."""

LOGGED_REQUESTS = 50_000


class UnknownShop(LookupError):
    """No shop of that domain is registered."""


@dataclass(frozen=True)
class LoggedRequest:
    """One request, answered or not."""

    received_at: float
    """Unix time, with fractions."""
    shop: str
    target: str
    operation: str | None
    status: int
    """HTTP status; 0 if the connection was closed without one."""
    code: str | None
    """`extensions.code` of the first error, if there was one."""
    requested_cost: int | None
    actual_cost: int | None
    version: str | None
    request_id: str
    seconds: float


class RequestLog:
    """The latest requests, oldest first. Every call is atomic, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: deque[LoggedRequest] = deque(maxlen=LOGGED_REQUESTS)
        #: How many requests are being answered.
        self.open_requests = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        """Counts a request as being answered while the block runs."""
        with self._lock:
            self.open_requests += 1
        try:
            yield
        finally:
            with self._lock:
                self.open_requests -= 1

    def add(self, request: LoggedRequest) -> None:
        """Log a request."""
        with self._lock:
            self._requests.append(request)

    def requests(
        self, shop_domain: str | None = None, since: float = 0.0, operation: str | None = None
    ) -> list[LoggedRequest]:
        """The requests since a Unix time, of one shop and one operation or (None) of all."""
        with self._lock:
            return [
                request
                for request in self._requests
                if request.received_at >= since
                and shop_domain in (None, request.shop)
                and operation in (None, request.operation)
            ]

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._requests.clear()


class Store:
    """All state of the development store. Thread-safe."""

    def __init__(self, *, now: datetime | None = None) -> None:
        self.tokens = Tokens()
        self.faults = ActiveFaults()
        self.request_log = RequestLog()
        self._now = now
        self._lock = threading.Lock()
        self._shops: dict[str, Shop] = {}
        self._buckets: dict[str, Bucket] = {}
        self._register_built_in()

    def open_shop(self, settings: ShopSettings, *, now: datetime | None = None) -> Shop:
        """Open a shop, or reopen it, which revokes the tokens of its earlier registration."""
        domain = settings.shop_domain
        self.tokens.revoke(domain)
        self.tokens.issue(
            domain,
            settings.access_token,
            scopes=tuple(settings.scopes),
            expires_in=settings.expires_in,
            refresh_token=settings.refresh_token,
        )
        shop = Shop(settings, now=now or self._now)
        with self._lock:
            self._shops[domain] = shop
            self._buckets.pop(domain, None)
        return shop

    def shop(self, shop_domain: str) -> Shop:
        """The shop of a domain. Raises UnknownShop."""
        with self._lock:
            if shop_domain not in self._shops:
                raise UnknownShop(f"no shop {shop_domain} is registered; there are: {', '.join(sorted(self._shops))}")
            return self._shops[shop_domain]

    @property
    def domains(self) -> list[str]:
        """The registered shops, by name."""
        with self._lock:
            return sorted(self._shops)

    def bucket(self, shop_domain: str) -> Bucket:
        """The cost bucket of the app at one shop. Raises UnknownShop."""
        settings = self.shop(shop_domain).settings
        with self._lock:
            if shop_domain not in self._buckets:
                rate = settings.restore_rate or PLANS[settings.plan][1]
                self._buckets[shop_domain] = Bucket(settings.maximum_available or rate * BUCKET_SECONDS, rate)
            return self._buckets[shop_domain]

    def truth(self, shop_domain: str) -> dict[str, Any]:
        """The true numbers of a shop, as the scopes it was registered with show them. Raises UnknownShop."""
        shop = self.shop(shop_domain)
        return shop.truth(complete_history=shop.settings.complete_history)

    def reset(self) -> None:
        """Back to the initial state: built-in shops only, full buckets, no faults, an empty log."""
        self.faults.clear()
        self.request_log.clear()
        with self._lock:
            self.tokens = Tokens()
            self._shops.clear()
            self._buckets.clear()
        self._register_built_in()

    def _register_built_in(self) -> None:
        moment = self._now or datetime.now(UTC)
        for domain, size in BUILT_IN.items():
            self.open_shop(ShopSettings(shop_domain=domain, size=size), now=moment)
