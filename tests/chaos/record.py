"""The gateways' record of what they showed: a file with one reply per line, each appended in one write."""

import fcntl
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
        self._read = 0
        self._known: set[tuple[str, str | None]] = set()

    def append(self, reply: Reply, *, once: bool = False) -> None:
        """Record a reply being shown now; `once`: unless it is there, as a unique index would do."""
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for line in os.pread(handle, os.fstat(handle).st_size - self._read, self._read).splitlines():
                known = json.loads(line)["reply"]
                self._known.add((known["id"], known.get("repeats")))
            if not once or (reply.id, reply.repeats) not in self._known:
                line = json.dumps({"at": time.time(), "reply": json.loads(reply.encode())}).encode() + b"\n"
                assert os.write(handle, line) == len(line)
            self._read = os.fstat(handle).st_size
            self._known.add((reply.id, reply.repeats))
        finally:
            os.close(handle)

    def read(self) -> list[Shown]:
        """Everything shown so far, in that order."""
        if not self._path.exists():
            return []
        lines = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [Shown(line["at"], Reply.model_validate_json(json.dumps(line["reply"]))) for line in lines]
