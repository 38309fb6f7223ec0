"""A worker process of one kind: what it takes off the broker, what it can be told, and when it refuses to be one."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from celery import Celery

from events import queues
from storage.vault import new_key_text
from tests.tcp import closed_port
from tests.waiting import wait_until
from workers.delivery.wake_ups import WakeUps, broker_breaker, sender
from workers.local.embedded import EmbeddedValkey
from workers.local.stack import INHERITED
from workers.settings import environment

ROOT = Path(__file__).parent.parent.parent
SECRET = "SECRETofTheOtherBroker"
COMMAND = ("-q", "-A", "workers", "worker", "-P", "threads", "-c", "2", "--without-gossip", "--without-mingle")


class Worker:
    """One worker of the Procfile, with everything it says."""

    def __init__(self, environ: dict[str, str], queue: str, name: str, before: str = "") -> None:
        self.name = name
        arguments = [*COMMAND, "-Q", queue, "-n", name]
        code = f"import sys; {before}\nfrom celery.__main__ import main; sys.argv = ['celery', *{arguments!r}]; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def wait_ready(self) -> None:
        wait_until(lambda: '"workers.ready"' in self.said or self.process.poll() is not None, limit=90, what="ready")
        assert self.process.poll() is None, self.said

    def code(self) -> int:
        """The exit code, when it has ended by itself."""
        code = self.process.wait(90)
        self._reader.join(10)
        return code

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self._reader.join(10)
        if self.process.stderr is not None:
            self.process.stderr.close()


@pytest.fixture
def environ(database_url: str, valkey_url: str) -> dict[str, str]:
    outside = environment()
    return {name: outside[name] for name in INHERITED if name in outside} | {
        "DATABASE_URL": database_url,
        "BROKER_URL": valkey_url,
        "REDIS_URL": valkey_url,
        "CJ_TOKEN_KEYS": new_key_text(),
        "CJ_MODEL": "demo",
    }


@contextmanager
def worker(environ: dict[str, str], queue: str, name: str, before: str = "", **changed: str) -> Iterator[Worker]:
    started = Worker(environ | changed, queue, name, before)
    try:
        yield started
    finally:
        started.stop()


def run(command: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=90, check=False)


def inspect(app: Any, name: str, command: str) -> Any:
    """What the worker answers; None if nothing."""
    return app.control.inspect(destination=[name], timeout=3.0)._request(command)


#: Every command of Celery's that changes a worker, with arguments that it would accept.
COMMANDS: dict[str, dict[str, Any]] = {
    "cancel_consumer": {"queue": queues.OPS},
    "add_consumer": {"queue": queues.TURNS},
    "rate_limit": {"task_name": "cj.migrate", "rate_limit": "1/h"},
    "time_limit": {"task_name": "cj.migrate", "hard": 1, "soft": 1},
    "revoke": {"task_id": "a"},
    "terminate": {"task_id": "a", "signal": "KILL"},
    "revoke_by_stamped_headers": {"headers": {"a": "b"}},
    "pool_shrink": {"n": 1},
    "pool_grow": {"n": 1},
    "pool_restart": {},
    "autoscale": {"max": 1, "min": 0},
    "disable_events": {},
    "election": {"id": "1", "topic": "task", "action": None},
    "hello": {"from_node": "x@y", "revoked": {"a": 1}},
    "objgraph": {},
    "memdump": {},
    "shutdown": {},
}


def test_a_worker_takes_its_own_kinds_tasks_only_and_no_orders(environ: dict[str, str], valkey: EmbeddedValkey) -> None:
    with_next = f"{valkey.url};redis://:{SECRET}@127.0.0.1:{closed_port()}/0;redis://u:{SECRET}@h/0"
    app = Celery("stranger", broker=valkey.url, set_as_current=False)
    app.conf.update(task_queues=[queues.plain_queue(queues.OPS)], task_default_exchange="")
    with worker(environ, queues.OPS, "ops-1@test", BROKER_URL=with_next) as ops:
        ops.wait_ready()
        # It says ready a moment before it listens to orders.
        (registered,) = wait_until(lambda: inspect(app, "ops-1@test", "registered")).values()
        assert {name for name in registered if name.startswith("cj.")} == {
            "cj.migrate",
            "cj.migrate_tokens_from_redis",
            "cj.reseal_tokens",
        }
        for command, arguments in COMMANDS.items():
            answered: Any = app.control.broadcast(
                command, arguments=arguments, destination=["ops-1@test"], reply=True, timeout=30
            )
            assert f"not {command};" in str(answered)
        for task in ("cj.run_turn", "cj.handle_event", "cj.fetch_shopify_data", "celery.backend_cleanup"):
            app.amqp.send_task_message  # noqa: B018
            app.send_task(task, [1], queue=queues.OPS, retry=False)
        app.send_task("cj.migrate", queue=queues.OPS, retry=False)  # still does its work, after all that
        wait_until(lambda: ops.said.count('"unknown task"') >= 4, limit=30, what="four refused tasks")
        with redis.Redis.from_url(valkey.url) as client:
            wait_until(lambda: not client.llen(queues.OPS), what="an empty queue")
        answers = {name: inspect(app, "ops-1@test", name) for name in ("ping", "active_queues", "stats", "conf")}
        assert all(answers.values()), answers
        assert [queue["name"] for queue in answers["active_queues"]["ops-1@test"]] == [queues.OPS]
        assert answers["stats"]["ops-1@test"]["pool"]["max-concurrency"] == 2
        assert inspect(app, "ops-1@test", "revoked") in (None, {"ops-1@test": []})
        assert SECRET not in json.dumps(answers, default=repr)
        assert SECRET not in ops.said
        assert "Traceback" not in ops.said
        assert ops.process.poll() is None
    app.close()


PUBLISHED = (
    *(b"", b"{", b"null", b"[]", b"{}", b'{"body": 1}', b"[" * 100_000, b"\xff"),
    b'{"body": "!", "properties": {"body_encoding": "base64", "delivery_tag": "1", "delivery_info": {}}}',
    b'{"body": "W10=", "properties": {"body_encoding": "base64", "delivery_tag": "1", "delivery_info": {}}}',
)


def test_a_worker_survives_what_is_no_remote_control_command(environ: dict[str, str], valkey_url: str) -> None:
    app = Celery("stranger", broker=valkey_url, set_as_current=False)
    with redis.Redis.from_url(valkey_url) as client, worker(environ, queues.OPS, "ops-1@test") as ops:
        ops.wait_ready()
        wait_until(lambda: inspect(app, "ops-1@test", "ping"), what="it answers")
        for published in PUBLISHED:
            assert client.publish(f"/{urlsplit(valkey_url).path[1:]}.celery.pidbox", published) == 1
        assert wait_until(lambda: inspect(app, "ops-1@test", "ping"), what="it still answers")
        assert ops.process.poll() is None
    app.close()


def test_a_worker_survives_that_its_broker_becomes_a_replica(environ: dict[str, str], valkey_url: str) -> None:
    """It used to end: what it waits with is unblocked by an error, and then refused."""
    name = "workflow-replica@here"
    with redis.Redis.from_url(valkey_url) as client, worker(environ, queues.WORKFLOW, name) as running:
        running.wait_ready()
        app = sender(valkey_url)
        assert WakeUps(app, broker_breaker()).keep_promise(1)
        client.replicaof("127.0.0.1", closed_port())
        try:
            wait_until(lambda: running.said.count("Connection to broker lost") > 1, what="it tries again")
            assert not WakeUps(app, broker_breaker()).keep_promise(2)
            with app.producer_or_acquire() as producer:  # its next connection may lead to another server
                assert not producer.connection.connected
        finally:
            client.replicaof("NO", "ONE")
        assert wait_until(lambda: inspect(app, name, "ping"), what="it answers")
        assert running.process.poll() is None


def test_the_health_check_sees_a_worker_that_no_longer_consumes(environ: dict[str, str], tmp_path: Path) -> None:
    lost = (
        "from celery.signals import worker_ready\n"
        "def lose(sender, **_): sender.cancel_task_queue('ops')\n"
        "worker_ready.connect(lose, weak=False)"
    )

    def check(name: str) -> subprocess.CompletedProcess[str]:
        return run([sys.executable, "-m", "workers", "check", "--worker", name], environ)

    beats, silence = tmp_path / "well", tmp_path / "ill"
    with (
        worker(environ, queues.OPS, "ops-1@test", CJ_HEARTBEAT_PATH=str(beats)) as well,
        worker(environ, queues.OPS, "ops-2@test", lost, CJ_HEARTBEAT_PATH=str(silence)) as ill,
    ):
        well.wait_ready()
        ill.wait_ready()
        for file in (beats, silence):
            wait_until(file.exists)
            file.unlink()
        good, bad, nobody = check("ops-1@test"), check("ops-2@test"), check("ops-3@test")
        wait_until(beats.exists)
        assert not silence.exists()
    assert (good.returncode, "consumes ops" in good.stdout) == (0, True), good
    assert (bad.returncode, "no longer consumes ops" in bad.stdout) == (1, True), bad
    assert (nobody.returncode, "does not answer" in nobody.stdout) == (1, True), nobody


PROXY = {"ALL_PROXY": "socks://127.0.0.1:1080", "CJ_MODEL": "openai/x", "OPENAI_API_KEY": "k"}


def test_a_worker_whose_model_cannot_be_asked_is_none(environ: dict[str, str]) -> None:
    with worker(environ, queues.TURNS, "agent-1@test", **PROXY) as agent:
        assert agent.code() == 2
    last = agent.lines[-1]
    assert last.startswith("cj: cannot start: ")
    assert "ALL_PROXY" in last
    check = [sys.executable, "-m", "workers", "check"]
    for kind, code in (("agent", 1), ("intake", 0)):
        done = subprocess.run(
            [*check, "--kind", kind],
            cwd=ROOT,
            env=environ | PROXY,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        assert (done.returncode, "ALL_PROXY" in done.stdout) == (code, code == 1), done


@pytest.mark.parametrize(
    ("queue", "place"),
    [
        (queues.OPS, "workers.bootstrap._check"),
        (queues.OPS, "workers.celery._kinds"),
        (queues.SHOPIFY, "workers.bootstrap.http_client"),
        (queues.WORKFLOW, "workers.delivery.sweeper.Sweeper.start"),
        (queues.TURNS, "workers.model.client.Model.warm_up"),
    ],
)
def test_whatever_fails_at_start_ends_the_process(environ: dict[str, str], queue: str, place: str) -> None:
    """Celery swallows what its signal handlers raise."""
    owner, _, attribute = place.rpartition(".")
    before = (
        "import pydoc, workers.celery\n"
        f"owner = pydoc.locate({owner!r})\n"
        "def fail(*_, **__): raise LookupError('out of luck, shpat_0123456789abcdef')\n"
        f"setattr(owner, {attribute!r}, fail)"
    )
    with worker(environ, queue, "some-1@test", before) as broken:
        assert broken.code() == 2
    assert broken.lines[-1] == "cj: cannot start: LookupError: out of luck, shpat_***\n"
    assert "shpat_0123" not in broken.said


def test_whatever_fails_at_start_ends_the_intake(environ: dict[str, str]) -> None:
    code = (
        "import workers.bootstrap, workers.intake.__main__ as intake\n"
        "def fail(*_, **__): raise LookupError('out of luck')\n"
        "workers.bootstrap._check = fail\nintake.main()"
    )
    done = run([sys.executable, "-c", code], environ)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "cj: cannot start: LookupError: out of luck"


def test_the_demo_model_answers_only_where_it_is_named(environ: dict[str, str]) -> None:
    with worker({**environ, "CJ_MODEL": ""}, queues.TURNS, "agent-1@test") as agent:
        assert agent.code() == 2
    assert "CJ_MODEL is not set" in agent.lines[-1]
    assert "CJ_MODEL=demo" in agent.lines[-1]
    with worker({**environ, "CJ_MODEL": "cj-demo/demo"}, queues.TURNS, "agent-1@test") as agent:
        agent.wait_ready()


def test_a_lost_acks_thread_ends_the_intake(environ: dict[str, str], valkey_url: str) -> None:
    code = (
        "import workers.intake.accept as accept, workers.intake.__main__ as intake\n"
        "def fail(*_): raise LookupError('out of luck')\n"
        "accept.Intake.acks = fail\nintake.main()"
    )
    with queues.connection(valkey_url) as broker:
        queues.put(
            broker.Producer(queues.open_channel(broker)), queues.ACKS, b'{"id": "x"}', content_type="application/json"
        )
    done = run([sys.executable, "-c", code], environ)
    assert "out of luck" in done.stderr
