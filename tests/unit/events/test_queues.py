import pytest

from events import queues


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:SECRET@h:6379/0", "redis://h:6379/0"),
        ("amqp://user:SECRET@h//", "amqp://h//"),
        ("redis://u:SECRET@SECRET#SECRET@h/0?password=SECRET#SECRET", "redis://h/0"),
        ("redis://u:SECRET@h:1/0;redis://u:SECRET@h2:1/0", "redis://h:1/0;redis://h2:1/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("redis://u:SECRET", "redis://(unreadable)"),
        ("redis://SECRET SECRET", "redis://(unreadable)"),
        ("redis+socket:///tmp/valkey.sock", "redis+socket:///tmp/valkey.sock"),
        ("SECRET", "(no URL)"),
        ("", "(no URL)"),
    ],
)
def test_safe_url(url: str, safe: str) -> None:
    assert queues.safe_url(url) == safe
    assert "SECRET" not in safe


@pytest.mark.parametrize("url", ["", "localhost", "nonsense://h", "redis://u:SECRET", "redis://u:p/SECRET@h:1"])
def test_what_is_no_broker_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="not a broker URL") as caught:
        queues.connection(url)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_plain_queue_is_durable_and_fed_by_the_default_exchange() -> None:
    queue = queues.plain_queue("events")
    assert (queue.name, queue.routing_key, queue.exchange.name, queue.durable) == ("events", "events", "", True)


def test_no_operation_on_redis_waits_for_ever() -> None:
    options = queues.connection("redis://h", timeout=3.0).transport_options or {}
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 3.0
    # Not Celery's keys: its visibility timeout is long.
    assert options["unacked_key"] != "unacked"


def test_rabbitmq_confirms() -> None:
    broker = queues.connection("amqp://h", timeout=3.0)
    assert broker.transport_options == {"confirm_publish": True}
    assert broker.connect_timeout == 3.0
