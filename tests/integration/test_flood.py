"""A merchant who floods gets a sentence; nobody else notices."""

import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from celery import Celery
from prometheus_client import REGISTRY
from sqlalchemy import text

from events import queues
from events.broker.consumer import Delivery, PlainConsumer
from events.publisher import Publisher
from storage import conversations, inbox, merchants
from storage.database import Database
from tests.rows import execute, new_event, open_conversation, query, store_event
from tests.waiting import wait_until
from workers.agent.transactions import TurnTransactions
from workers.bootstrap import Resources
from workers.delivery.sweeper import Duties
from workers.delivery.wake_ups import WakeUps, broker_breaker, sender
from workers.intake import accept
from workers.intake.__main__ import consume
from workers.settings import Settings
from workers.workflow import runner
from workers.workflow.planned_turns import MESSAGE
from workflows.loader import load_folder

FLOOD = 20_100
WORKFLOWS = load_folder()

QUEUED = """
INSERT INTO conversations (id, merchant_id, workflow, last_turn)
SELECT 'f' || n, 'm1', 'ad_hoc_support', 1 FROM generate_series(1, :count) AS n;
INSERT INTO events (source, id, type, content_hash, status, merchant_id, processed_at)
VALUES ('/x', 'x', 'x', '', 'processed', 'm1', clock_timestamp());
INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, input)
SELECT 'f' || n, 'm1', 1, e.key, n,
       '{"sender"\\: "merchant", "text"\\: "hello", "cleanup_trigger"\\: false, "metadata"\\: {}}'
FROM events e, generate_series(1, :count) AS n WHERE e.id = 'x'
"""


def flood(database: Database, count: int) -> None:
    """This many turns of m1 wait, each in its own conversation."""
    with database.transaction() as session:
        for merchant in ("m1", "m2"):
            merchants.add_merchant(session, merchant)
        for statement in QUEUED.split(";"):
            session.execute(text(statement), {"count": count})


class Told:
    """What a workflow worker works with, and what it told others."""

    def __init__(self, database: Database, **settings: Any) -> None:
        self.turns: list[int] = []
        self.keys: list[int] = []
        self.pauses: list[float] = []
        self.replies: list[dict[str, Any]] = []
        wake_ups = WakeUps(cast(Celery, self), broker_breaker())
        vars(wake_ups).update(run_turn=self.turns.append, fetch=lambda *_: True, handle_events=self._wakes)
        publisher = SimpleNamespace(publish=lambda replies: self.replies.extend(reply.body for reply in replies))
        cache = SimpleNamespace(drop=lambda merchant_id: None)
        self.resources = cast(
            Resources,
            SimpleNamespace(
                database=database,
                workflows=WORKFLOWS,
                wake_ups=wake_ups,
                reply_publisher=publisher,
                cache=cache,
                settings=Settings(**settings),
            ),
        )

    def _wakes(self, keys: Sequence[int], after_seconds: float = 0.0) -> None:
        self.keys.extend(keys)
        self.pauses.append(after_seconds)


def handle(database: Database, told: Told, kind: str, data: dict[str, Any], conversation: str | None = "c1") -> None:
    merchant = data.setdefault("merchant_id", "m1")
    if conversation is not None:
        data["conversation_id"] = conversation
    runner.run(
        told.resources,
        store_event(database, new_event(type=kind, merchant_id=merchant, conversation_id=conversation, data=data)),
    )


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_merchants_backlog_keeps_nobodys_events_on_the_broker(
    database: Database, valkey_url: str, stop: threading.Event
) -> None:
    flood(database, FLOOD)
    handler = accept.Intake(database, WakeUps(sender(valkey_url), broker_breaker()), stop)
    consumer = PlainConsumer(valkey_url, queues.EVENTS, prefetch=2)
    thread = threading.Thread(target=consume, args=(consumer, handler.events, stop), daemon=True)
    thread.start()
    shop = {"merchant_id": "m1", "shop_domain": "acme.myshopify.com"}
    with Publisher(valkey_url) as publisher:
        publisher.publish("message_received", {"merchant_id": "m2", "conversation_id": "c2", "text": "hi"})
        publisher.publish("app_uninstalled", shop)
        publisher.publish("shop_redact", shop)
    taken_in = "SELECT count(*) FROM events WHERE status = 'received'"
    wait_until(lambda: query(database, taken_in) == [(3,)], limit=10, what="the others' events")
    stop.set()
    thread.join(10)


