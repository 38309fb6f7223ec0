"""A worker asked to stop finishes its step, returns the turn, and nobody notices."""

import os
import signal
import time

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.chaos.ground import Ground
from tests.chaos.report import as_text
from tests.chaos.run import PATIENCE, Wanted, run
from tests.chaos.test_directed import frozen, holder, is_good, ready, small
from tests.waiting import wait_until

__all__ = ["ready"]  # the fixture

LEAVES_WITHIN = 20.0
FAILURES = "select coalesce(sum(failures), 0), max(attempt) from turns where conversation_id like :prefix"


def gone(here: Ground, pid: int) -> bool:
    return pid not in here.stack.supervisor.pids().values()


def terminate(here: Ground, pid: int) -> float:
    """Send SIGTERM; returns the seconds until the process is gone."""
    started = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: gone(here, pid), limit=LEAVES_WITHIN, what="the worker to leave")
    return time.monotonic() - started


def test_a_worker_in_the_middle_of_a_turn_finishes_its_step_and_gives_the_turn_back(ready: Ground) -> None:
    def meanwhile() -> None:
        with frozen(ready, "shopify"):
            victim = holder(ready, "term")
            os.kill(victim, signal.SIGTERM)
        wait_until(lambda: gone(ready, victim), limit=LEAVES_WITHIN, what="the worker to leave")

    is_good(run(ready, small("term", events=1, copies=(1,)), faults=(), meanwhile=meanwhile))
    [(failures, attempts)] = ready.stack.rows(FAILURES, prefix="term-%")
    assert failures == 0
    assert attempts == 2


def test_a_step_that_takes_too_long_is_left_behind(ready: Ground) -> None:
    """Its turn is returned all the same; here a drain may take 3 s instead of 15, and the tool call takes 12."""

    def meanwhile() -> None:
        with frozen(ready, "shopify"):
            assert terminate(ready, holder(ready, "late")) < 10.0

    is_good(run(ready, small("late", events=1, copies=(1,)), faults=(), meanwhile=meanwhile))
    [(failures, attempts)] = ready.stack.rows(FAILURES, prefix="late-%")
    assert failures == 0
    assert attempts >= 2


def test_a_rolling_restart_under_load(ready: Ground) -> None:
    supervisor = ready.stack.supervisor

    def meanwhile() -> None:
        pids = supervisor.pids()
        for part in (".1", ".2", ""):  # half of each kind, the other half, and those of which there is one
            victims = [pid for name, pid in pids.items() if name.endswith(part) and ("." in name) == bool(part)]
            for pid in victims:
                os.kill(pid, signal.SIGTERM)
            for pid in victims:
                wait_until(lambda pid=pid: gone(ready, pid), limit=LEAVES_WITHIN, what=f"{pid} to leave")  # type: ignore[misc]
            wait_until(lambda: supervisor.wait_ready(1.0), limit=60.0, what="the new ones")

    outcome = run(ready, Wanted("roll", 5, 12.0, 4.0, patience=PATIENCE), faults=(), meanwhile=meanwhile)
    is_good(outcome)
    [(failures, _)] = ready.stack.rows(FAILURES, prefix="roll-%")
    assert failures == 0, as_text(outcome)


def test_an_additive_migration_under_load(ready: Ground) -> None:
    """Add a column, a table and an index, as a newer version would while older workers run."""
    statements = (
        "alter table turns add column note_of_a_newer_version text",
        "alter table replies add column noted_at timestamptz default clock_timestamp()",
        "create table newer (id bigint generated always as identity primary key, turn_id bigint references turns)",
        "create index concurrently newer_index on replies (created_at)",
        "drop table newer",
        "alter table turns drop column note_of_a_newer_version",
    )

    def meanwhile() -> None:
        time.sleep(1.0)
        for statement in statements:
            wait_until(lambda: _execute(ready, statement), limit=20.0, what=statement)  # noqa: B023

    outcome = run(ready, Wanted("ddl", 5, 4.0, 8.0, copies=(1, 2), patience=PATIENCE), faults=(), meanwhile=meanwhile)
    is_good(outcome)
    [(failures, _)] = ready.stack.rows(FAILURES, prefix="ddl-%")
    assert failures == 0


def _execute(here: Ground, statement: str) -> bool:
    """Execute outside a transaction, as `create index concurrently` requires; waits at most 2 s for the lock."""

    engine = here.stack.database._engine.execution_options(isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    except OperationalError:
        return False
    return True
