"""Publishes the planned events as a source with an outbox does: zero to three times, plus a row.

Publishing alone cannot be lossless: FLUSHALL deletes what is on a Redis broker. A source that needs more writes the row
in its own transaction (README), and so does this one, at once or a little later.
"""

import heapq
import random
import threading
import time
from collections.abc import Sequence

import httpx

from events.envelope import Envelope, parse
from events.errors import PublishFailed
from events.publisher import Publisher
from storage import inbox
from storage.database import Database
from storage.errors import StorageUnavailable
from tests.chaos.plan import Given
from tests.door import AS_SERVICE

RETRY_SECONDS = 0.2


class Source:
    """A thread for publishing and one for rows."""

    def __init__(
        self, database: Database, publisher: Publisher, plan: Sequence[Given], doors: Sequence[str] = ()
    ) -> None:
        self._database, self._publisher, self._plan, self._doors = database, publisher, plan, doors
        #: Unix time at which each event was published, by id.
        self.given_at: dict[str, float] = {}
        self.failed_publishes = 0
        self._rows: list[tuple[float, str, Given]] = []
        self._started = time.monotonic()
        self._all_published = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._publish_all, self._write_all)]

    def start(self) -> None:
        """Begin."""
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Wait until every event is published and its row written."""
        for thread in self._threads:
            thread.join()

    def _publish_all(self) -> None:
        try:
            for event in self._plan:
                time.sleep(max(0.0, self._started + event.at - time.monotonic()))
                self.given_at[event.id] = time.time()
                heapq.heappush(self._rows, (time.monotonic() + event.row_after, event.id, event))
                self._publish(event)
        finally:
            self._all_published.set()

    def _publish(self, event: Given) -> None:
        for _ in range(event.copies):
            try:
                if event.by_door:
                    self._post(event)
                else:
                    self._publisher.publish(event.type, event.data, source=event.source, id=event.id)
            except (PublishFailed, httpx.HTTPError):
                self.failed_publishes += 1
                return

    def _post(self, event: Given) -> None:
        headers = {"Content-Type": "application/cloudevents+json", **AS_SERVICE}
        door = random.choice(self._doors)
        httpx.post(f"{door}/events", content=_envelope(event).encode(), headers=headers, timeout=5.0).raise_for_status()

    def _write_all(self) -> None:
        while self._rows or not self._all_published.is_set():
            if not self._rows or self._rows[0][0] > time.monotonic():
                time.sleep(0.01)
                continue
            _, name, event = heapq.heappop(self._rows)
            if not self._write(event):
                heapq.heappush(self._rows, (time.monotonic() + RETRY_SECONDS, name, event))

    def _write(self, event: Given) -> bool:
        parsed = parse(_envelope(event).encode())
        try:
            with self._database.transaction() as session:
                inbox.accept(session, [inbox.NewEvent.of(parsed)])
        except StorageUnavailable:
            return False
        return True


def _envelope(event: Given) -> Envelope:
    return Envelope(
        specversion="1.0",
        id=event.id,
        source=event.source,
        type=event.type,
        delivery="door" if event.by_door else None,
        data=dict(event.data),
    )
