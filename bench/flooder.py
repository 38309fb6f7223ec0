"""One merchant who writes without a pause, as a process of its own: `python -m bench.flooder BROKER_URL COUNT RATE`.

COUNT messages of the greatest length, RATE a second, in a hundred conversations.
"""

import sys
import time

from events import Publisher
from events.fields import MAX_TEXT

CONVERSATIONS = 100


def main() -> None:
    broker_url, count, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with Publisher(broker_url) as publisher:
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(began + number / rate - time.monotonic(), 0))
            data = {"merchant_id": "hot", "conversation_id": f"hot_{number % CONVERSATIONS}", "text": "x" * MAX_TEXT}
            publisher.publish("message_received", data, source="/gateway")
        print(f"{count / (time.monotonic() - began):.0f}", flush=True)


if __name__ == "__main__":
    main()
