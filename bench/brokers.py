"""Compares Redis (Valkey, append-only file) with RabbitMQ (quorum queues, confirms): `python -m bench.brokers`.

For each: one client publishes events and one consumes and acks them, then a chain of three empty Celery tasks, then
complete flows. Both use the same disk, one after the other; compare figures from the same run only.
"""

import argparse
import time

from kombu import Producer

from bench.burst import broker_named
from bench.chain_app import floor
from bench.figures import Machine, Rows, rate
from bench.flow import Measure, cj, show
from bench.ground import Ground, StubsProcess, ground
from events import queues
from events.broker.consumer import PlainConsumer

BODY = b"x" * 300


def plain(broker_url: str, count: int) -> Rows:
    """Messages per second over one connection in each direction."""
    with queues.connection(broker_url) as connection:
        channel = queues.open_channel(connection)
        queues.declare("bench", connection, channel)
        producer = Producer(channel, auto_declare=False)
        started = time.monotonic()
        for _ in range(count):
            queues.put(producer, "bench", BODY)
        published = rate("published, each confirmed", count, time.monotonic() - started)
    consumer = PlainConsumer(broker_url, "bench")
    started, received = time.monotonic(), 0
    while received < count:
        first = consumer.receive(1.0)
        batch = [] if first is None else [first, *consumer.receive_more(99)]  # as intake does
        consumer.ack(*batch)
        received += len(batch)
    consumed = rate("consumed and acked, up to 100 together", count, time.monotonic() - started)
    consumer.close()
    return [published, consumed]


def flows(here: Ground, stubs: StubsProcess, broker_url: str, count: int) -> None:
    """Complete flows, one after the other and many at a time."""
    with cj(here, stubs, broker_url) as system:
        machine = Machine(here.postgres, here.valkey, system.database_url, {**system.kinds(), "stubs": [stubs.pid]})
        measure = Measure(system, machine, stubs)
        show({"flows": measure.idle(30) | measure.saturated(16, count)}, details=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of the chains")
    parser.add_argument("--flows", type=int, default=150, help="complete flows, 16 in flight")
    options = parser.parse_args()
    stubs = StubsProcess()
    for broker in ("redis", "rabbitmq"):
        print(f"\n{broker}")
        with ground() as here, broker_named(broker, here.folder, here.valkey) as broker_url:
            plain(broker_url, options.messages)
            floor(broker_url, 40, options.seconds)
            flows(here, stubs, broker_url, options.flows)
    stubs.stop()


if __name__ == "__main__":
    main()
