"""Workers with one guard missing: `python -m tests.chaos.mutants FOLDER MODULE [ARGS…]`.

Runs MODULE as `python -m MODULE ARGS…` would. While the file FOLDER/NAME exists, the guard of that name is off in every
process run through this module. A harness that stays green then proves nothing; `test_teeth` checks that it does not.
`quick` is not a mutant: with it workers drain for less long, so that a test can wait for the outcome.
"""

import contextlib
import dataclasses
import re
import runpy
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

import storage.inbox
import storage.outbox
import storage.turns
from workers.local.procfile import Process

QUICK = "quick"
QUICK_FACTOR = 0.2
"""Of production's pauses."""
MUTANTS = (
    "no_reconcile",
    "no_resend",
    "gateway_forgets",
    "inbox_takes_twice",
    "no_lease_rescue",
    "no_order",
    "no_fence",
    "no_lost_wake_up",
)
_PROGRAM = re.compile(r"exec (?:python -m )?(?P<module>[\w.]+)")


def is_ordered(folder: Path, name: str) -> bool:
    """Whether the guard is off now."""
    return (folder / name).exists()


@contextlib.contextmanager
def mutant(folder: Path, name: str) -> Iterator[None]:
    """Switch the guard off while the block runs."""
    assert name in MUTANTS
    (folder / name).touch()
    try:
        yield
    finally:
        (folder / name).unlink(missing_ok=True)


def through(process: Process, folder: Path) -> str:
    """A Procfile process's command, run through this module; the second of a kind gets a wrong clock."""
    module = "tests.chaos.skewed" if process.name.endswith(".2") else __name__
    return _PROGRAM.sub(f"exec python -m {module} '{folder}' \\g<module>", process.command, count=1)


def apply(folder: Path) -> None:
    """Add a switch to every guard of this process."""

    def off(name: str) -> Callable[[], bool]:
        return lambda: is_ordered(folder, name)

    _silence(storage.inbox, "unprocessed", off("no_reconcile"))
    _silence(storage.outbox, "due", off("no_resend"))
    _silence(storage.turns, "expire", off("no_lease_rescue"))
    _silence(storage.turns, "waiting", off("no_lost_wake_up"))
    _accept_under_new_names(off("inbox_takes_twice"))
    storage.turns.SQL = _Switched(storage.turns.SQL)
    storage.turns.SQL.take_out("claim", _FIRST_IN_CONVERSATION, off("no_order"))
    for name in ("hold", "finish"):
        storage.turns.SQL.take_out(name, _HELD, off("no_fence"))
    for name in ("extend_many", "still_held"):  # else a zombie is told that its turn is not its own any more
        storage.turns.SQL.take_out(name, _OF_THIS_ATTEMPT, off("no_fence"))


_FIRST_IN_CONVERSATION = r"AND t\.seq = \(\s*SELECT o\.seq FROM turns o.*?LIMIT 1\)"
_OF_THIS_ATTEMPT = r"AND t\.attempt = held\.attempt"
_HELD = r"AND status = 'running' AND attempt = :attempt"


class _Switched(dict[str, Any]):
    """SQL statements, some of which are replaced by a weaker form while a switch is on."""

    def __init__(self, statements: Mapping[str, Any]) -> None:
        super().__init__(statements)
        self._shorter: dict[str, tuple[Any, Callable[[], bool]]] = {}

    def take_out(self, name: str, condition: str, is_off: Callable[[], bool]) -> None:
        shorter, count = re.subn(condition, "", self[name].text, count=1, flags=re.DOTALL)
        assert count == 1, f"{name} has no such condition any more"
        self._shorter[name] = (text(shorter), is_off)

    def __getitem__(self, name: str) -> Any:
        shorter, is_off = self._shorter.get(name, (None, None))
        return shorter if is_off is not None and is_off() else super().__getitem__(name)


def _silence(module: Any, name: str, is_off: Callable[[], bool]) -> None:
    guard = getattr(module, name)

    def switched(*args: Any, **kwargs: Any) -> Any:
        return [] if is_off() else guard(*args, **kwargs)

    setattr(module, name, switched)


def _accept_under_new_names(is_off: Callable[[], bool]) -> None:
    guard = storage.inbox.accept

    def switched(session: Any, new: Sequence[storage.inbox.NewEvent], **options: Any) -> Any:
        if is_off():
            new = [dataclasses.replace(event, id=f"{event.id}#{uuid.uuid4().hex[:8]}") for event in new]
        return guard(session, new, **options)

    storage.inbox.accept = switched


def main() -> None:
    """Run the module with a switch on each of its guards."""
    folder, module, *arguments = sys.argv[1:]
    apply(Path(folder))
    if is_ordered(Path(folder), QUICK):
        import workers.celery

        workers.celery.DRAIN_SECONDS *= QUICK_FACTOR
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
