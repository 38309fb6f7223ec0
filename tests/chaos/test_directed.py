"""Faults that random chaos hits too rarely, each provoked on purpose: the same judge, the same verdict."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator

import psycopg2
import pytest
import redis

from tests.chaos.ground import Ground
from tests.chaos.mutants import mutant
from tests.chaos.plan import Fault
from tests.chaos.report import as_text
from tests.chaos.run import PATIENCE, Outcome, Wanted, run
from tests.waiting import wait_until
from workers.local.stack import Late

HELD = """
select lease_owner from turns
where conversation_id like :prefix and status = 'running' and attempt = :attempt
"""
NOTICED = ("taken over by another worker", "abandoned until its lease expires")
"""What a zombie logs: its write was refused, or its connection had been cut."""
IN_TRANSACTION = """
select count(*) from pg_stat_activity
where application_name = 'cj-agent' and backend_type = 'client backend'
  and (state <> 'idle' or state is null or state_change > clock_timestamp() - interval '200 ms')
"""
ENDED = "select count(*) from turns where conversation_id like :prefix and status = 'done'"
HANDLED_TWICE = """
select count(*) from conversations c
where c.id like :prefix
  and (c.context ->> 'turns')::int
      <> (select count(*) from turns t where t.conversation_id = c.id and t.absorbed_by is null)
"""


@pytest.fixture
def ready(here: Ground) -> Ground:
    """The ground, once all of it runs."""
    assert here.stack.supervisor.wait_ready(60)
    return here


def small(name: str, *, events: int = 12, copies: tuple[int, ...] = (0, 1, 2), per_merchant: int = 4) -> Wanted:
    return Wanted(name, 5, 1.0, events, copies=copies, per_merchant=per_merchant, patience=PATIENCE)


def is_good(outcome: Outcome) -> None:
    assert outcome.good, as_text(outcome)


@contextlib.contextmanager
def frozen(here: Ground, *names: str) -> Iterator[None]:
    pids = [here.stack.supervisor.pids()[name] for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def holder(here: Ground, name: str, *, attempt: int = 1) -> int:
    """Wait for a process to run a turn of this run in this attempt; returns it."""
    values = {"prefix": f"{name}-%", "attempt": attempt}
    rows = here.stack.wait_row(HELD, lambda found: len(found) > 0, limit=30.0, **values)
    return int(rows[0][0].split(":")[1])


def stop_between_transactions(here: Ground, name: str, *, attempt: int) -> int:
    """SIGSTOP the process that runs a turn of this run in this attempt, outside of a transaction: inside, it would wake
    up with its connection cut and not be a zombie. Returns its pid."""
    deadline = time.monotonic() + 20.0

    def between() -> bool:
        return here.stack.rows(IN_TRANSACTION) == [(0,)]

    while time.monotonic() < deadline:
        pid = holder(here, name, attempt=attempt)
        # Stopped again at once it would have no time to end its transaction, until its lease runs out.
        wait_until(between, limit=5.0, what="an agent outside of a transaction")
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(between, limit=1.0)
        except Late:
            os.kill(pid, signal.SIGCONT)
        else:
            return pid
    raise AssertionError(f"attempt {attempt} was never outside of a transaction")


def zombies(here: Ground, name: str) -> Outcome:
    """One turn whose worker sleeps past its lease in the middle of a tool call. The next worker sleeps too, and the
    first wakes up while the other holds the turn. When all is done, the other wakes up as well."""
    first = second = 0

    def meanwhile() -> None:
        nonlocal first, second
        with frozen(here, "shopify"):
            first = stop_between_transactions(here, name, attempt=1)
            second = stop_between_transactions(here, name, attempt=2)
        os.kill(first, signal.SIGCONT)
        here.stack.wait_row(ENDED, lambda rows: rows == [(1,)], prefix=f"{name}-%", limit=60.0)

    try:
        return run(here, small(name, events=1, copies=(1,)), faults=(), meanwhile=meanwhile)
    finally:
        for pid in (first, second):
            os.kill(pid, signal.SIGCONT)


def ended_by(here: Ground, name: str) -> list[int]:
    """The attempts that ended the turns of a run, from the workers' logs."""
    lines = [json.loads(line.partition(": ")[2]) for line in here.stack.lines if '"turn ended"' in line]
    return [line["attempt"] for line in lines if line["conversation_id"].startswith(f"{name}-")]


def handled_twice(here: Ground, name: str) -> int:
    """Number of conversations whose count of turns is wrong."""
    [(count,)] = here.stack.rows(HANDLED_TWICE, prefix=f"{name}-%")
    return int(count)


