"""One leaky bucket of cost points per shop, shared by all workers. Everything in it may vanish at any moment.

It mirrors Shopify's own bucket (https://shopify.dev/docs/api/usage/limits): points are restored at a steady rate up to
a maximum; a request reserves its requested cost before it is sent, and is charged its actual cost when it is answered.
Requests that must wait also hold a reservation, with the time at which their points will be available: so they go in
order, never poll, and the wait is exact.

Keys in Redis, {s} being the shop's domain; both expire after a day without use:

    cj:budget:{s}        hash: points (minus the reserved ones: free), at (Redis' clock), maximum, rate
    cj:budget:{s}:held   sorted set of reservations: members "reservation points" by the instant they may be sent

Each answer includes Shopify's own reading. It is lower than ours only if others spend from the same bucket, the limits
have changed, or Redis has lost its data; then ours is corrected. A reservation whose worker died is charged in full
after HELD_SECONDS. Until a shop's limits are known, those of a standard plan apply.

Every step is one script on Redis' clock (https://valkey.io/topics/eval-intro/). Without Redis no request waits.
"""

import math
from typing import Protocol

from storage.redis_server import RedisServer

#: Points, and points per second, of a standard plan: the lowest at Shopify.
DEFAULT_MAXIMUM, DEFAULT_RATE = 2000, 100
#: Longer than any single request takes; a retry makes a new reservation.
HELD_SECONDS = 15
KEPT_SECONDS = 24 * 3600

# KEYS: level, held. ARGV: default maximum, default rate, seconds a reservation is held. The level as it is now.
_LEVEL = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'points', 'at', 'maximum', 'rate')
local maximum = tonumber(kept[3]) or tonumber(ARGV[1])
local rate = tonumber(kept[4]) or tonumber(ARGV[2])
local points = tonumber(kept[1]) or maximum
if not (maximum > 0 and rate > 0 and points == points) then
    maximum, rate, points = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[1])
end
points = math.min(maximum, points + math.max(0, now - (tonumber(kept[2]) or now)) * rate)
local function worth(member) return tonumber(string.match(member, ' (%S+)$')) or 0 end
local function sum(from, to)
    local total = 0
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], from, to)) do total = total + worth(member) end
    return total
end
local given_up = string.format('%.6f', now - ARGV[3])
points = points - sum('-inf', given_up)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', given_up)
local function keep()
    redis.call('HSET', KEYS[1], 'points', string.format('%.6f', points), 'at', string.format('%.6f', now),
        'maximum', maximum, 'rate', rate)
    redis.call('EXPIRE', KEYS[1], ARGV[4])
    redis.call('EXPIRE', KEYS[2], ARGV[4])
end
"""

# Further ARGV: seconds both keys are kept, reservation, its points, longest wait. Returns the wait.
# A query that costs more than a full bucket waits for a full one: then Shopify says what is wrong with it.
RESERVE = (
    _LEVEL
    + """
local wanted = tonumber(ARGV[6])
local wait = math.max(0, (math.min(wanted, maximum) + sum('-inf', '+inf') - points) / rate)
if wait <= tonumber(ARGV[7]) then
    redis.call('ZADD', KEYS[2], string.format('%.6f', now + wait), ARGV[5] .. ' ' .. ARGV[6])
end
keep()
return string.format('%.6f', wait)
"""
)

# Further ARGV: seconds both keys are kept, reservation with its points, points charged, and Shopify's reading:
# available, maximum, rate (all '' without one). Requests of others may have reached Shopify or not, so its reading plus
# their reservations is the most that can be left. New limits make that bound meaningless: then the reading counts.
SETTLE = (
    _LEVEL
    + """
if redis.call('ZREM', KEYS[2], ARGV[5]) == 1 then points = points - tonumber(ARGV[6]) end
if ARGV[7] ~= '' then
    local available, new_maximum, new_rate = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
    if new_maximum ~= maximum or new_rate ~= rate then
        maximum, rate, points = new_maximum, new_rate, available
    else
        points = math.min(points, available + sum('-inf', string.format('%.6f', now)))
    end
end
keep()
"""
)


class Reading(Protocol):
    """Shopify's bucket according to an answer, in points and points per second."""

    @property
    def available(self) -> float: ...
    @property
    def maximum(self) -> float: ...
    @property
    def restore_rate(self) -> float: ...


class CostBucket:
    """Implements `shopify.rate_limit.Budget` for all workers on one Redis; thread-safe."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._reserve, self._settle = map(server.client.register_script, (RESERVE, SETTLE))

    def reserve(self, shop_domain: str, reservation: str, points: float, *, longest_wait: float) -> float:
        """Reserve points; returns the seconds until they are available. If over `longest_wait`, none were reserved."""
        args = [*_FIXED, reservation, _number(points), _number(longest_wait)]
        wait = float(self._server.do(lambda: self._reserve(keys=_keys(shop_domain), args=args), b"0"))
        return wait if math.isfinite(wait) else 0.0

    def settle(
        self, shop_domain: str, reservation: str, points: float, charged: float | None, reading: Reading | None
    ) -> None:
        """End a reservation of `points`: `charged` were used (None: all of them), the rest is returned."""
        member = f"{reservation} {_number(points)}"
        shopify = ("", "", "")
        if reading is not None and reading.restore_rate > 0:
            shopify = (_number(reading.available), _number(reading.maximum), _number(reading.restore_rate))
        args = [*_FIXED, member, _number(points if charged is None else charged), *shopify]
        self._server.do(lambda: self._settle(keys=_keys(shop_domain), args=args), None)


_FIXED = (str(DEFAULT_MAXIMUM), str(DEFAULT_RATE), str(HELD_SECONDS), str(KEPT_SECONDS))


def _keys(shop_domain: str) -> list[str]:
    return [f"cj:budget:{shop_domain}", f"cj:budget:{shop_domain}:held"]


def _number(value: float) -> str:
    """In the form that Lua reads."""
    return f"{max(value, 0.0):.6f}" if math.isfinite(value) else "0"
