"""Keeps the leases of this process's running turns alive.

A slow turn stays claimed while its process lives. When the process dies, its leases expire and the sweeper hands the
turns to other workers.
"""

import contextlib
import threading
from collections.abc import Iterator

from storage import turns
from storage.database import Database
from storage.errors import StorageError
from storage.turns import Claim
from workers import logs

log = logs.get(__name__)


class LeaseKeeper:
    """One thread per process extends every held lease three times per lease period."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._held: dict[int, Claim] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def hold(self, claim: Claim) -> Iterator[None]:
        """Extend the lease of `claim` while the block runs."""
        with self._lock:
            self._held[claim.turn_id] = claim
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._forget(claim)

    def give_back(self) -> int:
        """Return every held turn to the queue, not counted as a failure. Threads still running one get LostTurn."""
        with self._lock:
            held = list(self._held.values())
        for claim in held:
            with contextlib.suppress(StorageError), self._database.transaction() as session:
                turns.release(session, claim)
        return len(held)

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._lease_seconds / 3):
            with self._lock:
                held = list(self._held.values())
            if held:
                self._extend(held)

    def _extend(self, held: list[Claim]) -> None:
        attempts = [(claim.turn_id, claim.attempt) for claim in held]
        try:
            with self._database.transaction() as session:
                kept = turns.extend_leases(session, attempts, lease_seconds=self._lease_seconds)
        except StorageError:
            return  # the next round tries again; if a lease expires first, another worker takes over, as intended
        for claim in held:
            if claim.turn_id not in kept:
                with self._lock:
                    self._forget(claim)
                log.info("lost the lease of a turn", turn_id=claim.turn_id)

    def _forget(self, claim: Claim) -> None:
        if self._held.get(claim.turn_id) is claim:
            del self._held[claim.turn_id]
