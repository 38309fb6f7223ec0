"""The door: `cj gateway`, or `python -m workers.gateway`."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from storage import door
from storage.database import Database
from storage.door import Given, Wanted
from storage.vault import Vault
from workers import bootstrap, logs, metrics
from workers.bootstrap import CannotStart, Resources
from workers.celery import app
from workers.delivery.wake_ups import WakeUps
from workers.gateway.access import Access
from workers.gateway.routes import Door
from workers.gateway.streams import Listener, Streams
from workers.settings import Settings

log = logs.get(__name__)

THREADS = 8
DRAIN_SECONDS = 15.0
"""How long runs that are being answered may take after SIGTERM."""


def main() -> None:
    """Run until SIGTERM or SIGINT; exits with 2 if the process cannot start."""
    logs.configure("gateway")
    built = bootstrap.start(app, ["gateway"], threads=THREADS)
    try:
        with bootstrap.refusing():
            _check(built.settings)
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

    await serve(built.settings, built.database, built.wake_ups, stop, ready)


def _check(settings: Settings) -> None:
    if not settings.gateway_chat_keys and not settings.gateway_service_tokens:
        raise CannotStart("nobody could come in: set CJ_GATEWAY_CHAT_KEYS, CJ_GATEWAY_SERVICE_TOKENS, or both")
    if settings.gateway_shops_database_url and not settings.token_keys:
        raise CannotStart("CJ_GATEWAY_SHOPS_DATABASE_URL is set without CJ_TOKEN_KEYS, which seal the tokens")


async def serve(
    settings: Settings, database: Database, wake_ups: WakeUps, stop: asyncio.Event, ready: Callable[[int], None]
) -> None:
    """Serve until `stop` is set; calls `ready` with the port. Raises CannotStart."""
    loop = asyncio.get_running_loop()

    def read(wanted: Sequence[Wanted]) -> list[Given]:
        with database.reading() as session:
            return door.read(session, wanted)

    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="door")
    streams = Streams(read, executor)
    metrics.door_streams(lambda: len(streams))
    access = Access(
        settings.gateway_chat_keys,
        settings.gateway_service_tokens,
        origins=settings.gateway_origins,
        streams=settings.gateway_streams,
        requests=settings.gateway_requests,
    )
    most = settings.events_at_a_time
    served = Door(database, wake_ups, access, streams, executor, shops=_shops(settings), per_merchant=most)
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
        raise CannotStart(f"CJ_GATEWAY_LISTEN is {address}, where nothing can listen: {error.strerror}") from None
    return int(runner.addresses[0][1])


def _shops(settings: Settings) -> tuple[Database, Vault] | None:
    if settings.gateway_shops_database_url is None:
        return None
    database = Database(settings.gateway_shops_database_url, pool_size=THREADS, application_name="cj-gateway-shops")
    return database, Vault.from_text(settings.token_keys or "")


if __name__ == "__main__":
    main()
