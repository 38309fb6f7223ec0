"""Resources are built on first use; lease owners are named after their process."""

import os

from celery import Celery

from workers.agent.leases import pid_of
from workers.bootstrap import Resources
from workers.settings import Settings

URL = "redis://127.0.0.1:1/0"


def test_the_owner_of_a_lease_tells_its_process() -> None:
    settings = Settings(database_url="postgresql://127.0.0.1:1/none", broker_url=URL, redis_url=URL)
    first, second = (Resources(settings, Celery("test", set_as_current=False), kind="agent") for _ in range(2))
    assert pid_of(first.owner) == os.getpid()
    assert first.owner.startswith("agent@")
    assert first.owner != second.owner, "a process id is used again; a lease must not be"
