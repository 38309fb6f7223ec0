"""Reloads workflow YAML that is edited while the processes run: `cj up --reload`.

Valid workflows are loaded by restarting the processes that read them, which first finish their work. For invalid ones
every error is reported, and the processes keep the workflows they have.
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

    def __init__(self, folder: Path | None, restart: Callable[[], None], say: Callable[[str], None]) -> None:
        """Calls `restart()` when the workflows have changed and are valid, `say(sentence)` to report to the user.
        Without a folder: the shipped workflows."""
        self._folder = folder or loader.SHIPPED
        self._restart, self._say = restart, say
        self._ended = threading.Event()
        self._in_use = loader.load_folder(self._folder).fingerprint
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> None:
        """Read the folder whenever something in it changes."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._ended.set()
        self._thread.join()

    def read(self) -> None:
        """Load the workflows if they have changed and are valid."""
        try:
            found = loader.load_folder(self._folder)
        except InvalidWorkflows as error:
            self._say(f"{human(error.problems)}\nnot reloaded; the workflows stay as they were")
            return
        if found.fingerprint == self._in_use:
            return
        self._in_use = found.fingerprint
        self._say(f"workflows changed: restarting {' and '.join(KINDS)}")
        self._restart()

    def _run(self) -> None:
        # Editors write in several steps; `watch` waits until changes settle.
        for _ in watch(
            self._folder, watch_filter=_is_yaml, stop_event=self._ended, recursive=False, raise_interrupt=False
        ):
            self.read()


def _is_yaml(_change: Change, path: str) -> bool:
    return path.endswith((".yaml", ".yml"))