def test_a_zombie_writes_nothing(ready: Ground) -> None:
    seen = len(ready.stack.lines)
    is_good(zombies(ready, "zombie"))
    assert len(ended_by(ready, "zombie")) == 1
    assert ended_by(ready, "zombie")[0] > 2
    assert handled_twice(ready, "zombie") == 0
    wait_until(
        lambda: sum(any(word in line for word in NOTICED) for line in ready.stack.lines[seen:]) >= 2,
        limit=30.0,
        what="both zombies to notice",
    )


def test_without_the_fence_a_zombie_writes(ready: Ground) -> None:
    """Proves that the test above would detect it."""
    with mutant(ready.orders, "no_fence"):
        zombies(ready, "unfenced")
        wait_until(lambda: 1 in ended_by(ready, "unfenced"), limit=30.0, what="the zombie's end of the turn")


def test_without_the_sweep_a_lost_hint_is_not_brought_back(ready: Ground) -> None:
    name = "no-wake-up"
    with mutant(ready.orders, "no_lost_wake_up"):
        outcome = run(
            ready,
            Wanted(name, 5, 1.0, 6, copies=(0,), per_merchant=2, patience=3.0),
            faults=[
                *(Fault(0.0, "freeze", agent, 3.5) for agent in ("agent.1", "agent.2")),
                Fault(2.5, "kill", "agent.1"),
                Fault(2.5, "kill", "agent.2"),
                Fault(2.5, "flush"),
            ],
        )
    assert any("is queued" in sentence for sentence in outcome.verdict.unended), as_text(outcome)


def test_commits_whose_answer_is_lost(ready: Ground) -> None:
    """The server commits, then the connection is cut before it can respond: every transaction can be repeated."""
    ready.database_door.lose_answers(b"COMMIT", every=7)
    try:
        outcome = run(ready, small("commit", events=16), faults=(), meanwhile=lambda: time.sleep(2.0))
        assert ready.database_door.lost > 10
    finally:
        ready.database_door.pass_all()
    is_good(outcome)
    assert handled_twice(ready, "commit") == 0


def test_pushes_whose_answer_is_lost(ready: Ground) -> None:
    """The broker has the message, but the client never learns it: redis-py pushes again, so everything comes twice."""
    ready.broker_door.lose_answers(b"LPUSH", every=8)
    try:
        outcome = run(ready, small("push", events=16), faults=(), meanwhile=lambda: time.sleep(1.0))
        assert ready.broker_door.lost > 2
    finally:
        ready.broker_door.pass_all()
    is_good(outcome)


def test_flush_with_messages_in_flight(ready: Ground) -> None:
    client = redis.Redis.from_url(ready.valkey.url)

    def meanwhile() -> None:
        with frozen(ready, "agent.1", "agent.2", "gateway"):
            wait_until(lambda: int(client.llen("turns")) > 0, limit=20.0, what="wake-ups in flight")
            client.flushall()
        with frozen(ready, "gateway"):
            wait_until(lambda: int(client.llen("replies")) > 0, limit=30.0, what="replies in flight")
            client.flushall()

    try:
        is_good(run(ready, Wanted("flush", 5, 4.0, 5.0, patience=PATIENCE), faults=(), meanwhile=meanwhile))
    finally:
        client.close()


def test_a_broker_that_hangs(ready: Ground) -> None:
    """Connections stay open but nothing gets through: publishing gives up in time, and rows wait."""

    def meanwhile() -> None:
        with ready.broker_door.silence():
            time.sleep(4.0)

    is_good(run(ready, small("hang", copies=(0,)), faults=(), meanwhile=meanwhile))


def test_postgres_without_a_free_connection(ready: Ground) -> None:
    """Starting workers wait until one is free; running workers continue with theirs."""
    url = ready.stack.database_url
    connections = []

    def take_all() -> None:
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                connections.append(psycopg2.connect(url))

    def starts_in_vain() -> bool:
        take_all()  # also what the killed ones gave back
        return any("waiting for Postgres" in line for line in ready.stack.lines[seen:])

    def meanwhile() -> None:
        take_all()
        for name in ("workflow.1", "intake.1", "agent.1"):
            os.kill(ready.stack.supervisor.pids()[name], signal.SIGKILL)
        wait_until(starts_in_vain, limit=60.0, what="a worker to find no connection")
        for connection in connections:
            connection.close()

    seen = len(ready.stack.lines)
    is_good(run(ready, small("full"), faults=(), meanwhile=meanwhile))


def test_workers_whose_clock_is_wrong_do_their_part(ready: Ground) -> None:
    """In all these tests the second process of each kind is an hour ahead; here they do all the work."""
    ones = ("agent.1", "intake.1", "workflow.1")
    with frozen(ready, *ones):
        outcome = run(ready, small("skew"), faults=())
    is_good(outcome)
