"""The thread that extends leases must survive any error: without it every turn of the process is lost."""

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from storage import turns
from storage.database import Database
from storage.turns import Claim
from workers.agent.leases import LeaseKeeper


class FailsOnce:
    """A database whose first answer is an unexpected error."""

    def __init__(self) -> None:
        self.has_failed = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Any]:
        if not self.has_failed:
            self.has_failed = True
            raise RuntimeError("can't start new thread")
        yield None

    reading = transaction


def test_a_lost_lease_is_noticed_after_an_unexpected_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "still_held", lambda _session, _held: set())
    monkeypatch.setattr(turns, "extend_leases", lambda _session, _held, *, lease_seconds: set())
    database = FailsOnce()
    keeper = LeaseKeeper(cast(Database, database), lease_seconds=0.15)
    with keeper.hold(cast(Claim, SimpleNamespace(turn_id=1, attempt=1))) as lost:
        assert lost.wait(10)
    keeper.stop()
    assert database.has_failed