def test_a_merchants_messages_do_not_stand_before_everybody_elses(database: Database) -> None:
    """Of a flood only a few wake a worker at a time; each that is handled lets the next one in."""
    told = Told(database, max_waiting_turns=10)
    intake = accept.Intake(database, told.resources.wake_ups, threading.Event())
    with database.transaction() as session:
        for merchant in ("m1", "m2"):
            merchants.add_merchant(session, merchant)
    comes(intake, *(("message_received", "m1", f"c{number % 7}") for number in range(100)))
    assert len(told.keys) == inbox.PER_MERCHANT
    shop = ("app_uninstalled", "m1", None)
    comes(intake, ("message_received", "m1", "c1"), shop, ("message_received", "m2", "x1"))
    assert len(told.keys) == inbox.PER_MERCHANT + 2
    woken = 0
    while told.keys:
        keys = told.keys[:]
        told.keys.clear()
        woken += len(keys)
        runner.run(told.resources, *keys)
    assert woken == 103
    assert query(database, "SELECT count(*) FROM events WHERE status = 'received'") == [(0,)]
    in_order = """SELECT bool_and(b.seq > a.seq) FROM turns a JOIN turns b ON b.conversation_id = a.conversation_id
        AND b.event_key > a.event_key"""
    assert query(database, in_order) == [(True,)]
    assert sum(reply["data"][-1]["type"] == "RUN_ERROR" for reply in told.replies) == 91
    # Those he may send are handled at once, what is too much a few at a time.
    assert sum(seconds > 0 for seconds in told.pauses) >= 80 / inbox.PER_MERCHANT
    assert told.pauses.index(4 / 20) > 1, "twenty a second"


def test_how_much_one_merchant_may_do_at_a_time_is_a_setting(database: Database) -> None:
    told = Told(database, max_waiting_turns=4, turns_at_a_time=3, events_at_a_time=2, declined_per_second=10)
    settings = told.resources.settings
    intake = accept.Intake(database, told.resources.wake_ups, threading.Event(), per_merchant=settings.events_at_a_time)
    with database.transaction() as session:
        merchants.add_merchant(session, "m1")
    comes(intake, *(("message_received", "m1", f"c{number}") for number in range(8)))
    assert len(told.keys) == 2
    while told.keys:
        keys = told.keys[:]
        told.keys.clear()
        runner.run(told.resources, *keys)
        assert len(told.keys) <= 2
    assert 2 / 10 in told.pauses, "four are declined, two at a time"
    transactions = TurnTransactions(
        database, WORKFLOWS, lease_seconds=60.0, owner="test", per_merchant=settings.turns_at_a_time
    )
    assert len(told.turns) == 4
    running = [transactions.open(turn_id) for turn_id in told.turns]
    assert [isinstance(opened, tuple) for opened in running] == [True, True, True, False]
    duties = Duties(per_merchant=5)
    execute(database, "UPDATE turns SET (run_after, wake_at) = (run_after - interval '9 s', wake_at - interval '9 s')")
    with database.transaction() as session:
        assert duties.wake_turns(session).turns == told.turns[-1:]


def test_an_event_put_off_is_found_should_its_predecessors_be_lost(database: Database) -> None:
    told = Told(database, max_waiting_turns=100)
    intake = accept.Intake(database, told.resources.wake_ups, threading.Event())
    with database.transaction() as session:
        merchants.add_merchant(session, "m1")
    comes(intake, *(("message_received", "m1", "c1") for _ in range(40)))
    for _ in range(3):  # wake-ups are lost; the sweeper sends them again, and the chain goes on
        told.keys.clear()
        execute(
            database,
            "UPDATE events SET hinted_at = hinted_at - interval '6 s', received_at = received_at - interval '6 s'",
        )
        with database.transaction() as session:
            told.keys.extend(inbox.unprocessed(session, older_than_seconds=1.0, limit=100))
        assert len(told.keys) == inbox.PER_MERCHANT
    while told.keys:
        keys = told.keys[:]
        told.keys.clear()
        runner.run(told.resources, *keys)
    assert query(database, "SELECT count(*) FROM events WHERE status = 'received'") == [(0,)]


def test_an_event_put_off_is_found_at_once_should_nobody_come_back_to_it(database: Database) -> None:
    """A worker handled what came before, and died before it could look for the next ones."""
    told = Told(database)
    intake = accept.Intake(database, told.resources.wake_ups, threading.Event())
    with database.transaction() as session:
        for merchant in ("m1", "m2"):
            merchants.add_merchant(session, merchant)
    comes(intake, *(("message_received", merchant, f"c-{merchant}") for merchant in ("m1", "m2") for _ in range(6)))

    def found() -> list[str]:
        with database.transaction() as session:
            keys = Duties().wake_events(session, on_broker=0).events
        rows = query(database, "SELECT merchant_id FROM events WHERE key = ANY (:keys) ORDER BY key", keys=keys)
        return [merchant for (merchant,) in rows]

    assert found() == [], "the first ones are being handled"
    execute(
        database,
        "UPDATE events SET status = 'processed' WHERE merchant_id = 'm1' AND hinted_at IS NULL",
    )
    assert found() == ["m1", "m1"]
    assert found() == [], "they are on their way"


