"""kill -9 at every failpoint: the event still has its full effect exactly once, as the merchant sees it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.acceptance.conftest import Someone
from tests.chaos import mutants
from tests.chaos.ground import unhurried_workflows
from tests.servers import PostgresForTests
from tests.stack import Stack
from tests.waiting import wait_until
from workers.failpoints import FAILPOINTS
from workers.local.embedded import EmbeddedValkey
from workers.local.procfile import Process
from workers.local.stack import SCOPES
from workers.local.supervisor import Pace
from workers.scenario.killable import Killer, killable

EVERY_POINT = [(kind, point) for kind, points in FAILPOINTS.items() for point in points]


@pytest.fixture(scope="module")
def dying(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Killer]]:
    """A stack whose processes can be told to die; three agents, so that one can take over at once.

    Runs at the quick pace: the sweeper looks more often, and agents restart without importing litellm.
    """
    folder = tmp_path_factory.mktemp("dying")
    (folder / "orders").mkdir()
    (folder / "quick").mkdir()
    (folder / "quick" / mutants.QUICK).touch()

    def command(process: Process) -> str:
        return mutants.through(replace(process, command=killable(process, folder / "orders")), folder / "quick")

    with (
        EmbeddedValkey(folder / "valkey", aof=False) as valkey,
        postgres.migrated_database() as database_url,
        Stack(
            database_url,
            valkey.url,
            folder,
            counts={"agent": 3},
            environ={
                "SHOPIFY_CLIENT_ID": "client-id",
                "SHOPIFY_CLIENT_SECRET": "client-secret",
                "CJ_LEASE_SECONDS": "1",
                "CJ_RECOVERY_FACTOR": "0.2",
                "CJ_WORKFLOWS": str(unhurried_workflows(folder)),
            },
            command=command,
            pace=Pace(first=0.2, longest=0.5),
        ) as stack,
    ):
        yield stack, Killer(folder / "orders")


@pytest.mark.parametrize(("kind", "point"), EVERY_POINT, ids=lambda part: str(part))
def test_killed_at(dying: tuple[Stack, Killer], someone: Someone, kind: str, point: str) -> None:
    stack, killer = dying
    expiring: dict[str, Any] = (
        {"expires_in": 200, "refresh_token": f"shprt_of_{someone.merchant_id}"} if point.startswith("renewal.") else {}
    )
    scopes = (*SCOPES, "read_reports")
    stack.connect(someone.shop_domain, someone.merchant_id, size="tiny", scopes=scopes, **expiring)
    if point.startswith("results."):  # what comes at once is kept with the next answer
        stack.store.fault(someone.shop_domain, "latency", seconds=0.8, times=3)
    killer.order(kind, point)
    stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
    wait_until(lambda: not killer.is_pending(kind, point), limit=20, what=f"{kind} to reach {point}")
    replies = stack.gateway.wait_for_ends(someone.conversation_id, limit=40)
    assert [reply.sequence for reply in replies] == [f"{n:06d}" for n in range(1, len(replies) + 1)]
    assert [kind for reply in replies for kind in reply.kinds].count("RUN_STARTED") == 1
    assert replies[-1].kinds[-1] == "RUN_FINISHED"
    said = stack.gateway.texts(someone.conversation_id)
    assert len(said) == len(set(said))
    assert [words for words in said if "customers in your store" in words] == said[:1]
    assert "support system" in said[-1]
    turns = stack.rows(
        "select count(*), max(failures) from turns where conversation_id = :id", id=someone.conversation_id
    )
    assert turns[0][0] == 1
    assert turns[0][1] <= 1
    stack.wait_row(
        "select count(*) from replies where conversation_id = :id and acked_at is null",
        lambda rows: rows == [(0,)],
        id=someone.conversation_id,
        limit=40,
    )
    if expiring:
        again_works(stack, someone)


def again_works(stack: Stack, someone: Someone) -> None:
    """The connection still works, even if the stored token has expired by now."""
    stack.store.tokens.expire(someone.shop_domain)
    stack.say(someone.merchant_id, someone.conversation_id, "What were my sales last year?")
    stack.gateway.wait_for_ends(someone.conversation_id, 2, limit=40)
    assert "there were no orders" in stack.gateway.texts(someone.conversation_id)[-1]  # a shop of this year
    [(status, version)] = stack.rows(
        "select status, token_version from integrations where merchant_id = :id", id=someone.merchant_id
    )
    assert status == "active"
    assert version >= 2


def test_what_a_frontend_asks_for_again_is_sent_although_the_worker_dies(
    dying: tuple[Stack, Killer], someone: Someone
) -> None:
    stack, killer = dying
    stack.connect(someone.shop_domain, someone.merchant_id, size="tiny")
    stack.say(someone.merchant_id, someone.conversation_id, "Hello")
    said = [reply.id for reply in stack.gateway.wait_for_ends(someone.conversation_id, limit=40)]
    killer.order("workflow", "publish.before")  # behind the commit that has taken the event
    data = {"merchant_id": someone.merchant_id, "conversation_id": someone.conversation_id}
    stack.publish("replies_requested", data)

    def again() -> list[str]:
        return [reply.id for reply in stack.gateway.of(someone.conversation_id) if reply.repeats is not None]

    wait_until(lambda: again() == said, limit=20, what="all that was said")
    assert not killer.is_pending("workflow", "publish.before")


def test_a_turn_that_kills_every_worker_ends_with_an_apology_and_the_conversation_goes_on(
    dying: tuple[Stack, Killer], someone: Someone
) -> None:
    stack, killer = dying
    stack.connect(someone.shop_domain, someone.merchant_id, size="tiny")
    for death in range(3):
        killer.order("agent", "model.before")
        if death == 0:
            stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
        wait_until(lambda: not killer.is_pending("agent", "model.before"), limit=40, what=f"death {death}")
    replies = stack.gateway.wait_for_ends(someone.conversation_id, limit=40)
    assert replies[-1].kinds[-1] == "RUN_ERROR"
    assert replies[-1].data[-1]["code"] == "turn_lost"
    [(status, failures)] = stack.rows(
        "select status, failures from turns where conversation_id = :id", id=someone.conversation_id
    )
    assert (status, failures) == ("dead", 3)
    stack.say(someone.merchant_id, someone.conversation_id, "How many customers do I have?")
    replies = stack.gateway.wait_for_ends(someone.conversation_id, 2, limit=40)
    assert replies[-1].kinds[-1] == "RUN_FINISHED"
