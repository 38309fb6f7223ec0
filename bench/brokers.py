"""Compares Redis (Valkey, append-only file) with RabbitMQ (quorum queues, confirms): `python -m bench.brokers`.

For each: one client publishes events and one consumes and acks them, then a chain of three empty Celery tasks, then
complete flows. Both use the same disk, one after the other; compare figures from the same run only.
"""

import argparse
import time
from pathlib import Path

from kombu import Producer

from bench.burst import broker_named
from bench.flow import Flows, Rows, StoreProcess, floor, idle, rate, saturated, unhurried_workflows
from bench.ground import ground
from events import queues
from events.broker.consumer import PlainConsumer
from tests.stack import Stack

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


def flows(database_url: str, valkey_url: str, broker_url: str, folder: Path, seconds: float) -> Rows:
    environ = {"CJ_WORKFLOWS": str(unhurried_workflows(folder)), "CJ_LEASE_SECONDS": "10", "CJ_LOG_LEVEL": "WARNING"}
    store = StoreProcess()
    try:
        with Stack(
            database_url,
            valkey_url,
            folder,
            broker_url=broker_url,
            environ=environ,
            store=store.as_store(),
        ) as stack:
            found = Flows(stack)
            return [*idle(stack, found, 30), saturated(found, seconds)]
    finally:
        store.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each saturated part")
    options = parser.parse_args()
    for broker in ("redis", "rabbitmq"):
        print(f"\n{broker}")
        with ground() as here, broker_named(broker, here.folder, here.valkey) as broker_url:
            plain(broker_url, options.messages)
            floor(broker_url, 40, options.seconds)
            flows(here.database_url, here.valkey.url, broker_url, here.folder, options.seconds)


if __name__ == "__main__":
    main()
