"""Workflow YAML that is edited while the processes run: `cj up --reload`.

A text without fault is taken up by restarting the processes that read workflows; they finish what they are doing
first. Of one with a fault everything wrong is told, and the processes keep the text they have.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from workflows import loader
from workflows.errors import InvalidWorkflows
from workflows.problems import human

KINDS = ("workflow", "agent")
"""The kinds of process that read workflows."""
PERIOD_SECONDS = 0.3

_State = frozenset[tuple[str, int, int]]


class Reloader:
    """Looks at a folder of workflows again and again, on a thread of its own."""

    def __init__(self, folder: Path | None, take_up: Callable[[], None], say: Callable[[str], None]) -> None:
        """`take_up()` is called when there is a new text without fault, `say(sentence)` with what a person should
        know. No folder: the shipped workflows."""
        self._folder = folder or loader.SHIPPED
        self._take_up, self._say = take_up, say
        self._ended = threading.Event()
        self._seen = self._state()
        self._in_use = loader.load_folder(self._folder).fingerprint
        self._unsettled: _State | None = None
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> None:
        """Look every 0.3 s."""
        self._thread.start()

    def stop(self) -> None:
        """End the looking."""
        self._ended.set()
        self._thread.join()

    def look(self) -> None:
        """One look. A change is read when it has stayed as it is for one look, for editors write in several steps."""
        state = self._state()
        if state == self._seen:
            self._unsettled = None
        elif state != self._unsettled:
            self._unsettled = state
        else:
            self._seen, self._unsettled = state, None
            self._read()

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_SECONDS):
            self.look()

    def _read(self) -> None:
        try:
            found = loader.load_folder(self._folder)
        except InvalidWorkflows as error:
            self._say(f"{human(error.problems)}\nnot taken up; the workflows stay as they were")
            return
        if found.fingerprint == self._in_use:
            return
        self._in_use = found.fingerprint
        self._say(f"workflows changed: restarting {' and '.join(KINDS)}")
        self._take_up()

    def _state(self) -> _State:
        """Of every YAML file its name, when it was written, and its size."""
        found: set[tuple[str, int, int]] = set()
        try:
            for path in self._folder.glob("*.y*ml"):
                status = path.stat()
                found.add((path.name, status.st_mtime_ns, status.st_size))
        except OSError:
            pass  # a file went while we looked: the next look sees the folder without it
        return frozenset(found)
