"""Many Shopify workers, one shop: do they respect its rate limit, and use all of it?

`python -m bench.bucket [--workers 4] [--threads 2] [--fetches 500] [--maximum 2000] [--rate 100] [--flush]`

Real processes with their own clients share one bucket on one Valkey and fetch from the development store, which keeps
its own bucket and answers THROTTLED when asked too early. The least possible time is the cost of all answers minus the
full bucket, divided by the restore rate. With `--flush`, Valkey loses all data halfway.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from pydantic import SecretStr

from bench.ground import StoreProcess
from shopify.client import ShopifyClient
from shopify.data.dispatch import fetch
from shopify.errors import Throttled
from shopify.transport import http_client
from storage.cost_bucket import CostBucket
from storage.redis_server import RedisServer
from tests.stack import ROOT
from workers.local.embedded import EmbeddedValkey

SHOP, TOKEN = "bucket.myshopify.com", "shpat_" + "b0cce7" * 5
SCOPES = ("read_customers", "read_orders", "read_products")
MIX = ("counts", "recent_orders", "overview")
FETCH_SECONDS = 8.0


class Worker:
    """One process's share of the fetches."""

    def __init__(self, admin_url: str, redis_url: str, fetches: int) -> None:
        self._http = http_client()
        bucket = CostBucket(RedisServer(redis_url))
        token = SecretStr(TOKEN)
        self._client = ShopifyClient(SHOP, token, admin_url=admin_url, http=self._http, budget=bucket)
        self._left = fetches
        self._lock = threading.Lock()
        self.seen: Counter[str] = Counter()

    def run(self, threads: int) -> None:
        running = [threading.Thread(target=self._fetch_all) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()

    def _fetch_all(self) -> None:
        while (number := self._next()) is not None:
            self._fetch(MIX[number % len(MIX)])

    def _next(self) -> int | None:
        with self._lock:
            self._left -= 1
            return self._left if self._left >= 0 else None

    def _fetch(self, data_type: str) -> None:
        while True:
            deadline = time.monotonic() + FETCH_SECONDS
            try:
                fetch(self._client, data_type, scopes=SCOPES, now=datetime.now(UTC), deadline=deadline)
            except Throttled as error:
                self.seen[f"postponed: {error.reason}"] += 1
                time.sleep(error.retry_after or 1.0)
            else:
                self.seen["fetched"] += 1
                return


def work(options: argparse.Namespace) -> None:
    """A worker process: reports that it is ready, waits for the start signal, reports what it saw."""
    worker = Worker(options.admin_url, options.redis_url, options.fetches)
    print("here", flush=True)
    sys.stdin.readline()
    worker.run(options.threads)
    print(json.dumps(worker.seen), flush=True)


@contextmanager
def workers(options: argparse.Namespace, admin_url: str, redis_url: str) -> Iterator[list[subprocess.Popen[str]]]:
    share = options.fetches // options.workers
    command = [sys.executable, "-m", "bench.bucket", "--as-worker", "--admin-url", admin_url, "--redis-url", redis_url]
    command += ["--fetches", str(share), "--threads", str(options.threads)]
    running = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(options.workers)
    ]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait(10)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One run; all times in seconds."""
    store = StoreProcess()
    try:
        with EmbeddedValkey(folder / "valkey", aof=False) as valkey:
            store.register(SHOP, "tiny", TOKEN, maximum_available=options.maximum, restore_rate=options.rate)
            seen, flushed_at = run(options, store.admin_url, valkey.url)
        asked = [request for request in store.requests() if request["shop"] == SHOP]
    finally:
        store.stop()
    return verdict(options, asked, seen, flushed_at)


def run(options: argparse.Namespace, admin_url: str, redis_url: str) -> tuple[Counter[str], float | None]:
    seen: Counter[str] = Counter()
    flushed_at: list[float] = []

    def flush() -> None:
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        flushed_at.append(time.time())

    with workers(options, admin_url, redis_url) as running:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        half = options.fetches * 40 / options.rate / 2
        timer = threading.Timer(half, flush) if options.flush else None
        if timer:
            timer.start()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in running:
            assert process.stdout is not None
            seen.update(json.loads(process.stdout.readline()))
        if timer:
            timer.cancel()
    return seen, flushed_at[0] if flushed_at else None


def verdict(
    options: argparse.Namespace, asked: list[dict[str, Any]], seen: Counter[str], flushed_at: float | None
) -> dict[str, Any]:
    throttled = [request["received_at"] for request in asked if request["code"] == "THROTTLED"]
    points = sum(request["actual_cost"] or 0 for request in asked)
    took = max(r["received_at"] + r["seconds"] for r in asked) - min(r["received_at"] for r in asked)
    least = max(0.0, points - options.maximum) / options.rate
    return {
        "fetched": seen["fetched"],
        "postponed": {name: count for name, count in seen.items() if name != "fetched"},
        "points": points,
        "throttled": len(throttled),
        "throttled_before_flush": len([at for at in throttled if flushed_at is None or at < flushed_at]),
        "throttled_until_after_flush": round(max(throttled) - flushed_at, 2) if flushed_at and throttled else None,
        "seconds": round(took, 2),
        "least_seconds": round(least, 2),
        "ratio": round(took / least, 3) if least else None,
    }


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4, help="processes")
    parser.add_argument("--threads", type=int, default=2, help="concurrent fetches in each")
    parser.add_argument("--fetches", type=int, default=500, help="total of all workers")
    parser.add_argument("--maximum", type=int, default=2000, help="points in the shop's full bucket")
    parser.add_argument("--rate", type=int, default=100, help="points restored per second")
    parser.add_argument("--flush", action="store_true", help="flush Valkey halfway")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--as-worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--admin-url", help=argparse.SUPPRESS)
    parser.add_argument("--redis-url", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    options = parsed()
    if options.as_worker:
        return work(options)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
    for name, value in figures.items():
        print(f"{name:<28} {value}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
