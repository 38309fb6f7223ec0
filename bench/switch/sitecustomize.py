"""Imported by each process that has this folder on its PYTHONPATH: signals switch what watches it off and on."""

import signal
import sys
from types import FrameType
from typing import Any

OFF, ON = signal.SIGRTMIN + 1, signal.SIGRTMIN + 2
kept: list[Any] = []


def found() -> tuple[Any, Any]:
    """The modules, in processes that have them."""
    return sys.modules.get("workers.tracing"), sys.modules.get("workers.metrics")


def off(_signal: int, _frame: FrameType | None) -> None:
    tracing, metrics = found()
    if tracing is not None and tracing._on is not None:
        kept[:] = [tracing._on]
        tracing._on = None
    if metrics is not None:
        metrics._counting = False


def on(_signal: int, _frame: FrameType | None) -> None:
    tracing, metrics = found()
    if tracing is not None and kept:
        tracing._on = kept[0]
    if metrics is not None:
        metrics._counting = True


signal.signal(OFF, off)
signal.signal(ON, on)
