"""Failpoints: named points between the steps that handle an event, where a test can pause or kill the process.

    T1  intake: inbox row          T1.before_commit  T1.after_commit  T1.after_hint
    T1  workflow: event handled    handle.before_commit  handle.after_commit  handle.after_hints
    T2  claim                      claim.before_commit  claim.after_commit
        model and tools            model.before  model.after  tools.before  tools.after
    T3  step, results, end         step.* results.* end.* (before_commit, after_commit)
        token renewed, Shopify     renewal.before_commit  renewal.after_commit
        store asked, Shopify       fetch.before  fetch.after
    T4  publish                    publish.before  publish.after_push  publish.before_commit
    T5  ack                        T5.before_commit  T5.after_commit

In production nothing listens, and no environment variable can change that; a failpoint costs one comparison. A test
starts the process through its own module, which calls `listen` first.
"""

from collections.abc import Callable

_listener: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Mark the point `name`: a listening test may act here."""
    if _listener is not None:
        _listener(name)


def listen(listener: Callable[[str], None] | None) -> None:
    """Call `listener` at every failpoint of this process."""
    global _listener
    _listener = listener
