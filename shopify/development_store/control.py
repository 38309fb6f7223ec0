"""The control API: endpoints under /_control/ that Shopify does not have, for shops, faults and the request log."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from shopify.development_store.endpoint import STORE
from shopify.development_store.faults import KINDS, StoreFault, UnknownFault
from shopify.development_store.shop import InvalidShop, ShopSettings
from shopify.development_store.store import Store, UnknownShop

Model = TypeVar("Model", bound=BaseModel)


class BucketRequest(BaseModel):
    """The cost points a bucket is set to."""

    model_config = ConfigDict(extra="forbid")

    available: float


class OrderRequest(BaseModel):
    """Orders to place."""

    model_config = ConfigDict(extra="forbid")

    count: int = 1
    age_seconds: int = 0
    lag_seconds: float = 0.0


routes = web.RouteTableDef()
"""Every control endpoint."""


@routes.get("/_control/shops")
async def list_shops(request: web.Request) -> web.Response:
    return web.json_response({"shops": request.app[STORE].domains})


@routes.post("/_control/shops")
async def open_shop(request: web.Request) -> web.Response:
    store = request.app[STORE]
    shop = store.open_shop(await _read(request, ShopSettings))
    return web.json_response(_shown(store, shop.domain), status=201)


@routes.get("/_control/shops/{domain}")
async def show_shop(request: web.Request) -> web.Response:
    return web.json_response(_shown(request.app[STORE], request.match_info["domain"]))


def _shown(store: Store, domain: str) -> dict[str, Any]:
    settings = store.shop(domain).settings
    return {
        **store.truth(domain),
        "token": settings.access_token,
        "scopes": settings.scopes,
        "bucket": asdict(store.bucket(domain).level()),
    }


@routes.post("/_control/shops/{domain}/bucket")
async def set_bucket(request: web.Request) -> web.Response:
    wanted = await _read(request, BucketRequest)
    request.app[STORE].bucket(request.match_info["domain"]).set(wanted.available)
    return web.json_response({"available": wanted.available})


@routes.post("/_control/shops/{domain}/orders")
async def place_orders(request: web.Request) -> web.Response:
    wanted = await _read(request, OrderRequest)
    shop = request.app[STORE].shop(request.match_info["domain"])
    placed = [
        shop.place_order(age_seconds=wanted.age_seconds, lag_seconds=wanted.lag_seconds).name
        for _ in range(min(wanted.count, 1_000))
    ]
    return web.json_response({"orders": placed}, status=201)


@routes.post("/_control/shops/{domain}/expire")
async def expire_tokens(request: web.Request) -> web.Response:
    store = request.app[STORE]
    domain = store.shop(request.match_info["domain"]).domain
    store.tokens.expire(domain)
    return web.json_response({"expired": domain})


@routes.post("/_control/shops/{domain}/revoke")
async def revoke_tokens(request: web.Request) -> web.Response:
    store = request.app[STORE]
    domain = store.shop(request.match_info["domain"]).domain
    store.tokens.revoke(domain)
    return web.json_response({"revoked": domain})


@routes.get("/_control/faults")
async def list_faults(request: web.Request) -> web.Response:
    return web.json_response({"faults": request.app[STORE].faults.shown(), "kinds": KINDS})


@routes.post("/_control/faults")
async def add_fault(request: web.Request) -> web.Response:
    faults = request.app[STORE].faults
    faults.add(await _read(request, StoreFault))
    return web.json_response({"faults": faults.shown()}, status=201)


@routes.delete("/_control/faults")
async def clear_faults(request: web.Request) -> web.Response:
    faults = request.app[STORE].faults
    faults.clear(request.query.get("shop_domain"), request.query.get("kind"))
    return web.json_response({"faults": faults.shown()})


@routes.get("/_control/requests")
async def list_requests(request: web.Request) -> web.Response:
    query = request.query
    try:
        since = float(query.get("since", "0"))
    except ValueError:
        return _problem(400, "since must be a Unix time")
    found = request.app[STORE].request_log.requests(query.get("shop_domain"), since, query.get("operation"))
    return web.json_response({"requests": [asdict(each) for each in found]})


@routes.delete("/_control/requests")
async def forget_requests(request: web.Request) -> web.Response:
    request.app[STORE].request_log.clear()
    return web.json_response({"requests": []})


@routes.post("/_control/reset")
async def reset(request: web.Request) -> web.Response:
    store = request.app[STORE]
    store.reset()
    return web.json_response({"shops": store.domains})


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def explain_mistakes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers an invalid control request with a sentence that explains the problem."""
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
