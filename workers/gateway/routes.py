"""The door's routes and their handlers. `ROUTES` is the table; README has the contract.

Errors are `{"code": …, "message": …}`. Calls to Postgres and the broker run on the executor's threads.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeVar

from aiohttp import web

from events.envelope import Event
from events.errors import InvalidEvent
from storage import agui, door, inbox, outbox, snapshots
from storage.database import Database, Session
from storage.door import ReplyPlace, StoredReply, Wanted
from storage.errors import ShopConnectedElsewhere, StorageError, StorageRefused
from storage.inbox import Accepted, NewEvent
from storage.snapshots import Snapshot
from storage.vault import Vault
from workers import logs, metrics, tracing
from workers.delivery.wake_ups import WakeUps
from workers.failpoints import in_transaction
from workers.gateway import agent_input, incoming, shops
from workers.gateway.access import Admission, Caller, NotAllowed
from workers.gateway.agent_input import History
from workers.gateway.streams import Streams

log = logs.get(__name__)

T = TypeVar("T")
Handler = Callable[["Door", web.Request, Caller], Awaitable[web.StreamResponse]]

ORIGIN = web.RequestKey("ORIGIN", str)
BEGUN = web.RequestKey("BEGUN", bool)
KEEP_ALIVE_SECONDS = 15.0
"""Seconds between keep-alive comments on a silent stream: proxies close connections that are silent for a minute."""
WRITE_SECONDS = 30.0
"""Seconds after which a client that reads nothing is disconnected."""
RETRY_MS = 1000
NO_MORE = 2**62
"""A place after all refused events."""


@dataclass(frozen=True)
class Route:
    """One row of the table of routes."""

    method: str
    path: str
    who: Sequence[Literal["merchant", "service", "anyone"]]
    doors: Sequence[str]
    """Which door serves it: the one for chats and services, or the auth service's."""
    answer: Handler


