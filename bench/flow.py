"""Measures how long the flow takes: `make bench`, or `python -m bench.flow [--events N] [--seconds S] [--json FILE]`.

When idle, one event at a time: event published → first request at the store, → first reply, → first words; a cached
tool read; then complete flows per second under saturation. The floor, from the same run and broker, is a chain of three
empty Celery tasks. Model and store answer at once (the demo model, no pause between messages), all on loopback.
Absolute figures depend on the machine: compare the ratios.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
from celery import Celery
from kombu import Connection, Consumer, Message, Queue

from bench.ground import ground
from shopify.development_store.server import DevelopmentStore
from storage.cache import Cache
from storage.redis_server import RedisServer
from storage.turns import Claim, TurnInput
from tests.stack import ROOT, Stack
from tests.waiting import wait_until
from workers.agent.tools import Tools
from workers.delivery.wake_ups import WakeUps, broker_breaker, sender
from workers.model.response import ToolCall

Rows = list[dict[str, Any]]
WINDOW = 16  # flows in flight when saturated


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(name: str, seconds: Sequence[float], aim: str = "") -> dict[str, Any]:
    p50, p95 = 1000 * statistics.median(seconds), 1000 * percentile(seconds, 0.95)
    print(f"{name:<46} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   n {len(seconds):<4} {aim}", flush=True)
    return {"name": name, "p50_ms": round(p50, 2), "p95_ms": round(p95, 2), "n": len(seconds)}


def rate(name: str, count: int, seconds: float) -> dict[str, Any]:
    print(f"{name:<46} {count / seconds:7.1f} /s   ({count} in {seconds:.1f} s)", flush=True)
    return {"name": name, "per_second": round(count / seconds, 2), "n": count}


def unhurried_workflows(folder: Path) -> Path:
    """The shipped workflows without the pause between messages."""
    target = folder / "workflows"
    target.mkdir()
    for source in (ROOT / "workflows").glob("*.yaml"):
        text = re.sub(r"(?m)^limits:\n", "limits:\n  pause_between_messages_seconds: 0\n", source.read_text())
        if "pause_between_messages_seconds: 0\n" not in text:
            text += "\nlimits:\n  pause_between_messages_seconds: 0\n"
        (target / source.name).write_text(text)
    return target


class StoreProcess:
    """The development store in its own process, so that it does not compete with this one's threads."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "shopify.development_store", "--port", "0"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.admin_url = self._process.stdout.readline().strip().split("SHOPIFY_ADMIN_URL=")[1]
        self._http = httpx.Client(base_url=self.admin_url.split("/{shop}")[0], trust_env=False)

    def as_store(self) -> DevelopmentStore:
        """Typed as a store, for callers that only need its address and `register`."""
        return cast(DevelopmentStore, self)

    def register(self, shop_domain: str, size: str, token: str, **settings: Any) -> None:
        asked = {"shop_domain": shop_domain, "size": size, "token": token, **settings}
        self._http.post("/_control/shops", json=asked).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        return list(self._http.get("/_control/requests").json()["requests"])

    def stop(self) -> None:
        self._http.close()
        self._process.terminate()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


