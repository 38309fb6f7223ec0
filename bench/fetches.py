"""CPU of one fetch of each kind of data, and of a read from the cache, here and in other versions: `python -m
bench.fetches [--rounds 5] [--tree FOLDER …]`.

Each version runs in a process of its own against the same development store and Valkey, in turn, so that what else the
machine does falls on all of them. `--tree` is a checkout of another version. Nothing is waited for in CPU time.
"""

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SHOP, TOKEN = "fetches.myshopify.com", "shpat_" + "fe7c4e5" * 5
SCOPES = ("read_customers", "read_orders", "read_products")
KINDS = ("counts", "recent_orders", "overview", "week_orders")
FETCHES, READS = 40, 400


def milliseconds(call: Callable[[], object], times: int) -> float:
    """CPU of one call."""
    call()
    began = time.process_time()
    for _ in range(times):
        call()
    return 1000 * (time.process_time() - began) / times


def measure(admin_url: str, redis_url: str) -> dict[str, float]:
    """Milliseconds of CPU with the version that is on the path. Older ones have `fetch` and the client's connections
    elsewhere."""
    from pydantic import SecretStr

    from shopify.client import ShopifyClient
    from storage.cache import Cache
    from storage.redis_server import RedisServer

    homes = ("shopify.data.dispatch", "shopify.data")
    fetch = next(found for name in homes if (found := getattr(_module(name), "fetch", None)))
    http = (_module("shopify.connection") or importlib.import_module("shopify.transport")).http_client()
    client = ShopifyClient(SHOP, SecretStr(TOKEN), admin_url=admin_url, http=http)
    cache = Cache(RedisServer(redis_url))
    found = {}
    for kind in KINDS:
        more = {"time_zone": "UTC"} if kind == "week_orders" else {}
        read = partial(fetch, client, kind, scopes=SCOPES, now=datetime.now(UTC), **more)
        found[kind] = milliseconds(read, FETCHES)
        cache.put("m1", 1, kind, {"success": True, "data_type": kind, "data": read().data}, 600)
        found[f"{kind}, cached"] = milliseconds(partial(cache.get, "m1", 1, kind), READS)
    return found


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tree", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    from bench.ground import StoreProcess
    from workers.local.embedded import EmbeddedValkey

    trees = [*options.tree, Path(__file__).parents[1]]
    times: dict[str, dict[Path, list[float]]] = defaultdict(lambda: defaultdict(list))
    store = StoreProcess()
    try:
        with TemporaryDirectory() as folder, EmbeddedValkey(Path(folder), aof=False) as valkey:
            store.register(SHOP, "large", TOKEN, maximum_available=1e7, restore_rate=1e7)
            for _ in range(options.rounds):
                for tree in trees:
                    command = [sys.executable, __file__, "--measure", store.admin_url, valkey.url]
                    done = subprocess.run(
                        command, cwd=tree, env={"PYTHONPATH": str(tree)}, capture_output=True, text=True, check=True
                    )
                    for name, spent in json.loads(done.stdout).items():
                        times[name][tree].append(spent)
    finally:
        store.stop()
    print(f"{'ms of CPU, median':24}", *(f"{tree.name[-12:]:>12}" for tree in trees))
    for name, by_tree in times.items():
        print(f"{name:24}", *(f"{statistics.median(by_tree[tree]):12.3f}" for tree in trees))


if __name__ == "__main__":
    main()
