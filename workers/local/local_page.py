"""A local web page to try CJ: connect a development store, chat, and watch what happens.

It is an ordinary client of the door. What a door must not do is done here, in the process of `cj up`: it plays the auth
service, gives the page a merchant's token, and reads the timeline.
"""

import asyncio
import json
import urllib.request
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from shopify.development_store import DevelopmentStore, token_for
from shopify.development_store.faults import KINDS
from shopify.development_store.tokens import DEFAULT_SCOPES
from shopify.server_thread import ServerThread
from storage.database import Database
from storage.vault import Vault
from workers.gateway.access import chat_token
from workers.local.stack import keep_token
from workers.operations import console, timeline
from workers.settings import Settings

FOLDER = Path(__file__).parent / "page"
FILES = {"/": FOLDER / "index.html", "/page.js": FOLDER / "page.js", "/page.css": FOLDER / "page.css"}
#: Files shared with the operators' console.
SHARED = {f"/{name}": console.FOLDER / name for name in ("pages.css", "waterfall.js")}
SIZES = ("new", "tiny", "medium", "large", "huge")


class LocalPage:
    """Serves the page on its own thread, for a door with the given settings."""

    def __init__(self, settings: Settings, store: DevelopmentStore, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._settings, self._store, self._port = settings, store, port
        self._door = f"http://{settings.gateway_listen}"
        self._database = Database(settings.database_url, pool_size=4, application_name="cj-page")
        self._vault = Vault.from_text(settings.token_keys or "")

    def __enter__(self) -> Self:
        """Listen. Raises OSError if the port is taken."""
        application = web.Application(middlewares=[self._guard])
        for path in (*FILES, *SHARED):
            application.router.add_get(path, self._file)
        application.router.add_post("/session", self._session)
        application.router.add_post("/connect", self._connect)
        application.router.add_post("/timeline", self._timeline)
        self._server = ServerThread(application, "page", self._port)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._database.dispose()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Refuse requests from other sites, and host names that were rebound to this address."""
        own = (f"127.0.0.1:{self._port}", f"localhost:{self._port}")
        if request.headers.get("Host") not in own or request.headers.get("Origin", self.url) not in (
            f"http://{name}" for name in own
        ):
            return web.Response(status=403)
        return console.protected(await handler(request), connect=f"'self' {self._door}")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse((FILES | SHARED)[request.path])

    async def _session(self, request: web.Request) -> web.StreamResponse:
        """A merchant for the page, with a chat token; the same one if the page names it again."""
        wanted = str((await request.json()).get("merchant") or "")
        merchant_id = wanted if wanted.startswith("page-") and wanted.isascii() else f"page-{uuid.uuid4().hex[:12]}"
        return web.json_response(
            {
                "merchant": merchant_id,
                "conversation": f"{merchant_id}:chat",
                "token": chat_token(self._settings.gateway_chat_keys[0], merchant_id),
                "door": self._door,
                "sizes": SIZES,
                "faults": KINDS,
            }
        )

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        merchant_id, size, fault = str(asked["merchant"]), str(asked["size"]), asked.get("fault") or None
        if size not in SIZES or fault not in (None, *KINDS) or not merchant_id.startswith("page-"):
            return web.Response(status=400)
        await asyncio.to_thread(self._connect_store, merchant_id, size, fault)
        return web.json_response({"shop": f"{merchant_id}.myshopify.com"})

    def _connect_store(self, merchant_id: str, size: str, fault: str | None) -> None:
        """As the auth service does: store the token, then send the event."""
        shop = f"{merchant_id}.myshopify.com"
        token = token_for(shop)
        self._store.register(shop, size, token)
        self._store.clear_faults(shop)
        if fault is not None:
            self._store.fault(shop, fault)
        keep_token(self._database, self._vault, merchant_id, shop, token, scopes=DEFAULT_SCOPES)
        whose = {"merchant_id": merchant_id, "conversation_id": f"{merchant_id}:chat"}
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "/auth",
            "type": "oauth_complete",
            "data": {"provider": "shopify", "success": True, "shop_domain": shop, **whose},
        }
        service = self._settings.gateway_service_tokens[0].get_secret_value()
        headers = {"Content-Type": "application/cloudevents+json", "Authorization": f"Bearer {service}"}
        sent = urllib.request.Request(f"{self._door}/events", json.dumps(event).encode(), headers)  # noqa: S310 - ours
        urllib.request.urlopen(sent, timeout=10).close()  # noqa: S310

    async def _timeline(self, request: web.Request) -> web.StreamResponse:
        merchant_id = str((await request.json())["merchant"])
        return web.json_response(await asyncio.to_thread(self._story, merchant_id))

    def _story(self, merchant_id: str) -> dict[str, Any]:
        if not merchant_id.startswith("page-"):
            return {"events": []}
        with self._database.transaction() as session:
            story = timeline.read(session, f"{merchant_id}:chat")
        return {"events": []} if story is None else story.to_json()
