"""A door in front of a server: passes everything, until it is told to lose answers or to fall silent.

    with Proxy.of_port(6379) as door:               # door.port
    with Proxy.of_socket(real, own) as door:        # Unix sockets
        door.lose_answers(b"LPUSH", every=3)        # the server has done it; the client never hears of it
        with door.silence(): …                      # connections stay open, nothing comes through

What the client sends is looked at as it comes: a word that is split over two packets is not found.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

CHUNK = 65536


class Proxy:
    """One listening socket; two threads for each connection."""

    def __init__(self, listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
        self._listener, self._connect = listener, connect
        self._lock = threading.Lock()
        self._loud = threading.Event()
        self._loud.set()
        self._word: bytes | None = None
        self._every = 1
        self._seen = 0
        #: How many answers were lost.
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    def of_port(cls, port: int) -> Self:
        """In front of a server on this machine, at a free port."""
        return cls(socket.create_server(("127.0.0.1", 0)), lambda: socket.create_connection(("127.0.0.1", port)))

    @classmethod
    def of_socket(cls, real: Path, own: Path) -> Self:
        """In front of a server at the Unix socket `real`, at the Unix socket `own`."""

        def connect() -> socket.socket:
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(real))
            except OSError:
                server.close()
                raise
            return server

        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(own))
        own.chmod(0o666)
        listener.listen(200)
        return cls(listener, connect)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pass_all()
        self._loud.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def lose_answers(self, word: bytes, *, every: int = 1) -> None:
        """From now on cut the connection when the server answers every so many-th request with this word."""
        with self._lock:
            self._word, self._every, self._seen, self.lost = word, every, 0, 0

    def pass_all(self) -> None:
        """Lose nothing more."""
        with self._lock:
            self._word = None

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Nothing comes through while the block runs; connections are accepted and stay open."""
        self._loud.clear()
        try:
            yield
        finally:
            self._loud.set()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = self._connect()
        except OSError:
            client.close()
            return
        doomed = threading.Event()
        up = threading.Thread(target=self._pump, args=(client, server, lambda data: self._judge(data, doomed)))
        up.daemon = True
        up.start()
        self._pump(server, client, lambda _data: not doomed.is_set())
        up.join()
        client.close()
        server.close()

    def _judge(self, data: bytes, doomed: threading.Event) -> bool:
        with self._lock:
            if self._word is not None and self._word in data:
                self._seen += 1
                if self._seen % self._every == 0:
                    self.lost += 1
                    doomed.set()
        return True

    def _pump(self, source: socket.socket, target: socket.socket, passes: Callable[[bytes], bool]) -> None:
        """Until one side ends, or an answer must not pass; then both sides end."""
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                self._loud.wait()
                if not passes(data):
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
