"""A small HTTP server over real sockets that answers as a shop never should: slowly, broken, too much, or elsewhere.

Each request gets the next behaviour of the script; the last one stays. A behaviour writes to the connection itself.
"""

import gzip
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from typing import Any, Self

from shopify import API_VERSION

Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request. `server` is the ShopifyServer's."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        """Note the request, then behave."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.owner.received(self.path, dict(self.headers.items()), body)
        self.server.owner.behaviour()(self)

    def do_GET(self) -> None:
        """A redirect that is followed may come as GET."""
        self.do_POST()

    def do_CONNECT(self) -> None:
        """A proxy that lets nobody through."""
        self.server.owner.received(self.path, dict(self.headers.items()), b"")
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def start(self, status: int, *headers: tuple[str, str]) -> None:
        """Status line and headers."""
        self.send_response(status)
        for name, value in (("X-Shopify-API-Version", API_VERSION), *headers):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: "ShopifyServer"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


class ShopifyServer:
    """Use as a context manager; `admin_url` is for ShopifyClient."""

    def __init__(self, *script: Behaviour) -> None:
        self._script = list(script)
        self._lock = threading.Lock()
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def admin_url(self) -> str:
        return self.url + "/{shop}/admin"

    def received(self, path: str, headers: dict[str, str], body: bytes) -> None:
        with self._lock:
            self.requests.append((path, headers, body))

    def behaviour(self) -> Behaviour:
        with self._lock:
            return self._script.pop(0) if len(self._script) > 1 else self._script[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def answering(body: Any, status: int = 200, *headers: tuple[str, str]) -> Behaviour:
    """An ordinary JSON answer."""
    content = json.dumps(body).encode()

    def behave(handler: Handler) -> None:
        handler.start(status, ("Content-Type", "application/json"), ("Content-Length", str(len(content))), *headers)
        handler.wfile.write(content)

    return behave


def sending(content: bytes, status: int = 200, *headers: tuple[str, str]) -> Behaviour:
    """These bytes, whatever they are."""

    def behave(handler: Handler) -> None:
        handler.start(status, ("Content-Length", str(len(content))), *headers)
        handler.wfile.write(content)

    return behave


def zipped(body: Any) -> Behaviour:
    """JSON, compressed as Shopify does."""
    return sending(gzip.compress(json.dumps(body).encode()), 200, ("Content-Encoding", "gzip"))


def redirecting(to: str, status: int = 307) -> Behaviour:
    return lambda handler: handler.start(status, ("Location", to), ("Content-Length", "0"))


def dripping_body(pause: float = 0.05) -> Behaviour:
    """A byte now and then, for ever: no single read ever times out."""

    def behave(handler: Handler) -> None:
        handler.start(200, ("Content-Type", "application/json"), ("Content-Length", "1000000"))
        _drip(handler, b" ", pause)

    return behave


def fading_body(seconds: float) -> Behaviour:
    """Drips for a while, then falls silent with the answer incomplete."""

    def behave(handler: Handler) -> None:
        handler.start(200, ("Content-Type", "application/json"), ("Content-Length", "1000000"))
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not handler.server.owner.stopping.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()
        handler.server.owner.stopping.wait(30)

    return behave


def dripping_headers(pause: float = 0.05) -> Behaviour:
    """The same before the answer's head is complete."""

    def behave(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        _drip(handler, b"x", pause)

    return behave


def silent() -> Behaviour:
    """Takes the request and never answers."""
    return lambda handler: (handler.server.owner.stopping.wait(30), None)[1]


def resetting() -> Behaviour:
    """Breaks the connection before an answer."""

    def behave(handler: Handler) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
        handler.close_connection = True

    return behave


def cut_off(content: bytes = b'{"data": {"shop": {"name": "Tea') -> Behaviour:
    """Promises more than it sends, then closes."""

    def behave(handler: Handler) -> None:
        handler.start(200, ("Content-Type", "application/json"), ("Content-Length", str(len(content) + 100)))
        handler.wfile.write(content)
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    return behave


def endless_body(block: bytes = b" " * 65536) -> Behaviour:
    """Chunks without end, as fast as they are taken."""
    return _chunked(repeat(block))


def gzip_bomb(megabytes: int) -> Behaviour:
    """A few kilobytes that unpack to this much."""

    def parts() -> Iterator[bytes]:
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        for _ in range(megabytes):
            yield packer.compress(b" " * 1024 * 1024)
        yield packer.flush()

    bomb = b"".join(parts())
    return sending(bomb, 200, ("Content-Encoding", "gzip"))


def _chunked(parts: Iterator[bytes]) -> Behaviour:
    def behave(handler: Handler) -> None:
        handler.start(200, ("Transfer-Encoding", "chunked"))
        for part in parts:
            handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")

    return behave


def _drip(handler: Handler, byte: bytes, pause: float) -> None:
    while not handler.server.owner.stopping.wait(pause):
        handler.wfile.write(byte)
        handler.wfile.flush()
