"""The operators' console: what `cj status`, `merchant`, `timeline`, `events`, `turns` and `privacy` show, as a web
page.

Whoever has the password (HTTP Basic, any name) can read everything; retrying needs `may_retry`. The console connects as
`cj_ops`, so it is not part of the door, whose role may not read what merchants said. Every request but a retry runs in
a READ ONLY transaction.
"""

import asyncio
import base64
import binascii
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import text

from storage import inbox, privacy
from storage.database import Database, Session
from storage.errors import StorageError
from workers import logs
from workers.operations import failed_turns, status, timeline, why
from workers.settings import Settings

log = logs.get(__name__)

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FOLDER = Path(__file__).parent / "page"
FILES = {"/": "console.html", **{f"/{name}": name for name in ("console.js", "waterfall.js", "pages.css")}}
LISTED = 100
"""How many refused events, failed turns and privacy requests are shown, each."""
STATUS_SECONDS = 2.0
"""Seconds between two inquiries to the workers, however many people look."""
TRIES, TRIES_SECONDS = 10, 60.0
"""Wrong passwords allowed per address within `TRIES_SECONDS`; then its requests are refused unread."""
ADDRESSES = 1000
"""Addresses whose wrong passwords are remembered; beyond that, requests of new addresses are refused."""
BEAT_SECONDS = 2.0
READ_ONLY = text("SET TRANSACTION READ ONLY")