def comes(intake: accept.Intake, *said: tuple[str, str, str | None]) -> None:
    """These events arrive together: type, merchant, conversation."""
    bodies = []
    for kind, merchant, conversation in said:
        where = {"shop_domain": "acme.myshopify.com"} if conversation is None else {"conversation_id": conversation}
        data = {"merchant_id": merchant, **where, **({"text": "hi"} if kind == MESSAGE else {})}
        now = datetime.now(UTC).isoformat()
        envelope = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/gateway", "type": kind, "time": now}
        bodies.append(SimpleNamespace(body=json.dumps({**envelope, "data": data}).encode()))
    assert intake.events(cast(Sequence[Delivery], bodies))


def over_limit(kind: str = "message_received") -> float:
    return REGISTRY.get_sample_value("cj_events_total", {"type": kind, "result": "over_limit"}) or 0.0


def test_above_the_limit_a_message_is_answered_with_a_sentence(database: Database) -> None:
    flood(database, 5)
    told, counted = Told(database, max_waiting_turns=5), over_limit()
    handle(database, told, "message_received", {"text": "one more"})
    assert query(database, "SELECT status, error, seq FROM turns WHERE conversation_id = 'c1'") == [
        ("done", "too_many_waiting", 1)
    ]
    assert [reply["data"][-1]["type"] for reply in told.replies] == ["RUN_ERROR"]
    end = told.replies[-1]
    assert (end["data"][-1]["code"], end["turn"], end["sequence"]) == ("too_many_waiting", 1, "000001")
    assert "send it again" in end["data"][-1]["message"]
    assert query(database, "SELECT DISTINCT status FROM events") == [("processed",)]
    assert told.turns == []
    assert over_limit() == counted + 1


def test_below_it_and_for_others_nothing_changes(database: Database) -> None:
    flood(database, 4)
    told = Told(database, max_waiting_turns=5)
    handle(database, told, "message_received", {"text": "the fifth"})
    handle(database, told, "message_received", {"text": "hi", "merchant_id": "m2"}, "c2")
    assert query(database, "SELECT status FROM turns WHERE conversation_id IN ('c1', 'c2')") == [("queued",)] * 2
    assert [reply["data"][-1].get("value", {}).get("reason") for reply in told.replies] == [None, "limit"]
    assert {reply["merchantid"] for reply in told.replies} == {"m1"}


def test_handling_a_refused_message_again_changes_nothing(database: Database) -> None:
    flood(database, 5)
    told = Told(database, max_waiting_turns=5)
    handle(database, told, "message_received", {"text": "one more"})
    execute(database, "UPDATE events SET status = 'received', processed_at = NULL WHERE type = 'message_received'")
    [(key,)] = query(database, "SELECT key FROM events WHERE type = 'message_received'")
    runner.run(told.resources, key)
    assert query(database, "SELECT count(*) FROM turns WHERE conversation_id = 'c1'") == [(1,)]
    assert query(database, "SELECT count(*) FROM replies") == [(1,)]


@pytest.mark.parametrize("kind", ["message_received", "conversation_started"])
def test_whatever_a_merchant_can_send_is_bounded(database: Database, kind: str) -> None:
    open_conversation(database)
    told = Told(database, max_waiting_turns=5)
    for number in range(30):
        data = {"text": "hi"} if kind == "message_received" else {"workflow": "shopify_onboarding"}
        handle(database, told, kind, data, f"n{number}")
    [(waiting,)] = query(database, "SELECT count(*) FROM turns WHERE status = 'queued'")
    assert waiting <= 10
    assert sum(reply["data"][-1]["type"] == "RUN_ERROR" for reply in told.replies) == 30 - waiting


def test_connecting_and_leaving_have_their_effect_whatever_waits(database: Database) -> None:
    flood(database, 50)
    execute(
        database,
        """INSERT INTO merchant_integrations (merchant_id, type, shop_domain, api_key)
        VALUES ('m1', 'shopify', 'acme.myshopify.com', 'sealed')""",
    )
    told = Told(database, max_waiting_turns=5)
    shop = {"shop_domain": "acme.myshopify.com"}
    handle(database, told, "oauth_complete", {"provider": "shopify", "success": True, **shop}, "f1")
    [(context,)] = query(database, "SELECT context FROM conversations WHERE id = 'f1'")
    handle(database, told, "app_uninstalled", shop, None)
    assert query(database, "SELECT status, api_key FROM merchant_integrations") == [("uninstalled", None)]
    handle(database, told, "shop_redact", shop, None)
    assert query(database, "SELECT count(*) FROM turns") == [(0,)]
    assert context is not None


def test_the_model_never_reads_what_was_refused(database: Database) -> None:
    flood(database, 5)
    told = Told(database, max_waiting_turns=5)
    handle(database, told, "message_received", {"text": "refused"})
    with database.transaction() as session:
        assert conversations.history(session, "c1", before_seq=10, max_turns=10) == []
