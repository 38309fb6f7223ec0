"""The door: `cj gateway`, or `python -m workers.gateway`; with `auth`, the one that stores shops' tokens.

There are two, each with its own Postgres role, so that the process that browsers reach cannot read tokens.
"""

import argparse
import asyncio
import resource
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from storage import door
from storage.database import Database
from storage.door import NextReplies, Wanted
from storage.vault import Vault
from workers import bootstrap, logs, metrics
from workers.bootstrap import CannotStart, Resources
from workers.celery import app
from workers.delivery.wake_ups import WakeUps
from workers.gateway.access import Admission
from workers.gateway.routes import AUTH, CHAT, Door
from workers.gateway.streams import Listener, Streams
from workers.settings import Settings

log = logs.get(__name__)

THREADS = 8
DRAIN_SECONDS = 15.0
"""Seconds that open `/agent` requests may take after SIGTERM."""


def main(*, auth: bool = False) -> None:
    """Run until SIGTERM or SIGINT; exits with 2 if the process cannot start."""
    kind = AUTH if auth else CHAT
    logs.configure(kind)
    # Each open stream is a file descriptor, and the default limit is 1024.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most := resource.getrlimit(resource.RLIMIT_NOFILE)[1], most))
    built = bootstrap.start(app, [kind], threads=THREADS)
    try:
        with bootstrap.refusing():
            _check(built.settings, kind)
            asyncio.run(_serve(built))
    finally:
        built.close()


async def _serve(built: Resources) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def ready(port: int) -> None:
        log.info("the door is open", port=port)
        logs.ready()

    async def beat() -> None:
        while True:
            built.beat()
            await asyncio.sleep(1.0)

    beating = loop.create_task(beat())
    await serve(built.settings, built.database, built.wake_ups, stop, ready, kind=built.kind)
    beating.cancel()


def _check(settings: Settings, kind: str) -> None:
    if kind == AUTH and not settings.gateway_service_tokens:
        raise CannotStart("nobody could use it: set CJ_GATEWAY_SERVICE_TOKENS")
    if not settings.gateway_chat_keys and not settings.gateway_service_tokens:
        raise CannotStart("nobody could use it: set CJ_GATEWAY_CHAT_KEYS, CJ_GATEWAY_SERVICE_TOKENS, or both")


async def serve(
    settings: Settings,
    database: Database,
    wake_ups: WakeUps,
    stop: asyncio.Event,
    ready: Callable[[int], None],
    *,
    kind: str = CHAT,
) -> None:
    """Serve until `stop` is set; calls `ready` with the port. Raises CannotStart."""
    loop = asyncio.get_running_loop()

    def read(wanted: Sequence[Wanted]) -> list[NextReplies]:
        with database.reading() as session:
            return door.read(session, wanted)

    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="door")
    streams = Streams(read, executor)
    metrics.door_streams(lambda: len(streams))
    access = Admission(
        settings.gateway_chat_keys,
        settings.gateway_service_tokens,
        origins=settings.gateway_origins,
        streams=settings.gateway_streams,
        requests=settings.gateway_requests,
    )
    vault = Vault.from_text(settings.token_keys or "") if kind == AUTH else None
    most = settings.events_at_a_time
    served = Door(database, wake_ups, access, streams, executor, kind=kind, vault=vault, per_merchant=most)
    listener = Listener(settings.database_url, streams, loop)
    listener.start()
    tasks = [loop.create_task(streams.run()), loop.create_task(streams.look_while_nothing_is_heard())]
    runner = web.AppRunner(
        served.application(), access_log=None, handler_cancellation=True, shutdown_timeout=DRAIN_SECONDS
    )
    try:
        await runner.setup()
        ready(await _listen(runner, settings.gateway_listen))
        await stop.wait()
        log.info("the door is closing", streams=len(streams))
        served.drain()
    finally:
        await runner.cleanup()
        for task in tasks:
            task.cancel()
        listener.stop()
        executor.shutdown()


async def _listen(runner: web.AppRunner, address: str) -> int:
    """Accept connections there; returns the port, which the system chose if the address names 0."""
    host, _, port = address.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
    except OSError as error:
        raise CannotStart(f"cannot listen on {address} (CJ_GATEWAY_LISTEN): {error.strerror}") from None
    return int(runner.addresses[0][1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m workers.gateway", description="Run a door: CJ over HTTP.")
    parser.add_argument("kind", nargs="?", choices=[AUTH], help="the auth service's door, which stores shops' tokens")
    main(auth=parser.parse_args().kind == AUTH)
