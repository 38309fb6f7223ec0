"""The benchmark's floor: a chain of three empty Celery tasks, then a plain message."""

import os

from celery import Celery
from kombu import Exchange, Queue

from workers import kombu_patches

kombu_patches.install()
app = Celery("chain", broker=os.environ["BROKER_URL"])
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
