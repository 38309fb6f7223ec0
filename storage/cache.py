"""The cache, with one fetch for all concurrent requests. Everything in it may vanish at any moment.

The keys in Redis, where {m} is the merchant's id (percent-encoded), {c} the connection, {t} the data type (for sales
with period and comparison), {v} the token's version:

    cj:data:{m}:{c}:{t}     string, JSON object: fetched data. Expires after a day.
    cj:fresh:{m}:{c}:{t}    string: that data is still fresh. Expires after the data's TTL.
    cj:flight:{m}:{c}:{t}   string: somebody is fetching this. Expires when the leader must be dead.
    cj:waiters:{m}:{c}:{t}  set of request ids that wait for this flight's answer. Expires after 60 s.
    cj:answer:{request id}  list with one JSON object: the answer to one request. Expires after 60 s.
    cj:done:{request id}    string: the request was answered. Expires after 60 s.
    cj:used:{m}:{v}         number: how often Shopify accepted this token lately. Expires a minute after the last time.
    cj:failed:{m}:{c}       string, JSON object: why Shopify gave nothing a moment ago. Expires after seconds.
    cj:kept:{m}             set of the merchant's data, fresh and flight keys, to drop them all. Expires after a day.

`get` and `join` find only fresh data; `stale` also finds older data, for when Shopify delivers none. Invalid content of
these keys counts as absent.

A flight: the first to `join` leads and fetches; the others are recorded as waiting and are free to do other work; the
leader's `land` stores the data and answers them all. Whoever joins after a dead leader's time replaces it and also
answers those already waiting. Each step is one script, so it is atomic (https://valkey.io/topics/eval-intro/). This
needs a single server, not a cluster: the scripts use keys that they have read.

While Redis is down everything works without it: `get` finds nothing, `join` lets everybody lead, `put` does nothing.
`land` and `answer` say whether Redis took the answer; one that it did not take goes through `storage.fetch_answers`.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from pydantic_core import from_json

from storage.redis_server import RedisServer
from storage.sql import dump

Value = dict[str, Any]

#: Matches the keys of all flights.
FLIGHTS = "cj:flight:*"
#: Seconds for which an answer is stored, and a waiter is recorded.
ANSWER_SECONDS = 60
#: Longest single wait at the server, well within a command's time limit.
BLOCK_SECONDS = 1.0
AWAY_PAUSE_SECONDS = 0.2
_REFUSED = object()
#: Seconds for which data is stored, fresh or not; each write also renews the list of the merchant's keys.
KEPT_SECONDS = 24 * 3600

# KEYS: data, flight, waiters, kept, fresh, failed. ARGV: milliseconds to lead, request id, seconds to wait, seconds
# kept. Returns what the caller is, and the data or the failure. A flight without an expiry was not begun here.
JOIN = """
if ARGV[2] ~= '' and redis.call('EXISTS', 'cj:done:' .. ARGV[2]) == 1 then return {'answered', false} end
if redis.call('EXISTS', KEYS[5]) == 1 then
    local data = redis.pcall('GET', KEYS[1])
    if type(data) == 'string' then return {'hit', data} end
end
if redis.call('PTTL', KEYS[2]) == -1 then redis.call('DEL', KEYS[2]) end
if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[1]) then
    redis.pcall('SADD', KEYS[4], KEYS[2])
    redis.call('EXPIRE', KEYS[4], ARGV[4])
    local failure = redis.pcall('GET', KEYS[6])
    return {'lead', type(failure) == 'string' and failure}
end
if ARGV[2] ~= '' then
    redis.call('SADD', KEYS[3], ARGV[2])
    redis.call('EXPIRE', KEYS[3], ARGV[3])
end
return {'joined', false}
"""

# KEYS: data, fresh, kept. ARGV: data, seconds it is fresh, seconds kept.
_KEEP = """
local function keep(data, fresh, kept, value, fresh_seconds, kept_seconds)
    redis.call('SET', data, value, 'EX', kept_seconds)
    redis.call('SET', fresh, '1', 'EX', fresh_seconds)
    redis.pcall('SADD', kept, data, fresh)
    redis.call('EXPIRE', kept, kept_seconds)
