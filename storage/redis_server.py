"""A Redis that may be down: everything works without it, at the cost of an occasional timeout."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from events import queues, sentinel, tls
from events.circuit_breaker import CircuitBreaker

log = logging.getLogger(__name__)

#: Seconds for which Redis is skipped after a failure, so that a hanging server costs only an occasional timeout.
BREAK_SECONDS = 1.0
#: Seconds between two log lines about a server that refuses commands.
WARN_AGAIN_SECONDS = 60.0
#: URL schemes of Redis.
SCHEMES = ("redis", "unix", "sentinel")
#: Share of maxmemory above which a server will soon accept no messages.
NEARLY_FULL = 0.9
#: The oldest version that knows the commands which we and kombu use.
OLDEST_SERVER = (6, 2)
#: A server with fewer databases than the URL's number, and a cluster, which has one.
_NO_SUCH_DATABASE = re.compile("DB index|SELECT is not allowed")
_PREFIXED = re.compile(rb".*\W(?:events|acks)(?::wait)?", re.DOTALL)
SCANS = 100
"""How often a thousand keys are looked at."""
CONNECT_TIMEOUT = 1.0
COMMAND_TIMEOUT = 2.0


class RedisServer:
    """One server, shared by a process's threads. Takes a URL, or a client that the caller closes.

    Logs one line when the server goes down and one when it is back.
    """

    def __init__(self, client_or_url: redis.Redis | str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._owned = isinstance(client_or_url, str)
        #: The library's client; its calls go through `do`.
        self.client: Any = _client(client_or_url) if isinstance(client_or_url, str) else client_or_url
        self.clock = clock
        self._breaker = CircuitBreaker(BREAK_SECONDS, clock=clock, on_change=_log)
        self._lock = threading.Lock()
        self._warned: dict[str, float] = {}

    @property
    def is_away(self) -> bool:
        """Whether the last call failed."""
        return self._breaker.failures > 0

    def do(self, work: Callable[[], Any], otherwise: Any) -> Any:
        """The result of `work`, or `otherwise` while Redis is down."""
        if self._breaker.is_open:
            return otherwise
        try:
            result = work()
        except (redis.RedisError, OSError) as error:
            if isinstance(error, redis.ReadOnlyError):  # it became a replica: the next connection goes to the primary
                self.client.connection_pool.disconnect()
            if type(error) in (redis.ResponseError, redis.OutOfMemoryError):
                self._warn_seldom(str(error).partition(" ")[0])
            else:
                self._breaker.failed(queues.cause(error))
            return otherwise
        self._breaker.worked()
        return result

    def close(self) -> None:
        """Close the connections, if they are this object's own."""
        if self._owned:
            self.client.close()

    def _warn_seldom(self, kind: str) -> None:
        """Log that the server refuses a command: a key has a foreign type (WRONGTYPE), or it is full (OOM) but serves
        reads."""
        now = self.clock()
        with self._lock:
            is_news = now - self._warned.get(kind, -WARN_AGAIN_SECONDS) >= WARN_AGAIN_SECONDS
            if is_news:
                self._warned[kind] = now
        if is_news:
            why = "it is full: raise its maxmemory" if kind == "OOM" else "foreign keys under cj: ?"
            log.warning("Redis refused a command (%s); %s", kind[:40], why)


def _log(problem: str | None) -> None:
    if problem is None:
        log.info("Redis is back")
    else:
        log.warning("Redis is away; going on without cache and shared rate limits (%s)", problem)


class UnfitServer(Exception):
    """CJ can never work with this server; the sentence says why, and what to do."""


def shortcomings(info: Mapping[str, Any], *, keeps_queues: bool) -> Iterator[str]:
    """What is wrong with a server according to its INFO, and what to do: sentences for operators. Raises
    UnfitServer."""
    if info.get("cluster_enabled"):
        raise UnfitServer("is a cluster, where neither Celery nor our scripts can work: name a single server")
    version = str(info.get("redis_version") or "")
    if version and tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_SERVER:
        raise UnfitServer(f"is Redis {version}, and CJ needs {'.'.join(map(str, OLDEST_SERVER))} or later: upgrade it")
    if info.get("role") == "slave":
        yield "is a replica, which takes no writes: name the primary"
    if failed := [name for name in ("rdb_last_bgsave_status", "aof_last_write_status") if info.get(name) == "err"]:
        yield f"cannot write to its disk and refuses what is sent ({failed[0]}): free space, or let it write there"
    most, policy = int(info.get("maxmemory") or 0), str(info.get("maxmemory_policy", "noeviction"))
    if keeps_queues and policy != "noeviction":
        yield f"evicts messages when it is full (maxmemory-policy {policy}): set noeviction"
    if most and int(info.get("used_memory") or 0) >= NEARLY_FULL * most:
        yield f"has used {int(info['used_memory']) / most:.0%} of its maxmemory and will refuse what is sent: raise it"


