"""The HTTP side of Shopify: paths, headers, and the ways in which a connection can fail."""

import asyncio
import gzip
import json
import logging
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from shopify.development_store import responses as answers
from shopify.development_store.admin_api import Call, answer_call, read_query
from shopify.development_store.answer import JSON, Answer
from shopify.development_store.faults import GRAPHQL, OAUTH, Fault
from shopify.development_store.journal import Request
from shopify.development_store.store import Store
from shopify.development_store.token_api import answer_refresh, read_form
from shopify.development_store.versions import accessible, answering

log = logging.getLogger(__name__)

VERSION_HEADER = "X-Shopify-API-Version"
TOKEN_HEADER = "X-Shopify-Access-Token"  # noqa: S105 (the name of a header)


class Endpoint:
    """Answers requests to the Admin API and to the token endpoint."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        """Both ways to name the shop: as the first part of the path, or as the host."""
        return [
            web.post("/{shop}/admin/api/{version}/graphql.json", self.graphql),
            web.post("/admin/api/{version}/graphql.json", self.graphql),
            web.post("/{shop}/admin/oauth/access_token", self.access_token),
            web.post("/admin/oauth/access_token", self.access_token),
        ]

    async def graphql(self, request: web.Request) -> web.StreamResponse:
        """POST …/admin/api/{version}/graphql.json"""
        with self._store.journal.visit():
            return await self._graphql(request)

    async def access_token(self, request: web.Request) -> web.StreamResponse:
        """POST …/admin/oauth/access_token"""
        with self._store.journal.visit():
            return await self._access_token(request)

    async def _graphql(self, request: web.Request) -> web.StreamResponse:
        visit = _Visit(self._store, request, GRAPHQL)
        requested_version = request.match_info["version"]
        now = datetime.now(UTC)
        version = answering(requested_version, now)
        body = await request.read()
        query = read_query(body)
        visit.operation = query.operation if query else None
        visit.version = requested_version
        faults = self._store.faults.strike(visit.shop_domain, GRAPHQL, visit.operation)
        if version is None:
            answer = Answer(404, answers.NOT_FOUND)
        else:
            call = Call(
                shop_domain=visit.shop_domain,
                token=request.headers.get(TOKEN_HEADER),
                content_type=request.headers.get("Content-Type", ""),
                accept=request.headers.get("Accept", ""),
                body=body,
                request_id=visit.request_id,
                show_searches=request.headers.get("Shopify-Search-Query-Debug") == "1",
            )
            answer = Answer(0, None) if "dropped" in faults else answer_call(self._store, call, query, faults)
        shown = faults["other_version"].version or "2026-04" if "other_version" in faults else version
        return await visit.send(answer, faults, {VERSION_HEADER: shown or accessible(now)[0]})

    async def _access_token(self, request: web.Request) -> web.StreamResponse:
        visit = _Visit(self._store, request, OAUTH)
        form = read_form(request.headers.get("Content-Type", ""), await request.read())
        visit.operation = form.get("grant_type")
        faults = self._store.faults.strike(visit.shop_domain, OAUTH, visit.operation)
        if "dropped" in faults:
            return await visit.send(Answer(0, None), faults, {})
        answer = answer_refresh(self._store, visit.shop_domain, form)
        if "status" in faults:
            # As Shopify's 520 did: the tokens are rotated, only the answer is lost.
            status = faults["status"].status or 520
            answer = Answer(status, answers.html_error(status, "Web server is returning an unknown error"))
        return await visit.send(answer, faults, {})


class _Visit:
    """One request on its way through, and how it ends."""

    def __init__(self, store: Store, request: web.Request, target: str) -> None:
        self._store = store
        self._request = request
        self._target = target
        self._received_at = time.time()
        self._started = time.perf_counter()
        self.shop_domain = request.match_info.get("shop") or request.host.partition(":")[0]
        self.request_id = f"{uuid.uuid4()}-{int(self._received_at)}"
        self.operation: str | None = None
        self.version: str | None = None

    async def send(self, answer: Answer, faults: Mapping[str, Fault], headers: Mapping[str, str]) -> web.StreamResponse:
        """Send the answer the way the faults allow, and note the request."""
        sent = 0
        try:
            for kind, default in (("latency", 0.08), ("hang", 30.0)):
                if kind in faults:
                    seconds = faults[kind].seconds
                    await asyncio.sleep(default if seconds is None else seconds)
            answer.settle()
            if "dropped" in faults or "lost_answer" in faults:
                return self._hang_up()
            sent = answer.status
            return await self._respond(answer, faults, {**headers, "x-request-id": self.request_id, **answer.headers})
        finally:
            answer.settle()
            self._note(answer, sent)

    async def _respond(
        self, answer: Answer, faults: Mapping[str, Fault], headers: Mapping[str, str]
    ) -> web.StreamResponse:
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body, separators=(",", ":"))
        body = text.encode()
        headers = {**headers, "Content-Type": answer.content_type}
        if "gzip_bomb" in faults:
            size = faults["gzip_bomb"].length or 64 * 1024 * 1024
            body = gzip.compress(b'{"data":"' + b"x" * size + b'"}', compresslevel=1)
            return web.Response(status=200, body=body, headers={**headers, "Content-Encoding": "gzip"})
        if "slow_body" in faults or "truncated" in faults:
            return await self._drip(answer.status, body, headers, faults)
        return web.Response(status=answer.status, body=body, headers=headers)

    async def _drip(
        self, status: int, body: bytes, headers: Mapping[str, str], faults: Mapping[str, Fault]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(self._request)
        if "truncated" in faults:
            await response.write(body[: len(body) // 2])
            return self._hang_up()
        pause = faults["slow_body"].seconds
        for place in range(len(body)):
            await response.write(body[place : place + 1])
            await asyncio.sleep(0.05 if pause is None else pause)
        return response

    def _hang_up(self) -> web.StreamResponse:
        if self._request.transport is not None:
            self._request.transport.close()
        return web.Response()

    def _note(self, answer: Answer, status: int) -> None:
        self._store.journal.add(
            Request(
                received_at=self._received_at,
                shop=self.shop_domain,
                target=self._target,
                operation=self.operation,
                status=status,
                code=answer.code,
                requested_cost=answer.requested_cost,
                actual_cost=answer.actual_cost,
                version=self.version,
                request_id=self.request_id,
                seconds=time.perf_counter() - self._started,
            )
        )


async def not_found(_request: web.Request) -> web.Response:
    """Every other path."""
    body = json.dumps(answers.NOT_FOUND).encode()
    return web.Response(status=404, body=body, headers={"Content-Type": JSON, "x-request-id": str(uuid.uuid4())})
