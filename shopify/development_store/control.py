"""The control API: endpoints under /_control/ that Shopify does not have, for shops, faults and the request log."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from shopify.development_store.faults import KINDS, StoreFault, UnknownFault
from shopify.development_store.shop import InvalidShop, ShopSettings
from shopify.development_store.store import Store, UnknownShop
from shopify.development_store.tokens import CUSTOM

Model = TypeVar("Model", bound=BaseModel)


class BucketRequest(BaseModel):
    """The cost points a bucket is set to."""

    model_config = ConfigDict(extra="forbid")

    available: float
    app: str = CUSTOM


class OrderRequest(BaseModel):
    """Orders to place."""

    model_config = ConfigDict(extra="forbid")

    count: int = 1
    age_seconds: int = 0
    lag_seconds: float = 0.0


class ControlApi:
    """Handlers over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        """Every control endpoint."""
        return [
            web.get("/_control/shops", self.list_shops),
            web.post("/_control/shops", self.open_shop),
            web.get("/_control/shops/{domain}", self.show_shop),
            web.post("/_control/shops/{domain}/bucket", self.set_bucket),
            web.post("/_control/shops/{domain}/orders", self.place_orders),
            web.post("/_control/shops/{domain}/expire", self.expire_tokens),
            web.post("/_control/shops/{domain}/revoke", self.revoke_tokens),
            web.get("/_control/faults", self.list_faults),
            web.post("/_control/faults", self.add_fault),
            web.delete("/_control/faults", self.clear_faults),
            web.get("/_control/requests", self.list_requests),
            web.delete("/_control/requests", self.forget_requests),
            web.post("/_control/reset", self.reset),
        ]

    async def list_shops(self, _request: web.Request) -> web.Response:
        """GET /_control/shops"""
        return web.json_response({"shops": self._store.domains})

    async def open_shop(self, request: web.Request) -> web.Response:
        """POST /_control/shops"""
        shop = self._store.register(await _read(request, ShopSettings))
        return web.json_response(self._shop(shop.domain), status=201)

    async def show_shop(self, request: web.Request) -> web.Response:
        """GET /_control/shops/{domain}"""
        return web.json_response(self._shop(request.match_info["domain"]))

    def _shop(self, domain: str) -> dict[str, Any]:
        settings, level = self._store.shop(domain).settings, self._store.bucket(domain).level()
        return {
            **self._store.truth(domain),
            "token": settings.access_token,
            "scopes": settings.scopes,
            "state": settings.state,
            "bucket": {"maximum": level.maximum, "available": level.available, "restore_rate": level.restore_rate},
        }

    async def set_bucket(self, request: web.Request) -> web.Response:
        """POST /_control/shops/{domain}/bucket"""
        wanted = await _read(request, BucketRequest)
        self._store.bucket(request.match_info["domain"], wanted.app).set(wanted.available)
        return web.json_response({"available": wanted.available})

    async def place_orders(self, request: web.Request) -> web.Response:
        """POST /_control/shops/{domain}/orders"""
        wanted = await _read(request, OrderRequest)
        shop = self._store.shop(request.match_info["domain"])
        placed = [
            shop.place_order(age_seconds=wanted.age_seconds, lag_seconds=wanted.lag_seconds).name
            for _ in range(min(wanted.count, 1_000))
        ]
        return web.json_response({"orders": placed}, status=201)

    async def expire_tokens(self, request: web.Request) -> web.Response:
        """POST /_control/shops/{domain}/expire"""
        domain = self._store.shop(request.match_info["domain"]).domain
        self._store.tokens.expire(domain)
        return web.json_response({"expired": domain})

    async def revoke_tokens(self, request: web.Request) -> web.Response:
        """POST /_control/shops/{domain}/revoke"""
        domain = self._store.shop(request.match_info["domain"]).domain
        self._store.tokens.revoke(domain)
        return web.json_response({"revoked": domain})

    async def list_faults(self, _request: web.Request) -> web.Response:
        """GET /_control/faults"""
        return web.json_response({"faults": self._store.faults.shown(), "kinds": dict(KINDS)})

    async def add_fault(self, request: web.Request) -> web.Response:
        """POST /_control/faults"""
        self._store.faults.add(await _read(request, StoreFault))
        return web.json_response({"faults": self._store.faults.shown()}, status=201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """DELETE /_control/faults?shop_domain=&kind="""
        self._store.faults.clear(request.query.get("shop_domain"), request.query.get("kind"))
        return web.json_response({"faults": self._store.faults.shown()})

    async def list_requests(self, request: web.Request) -> web.Response:
        """GET /_control/requests?shop_domain=&since=&operation="""
        try:
            since = float(request.query.get("since", "0"))
        except ValueError:
            return _problem(400, "since must be a Unix time")
        log, query = self._store.request_log, request.query
        found = log.requests(query.get("shop_domain"), since, query.get("operation"))
        return web.json_response({"requests": [asdict(each) for each in found]})

    async def forget_requests(self, _request: web.Request) -> web.Response:
        """DELETE /_control/requests"""
        self._store.request_log.clear()
        return web.json_response({"requests": []})

    async def reset(self, _request: web.Request) -> web.Response:
        """POST /_control/reset"""
        self._store.reset()
        return web.json_response({"shops": self._store.domains})


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def explain_mistakes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers a wrong control request with a sentence that says what is wrong with it."""
    try:
        return await handler(request)
    except UnknownShop as unknown:
        return _problem(404, str(unknown))
    except (InvalidShop, UnknownFault) as wrong:
        return _problem(400, str(wrong))
    except ValidationError as wrong:
        parts = (f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in wrong.errors())
        return _problem(400, "; ".join(parts))


async def _read(request: web.Request, model: type[Model]) -> Model:
    return model.model_validate_json(await request.read())


def _problem(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
