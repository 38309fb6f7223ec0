"""Consuming a plain queue, whatever becomes of the broker and whatever lies on the queue.

    consumer = PlainConsumer(broker_url, "replies")
    try:
        while wanted:
            delivery = consumer.receive(0.2)
            if delivery is not None:
                …
                consumer.ack(delivery)
    finally:
        consumer.close()        # what was not acked goes back to the queue

A lost connection is made anew by the next `receive`, one log line when it is lost and one when it is back; what was
not acked by then is delivered again, by Redis after VISIBILITY_TIMEOUT seconds at the latest.

On Redis a queue is a list that anybody may push to, see `redis_queue`. kombu raises whatever its decoding raises when
an item is not one of its messages; the item is gone by then. Such an item costs one log line. For one thread.
"""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from kombu import Connection, Consumer, Producer
from kombu.message import Message

from events import queues
from events.broker.redis_queue import RedisQueue
from events.errors import BrokerUnavailable, reason

log = logging.getLogger(__name__)

#: Seconds between tries to reach a broker that is away: doubled from the first to the last.
FIRST_PAUSE = 0.1
LAST_PAUSE = 1.0
#: Closing waits for the end of a BRPOP, which lasts a second; a shorter timeout would lose what it brings.
_LEAST_TIMEOUT = 2.0
#: How long a batch waits for one more message of a broker that brings them one by one.
_LINGER = 0.003
#: So many broken items in a row, and the connection is doubted instead of the items.
_BROKEN_IN_A_ROW = 50


@dataclass(frozen=True)
class Delivery:
    """One message. `problem` says why `body` is not to be used: it could not even be decompressed."""

    body: object
    problem: str | None
    message: Message
    line: int


