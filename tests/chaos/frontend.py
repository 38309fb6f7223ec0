"""Frontends at the doors: each reads its conversation's stream, loses it at random, and goes on at another door.

What it shows is recorded like what a gateway shows. A place that it names is acked, so at the end all of them are. Now
and then a second one has nothing yet, and begins with the history.
"""

import contextlib
import itertools
import json
import random
import threading
from collections.abc import Iterator, Sequence

import httpx

from events.reply import Reply
from tests.chaos.plan import Merchant
from tests.chaos.record import Record
from tests.door import as_merchant, read
from workers.local.stack import wait_until

PATIENCE = (0.3, 4.0)
"""Seconds after which a silent stream is left, least and most."""
LEAVES_ONE_IN = 12
"""So often a stream is left right behind a reply."""
BEGINS_ONE_IN = 8
"""So often a frontend that has nothing looks in before the stream is opened again."""
LOOKS_AT = 5
"""How many replies behind the history that one reads."""


class Frontends:
    """One thread for each conversation at the doors."""

    def __init__(self, doors: Sequence[str], whose: Sequence[Merchant], record: Record, seed: int) -> None:
        self._doors, self._record = doors, record
        self._stop = threading.Event()
        self.reconnects = 0
        self.begun: list[list[Reply]] = []
        """What each frontend got that had nothing: the history, and replies behind it."""
        self._threads = [
            threading.Thread(target=self._read, args=(merchant, random.Random(f"{seed} {merchant}")), daemon=True)
            for merchant in whose
            if merchant.by_door
        ]

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Leave the streams."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, merchant: Merchant, dice: random.Random) -> None:
        place = "0:0"
        while not self._stop.is_set():
            door = dice.choice(self._doors)
            if dice.randrange(BEGINS_ONE_IN) == 0:
                self._begin(merchant, door)
            headers = {**as_merchant(merchant.merchant_id), "Last-Event-ID": place}
            path = f"{door}/conversations/{merchant.conversation_id}/replies"
            timeout = httpx.Timeout(5.0, read=dice.uniform(*PATIENCE))
            self.reconnects += 1
            try:
                with httpx.stream("GET", path, headers=headers, timeout=timeout) as response:
                    response.raise_for_status()
                    for brings_to, body in read(response):
                        self._record.append(Reply.model_validate_json(json.dumps(body)))
                        place = brings_to
                        if self._stop.is_set() or dice.randrange(LEAVES_ONE_IN) == 0:
                            break
            except httpx.HTTPError:
                self._stop.wait(0.2)

    def _begin(self, merchant: Merchant, door: str) -> None:
        got: list[Reply] = []
        with contextlib.suppress(httpx.HTTPError):
            got += _begun(door, merchant, LOOKS_AT)
        if got:
            self.begun.append(got)


def history(doors: Sequence[str], merchant: Merchant) -> Reply:
    """What a new frontend is told first, at a door that is open: one that was killed may still be coming back."""

    def first() -> Reply | None:
        for door in doors:
            with contextlib.suppress(httpx.HTTPError):
                return next(_begun(door, merchant, 0))
        return None

    return wait_until(first, what="a history")


def _begun(door: str, merchant: Merchant, more: int) -> Iterator[Reply]:
    """The history, and so many replies behind it, as long as they come."""
    path = f"{door}/conversations/{merchant.conversation_id}/replies?snapshot=1"
    timeout = httpx.Timeout(10.0, read=PATIENCE[0] if more else 10.0)
    with httpx.stream("GET", path, headers=as_merchant(merchant.merchant_id), timeout=timeout) as response:
        response.raise_for_status()
        for _, body in itertools.islice(read(response), 1 + more):
            yield Reply.model_validate_json(json.dumps(body))
