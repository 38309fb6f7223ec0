"""The gateway's record of what it showed: a file with one reply per line, each appended in one write."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from events.reply import Reply


@dataclass(frozen=True)
class Shown:
    """A reply as the merchant saw it, at the Unix time `at`."""

    at: float
    reply: Reply


class Record:
    """Survives kill -9 of its writer: written data is already with the kernel."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, reply: Reply) -> None:
        """Record a reply being shown now."""
        line = json.dumps({"at": time.time(), "reply": json.loads(reply.encode())}).encode() + b"\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            assert os.write(handle, line) == len(line)
        finally:
            os.close(handle)

    def read(self) -> list[Shown]:
        """Everything shown so far, in that order."""
        if not self._path.exists():
            return []
        lines = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [Shown(line["at"], Reply.model_validate_json(json.dumps(line["reply"]))) for line in lines]