end
"""
PUT = _KEEP + "keep(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])"

# KEYS: data, flight, waiters, kept, fresh, and used if a token was accepted. ARGV: answer, seconds it waits, seconds it
# is fresh as data or 0, seconds kept, the leader's request id. It is kept as data only while the flight is on: one that
# was dropped meanwhile brings outdated data.
LAND = (
    _KEEP
    + """
if ARGV[3] ~= '0' and redis.call('EXISTS', KEYS[2]) == 1 then
    keep(KEYS[1], KEYS[5], KEYS[4], ARGV[1], ARGV[3], ARGV[4])
end
if KEYS[6] then
    redis.call('INCRBY', KEYS[6], 1)
    redis.call('EXPIRE', KEYS[6], ARGV[2])
end
if ARGV[5] ~= '' then redis.call('SADD', KEYS[3], ARGV[5]) end
local waiting = redis.call('SMEMBERS', KEYS[3])
redis.call('DEL', KEYS[2], KEYS[3])
for _, request in ipairs(waiting) do
    local answer = 'cj:answer:' .. request
    redis.call('RPUSH', answer, ARGV[1])
    redis.call('EXPIRE', answer, ARGV[2])
    redis.call('SET', 'cj:done:' .. request, '1', 'EX', ARGV[2])
end
return #waiting
"""
)

# KEYS: kept.
DROP = """
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do redis.call('UNLINK', key) end
redis.call('DEL', KEYS[1])
"""


@dataclass(frozen=True)
class Hit:
    """The data is cached and fresh."""

    value: Value


@dataclass(frozen=True)
class Lead:
    """Nobody is fetching: the caller must fetch, and `land` the answer, whatever it is.

    `failure`: why Shopify delivered nothing for this shop a moment ago (`note_failure`).
    """

    failure: Value | None = None


@dataclass(frozen=True)
class Joined:
    """Somebody is fetching and will answer the request."""


@dataclass(frozen=True)
class Answered:
    """The request was answered already; it was sent again because the answer came late."""


class Cache:
    """The cache; thread-safe."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._redis = server.client
        self._do = server.do
        self._join, self._land, self._put, self._drop = map(self._redis.register_script, (JOIN, LAND, PUT, DROP))

    @staticmethod
    def flight_key(merchant_id: str, connection: int, data_type: str) -> str:
        """Identifies what a flight fetches; the suffix of its keys. A renewed token belongs to the same connection
        (`storage.connections.Integration.connection`)."""
        return f"{quote(merchant_id, safe='')}:{connection}:{data_type}"

    @property
    def is_away(self) -> bool:
        """Whether the last command failed."""
        return self._server.is_away

    def get(self, merchant_id: str, connection: int, data_type: str) -> Value | None:
        """The stored data while it is fresh; None if there is none, or if it is unreadable."""
        data, *_, fresh = _keys(self.flight_key(merchant_id, connection, data_type))
        found = self._do(lambda: self._redis.mget(data, fresh), (None, None))
        return None if found[1] is None else _parsed(found[0])

    def stale(self, merchant_id: str, connection: int, data_type: str) -> Value | None:
        """The stored data, fresh or not: at most a day old."""
        data, *_ = _keys(self.flight_key(merchant_id, connection, data_type))
        return _parsed(self._do(lambda: self._redis.mget(data), (None,))[0])

    def put(self, merchant_id: str, connection: int, data_type: str, value: Mapping[str, Any], ttl: int) -> None:
        """Store data; it is fresh for `ttl` seconds."""
        data, _, _, kept, fresh = _keys(self.flight_key(merchant_id, connection, data_type))
        self._do(lambda: self._put(keys=[data, fresh, kept], args=[dump(dict(value)), ttl, KEPT_SECONDS]), None)

    def drop(self, merchant_id: str) -> bool:
        """Drop all data of a merchant, including what is being fetched now; False while Redis is down."""

        def drop() -> bool:
            self._drop(keys=[f"cj:kept:{quote(merchant_id, safe='')}"])
            return True

        return bool(self._do(drop, otherwise=False))

    def successes(self, merchant_id: str, token_version: int) -> int:
        """A counter of flights for which Shopify accepted this token; it restarts after a minute without any."""
        key = f"cj:used:{quote(merchant_id, safe='')}:{token_version}"
        raw = self._do(lambda: self._redis.get(key), None)
        return int(raw) if raw is not None and raw.isdigit() else 0

    def note_failure(self, merchant_id: str, connection: int, why: Mapping[str, Any], seconds: float) -> None:
        """Record that Shopify currently delivers nothing for this shop, so that others need not ask for a while."""
        key = f"cj:failed:{quote(merchant_id, safe='')}:{connection}"
        self._do(lambda: self._redis.set(key, dump(dict(why)), px=round(seconds * 1000)), None)

    def join(self, flight_key: str, request_id: str | None, *, lead_ttl_ms: int) -> Hit | Lead | Joined | Answered:
        """Join a flight, without waiting. `request_id` is None if nobody waits for the answer (a prefetch).

        A leader that has not landed after `lead_ttl_ms` counts as dead.
        """
        args: list[str | int] = [lead_ttl_ms, request_id or "", ANSWER_SECONDS, KEPT_SECONDS]
        keys = [*_keys(flight_key), f"cj:failed:{flight_key.rpartition(':')[0]}"]
        for _ in range(2):
            what, found = self._do(lambda: self._join(keys=keys, args=args), (b"lead", None))
            value = _parsed(found)
            match what:
                case b"answered":
                    return Answered()
                case b"joined":
                    return Joined()
                case b"lead":
                    return Lead(value)
            if value is not None:
                return Hit(value)
            self._do(lambda: self._redis.delete(keys[0]), None)
        return Lead()

    def renew(self, flight_key: str, *, lead_ttl_ms: int) -> None:
        """Heartbeat of the leader, which counts as dead `lead_ttl_ms` from now. A dropped flight stays dropped."""
        flight = _keys(flight_key)[1]
        self._do(lambda: self._redis.pexpire(flight, lead_ttl_ms), 0)

    def land(
        self,
        flight_key: str,
        answer: Mapping[str, Any],
        *,
        ttl_s: int,
        request_id: str | None = None,
        accepted: int | None = None,
    ) -> bool:
        """End a flight: answer all waiting requests, the leader's included, and store the answer as data that is fresh
        for `ttl_s` seconds (0: do not). `accepted`: the token's version, if Shopify has just accepted it. False if
        Redis did not take it."""
        used = [] if accepted is None else [f"cj:used:{flight_key.partition(':')[0]}:{accepted}"]
        keys = [*_keys(flight_key), *used]
        args: list[str | int] = [dump(dict(answer)), ANSWER_SECONDS, ttl_s, KEPT_SECONDS, request_id or ""]
        return self._do(lambda: self._land(keys=keys, args=args), None) is not None

    def answer(self, request_id: str, value: Mapping[str, Any]) -> bool:
        """Answer one request; False if Redis did not take it."""
        key = f"cj:answer:{request_id}"

        def push() -> bool:
            with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.rpush(key, dump(dict(value))).expire(key, ANSWER_SECONDS)
                pipeline.set(f"cj:done:{request_id}", "1", ex=ANSWER_SECONDS).execute()
            return True

        return bool(self._do(push, otherwise=False))

    def wait_answer(self, request_id: str, timeout_s: float) -> Value | None:
        """Wait for the answer to a request; None if none comes in time. Keeps waiting while Redis is down."""
        key = f"cj:answer:{request_id}"
        deadline = self._server.clock() + timeout_s
        while (left := deadline - self._server.clock()) > 0:
            block = max(min(left, BLOCK_SECONDS), 0.01)  # 0 would mean for ever
            found = self._do(partial(self._redis.blpop, [key], timeout=block), _REFUSED)
            if found is _REFUSED:
                time.sleep(min(left, AWAY_PAUSE_SECONDS))
            elif found is not None:
                return _parsed(found[1])
        return None


def _keys(flight_key: str) -> list[str]:
    merchant = flight_key.split(":")[0]
    data, flight, waiters, fresh = (f"cj:{kind}:{flight_key}" for kind in ("data", "flight", "waiters", "fresh"))
    return [data, flight, waiters, f"cj:kept:{merchant}", fresh]


def _parsed(raw: Any) -> Value | None:
    """The JSON object in `raw`; None for anything else."""
    if raw is None:
        return None
    try:
        value = from_json(raw)  # faster than the standard library's
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
