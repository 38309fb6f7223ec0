"""With too many open turns, intake leaves events on the broker, logs that once, and resumes by itself."""

import json
import threading
from collections.abc import Iterator

import pytest
import redis
from sqlalchemy import text
from structlog.testing import capture_logs

from events import queues
from events.broker.consumer import PlainConsumer
from events.publisher import Publisher
from storage.database import Database
from tests.waiting import wait_until
from workers.delivery.wake_ups import WakeUps, broker_breaker, sender
from workers.intake import accept
from workers.intake.__main__ import consume

BOUND = 3


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def open_turns(database: Database, count: int) -> None:
    with database.transaction() as session:
        session.execute(text("insert into merchants (id, name) values ('m', 'm')"))
        session.execute(text("insert into conversations (id, merchant_id, workflow) values ('c', 'm', 'w')"))
        session.execute(
            text("insert into events (source, id, type, content_hash, status) values ('/x', 'x', 'x', '', 'processed')")
        )
        session.execute(
            text(
                "insert into turns (conversation_id, merchant_id, seq, event_key, action, input, status) "
                "select 'c', 'm', n, key, n, cast(:input as jsonb), 'queued' "
                "from events, generate_series(1, :count) n"
            ),
            {"count": count, "input": json.dumps({"sender": "merchant", "text": "x"})},
        )


def stored(database: Database) -> int:
    with database.transaction() as session:
        return int(session.execute(text("select count(*) from events where source = '/auth'")).scalar_one())


def test_events_wait_on_the_broker(
    database: Database,
    valkey_url: str,
    stop: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accept, "COUNT_EVERY_SECONDS", 0.1)
    with capture_logs() as lines:
        open_turns(database, BOUND)
        wake_ups = WakeUps(sender(valkey_url), broker_breaker())
        consumer = PlainConsumer(valkey_url, queues.EVENTS, prefetch=2)
        handler = accept.Intake(database, wake_ups, stop, max_open_turns=BOUND)
        thread = threading.Thread(target=consume, args=(consumer, handler.events, stop), daemon=True)
        thread.start()
        with Publisher(valkey_url) as publisher:
            for number in range(10):
                data = {"provider": "shopify", "success": False, "merchant_id": "m", "error": "x"}
                publisher.publish("oauth_complete", data, id=f"e{number}")
        client = redis.Redis.from_url(valkey_url)
        wait_until(
            lambda: any("too many open turns" in said["event"] for said in lines), limit=10, what="intake to say so"
        )
        wait_until(lambda: int(client.llen(queues.EVENTS)) >= 8, limit=10, what="the rest on the broker")
        assert stored(database) == 0
        with database.transaction() as session:
            session.execute(text("update turns set status = 'done', finished_at = clock_timestamp() where seq = 1"))
        wait_until(lambda: stored(database) == 10, limit=20, what="all of them")
        sentences = [said["event"] for said in lines]
        assert sentences == ["too many open turns; events wait on the broker", "intake resumed"]
        stop.set()
        thread.join(10)
        assert not thread.is_alive()
        client.close()
