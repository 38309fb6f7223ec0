"""Reads a plain queue in batches: whatever is waiting is taken together, up to a bound.

One message alone is handed over at once; under load the batches grow by themselves, and with them the commits
become fewer. A batch is acked only after it was handled, so the handler must bear a repetition.
"""

import threading
from collections.abc import Callable, Sequence

from events.broker.consumer import Delivery, PlainConsumer

IDLE_SECONDS = 1.0

Handler = Callable[[Sequence[Delivery]], bool]
"""Handles a batch; False leaves it unacked, because the process is stopping."""


def consume(consumer: PlainConsumer, handle: Handler, stop: threading.Event, *, max_batch: int = 100) -> None:
    """Hand batches to `handle` until `stop` is set. The consumer survives the broker's restarts by itself."""
    busy = False
    try:
        while not stop.is_set():
            batch = _next_batch(consumer, max_batch if busy else 1)
            if batch and not handle(batch):
                return
            consumer.ack(*batch)
            busy = len(batch) > 1 or (bool(batch) and not busy)
    finally:
        consumer.close()


def _next_batch(consumer: PlainConsumer, max_batch: int) -> list[Delivery]:
    first = consumer.receive(IDLE_SECONDS)
    return [] if first is None else [first, *consumer.receive_more(max_batch - 1)]
