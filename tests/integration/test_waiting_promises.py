"""A hundred thousand promises that wait for merchants to reconnect cost nobody else anything."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from storage import inbox, outbox, turns
from storage.database import Database, Session
from storage.outbox import NewReply
from tests.rows import claim, execute, let_lease_run_out, new_event, query, queue, statements_seen
from tests.waiting import wait_until
from workers.delivery.reply_publisher import ReplyPublisher
from workers.delivery.sweeper import Duties, Sweeper
from workers.delivery.wake_ups import WakeUps, broker_breaker, sender

PARKED = 100_000
#: Two rounds of the sweeper, and what a busy machine adds.
SOON_SECONDS = 8.0

MERCHANT = """
INSERT INTO merchants (id, name) VALUES ('parked', 'parked');
INSERT INTO merchant_integrations (merchant_id, type, shop_domain, api_key, status, is_active)
VALUES ('parked', 'shopify', 'parked.myshopify.com', 'sealed', 'needs_reauth', false);
INSERT INTO events (source, id, type, content_hash, status, merchant_id, processed_at)
VALUES ('/x', 'x', 'x', '', 'processed', 'parked', clock_timestamp());
INSERT INTO conversations (id, merchant_id, workflow, last_turn)
SELECT 'p' || n, 'parked', 'ad_hoc_support', :turns / :conversations
FROM generate_series(0, :conversations - 1) AS n
"""
TURNS = """
INSERT INTO turns (
    conversation_id, merchant_id, seq, event_key, action, input, status, finished_at, waits_for, run_after)
SELECT 'p' || (n % :conversations), 'parked', n / :conversations + 1, e.key, n, CAST(:input AS jsonb),
       'done', clock_timestamp(), 'store', 'infinity'
FROM events e, generate_series(0, :turns - 1) AS n WHERE e.id = 'x'
"""


def park(database: Database, *, conversations: int, count: int = PARKED) -> None:
    said = json.dumps({"sender": "merchant", "text": "hello", "cleanup_trigger": False, "metadata": {}})
    sizes = {"turns": count, "conversations": conversations}
    with database.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = '60s'"))
        for statement in MERCHANT.split(";"):
            session.execute(text(statement.replace(":turns", str(count)).replace(":conversations", str(conversations))))
        session.execute(text(TURNS), {**sizes, "input": said})
    with database.reading() as session:  # VACUUM takes no transaction
        session.execute(text("VACUUM ANALYZE"))


@pytest.fixture(params=[10, PARKED], ids=["in ten conversations", "each in its own"])
def parked(database: Database, request: pytest.FixtureRequest) -> Database:
    park(database, conversations=request.param)
    return database


class NoBroker:
    """Notes what the sweeper tells, and says it was taken."""

    def __init__(self) -> None:
        self.turns: set[int] = set()
        self.promises: set[int] = set()
        self.events: set[int] = set()
        self.replies: set[str] = set()

    on_broker = staticmethod(lambda *_queue: 1)
    note = staticmethod(lambda: None)

    def run_turn(self, turn_id: int, after_seconds: float = 0.0) -> bool:
        self.turns.add(turn_id)
        return True

    def keep_promise(self, turn_id: int) -> bool:
        self.promises.add(turn_id)
        return True

    def handle_events(self, keys: list[int], after_seconds: float = 0.0) -> bool:
        self.events |= set(keys)
        return True

    def publish(self, replies: list[outbox.OutgoingReply]) -> int:
        self.replies |= {reply.id for reply in replies}
        return len(replies)


@pytest.fixture
def told() -> NoBroker:
    return NoBroker()


@pytest.fixture
def sweeper(database: Database, told: NoBroker) -> Iterator[Sweeper]:
    found: Any = told
    sweeper = Sweeper(database, found, found)
    yield sweeper
    sweeper.stop()


def reply_of(database: Database) -> tuple[int, str]:
    """A running turn whose lease has run out, with a reply that was never published."""
    claimed = claim(database, queue(database, conversation_id="o1", merchant_id="o1"))
    with database.transaction() as session:
        [reply] = outbox.append(session, claimed.turn_id, [NewReply("a", [{}])])
    execute(database, "UPDATE replies SET created_at = clock_timestamp() - interval '2 s'")
    let_lease_run_out(database, claimed.turn_id)
    return claimed.turn_id, reply.id


@pytest.mark.parametrize("when", ["before them", "after them"])
def test_what_others_lost_is_found_at_the_usual_pace(
    database: Database, sweeper: Sweeper, told: NoBroker, when: str
) -> None:
    lost = queue(database, conversation_id="o2", merchant_id="o2") if when == "before them" else 0
    park(database, conversations=10)
    lost = lost or queue(database, conversation_id="o2", merchant_id="o2")
    expired, reply = reply_of(database)
    began = time.monotonic()
    sweeper.start()
    wait_until(lambda: {lost, expired} <= told.turns, limit=60, what="the lost wake-up and the expired lease")
    wait_until(lambda: reply in told.replies, limit=60, what="the unacked reply")
    took = time.monotonic() - began
    assert took < SOON_SECONDS, f"{took:.1f} s"
    assert told.turns == {lost, expired}


BUSY = """
INSERT INTO events (source, id, type, content_hash, status, merchant_id, conversation_id, hinted_at, processed_at)
SELECT '/b', 'b' || n, 'x', '', CASE WHEN n % 20 = 0 THEN 'received' ELSE 'processed' END, 'm' || n % 50,
       'c' || n % 500, clock_timestamp(), CASE WHEN n % 20 <> 0 THEN clock_timestamp() END
