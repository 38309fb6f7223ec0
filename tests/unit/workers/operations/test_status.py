"""What `cj status` says of turns that are late: only what is known."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from storage.backlog import Backlog, Waiting
from workers.operations.status import Status, problems, span

NONE = Waiting(0, 0.0)
LATE = Backlog(NONE, Waiting(7, 90.0), NONE, 0, 0, 0, 0, 0, 0, {}, 0.0)
QUEUES = {"workflow": 0, "turns": 0, "shopify": 0, "events": 0, "replies": 0}
OTHERS = ["workflow@host", "shopify@host"]


@pytest.mark.parametrize(
    ("found", "workers", "cause"),
    [
        (replace(LATE, running=4), [*OTHERS, "agent@host"], "the agents are busy with 4, so these are late, not lost"),
        (replace(LATE, running=4), None, "the agents are busy with 4"),
        (LATE, OTHERS, "no agent answers"),
        (LATE, None, "no agent runs them"),
        (LATE, [*OTHERS, "agent@host"], "agents answer but run nothing, as when Postgres accepts no writes"),
        (
            replace(LATE, without_model=2, running=1),
            None,
            "no language model answers, and each turn tries one",
        ),
    ],
)
def test_turns_are_late_for_the_reason_that_is_known(found: Backlog, workers: Sequence[str] | None, cause: str) -> None:
    said = [one.sentence for one in problems(Status(found, {}, QUEUES, workers))]
    [late] = [sentence for sentence in said if sentence.startswith("turns that wait for an agent: 7")]
    assert late.partition("; ")[2].startswith(cause)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0, "0 s"), (0.0049, "0.005 s"), (0.35, "0.35 s"), (3.27, "3.3 s"), (9.97, "10 s"), (12.4, "12 s")),
        *((119, "119 s"), (120, "2 min"), (7199, "120 min"), (9000, "2.5 h"), (172_800, "2 days")),
    ],
)
def test_how_long_is_said_in_one_way(seconds: float, said: str) -> None:
    assert span(seconds) == said
