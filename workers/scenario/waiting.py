"""Waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Late(AssertionError):
    """What was waited for did not come in time."""


def wait_until(condition: Callable[[], T | None], *, limit: float = 10.0, what: str = "the condition") -> T:
    """Poll `condition` until it is true (its value is returned). Raises Late after `limit` seconds."""
    deadline = time.monotonic() + limit
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Late(f"waited {limit:g} s in vain for {what}; last value: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
