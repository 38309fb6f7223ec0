"""How the reply publisher sees the queue of replies."""

import redis
from celery import Celery

from storage.database import Database
from storage.outbox import OutgoingReply
from tests.tcp import closed_port
from workers.delivery.reply_publisher import ReplyPublisher
from workers.delivery.wake_ups import broker_breaker


def test_whether_replies_lie_on_the_broker(database: Database, valkey_url: str) -> None:
    reply_publisher = ReplyPublisher(Celery("test", broker=valkey_url), database, broker_breaker())
    client = redis.Redis.from_url(valkey_url)
    assert reply_publisher.on_broker() == 0
    assert reply_publisher.publish([OutgoingReply("turn_1:000001", {"id": "turn_1:000001"})]) == 1
    assert reply_publisher.on_broker() == 1
    assert client.lpop("replies") is not None
    assert reply_publisher.on_broker() == 0
    client.close()
    reply_publisher.note()


def test_nobody_can_say_when_the_broker_is_away(database: Database) -> None:
    breaker = broker_breaker()
    reply_publisher = ReplyPublisher(Celery("test", broker=f"redis://127.0.0.1:{closed_port()}/0"), database, breaker)
    assert reply_publisher.on_broker() is None
    assert breaker.is_open
