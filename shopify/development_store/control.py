"""Endpoints under /_control/ that the real Shopify does not have: shops, faults, and what was asked."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from shopify.development_store.faults import GRAPHQL, KINDS, Fault, UnknownFault
from shopify.development_store.journal import shown
from shopify.development_store.shop import InvalidShop, ShopSettings
from shopify.development_store.store import Store, UnknownShop
from shopify.development_store.tokens import CUSTOM, DEFAULT_SCOPES

Model = TypeVar("Model", bound=BaseModel)


class ShopRequest(BaseModel):
    """A shop to be opened. Times are in seconds."""

    model_config = ConfigDict(extra="forbid")

    shop_domain: str
    size: str = "medium"
    token: str | None = None
    scopes: list[str] = list(DEFAULT_SCOPES)
    app: str = CUSTOM
    expires_in: float | None = None
    refresh_token: str | None = None
    currency: str = "USD"
    former_currency: str | None = None
    presentment_currencies: list[str] = []
    time_zone: str | None = None
    name: str | None = None
    plan: str = "basic"
    maximum_available: int | None = None
    restore_rate: int | None = None
    state: str = "active"
    protected_customer_data: bool = True


class FaultRequest(BaseModel):
    """A fault to be put into force."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    shop_domain: str | None = None
    times: int | None = None
    skip: int = 0
    operation: str | None = None
    target: str = GRAPHQL
    seconds: float | None = None
    status: int | None = None
    length: int | None = None
    location: str | None = None
    version: str | None = None


class BucketRequest(BaseModel):
    """What a bucket shall hold."""

    model_config = ConfigDict(extra="forbid")

    available: float
    app: str = CUSTOM


class OrderRequest(BaseModel):
    """Orders that come in."""

    model_config = ConfigDict(extra="forbid")

    count: int = 1
    age_seconds: int = 0
    lag_seconds: float = 0.0


class Control:
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
        wanted = await _read(request, ShopRequest)
        entry = {"token", "scopes", "app", "expires_in", "refresh_token"}
        settings = wanted.model_dump(exclude=entry)
        settings["presentment_currencies"] = tuple(wanted.presentment_currencies)
        made = self._store.register(
            ShopSettings(**settings),
            token=wanted.token,
            scopes=wanted.scopes,
            app=wanted.app,
            expires_in=wanted.expires_in,
            refresh_token=wanted.refresh_token,
        )
        return web.json_response(self._shop(made.shop_domain), status=201)

    async def show_shop(self, request: web.Request) -> web.Response:
        """GET /_control/shops/{domain}"""
        return web.json_response(self._shop(request.match_info["domain"]))

    def _shop(self, domain: str) -> dict[str, Any]:
        made, level = self._store.registration(domain), self._store.bucket(domain).level()
        return {
            **self._store.truth(domain),
            "token": made.token,
            "scopes": list(made.scopes),
            "state": self._store.shop(domain).settings.state,
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
        wanted = await _read(request, FaultRequest)
        self._store.faults.add(Fault(**wanted.model_dump()))
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
        found = self._store.journal.requests(request.query.get("shop_domain"), since, request.query.get("operation"))
        return web.json_response({"requests": shown(found)})

    async def forget_requests(self, _request: web.Request) -> web.Response:
        """DELETE /_control/requests"""
        self._store.journal.clear()
        return web.json_response({"requests": []})

    async def reset(self, _request: web.Request) -> web.Response:
        """POST /_control/reset"""
        self._store.reset()
        return web.json_response({"shops": self._store.domains})


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def explain_mistakes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns a wrong control request into a sentence about what is wrong with it."""
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