class _Line:
    """One open connection."""

    def __init__(self, broker: Connection, queue: str, others: Collection[str], prefetch: int) -> None:
        self.arrived: deque[tuple[Message, str | None]] = deque()
        self.redis: RedisQueue | None = None
        self._broker = broker
        self._channel: Any = None
        try:
            self._channel = queues.open_channel(broker)
            for name in (queue, *others):
                queues.declare(name, broker, self._channel)
            self.producer = Producer(self._channel, auto_declare=False)
            consumer = Consumer(
                self._channel,
                [queues.plain_queue(queue)],
                auto_declare=False,
                on_message=lambda message: self.arrived.append((message, None)),
                on_decode_error=lambda message, error: self.arrived.append((message, reason(error))),
            )
            consumer.qos(prefetch_count=prefetch)
            consumer.consume(no_ack=False)
            if broker.transport.driver_type == "redis":
                self.redis = RedisQueue(self._channel, queue, prefetch)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Give back what is not acked, as far as the broker can be reached."""
        # First the channel by itself: it reads the end of a BRPOP, and when that brings a broken item it stops there.
        # Releasing the connection closes what is still open.
        if self.redis is not None:
            with contextlib.suppress(Exception):
                self.redis.give_back()
        if self._channel is not None:
            with contextlib.suppress(Exception):
                self._channel.close()
        with contextlib.suppress(Exception):
            self._broker.release()


class PlainConsumer:
    """Consumes one plain queue and publishes to the queues in `publishes` over the same connection.

    At most `prefetch` deliveries are out unacked; `timeout` is the time in seconds that one operation may take.
    """

    def __init__(
        self,
        broker_url: str,
        queue: str,
        *,
        publishes: Collection[str] = (),
        prefetch: int = 100,
        timeout: float = 5.0,
    ) -> None:
        self.queue = queue
        self._publishes = publishes
        self._prefetch = prefetch
        self._broker = queues.connection(broker_url, timeout=max(timeout, _LEAST_TIMEOUT))
        self._name = queues.safe_url(broker_url)
        self._line: _Line | None = None
        self._lines = 0
        self._broken = 0
        self._away_since: float | None = None
        self._pause = 0.0
        self._next_try = 0.0
        #: Why there is no connection, or None.
        self.problem: BrokerUnavailable | None = None

    @property
    def connected(self) -> bool:
        return self._line is not None

    def receive(self, seconds: float) -> Delivery | None:
        """The next delivery, waited for at most `seconds` (plus what one try to connect may take)."""
        line = self._line or self._open(seconds)
        if line is None:
            return None
        if line.redis is not None and not line.redis.is_kombus() and not line.arrived:
            self._take(line, line.redis, seconds)
        elif not line.arrived:
            self._drain(line, seconds)
        if self._line is not line or not line.arrived:
            return None
        message, problem = line.arrived.popleft()
        return Delivery(message.body, problem, message, self._lines)

    def receive_more(self, limit: int) -> list[Delivery]:
        """At most `limit` of what lies on the queue already, to be handled together with what `receive` gave."""
        line = self._line
        if line is None:
            return []
        if line.redis is None:
            return self._receive_one_by_one(limit)
        try:
            return [Delivery(message.body, None, message, self._lines) for message in line.redis.take(limit)]
        except Exception as error:  # noqa: BLE001 - the broker's client fails in many ways that mean the same
            self._lost(error)
            return []

    def _receive_one_by_one(self, limit: int) -> list[Delivery]:
        found: list[Delivery] = []
        while len(found) < limit and (delivery := self.receive(_LINGER)) is not None:
            found.append(delivery)
        return found

    def ack(self, *deliveries: Delivery) -> bool:
        """Tell the broker to forget them. False when their connection is gone: then they are delivered again."""
        if self._line is None or any(delivery.line != self._lines for delivery in deliveries):
            return False
        messages = [delivery.message for delivery in deliveries]
        try:
            for message in messages if self._line.redis is None else self._line.redis.ack(messages):
                message.ack()
        except Exception as error:  # noqa: BLE001 - the broker's client fails in many ways that mean the same
            self._lost(error)
            return False
        return True

    def publish(self, queue: str, body: bytes, content_type: str = queues.CONTENT_TYPE) -> bool:
        """Publish on one of the queues named in `publishes`. False when the broker did not take it."""
        if self._line is None:
            return False
        try:
            queues.put(self._line.producer, queue, body, content_type)
        except Exception as error:  # noqa: BLE001 - as in ack
            self._lost(error)
            return False
        return True

    def close(self) -> None:
        """Disconnect; what is not acked goes back to the queue. `receive` would connect again."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _open(self, seconds: float) -> _Line | None:
        now = time.monotonic()
        if now < self._next_try:
            time.sleep(min(seconds, self._next_try - now))
            return None
        try:
            line = _Line(self._broker, self.queue, self._publishes, self._prefetch)
        except Exception as error:  # noqa: BLE001 - as in ack
            self._lost(error)
            return None
        self._line, self._lines, self._pause, self.problem = line, self._lines + 1, 0.0, None
        if self._away_since is not None:
            log.info("broker %s is back after %.1f s", self._name, time.monotonic() - self._away_since)
            self._away_since = None
        return line

    def _take(self, line: _Line, queue: RedisQueue, seconds: float) -> None:
        """One message into `arrived`, waited for at most `seconds`; something strange is for the next call."""
        try:
            taken = queue.take(1)
            if not taken and not queue.is_kombus():
                queue.wait(seconds)
                taken = queue.take(1)
        except Exception as error:  # noqa: BLE001 - as in ack
            self._lost(error)
            return
        line.arrived.extend((message, None) for message in taken)
        if not taken and queue.is_kombus():
            self._drain(line, seconds)

    def _drain(self, line: _Line, seconds: float) -> None:
        if line.redis is not None:
            line.redis.kombu_looked()
        try:
            self._broker.drain_events(timeout=seconds)
        except TimeoutError:
            self._broken = 0
        except Exception as error:  # noqa: BLE001 - see the module's docstring
            self._drain_failed(error)
        else:
            self._broken = 0

    def _drain_failed(self, error: Exception) -> None:
        outages = (*self._broker.connection_errors, *self._broker.channel_errors)
        # kombu's Redis transport counts KeyError among the connection errors, for a reason of its event loop.
        if isinstance(error, outages) and not isinstance(error, KeyError):
            self._lost(error)
            return
        log.warning("dropped an item of queue %s that is no message (%s)", self.queue, type(error).__name__)
        self._broken += 1
        if self._broken >= _BROKEN_IN_A_ROW:
            self._broken = 0
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        self.problem = BrokerUnavailable(f"broker {self._name} is away ({reason(error)})")
        self.close()
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("%s; trying again", self.problem)
        self._broker.maybe_switch_next()
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LAST_PAUSE)
        self._next_try = time.monotonic() + self._pause
