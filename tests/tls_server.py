"""TLS on loopback in front of another server, or of none: what clients said after the handshake is kept."""

import contextlib
import select
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.certificates import Certificate


class TlsServer:
    """Terminates TLS and relays to the server at `behind`; without one it reads, and never answers.

    `heard` is everything that clients sent inside TLS.
    """

    def __init__(self, certificate: Certificate, *, behind: int | None = None, client_ca: Path | None = None) -> None:
        self.heard = b""
        #: Connections that ended, for those who wait until a client has given up.
        self.ended = 0
        self._behind = behind
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certfile, certificate.keyfile)
        if client_ca is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(client_ca)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for opened in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # An OSError also from a client that does not like the certificate.
        with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as client:
            self._open.append(client)
            if self._behind is None:
                while data := client.recv(65536):
                    self.heard += data
            else:
                with socket.create_connection(("127.0.0.1", self._behind)) as server:
                    self._relay(client, server)
        self.ended += 1

    def _relay(self, client: ssl.SSLSocket, server: socket.socket) -> None:
        while True:
            # What TLS has decrypted already does not make the socket readable.
            ready = [client] if client.pending() else select.select([client, server], [], [])[0]
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                if source is client:
                    self.heard += data
                    server.sendall(data)
                else:
                    client.sendall(data)
