"""The one Celery application: `celery -A workers …` finds it here.

A Celery message is only a wake-up that carries an id; the state is a row in Postgres. Hence early acks, no result
backend, no canvas, JSON only, and every publish through the default exchange: on Redis, a named exchange loses messages
after a flush. The environment is read when the configuration is first needed.
"""

import os
import threading
import warnings
from functools import partial
from typing import Any

from celery import Celery, signals
from celery.exceptions import SecurityWarning
from celery.worker.control import Panel

from events import queues, sentinel, tls
from workers import bootstrap, kombu_patches, logs
from workers.bootstrap import Resources
from workers.delivery.wake_ups import KINDS, VerifiedAMQP
from workers.settings import Settings

log = logs.get(__name__)

# Celery warns about running as root because of pickled messages; ours are JSON only.
warnings.filterwarnings("ignore", "You're running the worker with superuser privileges", SecurityWarning)
# And about a task attribute that only Celery itself reads.
warnings.filterwarnings("ignore", "\\s*The 'queue' task attribute is deprecated")

DRAIN_SECONDS = 15.0
"""Seconds to finish running steps after SIGTERM. The longest model calls take longer, and `cj up` kills after 20 s."""
REMOTE_CONTROL = frozenset(
    {
        *("ping", "stats", "conf", "active_queues", "registered", "active", "reserved", "scheduled", "revoked"),
        *("enable_events", "heartbeat"),  # for Flower; at worst they cost two messages per task, and one each
    }
)
"""The remote control commands that a worker obeys: they only query. Otherwise anyone with the broker's password could
make it stop consuming, revoke tasks or shut it down."""


def configuration() -> dict[str, Any]:
    """Celery's settings for this process; exits with 2 if BROKER_URL is missing or invalid."""
    with bootstrap.refusing():
        broker_url = Settings.read(needed=("BROKER_URL",)).broker_url
    return {
        "broker_url": broker_url,
        # Our connections always verify; this is for Flower, which also has its own Redis connection for queue lengths.
        "broker_use_ssl": tls.split(broker_url.split(";")[0])[1] or False,
        "broker_transport_options": _transport_options(broker_url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A Redis that becomes a replica refuses commands: connect again, to the new primary.
        "broker_channel_error_retry": not broker_url.lower().startswith("amqp"),
        "broker_pool_acquire_timeout": 5,
        "task_queues": [queues.plain_queue(name) for name in KINDS],
        "task_default_queue": queues.OPS,
        "task_default_exchange": "",
        "task_default_routing_key": queues.OPS,
        "task_create_missing_queues": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_acks_late": False,
        "task_publish_retry": False,
        "worker_prefetch_multiplier": 1,
        "worker_consumer": "workers.celery_consumer:SafeConsumer",
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Flower turns task events on while it runs; nothing else needs them, and each costs as much as a small message.
        "worker_send_task_events": False,
        # Only affects late acks, which are not used; with False, every lost connection logs a deprecation warning.
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_enable_prefetch_count_reduction": False,
        "worker_eta_task_limit": 1000,
        "timezone": "UTC",
        "enable_utc": True,
    }


def _transport_options(broker_url: str) -> dict[str, Any]:
    if broker_url.lower().startswith(("amqp://", "amqps://")):
        # One connection attempt per publish: by default kombu would retry until the broker is back.
        return {"confirm_publish": True, "max_retries": 0}
    watched = sentinel.read(broker_url)
    return {
        **({} if watched is None else watched.for_kombu()[1]),  # for Flower; our own connections know it
        # Do not record prefetched messages on Redis: that is a third of a short task's cost. A killed worker loses the
        # wake-ups it had prefetched; the sweeper sends them again a second later, long before Redis would. `_start`
        # turns recording on for the operators' tasks, which nobody sends again.
        "ack_emulation": False,
        "visibility_timeout": 60,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "health_check_interval": 10,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
    }


kombu_patches.install()
app = Celery("cj", amqp=VerifiedAMQP, include=["workers.tasks"], set_as_current=True)
app.add_defaults(configuration)


logs.own_celery("celery")


@signals.worker_init.connect
def _start(sender: Any, **_: Any) -> None:
    """Build the process's resources before it takes a message; refuse to start with exit 2."""
    with bootstrap.refusing():
        _forget_others(sender)
        kinds = _kinds(sender)
        if queues.OPS in kinds:
            sender.app.conf.broker_transport_options["ack_emulation"] = True
        built = bootstrap.start(app, kinds, threads=int(sender.concurrency or 0))
        if "agent" in kinds:
            built.leases.drop_those_of_the_dead(built.owner)
            built.model.warm_up()
        if "workflow" in kinds:
            built.sweeper.start()


def _forget_others(worker: Any) -> None:
    """Unregister the tasks of other queues, so that nothing pushed to this worker's queue can run them, and refuse the
    remote control commands that change something."""
    own = set(worker.app.amqp.queues.consume_from)
    for name, task in list(worker.app.tasks.items()):
        if getattr(task, "queue", None) not in own:
            worker.app.tasks.unregister(name)
    for command in set(Panel.data) - REMOTE_CONTROL:
        Panel.data[command] = partial(_refuse, command)


def _refuse(command: str, _state: object, /, **_arguments: object) -> dict[str, str]:
    log.warning("refused a remote control command", command=command)
    return {"error": f"workers here answer questions only, not {command}; stop and start processes instead"}


def _kinds(worker: Any) -> list[str]:
    return [KINDS.get(name, name) for name in worker.app.amqp.queues.consume_from]


@signals.worker_ready.connect
def _ready(**_: Any) -> None:
    logs.ready()


@signals.worker_shutting_down.connect
def _drain(**_: Any) -> None:
    """Stop claiming turns; running turns finish their step and go back to the queue."""
    built = _built()
    if built is not None:
        built.draining.set()
        late = threading.Timer(DRAIN_SECONDS, _leave, [built])
        late.daemon = True
        late.start()


def _leave(built: Resources) -> None:
    """Exit during slow steps: their turns go back to the queue, and their later writes are refused."""
    log.warning("exiting with unfinished steps", turns=built.leases.give_back())
    os._exit(0)


@signals.worker_shutdown.connect
def _close(**_: Any) -> None:
    built = _built()
    if built is not None:
        built.close()


def _built() -> Resources | None:
    try:
        return bootstrap.current()
    except RuntimeError:
        return None
