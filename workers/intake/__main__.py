"""The intake process: `python -m workers.intake`.

Plain queues are read in batches: whatever is waiting is taken together, up to a limit. A single message is handled at
once; under load the batches grow by themselves, which saves commits. A batch is acked only after it was handled, so
handlers must tolerate repeats.
"""

import signal
import threading
from collections.abc import Callable, Sequence

from events import queues
from events.broker.consumer import Delivery, PlainConsumer
from workers import bootstrap, logs
from workers.bootstrap import Resources
from workers.celery import app
from workers.intake.accept import Intake

IDLE_SECONDS = 1.0

Handler = Callable[[Sequence[Delivery]], bool]
"""Handles a batch; returns False to leave it unacked, because the process is stopping."""


def consume(consumer: PlainConsumer, handle: Handler, stop: threading.Event, *, max_batch: int = 100) -> None:
    """Pass batches to `handle` until `stop` is set. The consumer survives broker restarts by itself."""
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


def run(built: Resources, stop: threading.Event) -> None:
    """Consume `events` and `acks`, and sweep, until `stop` is set."""
    intake = Intake(built.database, built.wake_ups, stop)
    broker_url = built.settings.broker_url

    def consume_acks() -> None:
        try:
            consume(PlainConsumer(broker_url, queues.ACKS), intake.acks, stop)
        finally:
            stop.set()  # an intake without acks would be half of one: let it be started again

    acks = threading.Thread(target=consume_acks, name="acks", daemon=True)
    acks.start()
    built.sweeper.start()
    logs.ready()
    consume(PlainConsumer(broker_url, queues.EVENTS), intake.events, stop)
    acks.join(5.0)


def main() -> None:
    """Run until SIGTERM or SIGINT; exits with 2 if the process cannot start."""
    logs.configure("intake")
    built = bootstrap.start(app, ["intake"])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(built, stop)
    finally:
        built.close()


if __name__ == "__main__":
    main()
