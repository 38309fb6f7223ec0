"""What one flow costs, beside two others: `make bench`, or `python -m bench.flow [--only NAME…] [--json FILE]`.

One flow is a store that was connected: event → context → turn → 4 model calls over HTTP → 3 fetches → 3 texts. The
same stubs, Postgres, Valkey and litellm serve `cj` (this project), `celery` (tasks that commit each step) and `bare` (a
loop that keeps nothing; both in `bench.plain`). Systems take turns in `--rounds`, and medians are printed. Compare CPU
and counts everywhere, times and rates only on a quiet machine. The load's own CPU stands apart. `python -m bench.trace
--cost` says what metrics and traces add.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import redis
from sqlalchemy import text

from bench import plain
from bench.figures import Machine, Rows, percentile, table
from bench.ground import Ground, StubsProcess, ground, unhurried_workflows
from shopify.development_store.tokens import DEFAULT_SCOPES
from storage.database import Database
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

AGENTS = min(os.cpu_count() or 1, 2)
IN_FLIGHT = (16, 64)
COUNTED = 20
"""Flows while Postgres logs each statement."""


class System(Protocol):
    """Something that carries out flows, named by their merchants' numbers."""

    database_url: str

    def kinds(self) -> Mapping[str, Collection[int]]:
        """Process ids by kind."""

    def connect(self, number: int) -> None:
        """Make the merchant known."""

    def begin(self, number: int) -> None:
        """Tell that the store was connected."""

    def first_text(self, number: int) -> float:
        """When the first text arrived (Unix time)."""

    def ended(self, number: int) -> float | None:
        """When the last reply arrived, if it did."""


def shop(number: int) -> str:
    return f"bench-{number}.myshopify.com"


class Cj:
    """This project, as `cj up` starts it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.database_url = stack.database_url

    def kinds(self) -> Mapping[str, Collection[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for name, pid in self._stack.supervisor.pids().items():
            found[name.partition(".")[0]].append(pid)
        return {**found, "fork servers": self._stack.supervisor.server_pids()}

    def connect(self, number: int) -> None:
        self._stack.connect(shop(number), f"bench_{number}", scopes=DEFAULT_SCOPES)

    def begin(self, number: int) -> None:
        self._stack.connected(f"bench_{number}", shop(number), f"flow_{number}")

    def first_text(self, number: int) -> float:
        said = [reply.id for reply in self._stack.gateway.of(f"flow_{number}") if reply.text]
        return self._stack.gateway.arrived[said[0]]

    def ended(self, number: int) -> float | None:
        if not self._stack.gateway.ends(f"flow_{number}"):
            return None
        return self._stack.gateway.arrived[self._stack.gateway.of(f"flow_{number}")[-1].id]


@contextmanager
def cj(
    here: Ground,
    stubs: StubsProcess,
    broker_url: str | None = None,
    *,
    prepare: Callable[[str], None] = lambda _url: None,
    also: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Cj]:
    """`prepare` is called with the database's URL before the workers start; `also` are further settings."""
    folder = here.folder / f"cj-{time.monotonic_ns()}"
    folder.mkdir()
    environ = {"CJ_WORKFLOWS": str(unhurried_workflows(folder)), "CJ_LEASE_SECONDS": "10", "CJ_LOG_LEVEL": "INFO"}
    environ |= {"CJ_MODEL": "openai/stub", "OPENAI_API_BASE": f"{stubs.url}/v1", **also}
    with here.postgres.migrated_database() as url:
        prepare(url)
        stack = Stack(
            url, here.valkey.url, folder, broker_url=broker_url, environ=environ, store=stubs.as_store(),
            counts={"agent": AGENTS},
        )  # fmt: skip
        with stack:
            yield Cj(stack)


class Plain(ABC):
    """A program of `bench.plain`, in two processes."""

    def __init__(self, here: Ground, stubs: StubsProcess, database_url: str, command: list[str]) -> None:
        self.database_url = database_url
        self._first: dict[str, float] = {}
        self._last: dict[str, float] = {}
        environ = {"BROKER_URL": here.valkey.url, "DATABASE_URL": database_url, "STUBS": stubs.url}
        self._broker = redis.Redis.from_url(here.valkey.url)
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environ},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for _ in range(AGENTS)
        ]  # fmt: skip
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def kinds(self) -> Mapping[str, Collection[int]]:
        return {"worker": [process.pid for process in self._processes]}

    @abstractmethod
    def connect(self, number: int) -> None: ...

    @abstractmethod
    def begin(self, number: int) -> None: ...

    def first_text(self, number: int) -> float:
        return self._first[str(number)]

    def ended(self, number: int) -> float | None:
        return self._last.get(str(number))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(20)

    def _take(self) -> None:
        while not self._stop.is_set():
            found = self._broker.brpop([plain.REPLIES], timeout=1)
            if found is None:
                continue
            reply = json.loads(found[1])
            self._first.setdefault(reply["event"], time.time())
            if reply["last"]:
                self._last[reply["event"]] = time.time()


