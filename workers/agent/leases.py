"""Keeps the leases of this process's running turns alive.

A slow turn stays claimed while its process lives. When the process dies, its leases expire and the sweeper hands the
turns to other workers.
"""

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator

from storage import turns
from storage.database import Database
from storage.errors import StorageError
from storage.turns import Claim
from workers import logs

log = logs.get(__name__)

LOOK_SECONDS = 0.4
"""Seconds between looks for lost leases: a stopped turn's model call is aborted within a second."""


def owner(kind: str) -> str:
    """The name under which this process holds leases: `kind@place:process id:random`."""
    return f"{kind}@{_place()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def pid_of(owner: str) -> int:
    """The process id in the name of an owner."""
    return int(owner.rsplit(":", 2)[1])


def _place() -> str:
    """Within what process ids are unique: the host and, if it has several (containers), the pid namespace."""
    try:
        namespace = f"/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        namespace = ""
    return socket.gethostname() + namespace


class LeaseKeeper:
    """One thread per process extends every held lease three times per lease period, and looks more often for lost ones:
    the turn was stopped or taken over."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._held: dict[int, tuple[Claim, threading.Event]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def hold(self, claim: Claim) -> Iterator[threading.Event]:
        """Extend the lease of `claim` while the block runs; the event is set soon after it is lost."""
        lost = threading.Event()
        with self._lock:
            self._held[claim.turn_id] = claim, lost
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()
        try:
            yield lost
        finally:
            with self._lock:
                self._forget(claim)

    def drop_those_of_the_dead(self, mine: str) -> None:
        """Expire the leases of processes that were killed in the same place as the owner `mine`, so that the sweeper
        requeues their turns at once."""
        with contextlib.suppress(StorageError), self._database.transaction() as session:
            dead = [name for name in turns.owners(session, mine.rsplit(":", 2)[0] + ":") if not _lives(pid_of(name))]
            if dead and (dropped := turns.drop_leases_of(session, dead)):
                log.warning("took over from workers that were killed", turns=dropped)

    def give_back(self) -> int:
        """Return every held turn to the queue, not counted as a failure. Threads still running one get LostTurn."""
        with self._lock:
            held = list(self._held.values())
        for claim, _ in held:
            with contextlib.suppress(StorageError), self._database.transaction() as session:
                turns.release(session, claim)
        return len(held)

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        extend_at = 0.0
        while not self._stop.wait(min(LOOK_SECONDS, self._lease_seconds / 3)):
            with self._lock:
                held = list(self._held.values())
            is_time = time.monotonic() >= extend_at
            if is_time:
                extend_at = time.monotonic() + self._lease_seconds / 3
            try:
                self._look(held, extend=is_time)
            except Exception:  # without this thread every turn of the process would be lost
                log.exception("leases could not be looked at")

    def _look(self, held: list[tuple[Claim, threading.Event]], *, extend: bool) -> None:
        if not held:
            return
        attempts = [(claim.turn_id, claim.attempt) for claim, _ in held]
        try:
            if extend:
                with self._database.transaction() as session:
                    kept = turns.extend_leases(session, attempts, lease_seconds=self._lease_seconds)
            else:
                with self._database.reading() as session:
                    kept = turns.still_held(session, attempts)
        except StorageError:
            return  # the next round tries again; if a lease expires first, another worker takes over, as intended
        for claim, lost in held:
            if claim.turn_id not in kept:
                lost.set()
                with self._lock:
                    self._forget(claim)
                log.info("lost the lease of a turn", turn_id=claim.turn_id)

    def _forget(self, claim: Claim) -> None:
        if claim.turn_id in self._held and self._held[claim.turn_id][0] is claim:
            del self._held[claim.turn_id]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()  # no other process can have this name
