"""A burst of events: `python -m bench.burst [--rate 500] [--seconds 20] [--broker rabbitmq] [--intakes N] [--agents]`.

30 % of the messages are duplicates, 5 % are malformed. Reports messages accepted and sent, the time from publish to
row, when the broker's queue was empty again, and the memory of every process before and after. Losses are counted from
the rows. The load generator is a separate process on the same cores as everything else. With `--agents` the turns run
too (with the demo model); otherwise they stay queued.
"""

import argparse
import json
import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from kombu import Connection, Producer

from bench.ground import ground
from events import queues
from storage import merchants
from tests.rabbitmq import RabbitMQ
from tests.stack import Stack
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedValkey

MERCHANTS = 200
DUPLICATES, MALFORMED = 0.30, 0.05
MALFORMED_BODIES = (b"hello", b'{"specversion": "1.0"', b'{"id": "x"}', b"\xff\xfe", b"[]")
LATE_SECONDS = 120.0

LATENCY = """
    SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99, 1.0])
        WITHIN GROUP (ORDER BY CAST(1000 * extract(epoch FROM received_at - time) AS float))
    FROM events WHERE status <> 'rejected' AND source = '/burst'
"""


def message(number: int) -> dict[str, Any]:
    merchant = number % MERCHANTS
    data = {"merchant_id": f"burst_{merchant}", "conversation_id": f"burst_{number}", "text": f"message {number}"}
    return {"specversion": "1.0", "id": f"e{number}", "source": "/burst", "type": "message_received", "data": data}


def generate(broker_url: str, rate: float, seconds: float, sent: Any) -> None:
    """Publish at `rate`, catching up when late. Puts (good, duplicates, malformed, seconds taken) on `sent`."""
    chance = random.Random(7)
    good = duplicates = malformed = 0
    with queues.connection(broker_url) as connection:
        channel = queues.open_channel(connection)
        queues.declare(queues.EVENTS, connection, channel)
        producer = Producer(channel, auto_declare=False)
        started = time.monotonic()
        recent: list[bytes] = []
        for number in range(int(rate * seconds)):
            time.sleep(max(started + number / rate - time.monotonic(), 0))
            kind = chance.random()
            if kind < MALFORMED:
                body, malformed = chance.choice(MALFORMED_BODIES), malformed + 1
            elif kind < MALFORMED + DUPLICATES and recent:
                body, duplicates = chance.choice(recent), duplicates + 1
            else:
                now = time.time()
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f"{now % 1:.6f}"[1:] + "Z"
                body, good = json.dumps({**message(good), "time": stamp}).encode(), good + 1
                recent = [*recent[-200:], body]
            queues.put(producer, queues.EVENTS, body)
        sent.put((good, duplicates, malformed, time.monotonic() - started))


def waiting(broker_url: str) -> int:
    """Number of messages on queue `events`."""
    queue = queues.plain_queue(queues.EVENTS)
    with Connection(broker_url) as connection:
        channel: Any = connection.channel()
        found = channel.queue_declare(
            queue=queue.name, durable=True, auto_delete=False, arguments=queue.queue_arguments
        )
        return int(found.message_count)


def memory(stack: Stack) -> dict[str, float]:
    """Memory of each process in MiB."""
    return {name: psutil.Process(pid).memory_info().rss / 2**20 for name, pid in stack.supervisor.pids().items()}


def cpu_seconds(stack: Stack) -> float:
    """CPU time of all intake processes together."""
    processes = [psutil.Process(pid) for name, pid in stack.supervisor.pids().items() if name.startswith("intake")]
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


def prepare(stack: Stack) -> None:
    with stack.database.transaction() as session:
        for number in range(MERCHANTS):
            merchants.add_merchant(session, f"burst_{number}")


def burst(stack: Stack, rate: float, seconds: float) -> dict[str, Any]:
    prepare(stack)
    before, cpu_before = memory(stack), cpu_seconds(stack)
    context = multiprocessing.get_context("spawn")
    sent: Any = context.Queue()
    generator = context.Process(target=generate, args=(stack.broker_url, rate, seconds, sent))
    generator.start()
    good, duplicates, malformed, took = sent.get(timeout=seconds + LATE_SECONDS)
    generator.join(10)
    ended = time.monotonic()
    wait_until(lambda: waiting(stack.broker_url) == 0, limit=LATE_SECONDS, what="an empty queue")
    drained = time.monotonic() - ended
    cpu = cpu_seconds(stack) - cpu_before
    count = "SELECT count(*) FROM events WHERE status <> 'rejected' AND source = '/burst'"
    wait_until(lambda: stack.rows(count)[0][0] >= good, limit=LATE_SECONDS, what="all good events in the inbox")
    handled = "SELECT count(*) FROM events WHERE status = 'received'"
    wait_until(lambda: stack.rows(handled)[0][0] == 0, limit=LATE_SECONDS, what="all events handled")
    all_handled = time.monotonic() - ended
    [(latency,)] = stack.rows(LATENCY)
    [(refused,)] = stack.rows("SELECT sum(times) FROM events WHERE status = 'rejected'")
    after = memory(stack)
    return {
        "sent": {"good": good, "duplicates": duplicates, "malformed": malformed},
        "sent_per_second": round((good + duplicates + malformed) / took),
        "accepted": stack.rows(count)[0][0],
        "refused": int(refused),
        "publish_to_row_ms": dict(zip(("p50", "p95", "p99", "max"), (round(ms, 1) for ms in latency), strict=True)),
        "intake_cpu_ms_per_message": round(1000 * cpu / (good + duplicates + malformed), 2),
        "queue_empty_after_s": round(drained, 1),
        "all_handled_after_s": round(all_handled, 1),
        "memory_mib": {name: [round(before[name]), round(after[name])] for name in sorted(before)},
    }


@contextmanager
def broker_named(name: str, folder: Path, valkey: EmbeddedValkey) -> Iterator[str]:
    """Run the broker `name`; yields its URL."""
    if name == "redis":
        yield valkey.url
        return
    with RabbitMQ(folder / "rabbitmq") as server:
        yield server.url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500.0, help="messages per second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--broker", choices=("redis", "rabbitmq"), default="redis")
    parser.add_argument("--intakes", type=int, default=1, help="intake processes")
    parser.add_argument("--agents", action="store_true", help="run the turns too")
    options = parser.parse_args()
    kinds = ("intake", "workflow", *(("agent",) if options.agents else ()))
    with (
        ground() as here,
        broker_named(options.broker, here.folder, here.valkey) as broker_url,
        Stack(
            here.database_url,
            here.valkey.url,
            here.folder,
            broker_url=broker_url,
            kinds=kinds,
            counts={"intake": options.intakes},
            environ={"CJ_LOG_LEVEL": "ERROR"},
        ) as stack,
    ):
        found = burst(stack, options.rate, options.seconds)
    for what, value in found.items():
        print(f"{what:<22} {value}")


if __name__ == "__main__":
    main()
