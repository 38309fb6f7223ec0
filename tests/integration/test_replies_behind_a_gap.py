"""However many replies wait for a missing one, it gets through."""

import threading

from events import queues
from events.broker.consumer import PlainConsumer
from events.replies import RepliesConsumer, Reply
from tests.waiting import wait_until

WAITING = 300


def reply(sequence: int) -> Reply:
    return Reply(
        specversion="1.0",
        id=f"turn_1:{sequence:06d}",
        source="/cj",
        type="cj.reply",
        subject="c",
        merchantid="m1",
        turn=1,
        sequence=f"{sequence:06d}",
        data=[{"type": "TEXT_MESSAGE_CONTENT", "messageId": f"m{sequence}", "delta": "x"}],
    )


def test_a_missing_reply_comes_through(valkey_url: str) -> None:
    shown: list[int] = []
    stop = threading.Event()
    consumer = RepliesConsumer(valkey_url, gap_seconds=60.0)
    thread = threading.Thread(
        target=consumer.run, args=(lambda item: shown.append(int(item.sequence)),), kwargs={"stop": stop}
    )
    thread.start()
    source = PlainConsumer(valkey_url, queues.ACKS, publishes=(queues.REPLIES,))
    try:
        wait_until(lambda: source.receive(0.01) is None and source.connected, what="a connection")
        for sequence in range(2, WAITING + 2):
            for _ in range(2):  # CJ resends what is not acked
                assert source.publish(queues.REPLIES, reply(sequence).encode())
        assert source.publish(queues.REPLIES, reply(1).encode())
        wait_until(lambda: len(shown) == WAITING + 1, limit=20.0, what="all of them")
        assert shown == list(range(1, WAITING + 2))
    finally:
        source.close()
        stop.set()
        thread.join(10)
