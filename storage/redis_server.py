"""A Redis that may be away: everything goes on without it, at the cost of a timeout now and then."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

#: Seconds Redis is left alone after a failure, so that a server that hangs costs a timeout only now and then.
BREAK_SECONDS = 1.0
CONNECT_TIMEOUT = 1.0
COMMAND_TIMEOUT = 2.0


class RedisServer:
    """One server, for all of a process's threads. Takes a URL, or a client that the caller closes.

    One line is logged when it goes and one when it is back.
    """

    def __init__(self, client_or_url: redis.Redis | str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._owned = isinstance(client_or_url, str)
        #: The library's client; its calls go through `do`.
        self.client: Any = _client(client_or_url) if isinstance(client_or_url, str) else client_or_url
        self.clock = clock
        self._lock = threading.Lock()
        self._away = False
        self._try_again_at = 0.0
        self._told: set[str] = set()

    @property
    def is_away(self) -> bool:
        """Whether the last call failed."""
        return self._away

    def do(self, work: Callable[[], Any], otherwise: Any) -> Any:
        """What `work` returns, or `otherwise` while Redis is away."""
        if self._away and self.clock() < self._try_again_at:
            return otherwise
        try:
            result = work()
        except (redis.RedisError, OSError) as error:
            if type(error) is redis.ResponseError:
                self._warn_once(str(error).partition(" ")[0])
            else:
                self._note(type(error).__name__)
            return otherwise
        self._note(None)
        return result

    def close(self) -> None:
        """Close the connections, if they are this object's own."""
        if self._owned:
            self.client.close()

    def _warn_once(self, kind: str) -> None:
        """A single key holds what is not ours (WRONGTYPE), or the like: the server itself is well."""
        with self._lock:
            told = kind in self._told
            self._told.add(kind)
        if not told:
            log.warning("Redis refused a command (%s); foreign keys under cj: ?", kind[:40])

    def _note(self, problem: str | None) -> None:
        """Remember whether Redis answers, and log when that changes. No text of an error: it may hold data."""
        if problem is None and not self._away:
            return
        with self._lock:
            changed, self._away = self._away != (problem is not None), problem is not None
            self._try_again_at = self.clock() + BREAK_SECONDS
        if changed and problem is not None:
            log.warning("Redis is away; going on without cache and shared rate limits (%s)", problem)
        elif changed:
            log.info("Redis is back")


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=COMMAND_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        # Once more at once: a kept connection is dead after the server was restarted.
        retry=Retry(NoBackoff(), 1),
    )
