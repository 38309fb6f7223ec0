"""The gateway's consumer: `python -m bench.consumer [--conversations 5000] [--each 6] [--gaps 5000]`.

Replies of many conversations lie on the queue, in turns; `RepliesConsumer` hands them over and acks them. Then the same
again while `--gaps` other conversations wait for a missing reply. Prints replies per second of the consumer's CPU and
by the clock, when the broker works on the same cores.
"""

import argparse
import tempfile
import time
import uuid
import zlib
from collections.abc import Iterable
from pathlib import Path

from kombu import Producer

from events import queues
from events.replies import RepliesConsumer, Reply
from workers.local.embedded import EmbeddedValkey

TEXT = "Your store is called Fell & Fern Outdoor and had 83 orders in the last 60 days. " * 3


def reply(conversation: str, turn: int, sequence: int) -> bytes:
    """A message of 240 characters, as CJ sends it."""
    message = f"message_{uuid.uuid4().hex}"
    events = [
        {"type": "TEXT_MESSAGE_START", "messageId": message, "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": message, "delta": TEXT},
        {"type": "TEXT_MESSAGE_END", "messageId": message},
    ]
    return Reply(
        specversion="1.0",
        id=f"turn_{zlib.crc32(conversation.encode())}:{sequence:06}:{uuid.uuid4().hex[:16]}",
        source="/cj/workers",
        type="cj.reply",
        subject=conversation,
        merchantid=f"merchant_{conversation}",
        turn=turn,
        sequence=f"{sequence:06}",
        datacontenttype="application/json",
        correlationid=uuid.uuid4().hex,
        data=events,
    ).encode()


def put(broker_url: str, bodies: Iterable[bytes]) -> None:
    with queues.connection(broker_url) as broker:
        producer = Producer(queues.open_channel(broker), auto_declare=False)
        for body in bodies:
            queues.put(producer, queues.REPLIES, body)


def consume(consumer: RepliesConsumer, count: int) -> tuple[float, float]:
    """Replies per second of CPU and by the clock."""
    shown = 0

    def on_reply(_: Reply) -> None:
        nonlocal shown
        shown += 1

    cpu, began = time.process_time(), time.monotonic()
    consumer.run(on_reply, until=lambda: shown >= count)
    return count / (time.process_time() - cpu), count / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=5_000)
    parser.add_argument("--each", type=int, default=6, help="replies of each conversation")
    parser.add_argument("--gaps", type=int, default=5_000, help="conversations that wait for a missing reply")
    options = parser.parse_args()
    count = options.conversations * options.each
    for gaps in (0, options.gaps):
        with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as valkey:
            put(valkey.url, (reply(f"gap_{number}", 1, 2) for number in range(gaps)))
            turns = ((name, sequence) for sequence in range(options.each) for name in range(options.conversations))
            put(valkey.url, (reply(f"conversation_{name}", 1, sequence + 1) for name, sequence in turns))
            consumer = RepliesConsumer(valkey.url, gap_seconds=600.0)
            by_cpu, by_clock = consume(consumer, count)
            print(f"{gaps:>6} gaps: {by_cpu:8,.0f} replies per second of CPU, {by_clock:8,.0f} by the clock")


if __name__ == "__main__":
    main()
