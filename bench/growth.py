"""What more merchants wait for: `python -m bench.growth`, a simulation with measured service times.

Questions arrive at random. One takes CPU of the workers and of Postgres, and a thread of an agent while a model thinks;
of one merchant two run at a time. Their CPU is half of a flow's, as `bench.flow` measures it; the model's time is
random, too. For each step of workers/README.md: how long a question waits until a model is asked, and with how many
merchants one in twenty waits for a second. Not simulated: disks, memory, networks.

`--measured 60` plays the busiest hour of 10,000 merchants on this machine for so many seconds, to compare with.
"""

import argparse
import heapq
import itertools
import random
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.fairness import Others, thinking_model
from bench.figures import latency
from bench.ground import StoreProcess, ground, unhurried_workflows
from tests.stack import Stack

THREADS = 8
"""Of an agent, see Procfile."""
AT_A_TIME = 2
QUESTIONS_A_DAY, BUSIEST_HOUR = 20, 0.1
THINK_SECONDS = 3.0
WORKERS_CPU, POSTGRES_CPU = 0.052, 0.014
"""Of one question, in seconds; a third of it before an agent has it, a third before the model is asked."""
MINUTES = 10
ENOUGH_SECONDS = 1.0


@dataclass(frozen=True)
class Setup:
    """What serves so many merchants: agents, cores of the workers, cores of Postgres."""

    merchants: int
    agents: int
    cores: int
    postgres: int = 1

    @property
    def questions_per_second(self) -> float:
        return self.merchants * QUESTIONS_A_DAY * BUSIEST_HOUR / 3600


STEPS = (
    Setup(10, 1, 1), Setup(100, 2, 1), Setup(1_000, 2, 1), Setup(10_000, 4, 2), Setup(50_000, 16, 3),
    Setup(100_000, 30, 5, 2),
)  # fmt: skip


class _Resource:
    """Something of which so many can be had at a time."""

    def __init__(self, count: int) -> None:
        self.free = count
        self.queue: deque[Iterator[tuple[str, object]]] = deque()


class Simulation:
    """The busiest hour, or `MINUTES` of it."""

    def __init__(self, setup: Setup) -> None:
        self.waited: list[float] = []
        self._setup = setup
        self._chance = random.Random(1)
        self._now = 0.0
        self._soon: list[tuple[float, int, Iterator[tuple[str, object]]]] = []
        self._numbers = itertools.count()
        self._workers, self._postgres = _Resource(setup.cores), _Resource(setup.postgres)
        self._threads = _Resource(setup.agents * THREADS)
        self._merchants: dict[int, _Resource] = defaultdict(lambda: _Resource(AT_A_TIME))

    def run(self) -> list[float]:
        """Seconds that each question waited until a model was asked."""
        self._later(0.0, self._arrivals())
        while self._soon:
            self._now, _, task = heapq.heappop(self._soon)
            self._go_on(task)
        return self.waited

    def _later(self, seconds: float, task: Iterator[tuple[str, object]]) -> None:
        heapq.heappush(self._soon, (self._now + seconds, next(self._numbers), task))

    def _go_on(self, task: Iterator[tuple[str, object]]) -> None:
        for what, which in task:
            if isinstance(which, float):
                return self._later(which, task)
            assert isinstance(which, _Resource)
            if what == "give" and which.queue:
                self._later(0.0, which.queue.popleft())
            elif what == "give":
                which.free += 1
            elif which.free:
                which.free -= 1
            else:
                return which.queue.append(task)
        return None

    def _arrivals(self) -> Iterator[tuple[str, object]]:
        while self._now < MINUTES * 60:
            yield "wait", self._chance.expovariate(self._setup.questions_per_second)
            self._later(0.0, self._question(self._merchants[self._chance.randrange(self._setup.merchants)]))

    def _question(self, merchant: _Resource) -> Iterator[tuple[str, object]]:
        began = self._now
        yield from self._work()
        yield "take", merchant
        yield "take", self._threads
        yield from self._work()
        self.waited.append(self._now - began)
        yield "wait", self._chance.expovariate(1 / THINK_SECONDS)
        yield from self._work()
        yield "give", self._threads
        yield "give", merchant

    def _work(self) -> Iterator[tuple[str, object]]:
        for resource, seconds in ((self._workers, WORKERS_CPU / 3), (self._postgres, POSTGRES_CPU / 3)):
            yield "take", resource
            yield "wait", seconds
            yield "give", resource


def p95(setup: Setup) -> float:
    waited = sorted(Simulation(setup).run())
    return waited[len(waited) * 95 // 100] if waited else 0.0


def most(setup: Setup) -> int:
    """How many merchants the setup serves before one question in twenty waits for ENOUGH_SECONDS."""
    low, high = 0.0, 2.0 * setup.agents * THREADS / THINK_SECONDS * 3600 / QUESTIONS_A_DAY / BUSIEST_HOUR
    while high - low > 0.02 * high:
        middle = (low + high) / 2
        enough = p95(replace(setup, merchants=round(middle))) < ENOUGH_SECONDS
        low, high = (middle, high) if enough else (low, middle)
    return round(low)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measured", type=float, metavar="SECONDS")
    options = parser.parse_args()
    for setup in STEPS:
        of = f"{setup.agents} agents, {setup.cores} + {setup.postgres} cores"
        latency(f"{setup.merchants:,} merchants, {of}", Simulation(setup).run())
        print(f"    enough for {most(setup):,} merchants", flush=True)
    if options.measured:
        measured(next(setup for setup in STEPS if setup.merchants == 10_000), options.measured)


def measured(setup: Setup, seconds: float) -> None:
    """The same on a real system: seconds from each message to the end of its turn, without the model's own."""
    store = StoreProcess()
    try:
        with ground() as here, thinking_model(THINK_SECONDS) as model:
            environ = {**model, "CJ_WORKFLOWS": str(unhurried_workflows(here.folder)), "CJ_LOG_LEVEL": "WARNING"}
            counts = {"agent": setup.agents}
            with Stack(
                here.database_url, here.valkey.url, here.folder, environ=environ, counts=counts, store=store.as_store()
            ) as stack:
                others = Others(stack)
                others.write(setup.questions_per_second, 5.0)
                took = others.write(setup.questions_per_second, seconds)
                latency("measured: message to end, less the model's time", [one - THINK_SECONDS for one in took])
    finally:
        store.stop()


if __name__ == "__main__":
    main()
