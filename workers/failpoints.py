"""Failpoints: named points between the steps that handle an event, where a test can pause or kill the process.

In production there is no listener, and no environment variable can add one; a failpoint costs one comparison. A test
starts the process through its own module, which calls `listen` first.
"""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from storage.database import Database, Session
from workers import metrics

T = TypeVar("T")

_COMMITS = ("before_commit", "after_commit")
#: The failpoints on the path of an event, by the kind of process that reaches them.
FAILPOINTS: Mapping[str, tuple[str, ...]] = {
    "intake": (
        *(f"T1.{at}" for at in _COMMITS),  # the inbox row
        "T1.after_hint",
        *(f"T5.{at}" for at in _COMMITS),  # the gateway's ack
    ),
    "workflow": (
        *(f"handle.{at}" for at in _COMMITS),  # the event handled
        "handle.after_hints",
    ),
    "agent": (
        *(f"claim.{at}" for at in _COMMITS),  # T2
        *("model.before", "model.after", "tools.before", "tools.after"),
        *(f"{step}.{at}" for step in ("step", "sentence", "results", "end") for at in _COMMITS),  # T3
        *("publish.before", "publish.after_push", "publish.before_commit"),  # T4
    ),
    "shopify": (
        *("fetch.before", "fetch.after"),  # the store asked
        *(f"renewal.{at}" for at in _COMMITS),  # a token renewed, where tokens expire
    ),
}
_listener: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """The failpoint `name`: a test's listener may act here."""
    if _listener is not None:
        _listener(name)


def in_transaction(database: Database, step: str, work: Callable[[Session], T]) -> T:
    """Run `work` in a transaction, with failpoints before and after the commit, and measure its duration.

    Raises what `work` raises, and StorageError.
    """
    started = time.monotonic()
    try:
        with database.transaction() as session:
            result = work(session)
            failpoint(f"{step}.before_commit")
    finally:
        metrics.transaction(step, time.monotonic() - started)
    failpoint(f"{step}.after_commit")
    return result


def listen(listener: Callable[[str], None] | None) -> None:
    """Call `listener` at every failpoint of this process."""
    global _listener
    _listener = listener
