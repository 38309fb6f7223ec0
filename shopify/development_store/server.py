"""The development store as a server: on a thread in tests, or as a process."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

from aiohttp import web

from shopify.development_store import control, endpoint
from shopify.development_store.faults import StoreFault
from shopify.development_store.records import OrderRecord
from shopify.development_store.resolvers import executable_schema
from shopify.development_store.shop import Shop, ShopSettings
from shopify.development_store.store import Store
from shopify.development_store.tokens import token_for
from shopify.server_thread import HOST, ServerThread

__all__ = ["DevelopmentStore", "application", "token_for"]


def application(store: Store) -> web.Application:
    """The aiohttp application over a store."""
    executable_schema()  # so that the first request does not wait for it
    app = web.Application(middlewares=[control.explain_mistakes])
    app[endpoint.STORE] = store
    app.add_routes(control.routes)
    app.add_routes(endpoint.routes)
    return app


class DevelopmentStore(Store):
    """A store that serves.

        with DevelopmentStore().start() as shopify:
            shopify.register("corner-shop.myshopify.com", "tiny")
            client = ShopifyClient("corner-shop.myshopify.com", token, http=http_client(), admin_url=shopify.admin_url)

    It serves on its own thread and event loop; every method may be called from any thread. If `now` is given, all dates
    are fixed.
    """

    def __init__(self, *, now: datetime | None = None) -> None:
        super().__init__(now=now)
        self._port = 0
        self._thread: ServerThread | None = None

    def start(self, port: int = 0) -> Self:
        """Listen on the port (0: a free one) and return once requests are answered. Raises OSError if it is taken."""
        if self._thread is not None:
            raise RuntimeError("the development store is running already")
        self._thread = ServerThread(application(self), "development-store", port)
        self._port = self._thread.port
        return self

    def stop(self) -> None:
        """Close every connection and end the thread. May be called again."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://{HOST}:{self._port}"

    @property
    def admin_url(self) -> str:
        """For a client's `admin_url`: `http://127.0.0.1:PORT/{shop}/admin`."""
        return self.url + "/{shop}/admin"

    def register(
        self,
        shop_domain: str,
        size: str = "medium",
        token: str | None = None,
        *,
        now: datetime | None = None,
        **settings: Any,
    ) -> Shop:
        """Open a shop. Further settings are those of `ShopSettings`. Raises InvalidShop."""
        return self.open_shop(ShopSettings(shop_domain=shop_domain, size=size, token=token, **settings), now=now)

    def fault(self, shop_domain: str | None, kind: str, *, times: int | None = None, **details: Any) -> None:
        """Add a fault (`faults.KINDS`), for one shop or (None) for all. Raises UnknownFault."""
        self.faults.add(StoreFault(kind=kind, shop_domain=shop_domain, times=times, **details))

    def clear_faults(self, shop_domain: str | None = None, kind: str | None = None) -> None:
        """End the faults of a shop, of a kind, of both, or all."""
        self.faults.clear(shop_domain, kind)

    def requests(
        self, shop_domain: str | None = None, since: float = 0.0, operation: str | None = None
    ) -> list[dict[str, Any]]:
        """The requests so far, oldest first; the keys are those of `LoggedRequest`."""
        return [asdict(request) for request in self.request_log.requests(shop_domain, since, operation)]

    def place_order(self, shop_domain: str, *, age_seconds: int = 0, lag_seconds: float = 0.0) -> OrderRecord:
        """A new order comes in; searches and counts see it after the lag."""
        return self.shop(shop_domain).place_order(age_seconds=age_seconds, lag_seconds=lag_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
