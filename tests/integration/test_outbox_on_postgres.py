"""The outbox on a real Postgres."""

import re
from datetime import datetime

import pytest

from storage import outbox
from storage.database import Database
from storage.outbox import NewReply, OutgoingReply
from storage.turns import Claim
from tests.rows import claim, execute, query, queue
from workers.delivery.sweeper import Duties


@pytest.fixture
def running(database: Database) -> Claim:
    return claim(database, queue(database, traceparent="00-trace-01"))


def append(database: Database, running: Claim, *replies: NewReply) -> list[OutgoingReply]:
    with database.transaction() as session:
        return outbox.append(session, running.turn_id, replies)


def due(database: Database, limit: int = 100) -> list[str]:
    with database.transaction() as session:
        return [reply.id for reply in outbox.due(session, limit=limit)]


def published(database: Database, *ids: str) -> None:
    with database.transaction() as session:
        outbox.mark_published(session, ids)


def acknowledge(database: Database, *ids: str) -> int:
    with database.transaction() as session:
        return len(outbox.acknowledge(session, ids))


def test_a_reply_is_a_whole_envelope(database: Database, running: Claim) -> None:
    (reply,) = append(database, running, NewReply("started", [{"type": "RUN_STARTED"}]))
    assert re.fullmatch(rf"turn_{running.turn_id}:000001:[0-9a-f]{{16}}", reply.id)
    time = reply.body.pop("time")
    assert datetime.fromisoformat(time).utcoffset() is not None
    assert reply.body == {
        "specversion": "1.0",
        "id": reply.id,
        "source": "/cj",
        "type": "cj.reply",
        "subject": "c1",
        "merchantid": running.merchant_id,
        "turn": 1,
        "sequence": "000001",
        "causationid": running.event_id,
        "traceparent": "00-trace-01",
        "data": [{"type": "RUN_STARTED"}],
    }
    stored = query(database, "SELECT body, key, sequence FROM replies")
    assert stored == [({**reply.body, "time": time}, "started", 1)]


def test_the_sequence_goes_on_from_commit_to_commit(database: Database, running: Claim) -> None:
    append(database, running, NewReply("a", [{}]), NewReply("b", [{}]))
    (third,) = append(database, running, NewReply("c", [{}]))
    assert third.body["sequence"] == "000003"
    assert query(database, "SELECT last_sequence FROM turns") == [(3,)]


def test_a_repeated_append_returns_what_was_committed(database: Database, running: Claim) -> None:
    first = append(database, running, NewReply("a", [{"said": 1}]), NewReply("b", [{"said": 1}]))
    again = append(
        database, running, NewReply("b", [{"said": 2}]), NewReply("c", [{"said": 2}]), NewReply("a", [{"said": 2}])
    )
    assert [reply.body["sequence"] for reply in again] == ["000002", "000003", "000001"]
    assert (again[0], again[2]) == (first[1], first[0])
    assert query(database, "SELECT key, sequence FROM replies ORDER BY 2") == [("a", 1), ("b", 2), ("c", 3)]


def test_the_same_key_twice_in_one_append_is_one_reply(database: Database, running: Claim) -> None:
    assert len(append(database, running, NewReply("a", [{}]), NewReply("a", [{}]))) == 1


def test_appending_nothing_is_fine(database: Database, running: Claim) -> None:
    assert append(database, running) == []


def test_keys_are_of_one_turn(database: Database, running: Claim) -> None:
    other = claim(database, queue(database, conversation_id="c2"))
    (mine,) = append(database, running, NewReply("a", [{}]))
    (theirs,) = append(database, other, NewReply("a", [{}]))
    assert mine.id != theirs.id
    assert theirs.body["sequence"] == "000001"
    assert "traceparent" not in theirs.body


def test_words_of_a_model_that_jsonb_refuses_are_sent_without_the_refused(database: Database, running: Claim) -> None:
    (reply,) = append(database, running, NewReply("a", [{"delta": "x\x00y\ud800", "n": float("inf")}]))
    assert reply.body["data"] == [{"delta": "x\ufffdy\ufffd", "n": None}]
    assert query(database, "SELECT body -> 'data' FROM replies") == [(reply.body["data"],)]


def test_a_fresh_reply_is_the_publishers_business(database: Database, running: Claim) -> None:
    (reply,) = append(database, running, NewReply("a", [{}]))
    assert due(database) == []
    execute(database, "UPDATE replies SET created_at = clock_timestamp() - interval '1.1 s'")
    assert due(database) == [reply.id]