class Bare(Plain):
    def connect(self, number: int) -> None:
        pass

    def begin(self, number: int) -> None:
        self._broker.lpush(plain.EVENTS, json.dumps({"event": str(number), "shop": shop(number)}))


class PlainCelery(Plain):
    def connect(self, number: int) -> None:
        with plain.engine().begin() as connection:
            values = {"shop": shop(number)}
            connection.execute(text("INSERT INTO plain_shops (shop, token) VALUES (:shop, 'shpat_plain')"), values)

    def begin(self, number: int) -> None:
        plain.app.send_task("plain.event", [str(number), shop(number)])


@contextmanager
def bare(here: Ground, stubs: StubsProcess) -> Iterator[Plain]:
    system = Bare(here, stubs, here.database_url, ["bench.plain"])
    try:
        yield system
    finally:
        system.stop()


@contextmanager
def celery(here: Ground, stubs: StubsProcess) -> Iterator[Plain]:
    command = ["celery", "-A", "bench.plain", "worker", "-P", "threads", "-c", str(plain.THREADS), "-l", "ERROR"]
    with here.postgres.empty_database() as url:
        os.environ.update(BROKER_URL=here.valkey.url, DATABASE_URL=url)
        plain.app.conf.update(broker_url=here.valkey.url)
        plain.engine.cache_clear()
        database = Database(url)
        with database.transaction() as session:
            for statement in plain.SCHEMA.split(";"):
                session.execute(text(statement))
        database.dispose()
        system = PlainCelery(here, stubs, url, command)
        try:
            yield system
        finally:
            system.stop()
            plain.engine().dispose()


SYSTEMS: Mapping[str, Callable[[Ground, StubsProcess], AbstractContextManager[System]]] = {
    "cj": cj,
    "celery": celery,
    "bare": bare,
}


