"""The intake process: `python -m workers.intake`.

Plain queues are read in batches: all waiting messages are taken together, up to a limit. A single message is handled at
once; under load the batches grow, which saves commits. Acks of replies, for which nobody waits, are collected for a
moment. A batch is acked after it was handled, so handlers must tolerate repeats.
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
ACKS_LINGER_SECONDS = 0.05
"""Seconds for which acks are collected, to have one commit for all of them instead of one each."""
EVENTS_LINGER_SECONDS = 0.01
"""The same for events, but only in a burst: a batch costs as much as five to ten events."""
MAX_BATCH = 100

Handler = Callable[[Sequence[Delivery]], bool]
"""Handles a batch; returns False to leave it unacked because the process is stopping."""


def consume(
    consumer: PlainConsumer,
    handle: Handler,
    stop: threading.Event,
    *,
    linger: float = 0.0,
    busy_linger: float = 0.0,
    beat: Callable[[], None] = lambda: None,
) -> None:
    """Pass batches to `handle` until `stop` is set. The consumer survives broker restarts.

    A batch is collected for `linger` seconds, or `busy_linger` after one of several messages, unless that was full.
    Calls `beat` regularly.
    """
    size = 0
    try:
        while not stop.is_set():
            beat()
            first = consumer.receive(IDLE_SECONDS)
            if first is None:
                size = 0
                continue
            if size < MAX_BATCH:
                stop.wait(max(linger, busy_linger) if size > 1 else linger)
            more = consumer.receive_more(MAX_BATCH - 1) if linger or size else []
            if not handle([first, *more]):
                return
            consumer.ack(first, *more)
            size = 1 + len(more) if more or not size else 0
    finally:
        consumer.close()


def run(built: Resources, stop: threading.Event) -> None:
    """Consume `events` and `acks`, and sweep, until `stop` is set."""
    per_merchant = built.settings.events_at_a_time
    intake = Intake(built.database, built.wake_ups, stop, per_merchant=per_merchant, beat=built.beat)
    broker_url = built.settings.broker_url

    def consume_acks() -> None:
        try:
            consume(PlainConsumer(broker_url, queues.ACKS), intake.acks, stop, linger=ACKS_LINGER_SECONDS)
        finally:
            stop.set()  # without the acks' thread intake would do half of its work: let it be restarted

    acks = threading.Thread(target=consume_acks, name="acks", daemon=True)
    acks.start()
    built.sweeper.start()
    logs.ready()
    events = PlainConsumer(broker_url, queues.EVENTS)
    consume(events, intake.events, stop, busy_linger=EVENTS_LINGER_SECONDS, beat=built.beat)
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