def problems(url: str, *, seconds: float, keeps_queues: bool, only_sends: bool = False) -> list[str]:
    """What is wrong with the Redis at `url`; empty if it is not a Redis. Raises UnfitServer, and redis.RedisError.

    `keeps_queues`: whether it is the broker, and not only the cache; `only_sends`: whether its user need not be a
    worker's.
    """
    if not url.startswith(SCHEMES):
        return []
    info: Any = {}
    sentences = []
    with closing(connect(url, socket_timeout=seconds, socket_connect_timeout=seconds)) as client:
        try:
            client.ping()
        except redis.ResponseError as error:
            if _NO_SUCH_DATABASE.search(str(error)):
                raise UnfitServer(f"refuses the database of its URL ({error}): name database 0") from None
        with suppress(redis.ResponseError):
            info = client.info()
        try:
            _work(client, keeps_queues=keeps_queues)
        except redis.exceptions.NoPermissionError as error:
            if not only_sends:
                sentences.append(f"refuses its user what workers do ({error}): grant it what workers/users.acl lists")
        except redis.ResponseError as error:
            if "unknown command" in str(error):
                raise UnfitServer("runs no scripts, which CJ and Celery need: allow EVAL, EVALSHA and SCRIPT") from None
    return [*shortcomings(info, keeps_queues=keeps_queues), *sentences]


def prefixed(url: str, *, seconds: float) -> list[str]:
    """Lists whose names are those of our incoming queues behind a prefix, as a client with a key prefix writes them
    (ioredis' `keyPrefix`, BullMQ): CJ does not read them. Looks at the first keys only; a user who may not look finds
    none. Raises redis.RedisError."""
    if not url.startswith(SCHEMES):
        return []
    found: set[bytes] = set()
    client: Any = connect(url, socket_timeout=seconds, socket_connect_timeout=seconds)
    with closing(client), suppress(redis.exceptions.NoPermissionError):
        cursor = 0
        for _ in range(SCANS):
            cursor, names = client.scan(cursor, count=1000, _type="list")
            found |= {name for name in names if _PREFIXED.fullmatch(name)}
            if not cursor:
                break
    return sorted(name.decode("utf-8", "replace") for name in found)


def _work(client: Any, *, keeps_queues: bool) -> None:
    """Do what needs the rights of a worker and changes nothing. Raises redis.RedisError."""
    client.eval("return 1", 0)
    client.zrem("unacked_index" if keeps_queues else "cj:bucket", "")
    if keeps_queues:
        with client.pubsub() as listener:
            # Celery's channel for `inspect`; since Redis 7 a new user may use no channel unless it is told to.
            listener.psubscribe(f"/{client.get_connection_kwargs().get('db') or 0}.celery.pidbox")
            listener.get_message(timeout=COMMAND_TIMEOUT)


def connect(url: str, **options: Any) -> redis.Redis:
    """A client of the Redis at `url`, not connected yet; over TLS the server is verified. Raises UnsafeTls, and
    ValueError for an incomplete Sentinel URL.

    `options`: redis-py's; options in the URL other than TLS override them.
    """
    found = sentinel.read(url)
    if found is not None:
        own = {"username": found.username, "password": found.password, "db": found.database, **found.tls}
        sentinels: Any = Sentinel  # it has no types
        primary: redis.Redis = sentinels(found.hosts, sentinel_kwargs=found.own).master_for(
            found.master, **options, **own
        )
        return primary
    bare, verified = tls.split(url)
    return redis.Redis.from_url(bare, **options, **verified)


def _client(url: str) -> redis.Redis:
    return connect(
        url,
        socket_timeout=COMMAND_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        # One retry, at once: pooled connections are dead after a restart of the server.
        retry=Retry(NoBackoff(), 1),
    )
