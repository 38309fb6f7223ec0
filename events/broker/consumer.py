"""Consumes a plain queue, whatever happens to the broker and whatever is on the queue.

    consumer = PlainConsumer(broker_url, "replies")
    try:
        while wanted:
            delivery = consumer.receive(0.2)
            if delivery is not None:
                …
                consumer.ack(delivery)
    finally:
        consumer.close()        # what was not acked goes back to the queue

The next `receive` replaces a lost connection, with one log line when it is lost and one when it is back. Unacked
messages are then delivered again, by Redis after at most VISIBILITY_TIMEOUT seconds.

On Redis a queue is a list that anybody may push to, see `redis_queue`. If an item is not a kombu message, kombu drops
it and raises any error its decoder raises; this is logged and otherwise ignored. Not thread-safe.
"""

import contextlib
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from kombu import Connection, Consumer, Producer
from kombu.message import Message

from events import queues
from events.broker.redis_queue import RedisQueue, TakenMessage
from events.errors import BrokerUnavailable, WrongQueue, reason

log = logging.getLogger(__name__)

#: Seconds between tries to reach a broker that is down: doubled from the first value to the last.
FIRST_PAUSE = 0.1
LAST_PAUSE = 1.0
#: Closing waits for a pending BRPOP, which takes a second; a shorter timeout would lose its message.
_LEAST_TIMEOUT = 2.0
#: Seconds that a batch waits for one more message from a broker that delivers them one by one.
_LINGER = 0.003
#: Seconds for which heartbeats go on while the user handles a reply; the broker waits two seconds more
#: (`queues.HOLDER_HEARTBEAT_SECONDS`). Limited, because a stuck user must not hold the queue for ever.
_WORK_SECONDS = 1.25
_WORK_BEAT_SECONDS = 0.25
#: After this many broken items in a row, the connection is to blame.
_BROKEN_IN_A_ROW = 50


@dataclass(frozen=True)
class Delivery:
    """One message. `problem`: why `body` must not be used (it could not be decompressed)."""

    body: object
    problem: str | None
    message: Message | TakenMessage
    connection: int


