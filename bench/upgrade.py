"""Who waits for a migration: `python -m bench.upgrade [--start 0001] [--rows 1000000]`.

Fills events, turns, steps and replies of the schema `--start`, then migrates to the head while threads do what workers
do (an event, its turn, a step, a reply, an ack, the sweeper's look), and one reads for some seconds in a transaction,
as a backup or a report does. Prints the longest statement of the load and the longest that each kind of lock which
keeps others out was held and waited for. Aim: none over 1 s.
"""

import argparse
import threading
import time
from collections import defaultdict
from itertools import count

import psycopg2

from bench.figures import percentile
from bench.ground import ground
from bench.large import fill
from storage.database import SESSION_SETTINGS
from workers.operations import migrations

THREADS = 4
SAMPLE_SECONDS = 0.005
READER_SECONDS = 3.0
SETTLE_SECONDS = 2.0
#: Locks that keep writers out, or everybody.
KEEP_OUT = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
#: As workers find it: by index.
EVENT = "(SELECT key FROM events WHERE source = '/load' AND id = %(n)s AND status <> 'rejected')"
FLOW = (
    """INSERT INTO events (source, id, type, content_hash, status, merchant_id, conversation_id, data)
       VALUES ('/load', %(n)s, 'message_received', sha256(%(n)s::bytea), 'received', 'full_1', %(conversation)s,
               '{}')""",
    f"""WITH numbered AS (UPDATE conversations SET last_turn = last_turn + 1 WHERE id = %(conversation)s RETURNING *)
       INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, input)
       SELECT id, merchant_id, last_turn, {EVENT}, 0, '{{}}' FROM numbered""",
    f"UPDATE events SET status = 'processed', processed_at = clock_timestamp() WHERE key = {EVENT}",
    f"INSERT INTO steps (turn_id, step, assistant) SELECT id, 0, '{{}}' FROM turns WHERE event_key = {EVENT}",
    f"""INSERT INTO replies (id, conversation_id, turn_id, sequence, key, body)
       SELECT 'load_' || %(n)s, conversation_id, id, 1, '0', '{{}}' FROM turns WHERE event_key = {EVENT}""",
    "UPDATE replies SET acked_at = clock_timestamp() WHERE id = 'load_' || %(n)s",
    f"UPDATE turns SET status = 'done', finished_at = clock_timestamp() WHERE event_key = {EVENT}",
    "SELECT id FROM turns WHERE status = 'queued' AND run_after <= clock_timestamp() ORDER BY run_after LIMIT 100",
    "SELECT shop_domain FROM integrations WHERE merchant_id = 'full_1'",
)
LOCKS = """
SELECT c.relname, l.mode, l.granted, l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.locktype = 'relation' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND l.mode = ANY (%s)
"""


class Load:
    """What workers do meanwhile, on threads."""

    def __init__(self, url: str, conversations: int) -> None:
        self.took: list[float] = []
        self.errors: list[str] = []
        self.held: dict[tuple[str, str, bool], float] = defaultdict(float)
        """(table, lock, whether it was granted) → the longest."""
        self._url, self._conversations = url, conversations
        self._stop = threading.Event()
        self._numbers = count(1)
        work = [threading.Thread(target=self._work, args=(place,)) for place in range(THREADS)]
        self._threads = [*work, threading.Thread(target=self._read), threading.Thread(target=self._sample)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, place: int) -> None:
        connection = self._connection()
        with connection.cursor() as cursor:
            for name, value in SESSION_SETTINGS.items():
                cursor.execute(f"SET {name} = '{value}'")
            while not self._stop.is_set():
                number = next(self._numbers)
                values = {"n": str(number), "conversation": f"full_{(number * THREADS + place) % self._conversations}"}
                for statement in FLOW:
                    began = time.monotonic()
                    try:
                        cursor.execute(statement, values)
                    except psycopg2.Error as error:
                        self.errors.append(type(error).__name__)
                    self.took.append(time.monotonic() - began)

    def _read(self) -> None:
        """Reads all tables in a transaction that lasts, again and again."""
        connection = psycopg2.connect(self._url)
        while not self._stop.wait(1.0):
            with connection, connection.cursor() as cursor:
                for table in ("events", "conversations", "turns", "replies"):
                    cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")
                self._stop.wait(READER_SECONDS)

    def _sample(self) -> None:
        since: dict[tuple[str, str, bool, int], float] = {}
        connection = self._connection()
        with connection.cursor() as cursor:
            while not self._stop.wait(SAMPLE_SECONDS):
                cursor.execute(LOCKS, (list(KEEP_OUT),))
                now, seen = time.monotonic(), set(cursor.fetchall())
                since = {lock: since.get(lock, now) for lock in seen}
                for (table, mode, granted, _), began in since.items():
                    key = table, mode, granted
                    self.held[key] = max(self.held[key], now - began)

    def _connection(self) -> "psycopg2.extensions.connection":
        connection = psycopg2.connect(self._url)
        connection.autocommit = True
        return connection


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", default="0001", help="the revision of the tables that are filled")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with ground() as here, here.postgres.empty_database() as url:
        migrations.upgrade(url, options.start)
        fill(url, options.rows, options.rows // 10)
        load = Load(url, options.rows // 10)
        load.start()
        try:
            time.sleep(SETTLE_SECONDS)
            before, began = len(load.took), time.monotonic()
            migrations.upgrade(url)
            took, during = time.monotonic() - began, load.took[before:]
        finally:
            load.stop()
        print(f"{options.start} → {migrations.current(url)} in {took:.1f} s, {len(during):,} statements meanwhile")
        for name, seconds in (("before", load.took[:before]), ("meanwhile", during)):
            p50, p95 = 1000 * percentile(seconds, 0.5), 1000 * percentile(seconds, 0.95)
            print(f"a statement {name}: p50 {p50:.1f}, p95 {p95:.1f}, longest {1000 * max(seconds):.0f} ms (aim 1000)")
        print(f"failed: {len(load.errors)} {sorted(set(load.errors))}")
        for (table, mode, granted), longest in sorted(load.held.items()):
            print(f"  {table:22} {mode:22} {'held' if granted else 'waited for':10} {1000 * longest:7.0f} ms")


if __name__ == "__main__":
    main()
