"""A chat gateway that keeps what it is shown."""

import threading
import time
from collections import Counter, defaultdict

from events.replies import RepliesConsumer, Reply
from workers.scenario.waiting import wait_until


class Gateway:
    """Shows each reply once, in order, and acks it, on a thread of its own."""

    def __init__(self, broker_url: str) -> None:
        self.shown: list[Reply] = []
        #: Unix time at which each reply was shown, by its id.
        self.arrived: dict[str, float] = {}
        self._by_conversation: dict[str, list[Reply]] = defaultdict(list)
        self._ends: Counter[str] = Counter()
        self._stop = threading.Event()
        self._consumer = RepliesConsumer(broker_url)
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def start(self) -> None:
        """Begin to consume."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def of(self, conversation_id: str) -> list[Reply]:
        """The replies of a conversation, as shown."""
        return list(self._by_conversation[conversation_id])

    def texts(self, conversation_id: str) -> list[str]:
        """What CJ said in a conversation."""
        return [reply.text for reply in self.of(conversation_id) if reply.text is not None]

    def kinds(self, conversation_id: str) -> list[str]:
        """The AG-UI types of a conversation's replies."""
        return [reply.kind for reply in self.of(conversation_id)]

    def ends(self, conversation_id: str) -> int:
        """How many turns of a conversation have ended."""
        return self._ends[conversation_id]

    def wait_for_ends(self, conversation_id: str, count: int = 1, *, limit: float = 30.0) -> list[Reply]:
        """Wait until `count` turns of the conversation have ended."""
        what = f"{count} ended turns in {conversation_id}"
        wait_until(lambda: self.ends(conversation_id) >= count, limit=limit, what=what)
        return self.of(conversation_id)

    def _run(self) -> None:
        self._consumer.run(self._show, stop=self._stop)

    def _show(self, reply: Reply) -> None:
        self.arrived[reply.id] = time.time()
        self.shown.append(reply)
        self._by_conversation[reply.subject].append(reply)
        self._ends[reply.subject] += reply.final
