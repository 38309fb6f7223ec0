"""Resources are built on first use; lease owners are named after their process."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from celery import Celery

from workers.agent.leases import pid_of
from workers.bootstrap import Resources
from workers.settings import Settings

URL = "redis://127.0.0.1:1/0"


SETTINGS = Settings(database_url="postgresql://127.0.0.1:1/none", broker_url=URL, redis_url=URL)


def test_threads_that_ask_celery_at_once_find_the_broker() -> None:
    """Else a process would publish to nobody for as long as it lives, as one in twenty did."""

    def configuration() -> dict[str, str]:
        time.sleep(0.05)  # it reads and checks the environment
        return {"broker_url": URL}

    app = Celery("test", set_as_current=False)
    app.add_defaults(configuration)
    Resources(SETTINGS, app, kind="intake")
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: app.conf.broker_url, range(4))) == {URL}


def test_the_owner_of_a_lease_tells_its_process() -> None:
    first, second = (Resources(SETTINGS, Celery("test", set_as_current=False), kind="agent") for _ in range(2))
    assert pid_of(first.owner) == os.getpid()
    assert first.owner.startswith("agent@")
    assert first.owner != second.owner, "a process id is used again; a lease must not be"
