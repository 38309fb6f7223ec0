"""A Redis that may be away: everything goes on without it, at the cost of an occasional timeout."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from events import tls
from events.circuit_breaker import CircuitBreaker

log = logging.getLogger(__name__)

#: Seconds Redis is left alone after a failure, so that a hanging server costs only an occasional timeout.
BREAK_SECONDS = 1.0
CONNECT_TIMEOUT = 1.0
COMMAND_TIMEOUT = 2.0


class RedisServer:
    """One server, shared by a process's threads. Takes a URL, or a client that the caller closes.

    Logs one line when the server goes away and one when it is back.
    """

    def __init__(self, client_or_url: redis.Redis | str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._owned = isinstance(client_or_url, str)
        #: The library's client; its calls go through `do`.
        self.client: Any = _client(client_or_url) if isinstance(client_or_url, str) else client_or_url
        self.clock = clock
        self._breaker = CircuitBreaker(BREAK_SECONDS, clock=clock, on_change=_log)
        self._lock = threading.Lock()
        self._warned: set[str] = set()

    @property
    def is_away(self) -> bool:
        """Whether the last call failed."""
        return self._breaker.failures > 0

    def do(self, work: Callable[[], Any], otherwise: Any) -> Any:
        """What `work` returns, or `otherwise` while Redis is away."""
        if self._breaker.is_open:
            return otherwise
        try:
            result = work()
        except (redis.RedisError, OSError) as error:
            if type(error) is redis.ResponseError:
                self._warn_once(str(error).partition(" ")[0])
            else:
                self._breaker.failed(type(error).__name__)  # no text of the error: it may hold data
            return otherwise
        self._breaker.worked()
        return result

    def close(self) -> None:
        """Close the connections, if they are this object's own."""
        if self._owned:
            self.client.close()

    def _warn_once(self, kind: str) -> None:
        """One key holds something foreign (WRONGTYPE), or the like: the server itself is fine."""
        with self._lock:
            is_known = kind in self._warned
            self._warned.add(kind)
        if not is_known:
            log.warning("Redis refused a command (%s); foreign keys under cj: ?", kind[:40])


def _log(problem: str | None) -> None:
    if problem is None:
        log.info("Redis is back")
    else:
        log.warning("Redis is away; going on without cache and shared rate limits (%s)", problem)


def connect(url: str, **options: Any) -> redis.Redis:
    """A client of the Redis at `url`, not connected yet; over TLS the server is verified. Raises UnsafeTls.

    `options` are redis-py's; what the URL says beside TLS replaces them.
    """
    bare, verified = tls.split(url)
    return redis.Redis.from_url(bare, **options, **verified)


def _client(url: str) -> redis.Redis:
    return connect(
        url,
        socket_timeout=COMMAND_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        # One retry, at once: a pooled connection is dead after the server was restarted.
        retry=Retry(NoBackoff(), 1),
    )
