"""What is measured and how it is printed: times, CPU and memory by kind of process, and what servers count.

CPU is user and system time of a process and of its ended children, from /proc by psutil: it is nearly the same on a
quiet machine and on one that others use, where times and rates are not.
"""

import json
import re
import statistics
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg2
import redis

from workers.local.embedded import EmbeddedPostgres, EmbeddedValkey

Rows = list[dict[str, Any]]
LOG_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.MULTILINE)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which so much of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(name: str, seconds: Sequence[float], aim: str = "") -> dict[str, Any]:
    """Print and return p50 and p95."""
    p50, p95 = 1000 * statistics.median(seconds), 1000 * percentile(seconds, 0.95)
    print(f"{name:<46} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   n {len(seconds):<4} {aim}", flush=True)
    return {"name": name, "p50_ms": round(p50, 2), "p95_ms": round(p95, 2), "n": len(seconds)}


def rate(name: str, count: int, seconds: float) -> dict[str, Any]:
    """Print and return how many per second."""
    print(f"{name:<46} {count / seconds:7.1f} /s   ({count} in {seconds:.1f} s)", flush=True)
    return {"name": name, "per_second": round(count / seconds, 2), "n": count}


@dataclass(frozen=True)
class Machine:
    """The servers, and the processes that belong to whom: their ids by kind."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    database_url: str
    kinds: Mapping[str, Collection[int]]

    def cpu(self) -> Counter[str]:
        """Seconds of CPU so far, by kind."""
        return Counter({kind: sum(map(_cpu, trees)) for kind, trees in self._trees()})

    def memory(self) -> dict[str, float]:
        """Proportional set size in MB, by kind."""
        return {kind: round(sum(map(_pss, trees)) / 2**20, 1) for kind, trees in self._trees()}

    def counted(self) -> Counter[str]:
        """What the servers have counted so far."""
        with _autocommit(self.database_url) as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute(
                "SELECT xact_commit + xact_rollback, (SELECT wal_bytes FROM pg_stat_wal) FROM pg_stat_database "
                "WHERE datname = current_database()"
            )
            transactions, wal = cursor.fetchone() or (0, 0)
        found = Counter(transactions=int(transactions), wal_bytes=int(wal))
        with redis.Redis.from_url(self.valkey.url) as client:
            found["redis_round_trips"] = client.info("stats")["total_reads_processed"]  # a pipeline is one
            for name, counted in client.info("commandstats").items():
                found[f"redis {name.removeprefix('cmdstat_')}"] = counted["calls"]
        return found

    @contextmanager
    def statements(self) -> Iterator[Counter[str]]:
        """Postgres logs each statement while the block runs; afterwards they are counted."""
        counted: Counter[str] = Counter()
        self._log("all")
        begins = self.postgres.log.stat().st_size
        try:
            yield counted
        finally:
            self._log("none")
            with self.postgres.log.open("rb") as log:
                log.seek(begins)
                lines = log.read().decode(errors="replace")
            for entry in LOG_ENTRY.split(lines):
                _, is_one, sql = entry.partition("LOG:  statement: ")
                if is_one:
                    counted[re.sub(r"[0-9.]+|'[^']*'", "?", " ".join(sql.split()))[:80]] += 1

    def _log(self, what: str) -> None:
        with _autocommit(self.postgres.url_of("postgres")) as cursor:
            cursor.execute("ALTER SYSTEM SET log_statement = %s", [what])
            cursor.execute("SELECT pg_reload_conf()")

    def _trees(self) -> Iterator[tuple[str, list[psutil.Process]]]:
        servers = {"postgres": [self.postgres.pid or 0], "valkey": [self.valkey.pid or 0]}
        roots = {pid for pids in self.kinds.values() for pid in pids}
        for kind, pids in {**self.kinds, **servers}.items():
            tree: list[psutil.Process] = []
            for pid in pids:
                with suppress(psutil.NoSuchProcess):
                    root = psutil.Process(pid)
                    # A fork server's children are of kinds of their own.
                    tree += [root, *(one for one in root.children(recursive=True) if one.pid not in roots)]
            yield kind, tree


@contextmanager
def _autocommit(url: str) -> Iterator[Any]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _cpu(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        return float(sum(process.cpu_times()[:4]))
    return 0.0


def _pss(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_full_info().pss)
    return 0


def table(rows: Rows) -> str:
    """The rows as JSON, one a line."""
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"
