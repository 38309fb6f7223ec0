"""Taking many messages off a Redis queue in one step, for who cannot spend three round trips on each.

kombu pops one message, then notes it as unacked, then, later, removes the note; between the first two a killed process
loses the message. Here one script does both for all that is waiting, in kombu's own format: what a dead consumer had
taken is restored by kombu as ever. An item that is not exactly what kombu's producer writes is left to kombu.
"""

import time
from typing import Any

from kombu.message import Message
from kombu.utils.json import loads
from redis.exceptions import ResponseError

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
    if not item then break end
    local ok, message = pcall(cjson.decode, item)
    if not ok or not is_plain(message) then break end
    redis.call('RPOP', KEYS[1])
    redis.call('ZADD', KEYS[2], ARGV[2], message.properties.delivery_tag)
    redis.call('HSET', KEYS[3], message.properties.delivery_tag, '[' .. item .. ',"",' .. cjson.encode(KEYS[1]) .. ']')
    taken[n] = item
end
return taken
"""

_GIVE_BACK = """
for n = 1, #ARGV, 2 do
    if redis.call('HDEL', KEYS[3], ARGV[n]) == 1 then
        redis.call('ZREM', KEYS[2], ARGV[n])
        redis.call('RPUSH', KEYS[1], ARGV[n + 1])
    end
end
"""


class RedisBatch:
    """What one channel has taken from one queue in this way, and not acked."""

    def __init__(self, channel: Any, queue: str) -> None:
        self._channel = channel
        self._queue = queue
        self._keys = [queue, channel.unacked_index_key, channel.unacked_key]
        self._items: dict[str, bytes] = {}
        self._is_refused = False

    def take(self, limit: int) -> list[Message]:
        """What is waiting now, the oldest first, at most `limit`. Raises the transport's errors."""
        if self._is_refused or limit < 1:
            return []
        try:
            with self._channel.conn_or_acquire() as client:
                items = client.eval(_TAKE, 3, *self._keys, limit, time.time())
        except ResponseError:  # a server that runs no scripts, or a key of another kind: kombu says which
            self._is_refused = True
            return []
        return [self._message(item) for item in items]

    def ack(self, messages: list[Message]) -> list[Message]:
        """Forget those of the messages that were taken here; returns the others. Raises the transport's errors."""
        mine = [message.delivery_tag for message in messages if message.delivery_tag in self._items]
        if mine:
            with self._channel.conn_or_acquire() as client, client.pipeline() as pipe:
                pipe.zrem(self._keys[1], *mine).hdel(self._keys[2], *mine).execute()
        others = [message for message in messages if message.delivery_tag not in self._items]
        for tag in mine:
            self._items.pop(tag, None)
        return others

    def give_back(self) -> None:
        """Put what is not acked back to where it was. Raises the transport's errors."""
        items, self._items = list(self._items.items()), {}
        if items:
            with self._channel.conn_or_acquire() as client:
                client.eval(_GIVE_BACK, 3, *self._keys, *(part for item in reversed(items) for part in item))

    def _message(self, item: bytes) -> Message:
        payload = loads(item)
        payload["properties"]["delivery_info"] = {"exchange": "", "routing_key": self._queue}
        message: Message = self._channel.message_to_python(payload)
        self._items[str(message.delivery_tag)] = item
        return message
