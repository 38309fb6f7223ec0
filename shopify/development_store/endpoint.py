"""Shopify's HTTP side: paths, headers, and connection failures."""

import asyncio
import gzip
import json
import time
import uuid
from collections.abc import Mapping

from aiohttp import web

from shopify.development_store import responses
from shopify.development_store.admin_api import GraphQLRequest, answer_call, read_object
from shopify.development_store.faults import GRAPHQL, OAUTH, StoreFault
from shopify.development_store.responses import JSON, StoreResponse
from shopify.development_store.store import LoggedRequest, Store
from shopify.development_store.tokens import answer_refresh

VERSION_HEADER = "X-Shopify-API-Version"
TOKEN_HEADER = "X-Shopify-Access-Token"  # noqa: S105 (the name of a header)

STORE = web.AppKey("store", Store)
"""Where the application keeps its store."""

routes = web.RouteTableDef()
"""The Admin API and the token endpoint, with the shop as the first part of the path; then all other paths."""


@routes.post(r"/{shop}/admin/api/{version:\d{4}-\d\d|unstable}/graphql.json")
async def graphql(request: web.Request) -> web.StreamResponse:
    """A GraphQL request."""
    store, version = request.app[STORE], request.match_info["version"]
    with store.request_log.open():
        exchange = _Exchange(store, request, GRAPHQL)
        exchange.version = version
        query = GraphQLRequest.read(await request.read())
        exchange.operation = query.label if query else None
        faults = store.faults.strike(exchange.shop_domain, GRAPHQL, exchange.operation)
        response = StoreResponse(0, None)
        if "dropped" not in faults:
            response = answer_call(
                store,
                query,
                faults,
                shop_domain=exchange.shop_domain,
                token=request.headers.get(TOKEN_HEADER),
                content_type=request.headers.get("Content-Type", ""),
                accept=request.headers.get("Accept", ""),
                request_id=exchange.request_id,
            )
        shown = faults["other_version"].version or "2026-04" if "other_version" in faults else version
        return await exchange.send(response, faults, {VERSION_HEADER: shown})


@routes.post("/{shop}/admin/oauth/access_token")
async def access_token(request: web.Request) -> web.StreamResponse:
    """A token refresh."""
    store = request.app[STORE]
    with store.request_log.open():
        exchange = _Exchange(store, request, OAUTH)
        form = read_object(await request.read()) or {}
        exchange.operation = form.get("grant_type")
        faults = store.faults.strike(exchange.shop_domain, OAUTH, exchange.operation)
        if "dropped" in faults:
            response = StoreResponse(0, None)
        elif exchange.shop_domain not in store.domains:
            response = StoreResponse(404, responses.NOT_FOUND)
        else:
            response = answer_refresh(store.tokens, exchange.shop_domain, form)
        if "status" in faults and "dropped" not in faults:
            # As Shopify's 520 did: the tokens are rotated, only the answer is lost.
            status = faults["status"].status or 520
            response = StoreResponse(status, responses.html_error(status, "Web server is returning an unknown error"))
        return await exchange.send(response, faults, {})


@routes.route("*", "/{tail:.*}")
async def not_found(_request: web.Request) -> web.Response:
    """Every other path."""
    body = json.dumps(responses.NOT_FOUND).encode()
    return web.Response(status=404, body=body, headers={"Content-Type": JSON, "x-request-id": str(uuid.uuid4())})


class _Exchange:
    """One request, how its response is sent, and its entry in the request log."""

    def __init__(self, store: Store, request: web.Request, target: str) -> None:
        self._store = store
        self._request = request
        self._target = target
        self._received_at = time.time()
        self._started = time.perf_counter()
        self.shop_domain = request.match_info["shop"]
        self.request_id = f"{uuid.uuid4()}-{int(self._received_at)}"
        self.operation: str | None = None
        self.version: str | None = None

    async def send(
        self, response: StoreResponse, faults: Mapping[str, StoreFault], headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Send the response the way the faults allow, and log the request."""
        sent = 0
        try:
            for kind, default in (("latency", 0.08), ("hang", 30.0)):
                if kind in faults:
                    await asyncio.sleep(faults[kind].seconds_or(default))
            response.settle()
            if "dropped" in faults or "lost_answer" in faults:
                return self._hang_up()
            sent = response.status
            return await self._respond(
                response, faults, {**headers, "x-request-id": self.request_id, **response.headers}
            )
        finally:
            response.settle()
            self._log(response, sent)

    async def _respond(
        self, response: StoreResponse, faults: Mapping[str, StoreFault], headers: Mapping[str, str]
    ) -> web.StreamResponse:
        text = response.body if isinstance(response.body, str) else json.dumps(response.body, separators=(",", ":"))
        body = text.encode()
        headers = {**headers, "Content-Type": response.content_type}
        if "gzip_bomb" in faults:
            size = faults["gzip_bomb"].length or 8 * 1024 * 1024
            body = gzip.compress(b'{"data":"' + b"x" * size + b'"}', compresslevel=1)
            return web.Response(status=200, body=body, headers={**headers, "Content-Encoding": "gzip"})
        if "slow_body" in faults or "truncated" in faults:
            return await self._drip(response.status, body, headers, faults)
        return web.Response(status=response.status, body=body, headers=headers)

    async def _drip(
        self, status: int, body: bytes, headers: Mapping[str, str], faults: Mapping[str, StoreFault]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(self._request)
        if "truncated" in faults:
            await response.write(body[: len(body) // 2])
            return self._hang_up()
        pause = faults["slow_body"].seconds_or(0.05)
        for place in range(len(body)):
            await response.write(body[place : place + 1])
            await asyncio.sleep(pause)
        return response

    def _hang_up(self) -> web.StreamResponse:
        if self._request.transport is not None:
            self._request.transport.close()
        return web.Response()

    def _log(self, response: StoreResponse, status: int) -> None:
        self._store.request_log.add(
            LoggedRequest(
                received_at=self._received_at,
                shop=self.shop_domain,
                target=self._target,
                operation=self.operation,
                status=status,
                code=response.code,
                requested_cost=response.requested_cost,
                actual_cost=response.actual_cost,
                version=self.version,
                request_id=self.request_id,
                seconds=time.perf_counter() - self._started,
            )
        )
