"""Ends connections on which Postgres has said nothing for too long.

libpq waits for an answer without limit, and TCP's keepalives reach only the next hop: behind a pooler or proxy whose
server has vanished, a thread would wait for ever. Every statement has a limit at the server, so a longer silence means
that no answer will come.
"""

import contextlib
import os
import socket
import threading
import time
from typing import Any

from psycopg2.extensions import cursor

#: Seconds; as long as it takes TCP to notice a peer that vanished (`database.KEEPALIVES`), and four times as long as a
#: statement may take.
LIMIT = 20.0
#: Seconds between two looks.
LOOK_EVERY = 1.0


class Cursor(cursor):
    """Whose statements fail like those of a lost connection after `LIMIT` seconds without an answer."""

    def execute(self, query: Any, vars: Any = None) -> None:
        who = threading.get_ident()
        if not _watch.is_alive():
            _start()
        _waiting[who] = time.monotonic() + LIMIT, self.connection.fileno()
        try:
            super().execute(query, vars)
        finally:
            if _waiting.pop(who, None) is None:
                with _lock:  # until its descriptor is no longer needed
                    pass


#: Thread → until when it waits, and on which file descriptor.
_waiting: dict[int, tuple[float, int]] = {}
#: Held while a connection is ended, and while the watching thread is started.
_lock = threading.Lock()


def _run() -> None:
    while True:
        time.sleep(LOOK_EVERY)
        for who, entry in _waiting.copy().items():
            if entry[0] < time.monotonic():
                with _lock:
                    _end(who, entry)


def _end(who: int, entry: tuple[float, int]) -> None:
    if _waiting.get(who) is entry and _waiting.pop(who, None) is entry:
        # Not close: the waiting thread still uses the descriptor, and reads the end of the stream from it.
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(entry[1])) as connection:
            connection.shutdown(socket.SHUT_RDWR)


def _start() -> None:
    """Also in a process that was forked from one that had it: threads do not survive that."""
    global _watch
    with _lock:
        if not _watch.is_alive():
            thread = threading.Thread(target=_run, name="silence of Postgres", daemon=True)
            thread.start()
            _watch = thread


_watch = threading.Thread()  # not started
