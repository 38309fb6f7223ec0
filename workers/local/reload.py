"""Workflow YAML that is edited while the processes run: `cj up --reload`.

A text without fault is taken up by restarting the processes that read workflows; they finish what they are doing
first. Everything wrong with any other is said, and the processes keep the text they have.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from watchfiles import Change, watch

from workflows import loader
from workflows.errors import InvalidWorkflows
from workflows.problems import human

KINDS = ("workflow", "agent")
"""The kinds of process that read workflows."""


class Reloader:
    """Watches a folder of workflows on a thread of its own."""

    def __init__(self, folder: Path | None, take_up: Callable[[], None], say: Callable[[str], None]) -> None:
        """`take_up()` is called when there is a new text without fault, `say(sentence)` with what a person should
        know. No folder: the shipped workflows."""
        self._folder = folder or loader.SHIPPED
        self._take_up, self._say = take_up, say
        self._ended = threading.Event()
        self._in_use = loader.load_folder(self._folder).fingerprint
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> None:
        """Read the folder whenever something in it changes."""
        self._thread.start()

    def stop(self) -> None:
        """End the watching."""
        self._ended.set()
        self._thread.join()

    def read(self) -> None:
        """Take up what is there now, if it is new and without fault."""
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

    def _run(self) -> None:
        # Editors write in several steps: `watch` waits until nothing has changed for a while.
        for _ in watch(
            self._folder, watch_filter=_is_yaml, stop_event=self._ended, recursive=False, raise_interrupt=False
        ):
            self.read()


def _is_yaml(_change: Change, path: str) -> bool:
    return path.endswith((".yaml", ".yml"))
