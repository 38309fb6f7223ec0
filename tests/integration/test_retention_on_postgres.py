"""What is older than 30 days is deleted, acked or not; what is young stays."""

from typing import Any

import pytest
from sqlalchemy import text

from storage import conversations, inbox, merchants, outbox, privacy, turns
from storage.database import Database
from storage.outbox import NewReply
from storage.privacy import Pruned
from storage.turns import Claim, TurnInput
from tests import rows


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


def test_what_ended_lately_stays(database: Database, ended: int) -> None:
    age(database, 29)
    assert prune(database) == Pruned(turns=0, events=0)


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
