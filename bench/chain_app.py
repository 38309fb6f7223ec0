"""A chain of three empty Celery tasks, then a plain message: the floor of what a broker and Celery take."""

import os
import subprocess
import sys
import time

from celery import Celery
from kombu import Connection, Consumer, Exchange, Message, Queue

from bench.figures import Rows, latency, rate
from tests.stack import ROOT
from workers import kombu_patches

WINDOW = 16  # chains in flight when saturated

kombu_patches.install()
app = Celery("chain", broker=os.environ.get("BROKER_URL"))
app.conf.update(
    task_queues=[Queue(name, Exchange(""), routing_key=name) for name in ("hop1", "hop2", "hop3")],
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="chain.first")
def first(number: int) -> None:
    app.send_task("chain.second", [number], queue="hop2")


@app.task(name="chain.second")
def second(number: int) -> None:
    app.send_task("chain.third", [number], queue="hop3")


@app.task(name="chain.third")
def third(number: int) -> None:
    with app.producer_or_acquire() as producer:
        producer.publish({"number": number}, exchange="", routing_key="chained", serializer="json")


def floor(broker_url: str, count: int, seconds: float) -> Rows:
    workers = [_hop(broker_url, name) for name in ("hop1", "hop2", "hop3")]
    try:
        app = Celery("chain", broker=broker_url)
        with Connection(broker_url) as connection:
            chained: list[float] = []
            queue = Queue("chained", durable=True)

            def note(message: Message) -> None:
                chained.append(time.time())
                message.ack()

            with Consumer(connection.channel(), [queue], on_message=note):
                idle_seconds = [_one(app, connection, chained) for _ in range(count + 10)][10:]
                first = latency("floor: three empty Celery tasks", idle_seconds)
                return [first, _many(app, connection, chained, seconds)]
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(20)


def _hop(broker_url: str, queue: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "celery", "-A", "bench.chain_app", "worker", "-Q", queue, "-P", "threads"]
    command += ["-c", "8", "-n", f"{queue}@bench", "--without-gossip", "--without-mingle", "-l", "ERROR"]
    environ = {"BROKER_URL": broker_url, "PATH": "/usr/bin:/bin"}
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _one(app: Celery, connection: Connection, chained: list[float]) -> float:
    chained.clear()
    started = time.time()
    app.send_task("chain.first", [1], queue="hop1")
    while not chained:
        connection.drain_events(timeout=30)
    return chained[0] - started


def _many(app: Celery, connection: Connection, chained: list[float], seconds: float) -> dict[str, object]:
    chained.clear()
    sent = 0
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        while sent - len(chained) < WINDOW:
            app.send_task("chain.first", [sent], queue="hop1")
            sent += 1
        connection.drain_events(timeout=30)
    return rate(f"floor: three empty Celery tasks, {WINDOW} in flight", len(chained), time.monotonic() - started)
