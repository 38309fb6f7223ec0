"""A plain queue on Redis, read without kombu's consumer, which can lose a message and is slow.

kombu pops a message and then records it as unacked. If the process is killed in between, or the connection breaks
before the popped message arrives, the message is lost; and each message costs three round trips. Here one script pops
and records all waiting messages, in kombu's own format, so that any consumer can restore those of a dead one. Waiting
takes no message (BLMOVE from the queue's end to the same end leaves the queue unchanged).

If a queue is held by one consumer at a time (`queues.holder_key`), the script serves only the holder. If there is none,
the consumer that asks becomes the holder, for `LEASE_SECONDS` after each time it asks or calls `hold` (while it is busy
with what it has). A holder that leaves gives up its lease at once. A new holder first takes what the previous one had
taken and not acked. A holder that was delayed beyond its lease and finds no other holder continues with what it has.

What a dead consumer had taken is given back after the channel's `visibility_timeout`, by the server's clock: a
consumer whose own clock is an hour off delays nothing.

An item that is not exactly what kombu's producer writes is foreign, and left to kombu's consumer. So is everything on a
server that refuses the script.
"""

import base64
import json
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

#: Seconds between two searches for unacked messages of dead consumers.
_RESTORE_EVERY = 1.0

#: Seconds of silence after which a holder loses the queue: three for one reply, plus `RENEW_SECONDS`, the most that the
#: lease's age is when the holder starts on it.
LEASE_SECONDS = 3.1
RENEW_SECONDS = 0.1
#: Seconds between two requests by a consumer that stands by.
_ASK_SECONDS = 0.2

_TAKE = """
local time = redis.pcall('TIME')
local now = time.err and tonumber(ARGV[2]) or time[1] + time[2] / 1000000  -- a user may lack the right to ask
local name = cjson.encode(KEYS[1])
local function give_back(tags)
    for _, tag in ipairs(tags) do
        local taken = redis.call('HGET', KEYS[3], tag)
        local item, queue = string.match(taken or '', '^%[(.*), ?"", ?("[^"]*")%]$')
        if queue == name then redis.call('RPUSH', KEYS[1], item) end
        if queue == name or not taken then  -- otherwise it is another queue's
            redis.call('HDEL', KEYS[3], tag)
            redis.call('ZREM', KEYS[2], tag)
        end
    end
end
local is_new = 0
if ARGV[3] == '' then
    redis.call('ZREM', KEYS[2], '')  -- changes nothing, and a replica refuses it however empty the queue is
else
    local holder = redis.call('GET', KEYS[4])
    if holder and holder ~= ARGV[3] then return {2, {}, 0, 0} end
    redis.call('SET', KEYS[4], ARGV[3], 'PX', ARGV[4])
    if redis.call('GET', KEYS[5]) ~= ARGV[5] then
        is_new = 1
        redis.call('SET', KEYS[5], ARGV[5], 'EX', 86400)
        give_back(redis.call('ZRANGE', KEYS[2], 0, -1, 'REV'))
    end
end
if ARGV[6] ~= '' then
    -- Taken by kombu's consumer on a machine whose clock is ahead: counted from now.
    for _, tag in ipairs(redis.call('ZRANGE', KEYS[2], now + 1, '+inf', 'BYSCORE')) do
        redis.call('ZADD', KEYS[2], now, tag)
    end
    give_back(redis.call('ZRANGE', KEYS[2], now - ARGV[6], '-inf', 'BYSCORE', 'REV'))
end
local function is_plain(message)
    if type(message) ~= 'table' or type(message.properties) ~= 'table' or type(message.body) ~= 'string' then
        return false
    end
    local headers, properties = message.headers, message.properties
    return type(headers) == 'table' and headers.compression == nil
        and type(message['content-type']) == 'string' and type(message['content-encoding']) == 'string'
        and type(properties.delivery_tag) == 'string' and type(properties.delivery_info) == 'table'
        and properties.body_encoding == 'base64'
        and #message.body % 4 == 0 and string.find(message.body, '^[%w+/]*=?=?$') ~= nil
end
local taken = {}
for n = 1, tonumber(ARGV[1]) do
    local item = redis.call('LINDEX', KEYS[1], -1)
    if not item then return {0, taken, is_new, 0} end
    local ok, message = pcall(cjson.decode, item)
    if not ok or not is_plain(message) then return {1, taken, is_new, 1} end
    redis.call('RPOP', KEYS[1])
    redis.call('ZADD', KEYS[2], now, message.properties.delivery_tag)
    redis.call('HSET', KEYS[3], message.properties.delivery_tag, '[' .. item .. ',"",' .. name .. ']')
    taken[n] = item
end
return {0, taken, is_new, redis.call('LLEN', KEYS[1])}
"""

_GIVE_BACK = """
for n = 1, #ARGV, 2 do
    if redis.call('HDEL', KEYS[3], ARGV[n]) == 1 then
        redis.call('ZREM', KEYS[2], ARGV[n])
        redis.call('RPUSH', KEYS[1], ARGV[n + 1])
    end
end
"""

