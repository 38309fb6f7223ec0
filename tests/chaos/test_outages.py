"""A server or the gateway is down for a while under load; `python -m tests.chaos --outage NAME` runs at full length."""

import json
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.chaos.ground import Ground
from tests.chaos.outages import OUTAGES, outage
from tests.chaos.run import PATIENCE, Wanted, run
from tests.chaos.test_directed import is_good, ready

__all__ = ["ready"]  # the fixture

AWAY_SECONDS = 4.0
MOST_REPEATED = 4
#: Logged once for each turn or event in progress when the server went down.
PER_PIECE = ("turn abandoned until", "lease expired", "event waits for Postgres", "turn could not be claimed")


@pytest.mark.parametrize("name", OUTAGES)
def test_caught_up_without_a_flood_of_lines(ready: Ground, name: str) -> None:
    seen = len(ready.stack.lines)
    before = ready.stack.supervisor.pids()
    wanted = Wanted(f"away-{name}", 5, AWAY_SECONDS + 2.0, 5.0, patience=PATIENCE)
    is_good(run(ready, wanted, faults=outage(name, at=1.0, seconds=AWAY_SECONDS)))
    assert ready.stack.supervisor.pids() == before, "everybody went on by himself"
    flood = [found for found in repeated(ready.stack.lines[seen:]) if not found[1].startswith(PER_PIECE)]
    assert flood == []


def repeated(lines: Iterable[str]) -> list[tuple[str, str, int]]:
    """(process, message, count) of warnings that one process logged more often than its state changed."""
    counts: Counter[tuple[str, str]] = Counter()
    for line in lines:
        name, _, said = line.partition(": ")
        entry = json.loads(said) if said.startswith("{") else {"level": "error", "event": said}
        if entry["level"] != "info":
            counts[name, entry["event"][:60]] += 1
    return [(*what, times) for what, times in counts.items() if times > MOST_REPEATED]