FROM generate_series(1, 100000) AS n;
INSERT INTO replies (id, conversation_id, turn_id, sequence, key, body, publishes, published_at, acked_at)
SELECT 'r' || t.id, t.conversation_id, t.id, 1, 'a', '{}', 1, clock_timestamp(),
       CASE WHEN t.id % 2 = 0 THEN clock_timestamp() END
FROM turns t;
UPDATE turns SET wake_at = clock_timestamp() + interval '1 minute'
"""


def explained(database: Database, run: Callable[[Session], object]) -> list[str]:
    """The plans of all statements that `run` executes, after it ran."""
    plans: list[str] = []
    with database.transaction() as session:
        run(session)  # what is due now is done; the plans are those of the second time
    with database.transaction() as session, pytest.MonkeyPatch.context() as patches:
        seen = statements_seen(patches)
        run(session)
    with database.transaction() as session:
        for statement, values in seen:
            lines = session.execute(text(f"EXPLAIN (ANALYZE, BUFFERS OFF) {statement}"), values)
            plans.append("\n".join(line for (line,) in lines))
    return plans


def test_a_duty_reads_by_index_and_only_what_is_due(database: Database) -> None:
    park(database, conversations=1000)
    with database.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = '60s'"))
        for statement in BUSY.split(";"):
            session.execute(text(statement))
    with database.reading() as session:
        session.execute(text("SET statement_timeout = '60s'"))
        session.execute(text("VACUUM ANALYZE"))
        session.execute(text("RESET statement_timeout"))
    all_of = Duties()
    for duty in (
        *(all_of.expire_leases, all_of.wake_turns, all_of.say_first_words, all_of.look_at_promises),
        *(all_of.wake_events, all_of.resend_replies, all_of.prune),
    ):
        for plan in explained(database, duty):
            told = f"{duty.__name__}: {plan}"
            assert not re.search(r"Seq Scan on (turns|events|replies|steps)", plan), told
            assert all(int(rows) <= 1000 for rows in re.findall(r"actual time=\S+ rows=(\d+)", plan)), told
            assert all(int(rows) <= 1000 for rows in re.findall(r"Rows Removed by \w+: (\d+)", plan)), told


ONE_MERCHANT = """
INSERT INTO events (source, id, type, content_hash, status, merchant_id, conversation_id, hinted_at, processed_at)
SELECT '/b', 'b' || n, 'x', '', CASE WHEN n > 20000 THEN 'received' ELSE 'processed' END, 'm1', 'c1',
       clock_timestamp() + interval '1 minute', CASE WHEN n <= 20000 THEN clock_timestamp() END
FROM generate_series(1, 24000) AS n
"""
ANOTHER = new_event(id="new", merchant_id="m1", conversation_id="c1")


def test_one_merchants_flood_is_read_by_index_past_all_that_was_handled(database: Database) -> None:
    """By the statistics nearly all rows are this merchant's: an equality would scan the table from its beginning."""
    with database.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = '60s'"))
        session.execute(text(ONE_MERCHANT))
    with database.reading() as session:
        session.execute(text("VACUUM ANALYZE events"))
    for work in (
        lambda session: inbox.accept(session, [ANOTHER, replace(ANOTHER, id="newer")]),
        lambda session: inbox.wake_oldest(session, ["m1"]),
        lambda session: inbox.take(session, 24_000),
    ):
        for plan in explained(database, work):
            assert not re.search(r"Seq Scan on events", plan), plan
            assert all(int(rows) <= 100 for rows in re.findall(r"actual time=\S+ rows=(\d+)", plan)), plan
        assert all(int(rows) <= 100 for rows in re.findall(r"Rows Removed by \w+: (\d+)", plan)), plan


def test_a_claim_and_the_end_of_a_turn_do_not_feel_them(parked: Database) -> None:
    for _ in range(3):
        began = time.monotonic()
        claimed = claim(parked, queue(parked, conversation_id="o3", merchant_id="o3"))
        with parked.transaction() as session:
            turns.finish(session, claimed)
            turns.next_to_wake(session, "o3", "o3")
        took = time.monotonic() - began
    assert took < 0.5


def test_once_the_merchant_reconnects_they_are_looked_at_a_bounded_number_at_a_time(
    database: Database, sweeper: Sweeper, told: NoBroker
) -> None:
    park(database, conversations=1000, count=2000)
    sweeper.start()
    execute(database, "UPDATE merchant_integrations SET status = 'active', is_active = true, token_version = 2")
    due = "SELECT count(*) FROM turns WHERE run_after < 'infinity'"
    assert query(database, due) == [(100,)]
    execute(database, "UPDATE turns SET run_after = clock_timestamp() WHERE run_after < 'infinity'")
    wait_until(lambda: len(told.promises) == 100, limit=SOON_SECONDS, what="a look at them")
    assert told.turns == set()


def test_with_the_real_broker_too(database: Database, valkey_url: str) -> None:
    park(database, conversations=10)
    app = sender(valkey_url)
    breaker = broker_breaker()
    sweeper = Sweeper(database, WakeUps(app, breaker), ReplyPublisher(app, database, breaker))
    _, reply = reply_of(database)
    sweeper.start()
    published = "SELECT published_at IS NOT NULL FROM replies WHERE id = :id"
    wait_until(lambda: query(database, published, id=reply) == [(True,)], limit=SOON_SECONDS, what="the reply")
    sweeper.stop()
