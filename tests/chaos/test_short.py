"""A short chaos run: `make chaos` in miniature, with every kind of fault."""

from tests.chaos.ground import Ground
from tests.chaos.report import as_text
from tests.chaos.run import PATIENCE, Wanted, run

SEED = 7


def test_nothing_is_lost_nothing_is_said_twice(here: Ground) -> None:
    outcome = run(here, Wanted("short", SEED, seconds=12.0, rate=5.0, pause=(0.5, 1.5), patience=PATIENCE, doors=True))
    assert len({fault.kind for fault in outcome.faults}) >= 4
    assert outcome.good, as_text(outcome)
