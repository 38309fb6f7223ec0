"""Local HTTP servers: an aiohttp application on 127.0.0.1, on a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiohttp import web

HOST = "127.0.0.1"
LIMIT_SECONDS = 10.0

Result = TypeVar("Result")


async def serve(application: web.Application, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen; returns the runner (to clean up) and the port. Raises OSError if the address is taken."""
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, runner.addresses[0][1]


class ServerThread:
    """Serves an application from its creation until `stop`. `port` 0: a free one. Raises OSError if it is taken."""

    def __init__(self, application: web.Application, name: str, port: int = 0) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        try:
            self._runner, self.port = self._run(serve(application, HOST, port))
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """Close every connection and end the thread."""
        self._run(self._runner.cleanup())
        self._end()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT_SECONDS)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT_SECONDS)
        self._loop.close()