def test_due_replies_come_in_their_order_with_their_bodies(database: Database, running: Claim) -> None:
    replies = append(database, running, *(NewReply(str(n), [{"n": n}]) for n in range(12)))
    execute(database, "UPDATE replies SET created_at = clock_timestamp() - interval '10 s'")
    with database.transaction() as session:
        assert outbox.due(session, limit=11) == replies[:11]


@pytest.mark.parametrize(("publishes", "seconds"), list(enumerate(outbox.BACKOFF_SECONDS, start=1)))
def test_an_unacked_reply_is_sent_again_after_longer_and_longer(
    database: Database, running: Claim, publishes: int, seconds: float
) -> None:
    (reply,) = append(database, running, NewReply("a", [{}]))
    ago = "UPDATE replies SET publishes = :n, published_at = clock_timestamp() - make_interval(secs => :ago)"
    execute(database, ago, n=publishes, ago=seconds - 1)
    assert due(database) == []
    execute(database, ago, n=publishes, ago=seconds + 0.1)
    assert due(database) == [reply.id]


def test_the_longest_pause_stays(database: Database, running: Claim) -> None:
    (reply,) = append(database, running, NewReply("a", [{}]))
    execute(database, "UPDATE replies SET publishes = 1000, published_at = clock_timestamp() - interval '601 s'")
    assert due(database) == [reply.id]


def test_publishing_is_counted(database: Database, running: Claim) -> None:
    (reply,) = append(database, running, NewReply("a", [{}]))
    published(database, reply.id)
    published(database, reply.id)
    rows = query(database, "SELECT publishes, published_at IS NOT NULL FROM replies")
    assert rows == [(2, True)]


def test_an_ack_is_for_who_has_read_the_reply(database: Database, running: Claim) -> None:
    """Whoever may push to the broker but not read `replies` cannot ack ahead what nobody has been shown."""
    replies = append(database, running, NewReply("a", [{}]), NewReply("b", [{}]))
    guessed = [f"turn_{turn}:{sequence:06d}" for turn in range(1, 50) for sequence in range(1, 10)]
    assert acknowledge(database, *guessed, *(f"{id}:{'0' * 16}" for id in guessed)) == 0
    execute(database, "UPDATE replies SET created_at = clock_timestamp() - interval '1 day'")
    assert due(database) == [reply.id for reply in replies]


def test_an_acked_reply_is_finished(database: Database, running: Claim) -> None:
    first, second = append(database, running, NewReply("a", [{}]), NewReply("b", [{}]))
    assert acknowledge(database, first.id, "turn_999:000001", first.id) == 1
    assert acknowledge(database, first.id) == 0
    execute(database, "UPDATE replies SET created_at = clock_timestamp() - interval '1 day'")
    assert due(database) == [second.id]
    assert query(database, "SELECT id FROM replies WHERE acked_at IS NULL") == [(second.id,)]


def test_an_ack_that_overtakes_the_mark_stays(database: Database, running: Claim) -> None:
    (reply,) = append(database, running, NewReply("a", [{}]))
    acknowledge(database, reply.id)
    published(database, reply.id)
    assert query(database, "SELECT publishes FROM replies") == [(0,)]
    assert due(database) == []


def test_nothing_is_repeated_to_a_gateway_that_is_behind(database: Database, running: Claim) -> None:
    never, once = append(database, running, NewReply("a", [{}]), NewReply("b", [{}]))
    published(database, once.id)
    hour_ago = "created_at = clock_timestamp() - interval '1 hour', published_at = published_at - interval '1 hour'"
    execute(database, f"UPDATE replies SET {hour_ago}")
    duties = Duties()
    for on_broker, found in ((None, [never, once]), (0, [never, once]), (99, [never, once]), (100, [never])):
        with database.transaction() as session:
            assert duties.resend_replies(session, on_broker=on_broker).replies == found


def test_what_is_neither_on_the_broker_nor_acked_is_sent_again_soon(database: Database, running: Claim) -> None:
    (reply,) = append(database, running, NewReply("a", [{}]))
    published(database, reply.id)
    execute(database, "UPDATE replies SET published_at = published_at - interval '3 s'")
    for on_broker, found in ((None, []), (1, []), (0, [reply])):
        with database.transaction() as session:
            assert Duties().resend_replies(session, on_broker=on_broker).replies == found


def test_nothing_waits_longer_than_asked(database: Database, running: Claim) -> None:
    (reply,) = append(database, running, NewReply("a", [{}]))
    execute(database, "UPDATE replies SET publishes = 7, published_at = clock_timestamp() - interval '16 s'")
    assert due(database) == []
    with database.transaction() as session:
        assert outbox.due(session, limit=10, pauses=[15.0] * 7) == [reply]
        assert outbox.due(session, limit=10, pauses=[17.0] * 7) == []
