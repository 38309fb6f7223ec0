"""What is older than 30 days is deleted, acked or not; what is young stays."""

import time
from typing import Any

import pytest
from sqlalchemy import text

from bench.large import fill
from storage import conversations, inbox, merchants, outbox, privacy, turns
from storage.database import Database
from storage.outbox import NewReply
from storage.privacy import Pruned
from storage.turns import Claim, TurnInput
from tests import rows
from workers.delivery.sweeper import Found


@pytest.fixture
def ended(database: Database) -> int:
    """Create a done turn with an acked reply; returns its id."""
    with database.transaction() as session:
        merchants.add_merchant(session, "m")
        event = inbox.NewEvent(
            source="/gateway",
            id="1",
            type="message_received",
            data={},
            content_hash=b"x",
            merchant_id="m",
            conversation_id="c",
        )
        [accepted] = inbox.accept(session, [event])
        assert isinstance(accepted, inbox.Accepted)
        conversations.open(session, id="c", merchant_id="m", workflow="ad_hoc_support", context={})
        turn_id = turns.queue_turn(
            session,
            conversation_id="c",
            merchant_id="m",
            event_key=accepted.key,
            action=0,
            input=TurnInput("merchant", "hello"),
        )
        inbox.processed(session, accepted.key)
        assert turn_id is not None
    with database.transaction() as session:
        claim = turns.claim(session, turn_id, lease_seconds=10, owner="me")
        assert isinstance(claim, Claim)
        turns.add_step(session, claim, 0, {"role": "assistant", "content": "hi"})
        replies = outbox.append(session, turn_id, [NewReply("end", [{"type": "RUN_FINISHED"}])])
        turns.finish(session, claim)
        outbox.acknowledge(session, [reply.id for reply in replies])
    return turn_id


def age(database: Database, days: int) -> None:
    with database.transaction() as session:
        session.execute(text("update turns set finished_at = finished_at - make_interval(days => :d)"), {"d": days})
        session.execute(text("update events set processed_at = processed_at - make_interval(days => :d)"), {"d": days})


def prune(database: Database) -> Pruned:
    with database.transaction() as session:
        return privacy.prune(session)


def count(database: Database, table: str) -> Any:
    with database.transaction() as session:
        return session.execute(text(f"select count(*) from {table}")).scalar()


def test_what_ended_long_ago_goes_with_all_that_belongs_to_it(database: Database, ended: int) -> None:
    age(database, 31)
    assert prune(database) == Pruned(turns=1, events=1)
    assert [count(database, table) for table in ("turns", "steps", "replies", "events")] == [0, 0, 0, 0]
    assert count(database, "conversations") == 1


def test_a_backlog_of_what_is_old_is_deleted_without_pauses(database: Database) -> None:
    """A batch every five minutes is three rows a second: what 10,000 merchants say in a month would stay for ever."""
    for number in range(3):
        claimed = rows.claim(database, rows.queue(database, conversation_id=f"c{number}"))
        rows.finish(database, claimed)
    age(database, 31)
    with database.transaction() as session:
        pruned = privacy.prune(session, limit=2)
    assert (pruned.turns, pruned.is_cut_off) == (2, True)
    assert Found(is_cut_off=pruned.is_cut_off).is_full
    assert not prune(database).is_cut_off
    assert count(database, "turns") == 0


def test_what_is_old_is_found_by_index(database: Database, database_url: str) -> None:
    """Nearly every event and conversation has turns, which Postgres takes for a reason to read all of them."""
    fill(database_url, 5000, 0)
    with database.transaction() as session:
        session.execute(text("SET LOCAL enable_seqscan = on"))  # as behind PgBouncer
        for name in ("prune_turns", "prune_waiting", "prune_events", "prune_conversations"):
            explained = f"EXPLAIN {privacy.SQL[name].text}"
            plan = "\n".join(
                session.execute(text(explained), {"days": 30, "limit": privacy.PRUNE_BATCH, "clock": 2e9}).scalars()
            )
            assert "Index Cond: (" in plan.split("LockRows")[1].split("SubPlan")[0], plan
            assert "Seq Scan" not in plan, plan


def test_what_ended_lately_stays(database: Database, ended: int) -> None:
    age(database, 29)
    assert prune(database) == Pruned(turns=0, events=0)


@pytest.mark.parametrize(
    ("ahead", "days", "deleted"),
    [
        pytest.param(3650, 29, 0, id="the process's clock is ahead, and Postgres' is right"),
        pytest.param(-3650, 31, 0, id="Postgres' clock is ahead, and the process's is right"),
        pytest.param(-2, 33, 1, id="a little"),
    ],
)
def test_one_wrong_clock_deletes_nothing(
    database: Database, ended: int, monkeypatch: pytest.MonkeyPatch, ahead: int, days: int, deleted: int
) -> None:
    age(database, days)
    now = time.time()
    monkeypatch.setattr("storage.privacy.time.time", lambda: now + ahead * 86400)
    assert prune(database) == Pruned(turns=deleted, events=deleted)


def test_a_gateway_that_stays_away_keeps_nothing(database: Database, ended: int) -> None:
    age(database, 31)
    with database.transaction() as session:
        session.execute(text("update replies set acked_at = null"))
    assert prune(database) == Pruned(turns=1, events=1)
    assert count(database, "replies") == 0


def test_a_message_that_waits_for_the_merchant_to_reconnect_is_not_kept_for_ever(database: Database) -> None:
    rows.queue(database, "hello")
    rows.queue(database, "anybody?")
    rows.execute(database, "update turns set created_at = created_at - interval '31 days' where seq = 1")
    assert prune(database).turns == 1
    assert rows.query(database, "select seq from turns") == [(2,)]


def test_a_conversation_without_anything_left_goes_too(database: Database, ended: int) -> None:
    rows.open_conversation(database, "talking", "m")
    rows.execute(database, "update conversations set updated_at = updated_at - interval '31 days' where id = 'c'")
    assert prune(database) == Pruned(turns=0, events=0)  # its turn is not old yet
    age(database, 31)
    assert prune(database) == Pruned(turns=1, events=1, conversations=1)
    assert rows.query(database, "select id from conversations") == [("talking",)]
