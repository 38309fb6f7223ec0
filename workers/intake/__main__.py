"""The intake process: `python -m workers.intake`."""

import signal
import threading

from events import queues
from events.broker.consumer import PlainConsumer
from workers import bootstrap, logs
from workers.bootstrap import Resources
from workers.celery import app
from workers.intake.accept import Intake
from workers.intake.batches import consume


def run(built: Resources, stop: threading.Event) -> None:
    """Consume `events` and `acks` and sweep, until `stop` is set."""
    intake = Intake(built.database, built.wake_ups, stop)
    broker_url = built.settings.broker_url
    acks = threading.Thread(
        target=consume,
        args=(PlainConsumer(broker_url, queues.ACKS), intake.acks, stop),
        name="acks",
        daemon=True,
    )
    acks.start()
    built.sweeper.start()
    logs.ready()
    consume(PlainConsumer(broker_url, queues.EVENTS), intake.events, stop)
    acks.join(5.0)


def main() -> None:
    """Run until SIGTERM or SIGINT; exit with 2 when the process cannot start."""
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