class RequestRefused(Exception):
    """Answers the request with this HTTP status and sentence."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


class Passwords:
    """Compares passwords, and counts wrong ones by address."""

    def __init__(self, password: SecretStr, clock: Callable[[], float] = time.monotonic) -> None:
        self._password = password.get_secret_value().encode()
        self._clock = clock
        self._wrong: dict[str, list[float]] = {}
        """Address → times of wrong passwords."""

    def check(self, authorization: str | None, address: str) -> None:
        """Check the password (RFC 7617). Raises RequestRefused: 401, or 429 after too many wrong ones."""
        self._forget()
        if len(self._wrong.get(address, ())) >= TRIES or (len(self._wrong) >= ADDRESSES and address not in self._wrong):
            raise RequestRefused(
                429, "too many wrong passwords; wait a minute", {"Retry-After": str(int(TRIES_SECONDS))}
            )
        given = _password_in(authorization)
        if given is not None and hmac.compare_digest(given, self._password):
            return
        if given is not None:
            self._wrong.setdefault(address, []).append(self._clock())
            log.warning("a wrong password at the console", address=address)
        raise RequestRefused(401, "wrong password", {"WWW-Authenticate": 'Basic realm="CJ console", charset="UTF-8"'})

    def _forget(self) -> None:
        since = self._clock() - TRIES_SECONDS
        young = {address: [at for at in times if at > since] for address, times in self._wrong.items()}
        self._wrong = {address: times for address, times in young.items() if times}


def _password_in(authorization: str | None) -> bytes | None:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


class Console:
    """Serves the console of `settings`, which has a password."""

    def __init__(self, settings: Settings, *, may_retry: bool = False) -> None:
        assert settings.console_password is not None
        self._settings, self._may_retry = settings, may_retry
        self._passwords = Passwords(settings.console_password)
        self._database = Database(settings.database_url, pool_size=4, application_name="cj-console")
        self._status: tuple[float, dict[str, Any]] | None = None
        self._asking = asyncio.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.dispose()

    def run(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGTERM or SIGINT; calls `ready` with the address once listening. Raises OSError."""
        host, _, port = self._settings.console_listen.rpartition(":")
        web.run_app(self.application(), host=host.strip("[]"), port=int(port), access_log=None, print=ready)

    def application(self) -> web.Application:
        """The routes, behind the password."""
        application = web.Application(middlewares=[self._guard], client_max_size=4096)
        for path in FILES:
            application.router.add_get(path, _file)
        read: Mapping[str, Callable[[Session, str], Any]] = {
            "/case": partial(_case, at_a_time=self._settings.turns_at_a_time),
            "/timeline": partial(_story, at_a_time=self._settings.turns_at_a_time),
            "/refused": lambda session, _: [row.to_json() for row in inbox.rejected(session, LISTED)],
            "/failed": lambda session, _: [vars(turn) for turn in failed_turns.failed(session, limit=LISTED)],
            "/privacy": lambda session, _: [
                {**one.to_json(), "state": one.state} for one in privacy.requests(session, limit=LISTED)
            ],
        }
        for path, question in read.items():
            application.router.add_get(path, self._reading(question))
        application.router.add_get("/status", self._status_now)
        application.router.add_post("/refused", self._retrying(_retry_event))
        application.router.add_post("/failed", self._retrying(_retry_turn))
        application.cleanup_ctx.append(self._beating)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._passwords.check(request.headers.get("Authorization"), request.remote or "")
            if request.method not in ("GET", "HEAD"):
                self._check_write(request)
            response = await handler(request)
        except RequestRefused as refused:
            response = web.json_response({"message": refused.message}, status=refused.status, headers=refused.headers)
        except web.HTTPException as refused:
            response = web.json_response({"message": refused.reason}, status=refused.status)
        except StorageError as error:
            response = web.json_response({"message": str(error)}, status=503)
        return protected(response)

    def _check_write(self, request: web.Request) -> None:
        """Refuse cross-site requests: a browser adds the password to any page's requests."""
        if not self._may_retry:
            raise RequestRefused(403, "this console is read-only: start it with --retry to retry from here")
        if urlsplit(request.headers.get("Origin", "")).netloc != request.headers.get("Host"):
            raise RequestRefused(403, "only the console's own page may do that; a proxy in front must pass on Host")
        if request.content_type != "application/json":
            raise RequestRefused(415, "send application/json")

    def _reading(self, question: Callable[[Session, str], Any]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            name = request.query.get("name", "")
            return _json(await asyncio.to_thread(self._ask, lambda session: question(session, name)))

        return answer

    def _retrying(self, retry: Callable[[Session, Any], str | None]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                asked = await request.json()
            except ValueError:
                raise RequestRefused(400, "the body is not JSON") from None
            said = await asyncio.to_thread(self._ask, lambda session: retry(session, asked), may_write=True)
            if said is None:
                raise RequestRefused(409, "nothing to retry: it was retried already, or its content was not stored")
            log.info("retried from the console", what=said)
            return _json({"message": said})

        return answer

    def _ask(self, question: Callable[[Session], T], *, may_write: bool = False) -> T:
        with self._database.transaction() as session:
            if not may_write:
                session.execute(READ_ONLY)
            return question(session)

    async def _status_now(self, _request: web.Request) -> web.StreamResponse:
        async with self._asking:
            if self._status is None or time.monotonic() - self._status[0] > STATUS_SECONDS:
                found = await asyncio.to_thread(status.read, self._settings)
                self._status = time.monotonic(), _screen(found)
        return _json({**self._status[1], "may_retry": self._may_retry})

    async def _beating(self, _application: web.Application) -> AsyncIterator[None]:
        """Touch the heartbeat file that health checks look at."""

        async def beat() -> None:
            while self._settings.heartbeat_path is not None:
                self._settings.heartbeat_path.touch()
                await asyncio.sleep(BEAT_SECONDS)

        beating = asyncio.get_running_loop().create_task(beat())
        yield
        beating.cancel()


def protected(response: web.StreamResponse, *, connect: str = "'self'") -> web.StreamResponse:
    """Headers: load nothing from other origins, no framing, no caching."""
    response.headers.update(
        {
            "Content-Security-Policy": (
                f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src {connect}; base-uri 'none'; "
                "form-action 'none'; frame-ancestors 'none'"
            ),
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
    )
    return response


def _screen(found: status.Status) -> dict[str, Any]:
    said = found.to_json()
    return {
        "problems": said["problems"],
        "waiting": list(status.waiting_rows(found)),
        "speeds": list(status.speed_rows(found)),
        "queues": found.queues,
        "workers": found.workers,
        "shops": found.backlog and found.backlog.integrations,
    }


def _case(session: Session, name: str, *, at_a_time: int) -> dict[str, Any]:
    return why.read(session, _resolved(session, name), at_a_time=at_a_time).to_json()


def _story(session: Session, name: str, *, at_a_time: int) -> dict[str, Any]:
    found = timeline.read(session, name, at_a_time=at_a_time)
    if found is None:
        raise RequestRefused(404, f"{name} has no conversation")
    return found.to_json()


def _resolved(session: Session, name: str) -> why.Target:
    target = why.resolve(session, name)
    if target is None:
        raise RequestRefused(404, why.unknown(session, name))
    return target


def _retry_event(session: Session, asked: Any) -> str | None:
    match asked:
        case {"source": str(source), "id": str(id)}:
            return None if inbox.retry(session, (source, id)) is None else f"retrying event {id}"
    raise RequestRefused(400, "name the source and the id of an event")


def _retry_turn(session: Session, asked: Any) -> str | None:
    match asked:
        case {"id": int(id)}:
            queued = failed_turns.ask_again(session, id)
            return None if queued is None else f"turn {id} is queued as turn {queued}"
    raise RequestRefused(400, "name the id of a turn")


async def _file(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(FOLDER / FILES[request.path])


def _json(value: Any) -> web.Response:
    def of(found: Any) -> str:
        assert isinstance(found, date)  # or a datetime, which is one
        return found.isoformat()

    return web.json_response(text=json.dumps(value, default=of, ensure_ascii=False))
