"""Log lines: JSON, with ids, without secrets, whoever wrote them."""

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import amqp
import pytest
import redis
from aiohttp.http_exceptions import BadHttpMessage

from workers import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    before = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("agent", stream=stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], root.level = before
    sys.excepthook, threading.excepthook = hooks


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_line(lines: io.StringIO) -> None:
    with logs.about(event_id="evt-1", conversation_id="conv-1", turn_id=7, nothing=None):
        logs.get("workers.agent").info("turn claimed", attempt=2)
    logs.get("workers.agent").info("idle")
    inside, outside = read(lines)
    assert inside.pop("time").endswith("Z")
    assert inside == {
        "level": "info",
        "kind": "agent",
        "event": "turn claimed",
        "logger": "workers.agent",
        "event_id": "evt-1",
        "conversation_id": "conv-1",
        "turn_id": 7,
        "attempt": 2,
    }
    assert "event_id" not in outside


def test_foreign_line_has_the_ids_too(lines: io.StringIO) -> None:
    with logs.about(turn_id=7):
        logging.getLogger("some.library").warning("pool of %d is full", 8, extra={"host": "db"})
    (line,) = read(lines)
    assert (line["event"], line["level"], line["turn_id"], line["host"]) == (
        "pool of 8 is full",
        "warning",
        7,
        "db",
    )


def test_warnings_become_lines(lines: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old call", DeprecationWarning, stacklevel=1)
    assert "old call" in read(lines)[0]["event"]


@pytest.mark.parametrize("name", ["httpx", "gql", "LiteLLM", "kombu", "celery.app.trace"])
def test_chatty_libraries_only_warn(lines: io.StringIO, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(name), "disabled", False)  # the model client switches litellm's loggers off
    logging.getLogger(name).info("HTTP Request: POST …")
    logging.getLogger(name).warning("slow")
    assert [line["event"] for line in read(lines)] == ["slow"]


@pytest.mark.parametrize(
    ("name", "error", "tells_where"),
    [
        ("kombu.asynchronous.hub", redis.OutOfMemoryError("command not allowed"), False),
        ("celery.worker.consumer", amqp.ConnectionForced("memory alarm"), False),
        ("kombu.asynchronous.hub", KeyError("a fault of ours"), True),
        ("workers.agent", redis.OutOfMemoryError("command not allowed"), True),
    ],
)
def test_a_broker_that_fails_costs_celery_a_line(
    lines: io.StringIO, name: str, error: Exception, tells_where: bool
) -> None:
    logging.getLogger(name).error("Error in timer: %r", error, exc_info=(type(error), error, None))
    [line] = read(lines)
    assert type(error).__name__ in line["event"]
    assert ("exception" in line) is tells_where


@pytest.mark.parametrize(
    ("error", "is_told"),
    [(BadHttpMessage("Invalid header"), False), (ConnectionResetError("Connection lost"), False), (KeyError(), True)],
)
def test_clients_without_manners_fill_no_log(lines: io.StringIO, error: Exception, is_told: bool) -> None:
    logging.getLogger("aiohttp.server").error("Error handling request", exc_info=error)
    assert bool(lines.getvalue()) is is_told


def test_adopt_takes_a_late_handler_away(lines: io.StringIO) -> None:
    late = logging.StreamHandler(io.StringIO())
    logging.getLogger("LiteLLM").addHandler(late)
    logs.adopt(["LiteLLM"])
    assert logging.getLogger("LiteLLM").handlers == []


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("token shpat_0123abcd and shprt_x-1 go", "token shpat_*** and shprt_*** go"),
        ('{"X-Shopify-Access-Token": "plain"}', '{"X-Shopify-Access-Token": "***"}'),
        ('{\\"x-shopify-access-token\\": \\"plain\\"}', '{\\"x-shopify-access-token\\": \\"***\\"}'),
        ("X-Shopify-Access-Token: plain", "X-Shopify-Access-Token: ***"),
        ("(b'X-Shopify-Access-Token', b'plain')", "(b'X-Shopify-Access-Token', b'***')"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("key sk-proj-0123456789", "key sk-***"),
        ("redis://:pw@h:6379/0 amqp://cj:p@ss@h//", "redis://:***@h:6379/0 amqp://cj:***@h//"),
        ("see https://shopify.dev/docs at 10:00", "see https://shopify.dev/docs at 10:00"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    assert logs.mask(text) == masked


def test_secrets_are_masked_wherever_they_are(lines: io.StringIO) -> None:
    try:
        raise ValueError("refused shpat_insideexception")
    except ValueError:
        logs.get("x").exception("broker redis://:pw@h/0", headers={"X-Shopify-Access-Token": "plain"})
    text = lines.getvalue()
    assert "insideexception" not in text
    assert "plain" not in text
    assert ":pw@" not in text
    assert "ValueError" in read(lines)[0]["exception"]


def test_uncaught_errors_are_lines_on_stderr() -> None:
    code = (
        "import threading; from workers import logs; logs.configure('ops');"
        "t = threading.Thread(target=lambda: 1/0); t.start(); t.join(); raise RuntimeError('shpat_gone')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    first, second = (json.loads(line) for line in done.stderr.splitlines())
    assert done.stdout == ""
    assert "ZeroDivisionError" in first["exception"]
    assert "shpat_***" in second["exception"]
    assert done.returncode == 1


def test_celery_leaves_a_configured_logger_as_it_is() -> None:
    code = (
        "from celery import Celery; from workers import logs; logs.own_celery('celery'); logs.configure('agent');"
        "app = Celery(broker='memory://'); app.log.setup(loglevel='INFO', redirect_stdouts=False);"
        "import logging; logging.getLogger('celery.worker').info('hello')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert json.loads(done.stderr)["kind"] == "agent"


def test_a_celery_workers_first_words_are_lines_of_its_kind() -> None:
    code = (
        "from celery import Celery; from workers import logs; logs.own_celery('celery');"
        "app = Celery('x', broker='memory://'); app.conf.worker_redirect_stdouts = False;"
        "app.Worker(hostname='agent-7@host', pool='solo', quiet=True).setup_logging();"
        "import logging; logging.getLogger('celery.worker').info('hello')"
    )
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True, timeout=30)
    assert {json.loads(line)["kind"] for line in done.stderr.splitlines()} == {"agent"}
    assert json.loads(done.stderr.splitlines()[-1])["event"] == "hello"


def test_celery_leaves_the_root_logger_to_us() -> None:
    code = (
        "from celery import Celery; from workers import logs; logs.own_celery('ops');"
        "app = Celery(broker='memory://'); app.log.setup(loglevel='INFO', redirect_stdouts=False);"
        "import logging; logging.getLogger('celery.worker').info('hello')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    (line,) = done.stderr.splitlines()
    assert (json.loads(line)["event"], json.loads(line)["kind"]) == ("hello", "ops")