class Door:
    """Handles requests."""

    def __init__(
        self,
        database: Database,
        wake_ups: WakeUps,
        access: Admission,
        streams: Streams,
        executor: Executor,
        *,
        kind: str = "gateway",
        vault: Vault | None = None,
        per_merchant: int = inbox.PER_MERCHANT,
    ) -> None:
        """`vault` seals tokens; only for `kind` `auth`. `per_merchant`: how many unhandled events of one merchant wake
        workers at a time."""
        self._database, self._wake_ups = database, wake_ups
        self._access, self._streams = access, streams
        self._kind, self._vault = kind, vault
        self._executor, self._per_merchant = executor, per_merchant
        self._is_draining = False
        self._later: set[asyncio.Future[None]] = set()

    def application(self) -> web.Application:
        """The routes, and the middleware for all of them."""
        application = web.Application(client_max_size=incoming.MAX_BODY, middlewares=[_unknown])
        routes = [route for route in ROUTES if self._kind in route.doors]
        for route in routes:
            application.router.add_route(route.method, route.path, self._answering(route))
        for path in dict.fromkeys(route.path for route in routes):
            application.router.add_route("OPTIONS", path, self._preflight)
        return application

    def drain(self) -> None:
        """End the reply streams, whose clients reconnect to another door; open `/agent` requests continue."""
        self._is_draining = True
        self._streams.end()

    # The routes.

    async def health(self, _request: web.Request, _caller: Caller) -> web.StreamResponse:
        if self._is_draining:
            raise NotAllowed(503, "door.draining", "this door is shutting down; use another one")
        await self._asking(lambda session: door.whose(session, ""))
        return web.json_response({"status": "ok", "notices": self._streams.is_hearing})

    async def replies(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        merchant_id, conversation_id = _merchant(caller), incoming.conversation(request)
        had = request.headers.get("Last-Event-ID") or request.query.get("after")
        place = _place(had or "0:0")
        place = place.within(await self._must_be_here(merchant_id, conversation_id))
        if place > ReplyPlace():
            await self._acknowledge(merchant_id, conversation_id, place)
        # A client that reconnects, as browsers do automatically, already has the history.
        told = await self._told(request, merchant_id, conversation_id) if had is None else None
        wanted = Wanted(merchant_id, conversation_id, place if told is None else told.place)
        with self._access.stream(merchant_id), self._streams.open(wanted) as stream:
            response = await _begin(request)
            if told is not None:
                await _write(response, _as_reply(told))
            while not self._is_draining and time.time() < caller.expires:
                given = await stream.next(min(KEEP_ALIVE_SECONDS, max(caller.expires - time.time(), 0.1)))
                await _write(response, b"".join(map(_as_reply, given.replies)) if given else b":\n\n")
                _noted(given.replies if given else ())
            await response.write_eof()
            return response

    async def acks(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        value = await incoming.json_of(request)
        place = _place(value.get("place") if isinstance(value, dict) else None)
        await self._acknowledge(_merchant(caller), incoming.conversation(request), place)
        return web.Response(status=204)

    async def agent(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        merchant_id = _merchant(caller)
        # Only what is said will be stored: one character that cannot be must not make a whole history useless.
        asked = agent_input.read(await incoming.json_of(request, storable=False))
        await self._must_be_here(merchant_id, asked.conversation_id)
        with self._access.stream(merchant_id):
            wanted = await self._asked(merchant_id, asked, incoming.traceparent(request))
            had, told = asked.history, await self._told(request, merchant_id, asked.conversation_id)
            if told is not None:
                had, wanted = History(), replace(wanted, place=told.place)
            with self._streams.open(wanted) as stream:
                response = await _begin(request)
                if told is not None:
                    await _write(response, b"".join(map(_as_event, told.body["data"])))
                is_begun, has_ended = told is not None, False
                while not has_ended and time.time() < caller.expires:
                    given = await stream.next(KEEP_ALIVE_SECONDS)
                    if given is None:
                        await _write(response, b":\n\n")
                        continue
                    has_ended = given.has_ended
                    events = [event for reply in given.replies for event in reply.body["data"]]
                    is_begun = is_begun or bool(events)
                    await _write(response, b"".join(map(_as_event, had.lacks(events))))
                    _noted(given.replies)
                if has_ended and not is_begun:
                    where = asked.conversation_id, asked.run_id
                    run = [*agui.run_started(*where), *agui.run_finished(*where)]
                    await _write(response, b"".join(map(_as_event, run)))
            await response.write_eof()
            return response

    async def events(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        trace = {"traceparent": incoming.traceparent(request)}  # an event's own traceparent takes precedence
        parsed = [incoming.event_of({**trace, **found}, caller) for found in await incoming.cloud_events(request)]
        if caller.merchant_id is not None:
            for conversation_id in {event.conversation_id for event in parsed} - {None}:
                await self._must_be_here(caller.merchant_id, str(conversation_id))
        answers = await self._store(parsed)
        fresh = sum(answer.fresh for answer in answers)
        return web.json_response({"accepted": fresh, "repeated": len(answers) - fresh}, status=202)

    async def shops(self, request: web.Request, _caller: Caller) -> web.StreamResponse:
        assert self._vault is not None
        vault, trace = self._vault, incoming.traceparent(request)
        shop = shops.read(await incoming.json_of(request))
        answer = await self._asking(lambda session: shops.connect(session, vault, shop, trace, self._per_merchant))
        self._wake([answer], [shop.merchant_id])
        status = "connected" if answer.fresh else "repeated"
        return web.json_response({"status": status, "event_id": shop.state}, status=201 if answer.fresh else 200)

    # Shared by the handlers.

    def _answering(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            origin = None
            try:
                origin = self._access.origin(request.headers.get("Origin"))
                request[ORIGIN] = origin or ""
                response = await route.answer(self, request, self._caller(route, request))
            except Exception as error:
                refused = _refused(error)
                if refused is None and (isinstance(error, ConnectionError | web.HTTPException) or BEGUN in request):
                    raise
                response = _failed(route, error) if refused is None else refused
            if not response.prepared:
                response.headers.update(_shared(origin))
            metrics.door_request(route.answer.__name__, response.status)
            return response

        return answer

    def _caller(self, route: Route, request: web.Request) -> Caller:
        if "anyone" in route.who:
            return Caller(None, float("inf"))
        caller = self._access.caller(request.headers.get("Authorization"))
        if caller.merchant_id is None and "service" not in route.who:
            raise NotAllowed(403, "token.wrong_kind", "a service has no conversations: use a merchant's token")
        if caller.merchant_id is not None:
            if "merchant" not in route.who:
                raise NotAllowed(403, "token.wrong_kind", "only a service may do that")
            self._access.count(caller.merchant_id)
        return caller

    async def _preflight(self, request: web.Request) -> web.StreamResponse:
        """Answers CORS preflight requests: https://fetch.spec.whatwg.org/#http-cors-protocol"""
        try:
            origin = self._access.origin(request.headers.get("Origin"))
        except NotAllowed as refused:
            return _error(refused.status, refused.code, refused.message)
        # All requested headers are allowed: tracing adds some, and CloudEvents has one for each attribute.
        asked = request.headers.get("Access-Control-Request-Headers", "authorization, content-type, last-event-id")
        allowed = {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": asked,
            "Access-Control-Max-Age": "600",
        }
        return web.Response(status=204, headers={**_shared(origin), **allowed})

    async def _must_be_here(self, merchant_id: str, conversation_id: str) -> int:
        """Refuse a conversation that is another merchant's, or whose replies go to the queue; returns the number of its
        latest turn, 0 if it was not opened yet."""
        owner = await self._asking(lambda session: door.whose(session, conversation_id))
        if owner is not None and owner.merchant_id != merchant_id:
            message = "conversation_id belongs to another merchant"
            raise NotAllowed(403, "event.conversation_merchant_mismatch", message)
        if owner is not None and not owner.by_door:
            raise NotAllowed(409, "conversation.on_the_queue", "this conversation's replies go to the queue `replies`")
        return owner.last_turn if owner is not None else 0

    async def _asked(self, merchant_id: str, asked: agent_input.AgentInput, traceparent: str | None) -> Wanted:
        """Store what the merchant says; returns what to answer with: everything from the client's latest run, or from
        the current run, on."""
        where = merchant_id, asked.conversation_id
        latest = asked.history.latest_turn
        start = await self._asking(lambda session: door.under_way(session, *where, latest))
        if latest is not None:
            await self._acknowledge(*where, ReplyPlace(start, 0))
        if not asked.messages:
            return Wanted(*where, ReplyPlace(start if latest is not None else 0, 0, NO_MORE), until=0)
        sent = await self._asking(lambda session: door.sent_otherwise(session, *where, asked.messages))
        answers = [Accepted(key, fresh=False) for key in sent.values()]
        new = [message for message in asked.messages if message not in sent]
        for message in new[:-1]:  # if a request with it failed, or its answer was lost
            with suppress(InvalidEvent, NotAllowed):  # then it was refused when it was the last
                answers.append(await self._said(*where, *message, traceparent))
        for message in new[-1:]:
            answers.append(await self._said(*where, *message, traceparent))
        keys = [answer.key for answer in answers]
        for key in [answer.key for answer in answers if not answer.fresh]:
            first = await self._asking(partial(door.first_turn, event_key=key))
            start = start if first is None else min(start, first)
        return Wanted(*where, ReplyPlace(start, 0, min(keys) - 1), until=max(keys))

    async def _said(
        self, merchant_id: str, conversation_id: str, message_id: str, text: str, traceparent: str | None
    ) -> Accepted:
        """Store a message of an AG-UI client. Raises InvalidEvent, NotAllowed (409)."""
        found = {
            "specversion": "1.0",
            "id": incoming.identity(conversation_id, message_id),
            "source": "/agent",
            "type": "message_received",
            "traceparent": traceparent,
            "correlationid": message_id,
            "data": {"conversation_id": conversation_id, "text": text},
        }
        [answer] = await self._store([incoming.event_of(found, Caller(merchant_id, 0))])
        return answer

    async def _told(self, request: web.Request, merchant_id: str, conversation_id: str) -> StoredReply | None:
        """The history, if requested, and the place up to which it is complete."""
        if request.query.get("snapshot", "0") != "1":
            return None
        where: dict[str, Any] = {"merchant_id": merchant_id, "conversation_id": conversation_id}

        def read(session: Session) -> tuple[Snapshot | None, datetime]:
            return snapshots.read(session, **where, by_door=True), outbox.now(session)

        found, now = await self._asking(read)
        if found is None:  # somebody opened it just now
            await self._must_be_here(merchant_id, conversation_id)
            return None
        return StoredReply(found.place, outbox.of_no_turn(found.run(conversation_id), now, **where).body, 0.0)

    async def _acknowledge(self, merchant_id: str, conversation_id: str, place: ReplyPlace) -> None:
        where, traced = (merchant_id, conversation_id, place), tracing.wants_acks()
        marked = await self._asking(lambda session: door.acknowledge(session, *where, traced=traced))
        metrics.acks("marked", len(marked))
        metrics.acked(age for age, _ in marked)
        tracing.acked(marked, by_door=True)

    async def _store(self, events: Sequence[Event]) -> list[Accepted]:
        """Store the events in the inbox, all or none. Raises NotAllowed (409) if an id belongs to another event."""
        spans = [tracing.received(event, by_door=True) for event in events]
        new = [NewEvent.of(event, span.traceparent, by_door=True) for event, span in zip(events, spans, strict=True)]
        answers = await self._asking(lambda session: incoming.accept(session, new, self._per_merchant))
        for event, answer, span in zip(events, answers, spans, strict=True):
            metrics.event(event.type, "accepted" if answer.fresh else "repeated")
            if answer.fresh:
                span.end()
        self._wake(answers, [event.merchant_id for event in events])
        return answers

    def _wake(self, answers: Sequence[Accepted], merchant_ids: Sequence[str | None]) -> None:
        """Wake workers for new events, without waiting for the broker: the sweeper finds lost wake-ups."""
        keys = [answer.key for answer in answers if answer.fresh and not answer.put_off]
        put_off = {whose for answer, whose in zip(answers, merchant_ids, strict=True) if answer.put_off and whose}

        def wake() -> None:
            self._wake_ups.handle_events(keys)
            self._wake_ups.oldest_events(self._database, put_off, per_merchant=self._per_merchant)

        later = asyncio.get_running_loop().run_in_executor(self._executor, wake)
        self._later.add(later)
        later.add_done_callback(self._later.discard)

    async def _asking(self, work: Callable[[Session], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, in_transaction, self._database, "door", work)


CHAT, AUTH = "gateway", "auth"
ROUTES = (
    Route("GET", "/conversations/{conversation}/replies", ("merchant",), (CHAT,), Door.replies),
    Route("POST", "/conversations/{conversation}/acks", ("merchant",), (CHAT,), Door.acks),
    Route("POST", "/agent", ("merchant",), (CHAT,), Door.agent),
    Route("POST", "/events", ("service", "merchant"), (CHAT, AUTH), Door.events),
    Route("POST", "/shops", ("service",), (AUTH,), Door.shops),
    Route("GET", "/health", ("anyone",), (CHAT, AUTH), Door.health),
)


@web.middleware
async def _unknown(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answers unknown routes and methods with JSON, too."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return _error(405, "request.wrong_method", f"allowed here: {allowed}")
    except web.HTTPNotFound:
        return _error(404, "request.no_such_route", "no such route; workers/gateway/README.md lists them all")


def _merchant(caller: Caller) -> str:
    assert caller.merchant_id is not None
    return caller.merchant_id


def _place(text: object) -> ReplyPlace:
    try:
        return ReplyPlace.parse(str(text))
    except ValueError as error:
        raise NotAllowed(400, "place.invalid", str(error)) from None


async def _begin(request: web.Request) -> web.StreamResponse:
    """The head of a stream, with the time after which a client should reconnect."""
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers={**headers, **_shared(request[ORIGIN])})
    await response.prepare(request)
    request[BEGUN] = True
    await _write(response, f"retry: {RETRY_MS}\n\n".encode())
    return response


async def _write(response: web.StreamResponse, data: bytes) -> None:
    try:
        await asyncio.wait_for(response.write(data), WRITE_SECONDS)
    except TimeoutError:
        raise ConnectionResetError from None


def _as_reply(reply: StoredReply) -> bytes:
    return f"id: {reply.place}\n".encode() + _as_event(reply.body)


def _as_event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _noted(replies: Sequence[StoredReply]) -> None:
    for reply in replies:
        metrics.door_reply(reply.age)


def _shared(origin: str | None) -> dict[str, str]:
    """Headers of every response."""
    named = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}
    return {**named, "X-Content-Type-Options": "nosniff"}


def _refused(error: Exception) -> web.Response | None:
    """The response to what the client, or Postgres, can do something about; None for any other error."""
    match error:
        case NotAllowed():
            return _error(error.status, error.code, error.message, error.retry_after)
        case InvalidEvent():
            return _error(400, error.code, error.message)
        case web.HTTPRequestEntityTooLarge():
            return _error(413, "event.too_large", f"a request has at most {incoming.MAX_BODY} bytes")
        case ShopConnectedElsewhere():
            return _error(409, "shop.taken", str(error))
        case StorageRefused():
            return _error(400, "event.not_storable", str(error))
        case StorageError():
            return _error(503, "storage.unavailable", str(error), retry_after=1)
    return None


def _failed(route: Route, error: Exception) -> web.Response:
    log.error("a request failed", route=route.answer.__name__, reason=type(error).__name__)
    return _error(500, "door.failed", "something went wrong on our side; try again", retry_after=1)


def _error(status: int, code: str, message: str, retry_after: int | None = None) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.json_response({"code": code, "message": message}, status=status, headers=headers)
