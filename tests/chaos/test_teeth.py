"""The harness has teeth: with one guard off, the same judge finds what that guard prevents.

Where switching the guard back on can repair the damage, the same run then becomes good, which proves it was the guard.
The fence and the lost wake-up, which random runs do not need, have their own tests in tests/acceptance.
"""

import os
import signal
from collections.abc import Sequence

import redis

from tests.chaos.ground import Ground
from tests.chaos.mutants import mutant
from tests.chaos.plan import Fault
from tests.chaos.report import as_text
from tests.chaos.run import PATIENCE, Outcome, Wanted, look, run, wait_for_quiet
from tests.waiting import wait_until
from workers.delivery.wake_ups import WakeUps, broker_breaker, sender

IN_VAIN = 4.0


def bad_run(
    here: Ground, name: str, faults: Sequence[Fault] = (), *, copies: tuple[int, ...] = (1,), per_merchant: int = 4
) -> Outcome:
    """A short run with one guard off."""
    title = name.replace("_", "-")
    assert here.stack.supervisor.wait_ready(60)
    with mutant(here.orders, name):
        wanted = Wanted(title, 3, 1.5, 12.0, copies=copies, per_merchant=per_merchant, patience=IN_VAIN)
        outcome = run(here, wanted, faults=faults)
    assert outcome.verdict.faults, f"the judge saw nothing wrong without a guard\n{as_text(outcome)}"
    return outcome


def heals(here: Ground, outcome: Outcome) -> None:
    assert wait_for_quiet(here, outcome.given, PATIENCE) is not None
    verdict, _, _ = look(here, outcome.given)
    assert verdict.faults == []


def test_without_reconciling_rows_nobody_was_told_of(here: Ground) -> None:
    outcome = bad_run(here, "no_reconcile", copies=(0,))
    assert len(outcome.verdict.lost) == len(outcome.given)
    heals(here, outcome)


def test_without_sending_replies_again_until_acked(here: Ground) -> None:
    faults = [Fault(0.0, "freeze", "gateway", 4.0), Fault(3.5, "flush")]
    outcome = bad_run(here, "no_resend", faults)
    assert any("never shown" in sentence for sentence in outcome.verdict.lost)
    heals(here, outcome)


def test_without_rescuing_the_turns_of_dead_workers(here: Ground) -> None:
    faults = [Fault(0.0, "freeze", "shopify", 5.0), Fault(3.0, "kill", "agent.1"), Fault(3.0, "kill", "agent.2")]
    outcome = bad_run(here, "no_lease_rescue", faults)
    assert any("is running" in sentence for sentence in outcome.verdict.unended)
    heals(here, outcome)


def test_without_the_order_of_turns(here: Ground) -> None:
    """All wake-ups are lost but the one for a conversation's last turn, and the sweeper, which would resend them, is
    off. A worker that respects the order does not run that turn."""

    def meanwhile() -> None:
        agents = [here.stack.supervisor.pids()[name] for name in ("agent.1", "agent.2")]
        for pid in agents:
            os.kill(pid, signal.SIGSTOP)
        turns = here.stack.wait_row(
            "select id from turns where conversation_id like 'no-order-%' order by conversation_id, seq",
            lambda rows: len(rows) == 6,
        )
        redis.Redis.from_url(here.valkey.url).flushall()
        for pid in agents:
            os.kill(pid, signal.SIGKILL)  # and with them the wake-ups on their sockets
        wait_until(lambda: not set(agents) & set(here.stack.supervisor.pids().values()), what="their end")
        last = turns[-1][0]
        assert WakeUps(sender(here.valkey.url), broker_breaker()).run_turn(last)
        begun = "select count(*) from turns where id = :id and status <> 'queued'"
        here.stack.wait_row(begun, lambda rows: rows == [(1,)], id=last, limit=60.0)

    assert here.stack.supervisor.wait_ready(60)
    with mutant(here.orders, "no_lost_wake_up"), mutant(here.orders, "no_order"):
        wanted = Wanted("no-order", 3, 0.5, 12.0, copies=(0,), per_merchant=3, patience=IN_VAIN)
        outcome = run(here, wanted, faults=(), meanwhile=meanwhile)
    assert any("began before" in sentence for sentence in outcome.verdict.disordered), as_text(outcome)


def test_without_an_identity_of_events(here: Ground) -> None:
    outcome = bad_run(here, "inbox_takes_twice", copies=(2,))
    assert any("never given" in sentence for sentence in outcome.verdict.duplicated)


def test_without_the_gateways_memory(here: Ground) -> None:
    faults = [Fault(0.0, "freeze", name, 6.0) for name in ("intake.1", "intake.2")]  # nobody hears its acks
    supervisor = here.stack.supervisor
    with mutant(here.orders, "gateway_forgets"):
        before = supervisor.pids()["gateway"]
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: supervisor.ready_pids().get("gateway", before) != before, limit=60.0, what="another gateway")
        try:
            outcome = bad_run(here, "gateway_forgets", faults, copies=(0,))
        finally:
            os.kill(supervisor.pids()["gateway"], signal.SIGKILL)
    assert any("times" in sentence for sentence in outcome.verdict.duplicated), as_text(outcome)