class Measure:
    """One system, from its first flow to its last."""

    _number = 0

    def __init__(self, system: System, machine: Machine, stubs: StubsProcess) -> None:
        self._system = system
        self._machine = machine
        self._stubs = stubs

    def run(self, events: int, flows: int) -> dict[str, Any]:
        """All figures by name."""
        found: dict[str, Any] = self.idle(events)
        for in_flight in IN_FLIGHT:
            found |= self.saturated(in_flight, flows)
        numbers = self.prepared(COUNTED)
        with self._machine.statements() as statements:
            time.sleep(0.2)
            self.many(numbers, 1)
        found["statements"] = round(sum(statements.values()) / COUNTED, 1)
        found["by_statement"] = {
            sql: round(count / COUNTED, 2) for sql, count in statements.most_common(60) if count >= COUNTED / 2
        }
        return found

    def prepared(self, count: int) -> list[int]:
        """So many merchants, made known."""
        numbers = []
        for _ in range(count):
            Measure._number += 1
            self._system.connect(Measure._number)
            numbers.append(Measure._number)
        return numbers

    def idle(self, events: int) -> dict[str, Any]:
        """Times of so many flows, one after the other, when everything is warm."""
        self.many(self.prepared(8), 4)
        numbers, began = self.prepared(events), {}
        for number in numbers:
            began[number] = time.time()
            self._system.begin(number)
            wait_until(lambda at=number: self._system.ended(at), limit=60)  # type: ignore[misc]
        asked = self._stubs.first_requests()
        times = {
            "first_request": [asked[shop(number)] - began[number] for number in numbers],
            "first_text": [self._system.first_text(number) - began[number] for number in numbers],
            "end": [(self._system.ended(number) or 0.0) - began[number] for number in numbers],
        }
        found = {f"idle_{name}_p50_ms": round(1000 * statistics.median(each), 1) for name, each in times.items()}
        return found | {"idle_first_request_p95_ms": round(1000 * percentile(times["first_request"], 0.95), 1)}

    def saturated(self, in_flight: int, flows: int) -> dict[str, Any]:
        """Rate, CPU and counts of so many flows, `in_flight` at a time."""
        numbers = self.prepared(flows)
        cpu, counted, own = self._machine.cpu(), self._machine.counted(), time.process_time()
        seconds = self.many(numbers, in_flight)
        own = time.process_time() - own
        used, counts = _less(self._machine.cpu(), cpu), _less(self._machine.counted(), counted)
        stubs = used.pop("stubs")
        found: dict[str, Any] = {f"flows_per_second_{in_flight}": round(flows / seconds, 1)}
        found[f"cpu_ms_{in_flight}"] = round(1000 * sum(used.values()) / flows, 1)
        if in_flight == IN_FLIGHT[0]:
            found |= {f"cpu_ms_{kind}": round(1000 * seconds / flows, 1) for kind, seconds in used.items()}
            found |= {"load_cpu_ms": round(1000 * own / flows, 1), "stubs_cpu_ms": round(1000 * stubs / flows, 1)}
            found["transactions"] = round(counts["transactions"] / flows, 1)
            found["wal_kb"] = round(counts["wal_bytes"] / flows / 1000, 1)
            asked = {name.removeprefix("redis "): n / flows for name, n in counts.items() if name.startswith("redis ")}
            found["redis_round_trips"] = round(counts["redis_round_trips"] / flows, 1)
            found["by_redis_command"] = {name: round(n, 1) for name, n in sorted(asked.items()) if n >= 0.3}
            memory = self._machine.memory()
            found |= {f"pss_mb_{kind}": mb for kind, mb in memory.items() if kind != "stubs"}
            found["pss_mb"] = round(sum(memory.values()) - memory["stubs"], 1)
        return found

    def many(self, numbers: list[int], in_flight: int) -> float:
        """Seconds until all have ended, so many at a time."""
        waiting, running = list(reversed(numbers)), set[int]()
        started = time.monotonic()
        while waiting or running:
            while waiting and len(running) < in_flight:
                running.add(waiting[-1])
                self._system.begin(waiting.pop())
            running = {number for number in running if self._system.ended(number) is None}
            if time.monotonic() - started > 300:
                raise SystemExit(f"not ended after 300 s: {sorted(running)[:5]}")
            time.sleep(0.005)
        return time.monotonic() - started


def _less(after: Counter[str], before: Counter[str]) -> Counter[str]:
    return Counter({name: after[name] - before[name] for name in after})


def medians(rounds: Rows) -> dict[str, Any]:
    """Of each figure the median; of what is no figure, the last."""
    return {
        name: statistics.median(found[name] for found in rounds) if isinstance(last, int | float) else last
        for name, last in rounds[-1].items()
    }


def show(found: Mapping[str, Mapping[str, Any]], *, details: bool) -> None:
    """One line for each figure, one column for each system."""
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    print(f"\n{'':<28}" + "".join(f"{system:>10}" for system in found))
    for name in names:
        values = [figures.get(name) for figures in found.values()]
        if not any(isinstance(value, dict) for value in values):
            print(f"{name:<28}" + "".join(f"{'' if value is None else value:>10}" for value in values))
    for system, figures in found.items() if details else ():
        for what in ("by_redis_command", "by_statement"):
            print(f"\n{system}, {what.replace('_', ' ')}, per flow")
            for name, value in figures[what].items():
                print(f"  {value:6.1f}  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SYSTEMS, default=["cj", "celery", "bare"])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--events", type=int, default=40, help="flows of the idle part, one at a time")
    parser.add_argument("--flows", type=int, default=200, help="flows of each saturated part")
    parser.add_argument("--details", action="store_true", help="also what is asked of Postgres and Redis, per flow")
    parser.add_argument("--json", type=Path, help="also write the medians to this file")
    options = parser.parse_args()
    measured: dict[str, Rows] = {name: [] for name in options.only}
    stubs = StubsProcess()
    try:
        with ground() as here:
            for _ in range(options.rounds):
                for name in options.only:
                    with SYSTEMS[name](here, stubs) as system:
                        kinds = {**system.kinds(), "stubs": [stubs.pid]}
                        machine = Machine(here.postgres, here.valkey, system.database_url, kinds)
                        measured[name].append(Measure(system, machine, stubs).run(options.events, options.flows))
    finally:
        stubs.stop()
    found = {name: medians(rounds) for name, rounds in measured.items()}
    show(found, details=options.details)
    if options.json:
        options.json.write_text(table([{"system": name, **figures} for name, figures in found.items()]))


if __name__ == "__main__":
    main()