_HOLD = """
local holder = redis.call('GET', KEYS[1])
if (holder and holder ~= ARGV[1]) or redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_LEAVE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


@dataclass(slots=True)
class TakenMessage:
    """One message that was taken without kombu."""

    body: bytes
    delivery_tag: str


class RedisQueue:
    """One consumer of one queue, holding at most `prefetch` unacked messages.

    `holder_key`: the key that names the holder, if one consumer at a time holds the queue; then `name` is required.
    """

    def __init__(self, channel: Any, queue: str, prefetch: int, holder_key: str | None = None, name: str = "") -> None:
        self._channel = channel
        self._queue = queue
        self._prefetch = prefetch
        self._keys = [queue, channel.unacked_index_key, channel.unacked_key]
        self._holder_key = holder_key
        self._name = "" if holder_key is None else name
        self._is_held = False
        self.times_held = 0
        """How often this consumer became the holder."""
        self.has_more = True
        """Whether more messages were waiting after the last `take`; if not, call `wait` first."""
        self._instance = uuid.uuid4().hex
        self._items: dict[str, bytes] = {}
        self._renewed_at = 0.0
        self._restored_at = 0.0
        self._is_refused = False
        self._is_foreign_next = False

    @property
    def is_holder(self) -> bool:
        """Whether this consumer was the holder when it last asked."""
        return self._is_refused or (self.times_held > 0 and not self._is_held)

    def needs_kombu(self) -> bool:
        """Whether kombu's consumer must read the queue: it is already waiting, or a foreign item comes next."""
        return self._is_refused or self._is_foreign_next or bool(self._channel._in_poll)

    def take(self, limit: int) -> list[TakenMessage]:
        """Up to `limit` waiting messages, oldest first. Raises the transport's errors."""
        limit = max(min(limit, self._prefetch - len(self._items)), 0)
        if self._is_refused or (limit == 0 and self._holder_key is None):
            return []
        began = time.monotonic()
        try:
            with self._channel.conn_or_acquire() as client:
                keys = [*self._keys, *self._holder_keys]
                given = (limit, time.time(), *self._lease, self._restorable(began))
                state, items, is_new, left = client.eval(_TAKE, len(keys), *keys, *given)
        except self._channel.ResponseError as error:
            self._refused(error)
            return []
        self._is_foreign_next, self._is_held, self._renewed_at = state == 1, state == 2, began
        self.times_held += is_new
        self.has_more = left > 0
        if self._is_held:
            self._items.clear()  # the holder has them
        return [self._message(item) for item in items]

    def hold(self) -> bool:
        """Renew the lease for `LEASE_SECONDS`. False if another consumer may have what was taken here. Raises the
        transport's errors."""
        began = time.monotonic()
        if self._holder_key is None or self._is_refused or self._is_held or began - self._renewed_at < RENEW_SECONDS:
            return not self._is_held
        with self._channel.conn_or_acquire() as client:
            self._is_held = not client.eval(_HOLD, 2, *self._holder_keys, *self._lease)
        self._renewed_at = began
        if self._is_held:
            self._items.clear()
        return not self._is_held

    @property
    def _holder_keys(self) -> tuple[str, str]:
        holder = self._holder_key
        return (holder, f"{holder}_last") if holder else (self._queue, self._queue)

    @property
    def _lease(self) -> tuple[str, int, str]:
        return self._name, int(LEASE_SECONDS * 1000), self._instance

    def wait(self, seconds: float) -> None:
        """Return when a message waits, or after `seconds`. Raises the transport's errors."""
        if len(self._items) >= self._prefetch or self._is_held:
            time.sleep(min(seconds, _ASK_SECONDS) if self._is_held else seconds)
            return
        try:
            with self._channel.conn_or_acquire() as client:
                client.blmove(self._queue, self._queue, max(seconds, 0.001), "RIGHT", "RIGHT")
        except self._channel.ResponseError as error:
            self._refused(error)

    def ack(self, tags: Collection[str]) -> None:
        """Ack those messages that were taken here. Raises the transport's errors."""
        mine = [tag for tag in tags if tag in self._items]
        if mine:
            with self._channel.conn_or_acquire() as client, client.pipeline() as pipe:
                pipe.zrem(self._keys[1], *mine).hdel(self._keys[2], *mine).execute()
        for tag in mine:
            self._items.pop(tag, None)

    def give_back(self) -> None:
        """Put unacked messages back where they were, and give up the lease. Raises the transport's errors."""
        items, self._items = list(self._items.items()), {}
        with self._channel.conn_or_acquire() as client:
            if items:
                client.eval(_GIVE_BACK, 3, *self._keys, *(part for item in reversed(items) for part in item))
            if self._holder_key is not None and not self._is_held:
                client.eval(_LEAVE, 1, self._holder_key, self._name)

    def kombu_has_read(self) -> None:
        """kombu's consumer has handled the foreign item, or found none."""
        self._is_foreign_next = False

    def _refused(self, error: Exception) -> None:
        """The server runs no scripts, or the key is of another type: kombu reports which. Raises `error` if the server
        is a replica or has just become one; another is the primary then."""
        if type(error).__name__ == "ReadOnlyError" or str(error).startswith("UNBLOCKED"):
            raise error
        self._is_refused = True

    def _restorable(self, now: float) -> float | str:
        """For how many seconds what is now to be given back was taken; empty if it is not time to look for that."""
        if now - self._restored_at < _RESTORE_EVERY:
            return ""
        self._restored_at = now
        return float(self._channel.visibility_timeout)

    def _message(self, item: bytes) -> TakenMessage:
        payload = json.loads(item)
        taken = TakenMessage(base64.b64decode(payload["body"]), payload["properties"]["delivery_tag"])
        self._items[taken.delivery_tag] = item
        return taken
