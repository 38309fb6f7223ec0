"""Log lines: one JSON object per line on standard error, for our loggers and those of libraries.

    logs.configure("agent")                                  # once per process
    log = logs.get(__name__)
    with logs.about(event_id="…", conversation_id="…"):      # on every line until the block ends
        log.info("turn claimed", attempt=1)

Each line has `{"time", "level", "kind", "event", "logger", …}`, plus event_id, conversation_id and turn_id if known.
Tokens, keys and passwords are masked in every value (`masks`), wherever they come from.
"""

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from workers.masks import mask, masked

__all__ = ["about", "adopt", "configure", "get", "mask", "own_celery", "ready"]

try:
    VERSION = version("cj-workers")
except PackageNotFoundError:  # run from a folder, and not installed
    VERSION = "unknown"

#: Loggers that log every request or task, which our own lines already cover.
QUIET = (
    "LiteLLM",
    "LiteLLM Proxy",
    "LiteLLM Router",
    "aiohttp.access",
    "asyncio",
    "celery.app.trace",
    "celery.apps.worker",
    "celery.worker.consumer.connection",
    "celery.worker.strategy",
    "gql",
    "httpcore",
    "httpx",
    "kombu",
    "urllib3",
)

#: Modules that define the exceptions of broker clients.
_MODULE = re.compile(r"amqp|kombu|redis")


def configure(kind: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every logger of this process to `stream` (default: standard error) as JSON lines; may be called again."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _adding_kind(kind),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _in_order,
                _masked,
                structlog.processors.JSONRenderer(default=repr),
            ],
        )
    )
    handler.addFilter(_told_in_a_line)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    adopt(QUIET)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _told_in_a_line(record: logging.LogRecord) -> bool:
    """Drop the traceback when Celery or kombu logs that the broker failed: while it is full, a timer logs this every
    ten seconds in each worker. Drop the line when aiohttp logs that a client sent no HTTP or has left: the client was
    told, anybody can do it as often as they like, and the error quotes what they sent."""
    error = record.exc_info[1] if record.exc_info else None
    if record.name.startswith(("celery", "kombu")) and _MODULE.match(type(error).__module__):
        record.exc_info = None
    is_of_client = isinstance(error, ConnectionError) or type(error).__module__.startswith("aiohttp.")
    return not (record.name == "aiohttp.server" and is_of_client)


def adopt(names: Iterable[str]) -> None:
    """Route libraries' loggers through our handler: remove their own handlers, keep warnings and above.

    litellm adds a handler to its loggers on import, so call this again after importing it.
    """
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
        logger.setLevel(max(logging.WARNING, logging.getLogger().level))


def own_celery(kind: str) -> None:
    """Make Celery use `configure`, or the configuration there already is. Call in the module of the Celery app.

    Celery replaces the root logger's handlers unless something is connected to its signal `setup_logging`:
    https://docs.celeryq.dev/en/stable/userguide/signals.html#setup-logging
    """
    import celery.apps.worker
    from celery.signals import celeryd_init, setup_logging

    def configure_worker(sender: str, **_: Any) -> None:
        """Configures logging for a worker's first log lines; the node name contains the kind: agent-17@host."""
        named = re.split("[-@]", sender)[0]
        configure(named)
        setattr(celery.apps.worker, "safe_say", partial(_say, named))  # noqa: B010 - not in its types

    def configure_ours(**_: Any) -> None:
        if not _is_configured():
            configure(kind)

    celeryd_init.connect(configure_worker, weak=False, dispatch_uid="workers.logs")
    setup_logging.connect(configure_ours, weak=False, dispatch_uid="workers.logs")


def _say(kind: str, message: str, _stream: object = None) -> None:
    """Log what Celery would print. Called by signal handlers, so it must not take a lock."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = {"time": now, "level": "info", "kind": kind, "event": message, "logger": "celery"}
    with suppress(OSError):
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, json.dumps(line).encode() + b"\n")


def _is_configured() -> bool:
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    return any(isinstance(formatter, structlog.stdlib.ProcessorFormatter) for formatter in formatters)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module: `log = logs.get(__name__)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def about(**ids: str | int | None) -> AbstractContextManager[Any]:
    """Add event_id, conversation_id, turn_id, … to every line of this thread until the block ends."""
    return structlog.contextvars.bound_contextvars(**{key: id_ for key, id_ in ids.items() if id_ is not None})


def ready(**details: Any) -> None:
    """Log that this process now takes work; `cj up` waits for this line."""
    logging.getLogger("workers.ready").setLevel(logging.INFO)  # at any log level: `cj up` waits for it
    get("workers.ready").info("ready", version=VERSION, **details)


def _adding_kind(kind: str) -> Processor:
    def add_kind(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["kind"] = kind
        return event

    return add_kind


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put time, level, kind and event first, for human readers."""
    first = {key: event.pop(key) for key in ("time", "level", "kind", "event", "logger") if key in event}
    return {**first, **event}


def _masked(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Masks value by value: in the finished line a mask could extend into the next value."""
    return dict(masked(event))


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get("workers").critical("stopped by an unhandled error", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        get("workers").critical("a thread was stopped by an unhandled error", exc_info=info)
