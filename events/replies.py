"""Consuming replies: the chat gateway's side.

    consumer = RepliesConsumer("redis://localhost:6379/0")
    consumer.run(lambda reply: show(reply.subject, reply.text), stop=stop)

Each reply is handed over once, in order, and acked; CJ sends unacked replies again. The gateway's part:

- `on_reply` must return only once the gateway has the reply safely. If it raises, the reply is not acked, goes back to
  the queue, and the error ends `run`.
- A gateway that dies between `on_reply` and the ack gets that reply again, and no longer knows what it has shown.
  Where that matters, store each reply together with what is shown, and pass as `shown` a function that reads what was
  stored. Then nothing is shown twice, and the order holds across restarts and from one gateway to the next.
- `on_reply` must return within three seconds, or another gateway may take over.

Any number of gateways may consume. One at a time holds the queue, and the others stand by, since two would each get
part of every conversation. The next one takes over at once when the holder leaves, and within five seconds when it is
gone or frozen. It calls `shown` then, since the one before it has shown replies of which it knows nothing.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from events import queues
from events.broker.consumer import Delivery, PlainConsumer
from events.errors import BrokerUnavailable, InvalidEvent
from events.ordering import GAP_SECONDS, Identity, Offer, ReplyOrder, identity
from events.reply import Ack, Reply, decode_reply

__all__ = ["OnReply", "RepliesConsumer", "Reply"]

log = logging.getLogger(__name__)

OnReply = Callable[[Reply], None]
Shown = Iterable[Reply] | Callable[[], Iterable[Reply]] | None

#: Seconds between two checks of `stop` and `until` while nothing arrives.
POLL_SECONDS = 0.2
#: How many replies are taken from the broker, and acked there, together.
BATCH = 100
#: How many unacked replies may wait behind missing ones; if too few, the missing ones could not get through.
MOST_WAITING = 10_000


class RepliesConsumer:
    """Hands replies over in order, once each, and acks them.

    Waits at most `gap_seconds` for a missing reply. Remembers the identities of the last `remember` replies across lost
    connections and several calls of `run`; a repetition of one is only acked.

    `shown`: all replies ever shown, in order, from the gateways' shared record; None without such a record. A function
    is called whenever this gateway becomes the holder; a fixed list is for a single gateway.
    """

    def __init__(
        self,
        broker_url: str,
        *,
        source_queue: str = queues.REPLIES,
        ack_queue: str = queues.ACKS,
        gap_seconds: float = GAP_SECONDS,
        remember: int = 10_000,
        shown: Shown = None,
    ) -> None:
        self._plain = PlainConsumer(broker_url, source_queue, publishes=(ack_queue,), prefetch=MOST_WAITING)
        self._ack_queue = ack_queue
        self._gap_seconds, self._remember = gap_seconds, remember
        self._record = shown if callable(shown) else None
        self._order = self._order_behind(() if callable(shown) else shown)
        self._holding: tuple[int, int] | None = None
        self._unacked: dict[Identity, list[Delivery]] = {}
        self._shown: list[Reply] = []  # not yet acked to CJ and the broker
        self._busy = False

    def run(
        self,
        on_reply: OnReply,
        *,
        stop: threading.Event | None = None,
        until: Callable[[], bool] | None = None,
        timeout: float | None = None,
    ) -> bool:
        """Consume until `stop` is set or `until()` is true (returns True) or for `timeout` seconds (returns False).

        Waits while the broker is down. Raises BrokerUnavailable if it still is at the end of `timeout`, WrongQueue, and
        whatever `on_reply` raises.
        """
        ends = None if timeout is None else time.monotonic() + timeout

        def done() -> bool:
            return (stop is not None and stop.is_set()) or (until is not None and until())

        def over() -> bool:
            return ends is not None and time.monotonic() >= ends

        try:
            while not done():
                if over():
                    return self._timed_out()
                self._handle(self._receive(ends), on_reply, lambda: done() or over())
            return True
        finally:
            # In this order: replies that go back to the queue must not count as waiting.
            self._plain.close()
            self._order.forget_waiting()
            self._unacked.clear()
            self._shown.clear()

    def _order_behind(self, shown: Iterable[Reply] | None) -> ReplyOrder:
        order = ReplyOrder(gap_seconds=self._gap_seconds, remember=self._remember, from_first_turn=shown is not None)
        for reply in shown or ():
            order.shown(reply)
        return order

    def _begin_to_hold(self) -> None:
        """Start over as the new holder: others may have shown what was taken here, and more; unacked replies come
        again."""
        if self._record is not None:
            self._unacked.clear()
            with self._plain.working():
                self._order = self._order_behind(self._record())

    def _timed_out(self) -> bool:
        problem: BrokerUnavailable | None = self._plain.problem
        if problem is not None:
            raise problem
        return False

    def _handle(self, batch: Sequence[Delivery], on_reply: OnReply, done: Callable[[], bool]) -> None:
        """Show the replies one by one, then ack them together."""
        holding = self._plain.holding
        if holding is not None and holding != self._holding:
            self._holding = holding
            self._begin_to_hold()
        try:
            goes_on = self._show_all_due(on_reply, done)  # replies whose gap was given up
            for delivery in batch:
                if not goes_on or done():
                    return
                self._take(delivery)
                goes_on = self._show_all_due(on_reply, done)
        finally:
            self._ack()

    def _receive(self, ends: float | None) -> list[Delivery]:
        now = time.monotonic()
        waits = [POLL_SECONDS, self._order.seconds_to_wait(now), None if ends is None else ends - now]
        delivery = self._plain.receive(max(min(wait for wait in waits if wait is not None), 0.001))
        if delivery is None:
            self._busy = False
            return []
        more = self._plain.receive_more(BATCH - 1) if self._busy else []
        self._busy = bool(more) or not self._busy
        return [delivery, *more]

    def _take(self, delivery: Delivery) -> None:
        try:
            reply = _read(delivery)
        except InvalidEvent as error:
            log.warning("dropped a malformed reply: %s: %s", error.code, error)
            self._plain.ack(delivery)
            return
        offer = self._order.offer(reply, time.monotonic())
        if offer is Offer.WAITING:  # one copy is enough; more would take up the room of missing ones
            self._plain.ack(delivery)
            return
        self._unacked.setdefault(identity(reply), []).append(delivery)
        if offer is Offer.SHOWN:
            self._shown.append(reply)

    def _show_all_due(self, on_reply: OnReply, done: Callable[[], bool]) -> bool:
        """False if the caller must stop: it is done, or another gateway now shows what was taken here."""
        while (reply := self._order.due(time.monotonic())) is not None:
            if not self._plain.holds():
                self._order.forget_waiting()
                self._unacked.clear()
                return False
            with self._plain.working():
                on_reply(reply)
            self._order.shown(reply)
            self._shown.append(reply)
            if done():
                return False
        return True

    def _ack(self) -> None:
        """Ack to CJ, then to the broker. If CJ cannot be reached, it sends the replies again and gets the ack then.

        A reply that was shown too slowly is acked by the new holder, which did not find it in the record when it took
        over: if it were acked here, the new holder would wait for it.
        """
        shown, self._shown = self._shown, []
        if not shown or not self._plain.holds():
            return
        deliveries = [delivery for reply in shown for delivery in self._unacked.pop(identity(reply), [])]
        # A repeated reply is not acked: that would ack the original, which some gateway may still wait for.
        acks = [Ack(id=reply.id).encode() for reply in shown if reply.repeats is None]
        if self._plain.publish(self._ack_queue, *acks, content_type="application/json"):
            self._plain.ack(*deliveries)


def _read(delivery: Delivery) -> Reply:
    if delivery.problem is not None:
        raise InvalidEvent("event.not_json", delivery.problem)
    return decode_reply(delivery.body)
