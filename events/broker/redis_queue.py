"""A plain queue on Redis, read without kombu's consumer, which can lose a message and is slow.

kombu pops a message and then records it as unacked. A process killed in between loses the message, and so does a
connection that breaks before the popped message arrives; and each message costs three round trips. Here one script pops
and records everything that is waiting, in kombu's own format, so that any consumer restores what a dead one had taken.
Waiting takes no message (BLMOVE from the queue's end to the same end leaves the queue unchanged).

An item that is not exactly what kombu's producer writes is foreign: kombu's consumer reads or refuses it. The same goes
for everything on a server that refuses the script.
"""

import time
from typing import Any

from kombu.message import Message
from kombu.utils.json import loads

#: Seconds between two searches for messages that dead consumers had taken.
_RESTORE_EVERY = 1.0

_TAKE = """
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
    if not item then return {0, taken} end
    local ok, message = pcall(cjson.decode, item)
    if not ok or not is_plain(message) then return {1, taken} end
    redis.call('RPOP', KEYS[1])
    redis.call('ZADD', KEYS[2], ARGV[2], message.properties.delivery_tag)
    redis.call('HSET', KEYS[3], message.properties.delivery_tag, '[' .. item .. ',"",' .. cjson.encode(KEYS[1]) .. ']')
    taken[n] = item
end
return {0, taken}
"""

_GIVE_BACK = """
for n = 1, #ARGV, 2 do
    if redis.call('HDEL', KEYS[3], ARGV[n]) == 1 then
        redis.call('ZREM', KEYS[2], ARGV[n])
        redis.call('RPUSH', KEYS[1], ARGV[n + 1])
    end
end
"""


class RedisQueue:
    """One consumer of one queue, holding at most `prefetch` unacked messages."""

    def __init__(self, channel: Any, queue: str, prefetch: int) -> None:
        self._channel = channel
        self._queue = queue
        self._prefetch = prefetch
        self._keys = [queue, channel.unacked_index_key, channel.unacked_key]
        self._items: dict[str, bytes] = {}
        self._restored_at = 0.0
        self._is_refused = False
        self._is_foreign_next = False

    def needs_kombu(self) -> bool:
        """Whether kombu's consumer must read the queue: it is waiting already, or a foreign item comes next."""
        return self._is_refused or self._is_foreign_next or bool(self._channel._in_poll)

    def take(self, limit: int) -> list[Message]:
        """Up to `limit` waiting messages, the oldest first. Raises the transport's errors."""
        self._restore()
        limit = min(limit, self._prefetch - len(self._items))
        if self._is_refused or limit < 1:
            return []
        try:
            with self._channel.conn_or_acquire() as client:
                is_foreign_next, items = client.eval(_TAKE, 3, *self._keys, limit, time.time())
        except self._channel.ResponseError:  # a server that runs no scripts, or a key of another kind: kombu says which
            self._is_refused = True
            return []
        self._is_foreign_next = bool(is_foreign_next)
        return [self._message(item) for item in items]

    def wait(self, seconds: float) -> None:
        """Return when a message waits, or after `seconds`. Raises the transport's errors."""
        if len(self._items) >= self._prefetch:
            time.sleep(seconds)
            return
        try:
            with self._channel.conn_or_acquire() as client:
                client.blmove(self._queue, self._queue, max(seconds, 0.001), "RIGHT", "RIGHT")
        except self._channel.ResponseError:
            self._is_refused = True

    def ack(self, messages: list[Message]) -> list[Message]:
        """Ack the messages that were taken here; returns the others. Raises the transport's errors."""
        mine = [message.delivery_tag for message in messages if message.delivery_tag in self._items]
        if mine:
            with self._channel.conn_or_acquire() as client, client.pipeline() as pipe:
                pipe.zrem(self._keys[1], *mine).hdel(self._keys[2], *mine).execute()
        others = [message for message in messages if message.delivery_tag not in self._items]
        for tag in mine:
            self._items.pop(tag, None)
        return others

    def give_back(self) -> None:
        """Put unacked messages back where they were. Raises the transport's errors."""
        items, self._items = list(self._items.items()), {}
        if items:
            with self._channel.conn_or_acquire() as client:
                client.eval(_GIVE_BACK, 3, *self._keys, *(part for item in reversed(items) for part in item))

    def kombu_has_read(self) -> None:
        """kombu's consumer has handled the foreign item, or found none."""
        self._is_foreign_next = False

    def _restore(self) -> None:
        if time.monotonic() - self._restored_at >= _RESTORE_EVERY:
            self._restored_at = time.monotonic()
            self._channel.qos.restore_visible(interval=1)

    def _message(self, item: bytes) -> Message:
        payload = loads(item)
        payload["properties"]["delivery_info"] = {"exchange": "", "routing_key": self._queue}
        message: Message = self._channel.message_to_python(payload)
        self._items[str(message.delivery_tag)] = item
        return message
