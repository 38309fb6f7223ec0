"""kill -9 of any worker in the middle of a turn: the turn finishes and each reply is seen once."""

import os
import signal

import pytest

from tests.acceptance.conftest import Someone
from tests.stack import Stack
from tests.waiting import wait_until


def kill(stack: Stack, kind: str) -> None:
    """kill -9, then wait until its replacement is ready."""
    victim = stack.supervisor.pids()[kind]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: stack.supervisor.pids().get(kind, victim) != victim, limit=15, what=f"a new {kind}")


@pytest.mark.parametrize("kind", ["agent", "shopify", "workflow", "intake"])
def test_a_worker_killed_in_the_middle_of_a_turn(stack: Stack, someone: Someone, kind: str) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
    wait_until(lambda: stack.gateway.texts(someone.conversation_id), limit=20, what="the first words")
    kill(stack, kind)
    replies = stack.gateway.wait_for_ends(someone.conversation_id, limit=40)
    assert [reply.sequence for reply in replies] == [f"{n:06d}" for n in range(1, len(replies) + 1)]
    assert len({reply.id for reply in replies}) == len(replies)
    said = stack.gateway.texts(someone.conversation_id)
    assert len(said) == len(set(said))
    assert "customers in your store" in said[0]
    assert sum("recent activity" in words for words in said) == 1
    assert "support system" in said[-1]
    assert wait_until(lambda: stack.supervisor.wait_ready(90), limit=40)