class _OpenConnection:
    """One open connection."""

    def __init__(self, broker: Connection, queue: str, others: Collection[str], prefetch: int, holder: str) -> None:
        self.arrived: deque[tuple[Message | TakenMessage, str | None]] = deque()
        self.redis: RedisQueue | None = None
        self.has_delivered = False
        self._broker = broker
        #: Seconds between two signs of life on RabbitMQ, which expects one in twice as many.
        self.beat_seconds = (broker.heartbeat or queues.HEARTBEAT_SECONDS) / 2
        self._beat_at = time.monotonic()
        self._beats_until: float | None = None
        self._beating = threading.Lock()
        self._closed = threading.Event()
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
                self.redis = RedisQueue(self._channel, queue, prefetch, queues.holder_key(queue), holder)
            elif queues.holder_key(queue) is not None:
                threading.Thread(target=self._beat_while_working, name="heartbeats", daemon=True).start()
        except Exception:
            self.close()
            raise

    def beat(self) -> bool:
        """Send RabbitMQ a heartbeat, if it is time. False if the last one was so long ago that another consumer
        may have the queue. Raises the transport's errors."""
        if self.redis is not None:
            return True
        silent = time.monotonic() - self._beat_at
        if silent >= 4 * self.beat_seconds:
            return False
        if silent >= self.beat_seconds:
            self._beat_at += silent
            self._broker.connection.send_heartbeat()
        return True

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Sends heartbeats meanwhile, for `_WORK_SECONDS`; the connection must not be used for anything else."""
        self._beats_until = time.monotonic() + _WORK_SECONDS
        try:
            yield
        finally:
            with self._beating:
                self._beats_until = None

    def _beat_while_working(self) -> None:
        while not self._closed.wait(_WORK_BEAT_SECONDS):
            with self._beating, contextlib.suppress(Exception):  # the consumer's next step sends one, too
                if self._beats_until is not None and time.monotonic() < self._beats_until:
                    self.beat()

    def close(self) -> None:
        """Return unacked messages to the queue, if the broker can be reached."""
        self._closed.set()
        # The channel first: it reads the end of a BRPOP, and stops there if that brings a broken item. Releasing the
        # connection closes what is still open.
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

    Holds at most `prefetch` unacked deliveries; `timeout`: seconds that one operation may take.
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
        is_held = queues.holder_key(queue) is not None
        heartbeat = queues.HOLDER_HEARTBEAT_SECONDS if is_held else queues.HEARTBEAT_SECONDS
        self._broker = queues.connection(broker_url, timeout=max(timeout, _LEAST_TIMEOUT), heartbeat=heartbeat)
        options = self._broker.transport_options or {}
        if "unacked_key" in options:
            self._broker.transport_options = {**options, **queues.unacked_keys(queue)}
        self._name = queues.safe_url(broker_url)
        self._holder = uuid.uuid4().hex
        self._current: _OpenConnection | None = None
        self._connections = 0
        self._broken = 0
        self._away_since: float | None = None
        self._pause = 0.0
        self._next_try = 0.0
        #: Why there is no connection, or None.
        self.problem: BrokerUnavailable | None = None

    @property
    def connected(self) -> bool:
        return self._current is not None

    @property
    def holding(self) -> tuple[int, int] | None:
        """A value that changes whenever this consumer becomes the holder: others may have taken messages before. None
        while it is not the holder, or does not know."""
        if self._current is None:
            return None
        redis = self._current.redis
        if redis is None:  # RabbitMQ does not name the holder, but sends messages to nobody else
            return (self._connections, 0) if self._current.has_delivered else None
        return (self._connections, redis.times_held) if redis.is_holder else None

    def receive(self, seconds: float) -> Delivery | None:
        """The next delivery, waited for at most `seconds` (plus what one try to connect takes). Raises WrongQueue."""
        link = self._current or self._open(seconds)
        if link is None:
            return None
        if link.redis is not None and not link.redis.needs_kombu() and not link.arrived:
            self._take(link, link.redis, seconds)
        elif not link.arrived:
            self._drain(link, seconds)
        if self._current is not link or not link.arrived:
            return None
        message, problem = link.arrived.popleft()
        link.has_delivered = True
        return Delivery(message.body, problem, message, self._connections)

    def receive_more(self, limit: int) -> list[Delivery]:
        """Up to `limit` messages already on the queue, to be handled together with the one from `receive`."""
        link = self._current
        if link is None:
            return []
        if link.redis is None:
            return self._receive_one_by_one(limit)
        try:
            taken = link.redis.take(limit)
        except Exception as error:  # noqa: BLE001 - the broker's client fails in many ways that mean the same
            self._lost(error)
            return []
        if not taken and link.redis.needs_kombu():
            return self._receive_one_by_one(limit)
        return [Delivery(message.body, None, message, self._connections) for message in taken]

    def _receive_one_by_one(self, limit: int) -> list[Delivery]:
        found: list[Delivery] = []
        while len(found) < limit and (delivery := self.receive(_LINGER)) is not None:
            found.append(delivery)
        return found

    def ack(self, *deliveries: Delivery) -> bool:
        """Ack to the broker. False if their connection is lost: then they are delivered again."""
        if self._current is None or any(delivery.connection != self._connections for delivery in deliveries):
            return False
        messages = [delivery.message for delivery in deliveries]
        try:
            if self._current.redis is not None:
                self._current.redis.ack([str(message.delivery_tag) for message in messages])
            for message in messages:
                if isinstance(message, Message):
                    message.ack()
        except Exception as error:  # noqa: BLE001 - the broker's client fails in many ways that mean the same
            self._lost(error)
            return False
        return True

    def holds(self) -> bool:
        """Whether this consumer still holds the queue; ask before each step if several consumers take turns. Renews the
        hold."""
        link = self._current
        if link is None:
            return True
        try:
            if link.redis is not None:
                return link.redis.hold()
            if link.beat():
                return True
        except Exception as error:  # noqa: BLE001 - as in ack
            self._lost(error)
            return link.redis is not None  # which renews its lease
        self.close()
        return False

    def working(self) -> contextlib.AbstractContextManager[None]:
        """Keeps the hold while the user handles what was received, for up to three seconds. (On Redis a lease does.)"""
        link = self._current
        return contextlib.nullcontext() if link is None or link.redis is not None else link.working()

    def publish(self, queue: str, *bodies: bytes, content_type: str = queues.CONTENT_TYPE) -> bool:
        """Publish on one of the queues named in `publishes`. False if the broker did not accept all of them."""
        if self._current is None:
            return False
        try:
            queues.put(self._current.producer, queue, *bodies, content_type=content_type)
        except Exception as error:  # noqa: BLE001 - as in ack
            self._lost(error)
            return False
        return True

    def close(self) -> None:
        """Disconnect; unacked messages go back to the queue. `receive` would connect again."""
        link, self._current = self._current, None
        if link is not None:
            link.close()

    def _open(self, seconds: float) -> _OpenConnection | None:
        now = time.monotonic()
        if now < self._next_try:
            time.sleep(min(seconds, self._next_try - now))
            return None
        try:
            link = _OpenConnection(self._broker, self.queue, self._publishes, self._prefetch, self._holder)
        except WrongQueue:
            raise
        except Exception as error:  # noqa: BLE001 - as in ack
            self._lost(error)
            return None
        self._current, self._connections = link, self._connections + 1
        return link

    def _works(self) -> None:
        """Record that the broker completed an operation. A connection alone proves little: a full broker accepts
        those."""
        self._pause, self.problem = 0.0, None
        if self._away_since is not None:
            log.info("broker %s is back after %.1f s", self._name, time.monotonic() - self._away_since)
            self._away_since = None

    def _take(self, link: _OpenConnection, queue: RedisQueue, seconds: float) -> None:
        """Put one message into `arrived`, waiting at most `seconds`; after a foreign item, the next call continues."""
        try:
            taken = queue.take(1) if queue.has_more else []
            if not queue.needs_kombu():  # kombu's consumer proves it by itself
                self._works()
            if not taken and not queue.needs_kombu():
                queue.wait(seconds)
                taken = queue.take(1)
        except Exception as error:  # noqa: BLE001 - as in ack
            self._lost(error)
            return
        link.arrived.extend((message, None) for message in taken)
        if not taken and queue.needs_kombu():
            self._drain(link, seconds)

    def _drain(self, link: _OpenConnection, seconds: float) -> None:
        if link.redis is not None:
            link.redis.kombu_has_read()
        try:
            if not link.beat():
                self.close()
                return
            self._broker.drain_events(timeout=seconds if link.redis is not None else min(seconds, link.beat_seconds))
        except TimeoutError:
            pass
        except Exception as error:  # noqa: BLE001 - see the module's docstring
            self._drain_failed(error)
            return
        self._broken = 0
        self._works()

    def _drain_failed(self, error: Exception) -> None:
        outages = (*self._broker.connection_errors, *self._broker.channel_errors)
        # kombu's Redis transport lists KeyError among its connection errors, because of its event loop.
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
