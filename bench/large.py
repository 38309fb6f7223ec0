"""What full tables cost: `python -m bench.large [--rows 1000000] [--unacked 100000] [--rounds 1 | 0]`.

The same flow as in `bench.flow` with empty tables and with so many events, turns, steps and replies in them, in turns;
some of the replies are unacked and not due. Then what each of the sweeper's duties takes at a time on the full tables,
how long it takes to delete what is old enough, and what operators and privacy requests ask. Aims: 1.1 x of empty, 20 ms
for a statement. `--rounds 0` leaves the flows out.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2

from bench.figures import Machine, Rows
from bench.flow import Measure, cj, medians, show
from bench.ground import Ground, StubsProcess, ground
from storage import backlog, inbox, privacy
from storage.database import Database, Session
from workers.delivery.sweeper import Duties
from workers.operations import failed_turns, timeline, why

OLD_SHARE = 0.01
"""Of the rows, those that are older than they may be kept."""
MERCHANTS = 1000
TURNS_EACH = 10
"""Turns of a conversation."""

FILL = """
INSERT INTO merchants (id, name) SELECT 'full_' || n, 'full_' || n FROM generate_series(0, {merchants} - 1) AS n;
INSERT INTO conversations (id, merchant_id, workflow, last_turn, context, updated_at)
SELECT 'full_' || n, 'full_' || n % {merchants}, 'ad_hoc_support', {each}, '{{"shopify_connected": true}}',
       clock_timestamp() - interval '29 days' * (n * {each}) / {rows}
FROM generate_series(0, {rows} / {each} - 1) AS n;
INSERT INTO events (source, id, type, content_hash, status, merchant_id, conversation_id, data, received_at,
                    processed_at)
SELECT '/full', n, 'message_received', sha256(CAST(n AS text)::bytea), 'processed',
       'full_' || n / {each} % {merchants}, 'full_' || n / {each},
       jsonb_build_object('text', repeat('how many orders do I have? ', 4),
                          'merchant_id', 'full_' || n / {each} % {merchants}),
       at, at
FROM generate_series(0, {rows} - 1) AS n, LATERAL (SELECT {at}) AS t (at);
INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, input, status, attempt, last_sequence,
                   workflow, created_at, started_at, finished_at)
SELECT e.conversation_id, e.merchant_id, CAST(e.id AS bigint) % {each} + 1, e.key, 0,
       jsonb_build_object('sender', 'merchant', 'text', e.data ->> 'text', 'metadata', '{{}}'::jsonb),
       'done', 1, 1, 'ad_hoc_support', e.received_at, e.received_at, e.received_at
FROM events e WHERE e.source = '/full';
INSERT INTO steps (turn_id, step, assistant, created_at, finished_at)
SELECT id, 0, jsonb_build_object('role', 'assistant', 'content', repeat('You have 120 orders. ', 8)), created_at,
       created_at
FROM turns;
INSERT INTO replies (id, conversation_id, turn_id, sequence, key, body, created_at, published_at, acked_at, publishes)
SELECT 'turn_' || id || ':000001:0123456789abcdef', conversation_id, id, 1, '0:text',
       jsonb_build_object('data', jsonb_build_array(jsonb_build_object(
           'type', 'TEXT_MESSAGE_CONTENT', 'messageId', id, 'delta', repeat('You have 120 orders. ', 16)))), created_at,
       clock_timestamp() + interval '1 hour', CASE WHEN id > {unacked} THEN created_at END, 7
FROM turns;
"""
AT = """clock_timestamp() - CASE WHEN n < {old} THEN interval '31 days' ELSE interval '29 days' * n / {rows} END"""


def fill(url: str, rows: int, unacked: int) -> None:
    """Put so much into an empty database."""
    began = time.monotonic()
    at = AT.format(old=int(rows * OLD_SHARE), rows=rows)
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(FILL.format(rows=rows, unacked=unacked, merchants=MERCHANTS, each=TURNS_EACH, at=at))
    connection.close()
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
        (size,) = cursor.fetchone() or ("",)
    connection.close()
    print(f"filled with {rows:,} rows of each kind: {size}, {time.monotonic() - began:.0f} s", flush=True)


def duties(url: str, times: int = 20) -> None:
    """Print what each duty of the sweeper takes."""
    database = Database(url, pool_size=1, application_name="cj-bench")
    found = Duties()
    for duty in (found.expire_leases, found.wake_turns, found.wake_events, found.resend_replies):
        took = [_seconds(database, duty) for _ in range(times)]
        print(f"  {duty.__name__:<16} p50 {_ms(statistics.median(took))}   longest {_ms(max(took))}   aim 20 ms")
    took = [_seconds(database, found.prune) for _ in range(times)]
    print(f"  {'prune':<16} p50 {_ms(statistics.median(took))}   longest {_ms(max(took))}   (several statements)")
    database.dispose()


def questions(url: str, times: int = 5) -> None:
    """Print what it takes to answer what operators ask, and to find what a privacy request is about."""
    database = Database(url, pool_size=1, application_name="cj-bench", session_settings={})
    asked: dict[str, Callable[[Session], object]] = {
        "cj status": lambda session: (backlog.speeds(session, window_seconds=900), backlog.read(session)),
        "cj why": lambda session: why.read(session, why.Target("full_1")),
        "cj timeline": lambda session: timeline.read(session, "full_5001"),
        "cj events rejected": lambda session: inbox.rejected(session, 100),
        "cj turns failed": failed_turns.failed,
        "cj privacy requests": lambda session: privacy.requests(session, limit=100),
        "a merchant's events, for a privacy request": lambda session: list(
            privacy._events(session, "full_1", privacy.Walk("events", ""))
        ),
    }
    for name, question in asked.items():
        took = [_seconds(database, question) for _ in range(times)]
        print(f"  {name:<44} p50 {_ms(statistics.median(took))}   longest {_ms(max(took))}", flush=True)
    database.dispose()


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:7.1f} ms"


def _seconds(database: Database, duty: Callable[..., object]) -> float:
    began = time.monotonic()
    with database.transaction() as session:
        duty(session)
    return time.monotonic() - began


@contextmanager
def measured(here: Ground, stubs: StubsProcess, prepare: Callable[[str], None]) -> Iterator[tuple[Measure, str]]:
    with cj(here, stubs, prepare=prepare) as system:
        kinds = {**system.kinds(), "stubs": [stubs.pid]}
        machine = Machine(here.postgres, here.valkey, system.database_url, kinds)
        yield Measure(system, machine, stubs), system.database_url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--unacked", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--events", type=int, default=40, help="flows of the idle part, one at a time")
    parser.add_argument("--flows", type=int, default=200, help="flows of each saturated part")
    options = parser.parse_args()
    prepares: dict[str, Callable[[str], None]] = {
        "empty": lambda url: None,
        "full": lambda url: fill(url, options.rows, options.unacked),
    }
    found: dict[str, Rows] = {name: [] for name in prepares}
    stubs = StubsProcess()
    try:
        with ground() as here:
            for _ in range(options.rounds):
                for name, prepare in prepares.items():
                    with measured(here, stubs, prepare) as (measure, url):
                        found[name].append(measure.run(options.events, options.flows))
                        if name == "full":
                            _look(url)
            if not options.rounds:
                fill(here.database_url, options.rows, options.unacked)
                _look(here.database_url)
    finally:
        stubs.stop()
    if options.rounds:
        show({name: medians(rounds) for name, rounds in found.items()}, details=False)


def _look(url: str) -> None:
    print("the sweeper's duties on the full tables")
    duties(url)
    print("questions on the full tables")
    questions(url)


if __name__ == "__main__":
    main()