class Flows:
    """Merchants that connect a store, one at a time or many at once."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._number = 0
        self.published: dict[str, float] = {}

    def prepare(self) -> str:
        """Create a merchant with a store, not yet announced; returns its conversation."""
        self._number += 1
        self._stack.connect(f"bench-{self._number}.myshopify.com", f"bench_{self._number}", size="tiny")
        return f"flow_{self._number}"

    def begin(self, conversation_id: str) -> None:
        number = conversation_id.removeprefix("flow_")
        self.published[conversation_id] = time.time()
        self._stack.connected(f"bench_{number}", f"bench-{number}.myshopify.com", conversation_id)

    def has_ended(self, conversation_id: str) -> bool:
        return self._stack.gateway.ends(conversation_id) > 0


def idle(stack: Stack, flows: Flows, count: int) -> Rows:
    conversations = [flows.prepare() for _ in range(count)]
    for conversation in conversations:
        flows.begin(conversation)
        wait_until(lambda at=conversation: flows.has_ended(at), limit=30)  # type: ignore[misc]
    first_request: dict[str, float] = {}
    for seen in stack.store.requests():
        conversation = "flow_" + re.sub(r"\D", "", seen["shop"])
        first_request.setdefault(conversation, seen["received_at"])
    first_reply, first_words, whole = [], [], []
    for conversation in conversations:
        at = flows.published[conversation]
        replies = stack.gateway.of(conversation)
        arrived = [stack.gateway.arrived[reply.id] - at for reply in replies]
        first_reply.append(arrived[0])
        first_words.append(next(t for t, reply in zip(arrived, replies, strict=True) if reply.text))
        whole.append(arrived[-1])
    warm = slice(3, None)  # the first few use cold connections
    requests = [first_request[conversation] - flows.published[conversation] for conversation in conversations]
    return [
        latency("event published → first request at the store", requests[warm], "aim p95 ≤ 30"),
        latency("event published → first reply on the queue", first_reply[warm], "aim p95 ≤ 100"),
        latency("event published → first words on the queue", first_words[warm]),
        latency("event published → turn ended", whole[warm]),
    ]


def saturated(flows: Flows, seconds: float) -> dict[str, Any]:
    waiting = [flows.prepare() for _ in range(int(seconds * 40))]
    running: list[str] = []
    ended = 0
    started = time.monotonic()
    while time.monotonic() - started < seconds and (waiting or running):
        while waiting and len(running) < WINDOW:
            running.append(waiting.pop())
            flows.begin(running[-1])
        still = [conversation for conversation in running if not flows.has_ended(conversation)]
        ended += len(running) - len(still)
        running = still
        time.sleep(0.002)
    took = time.monotonic() - started
    wait_until(lambda: all(flows.has_ended(conversation) for conversation in running), limit=60)
    return rate(f"complete flows, {WINDOW} in flight", ended, took)


def cached_reads(stack: Stack, count: int) -> dict[str, Any]:
    cache = Cache(RedisServer(stack.redis_url))
    now = datetime.now(UTC)
    claim = Claim(
        turn_id=1, conversation_id="flow_1", merchant_id="bench_1", seq=1, attempt=1, failures=0, workflow=None,
        workflow_hash=None, input=TurnInput("merchant", "x"), event_id="x", event_type="message_received",
        event_received_at=now, traceparent=None, started_at=now, now=now, lease_seconds=10.0,
    )  # fmt: skip
    tools = Tools(stack.database, cache, WakeUps(sender(stack.broker_url), broker_breaker()))
    call = ToolCall("c", "shopify_data", {"data_type": "counts"})
    seconds = []
    for _ in range(count):
        started = time.perf_counter()
        [result] = tools.run(claim, [call], allowed=None, seen=(), seconds=5.0)
        seconds.append(time.perf_counter() - started)
        if not result.get("cached"):
            raise SystemExit(f"not from the cache: {result}")
    return latency("cached tool read", seconds[10:], "aim p95 ≤ 15")


def floor(broker_url: str, count: int, seconds: float) -> Rows:
    workers = [_hop(broker_url, name) for name in ("hop1", "hop2", "hop3")]
    try:
        app = Celery("chain", broker=broker_url)
        with Connection(broker_url) as connection:
            chained: list[float] = []
            queue = Queue("chained", durable=True)

            def note(message: Message) -> None:
                chained.append(time.time())
                message.ack()

            with Consumer(connection.channel(), [queue], on_message=note):
                idle_seconds = [_one(app, connection, chained) for _ in range(count + 10)][10:]
                first = latency("floor: three empty Celery tasks", idle_seconds)
                return [first, _many(app, connection, chained, seconds)]
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(20)


def _hop(broker_url: str, queue: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "celery", "-A", "bench.chain_app", "worker", "-Q", queue, "-P", "threads"]
    command += ["-c", "8", "-n", f"{queue}@bench", "--without-gossip", "--without-mingle", "-l", "ERROR"]
    environ = {"BROKER_URL": broker_url, "PATH": "/usr/bin:/bin"}
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _one(app: Celery, connection: Connection, chained: list[float]) -> float:
    chained.clear()
    started = time.time()
    app.send_task("chain.first", [1], queue="hop1")
    while not chained:
        connection.drain_events(timeout=30)
    return chained[0] - started


def _many(app: Celery, connection: Connection, chained: list[float], seconds: float) -> dict[str, Any]:
    chained.clear()
    sent = 0
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        while sent - len(chained) < WINDOW:
            app.send_task("chain.first", [sent], queue="hop1")
            sent += 1
        connection.drain_events(timeout=30)
    return rate(f"floor: three empty Celery tasks, {WINDOW} in flight", len(chained), time.monotonic() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=60, help="events of the idle part")
    parser.add_argument("--seconds", type=float, default=8.0, help="seconds of each saturated part")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with ground() as here:
        rows = measure(here.database_url, here.valkey.url, here.folder, options.events, options.seconds)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def measure(database_url: str, valkey_url: str, folder: Path, events: int, seconds: float) -> Rows:
    environ = {"CJ_WORKFLOWS": str(unhurried_workflows(folder)), "CJ_LEASE_SECONDS": "10", "CJ_LOG_LEVEL": "WARNING"}
    store = StoreProcess()
    try:
        with Stack(database_url, valkey_url, folder, environ=environ, store=store.as_store()) as stack:
            flows = Flows(stack)
            rows = idle(stack, flows, events)
            rows.append(cached_reads(stack, 200))
            rows.append(saturated(flows, seconds))
    finally:
        store.stop()
    rows += floor(valkey_url, events, seconds)
    ratio = rows[0]["p50_ms"] / rows[-2]["p50_ms"]
    print(f"first request at the store takes {ratio:.2f} x the floor of three empty tasks (p50)")
    return [*rows, {"name": "first request / floor, p50", "ratio": round(ratio, 2)}]


if __name__ == "__main__":
    main()
