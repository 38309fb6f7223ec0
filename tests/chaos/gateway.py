"""A chat gateway as a process: `python -m tests.chaos.gateway BROKER_URL RECORD FOLDER [SWITCH]`.

It records what it shows, in a record that all gateways share, and reads it whenever it begins to hold the queue, so it
can be killed at any instant. While the mutant `gateway_forgets` is on in FOLDER, it does neither and shows whatever
arrives. With SWITCH it begins once a file of that name is in FOLDER.
"""

import signal
import sys
import threading
from pathlib import Path

from events.replies import RepliesConsumer, Reply
from tests.chaos.mutants import is_ordered
from tests.chaos.record import Record
from workers import logs

#: Longer than it takes to resend any reply: order matters more than speed here.
GAP_SECONDS = 300.0


def main() -> None:
    """Show and ack until SIGTERM."""
    broker_url, record, orders = sys.argv[1], Record(Path(sys.argv[2])), Path(sys.argv[3])
    logs.configure("gateway")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    logs.ready()
    while len(sys.argv) > 4 and not is_ordered(orders, sys.argv[4]):
        if stop.wait(0.2):
            return
    forgets = is_ordered(orders, "gateway_forgets")

    def show(reply: Reply) -> None:
        record.append(reply, once=not is_ordered(orders, "gateway_forgets"))

    consumer = (
        RepliesConsumer(broker_url, remember=1, gap_seconds=0.1)
        if forgets
        else RepliesConsumer(
            broker_url,
            remember=1_000_000,
            gap_seconds=GAP_SECONDS,
            shown=lambda: [shown.reply for shown in record.read()],
        )
    )
    consumer.run(show, stop=stop)


if __name__ == "__main__":
    main()
