"""The trace of one flow as a tree: `python -m bench.trace`, or `--to http://127.0.0.1:6006` to send it to a viewer.

A store is connected, a model thinks, and CJ tells what it found; see `workers.tracing`. `--cost 5` measures with so
many starts what it costs to be watched. In each start, a signal switches traces and metrics on and off, and the CPU of
neighbouring flows, servers included, is compared: so both are measured in the same processes, at the same speed of the
machine. Spans are sent as at load, 512 at a time. What it costs that Prometheus reads all pages every 15 s is measured
apart. Aim: 3 %.
"""

import argparse
import os
import random
import secrets
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from bench.fairness import thinking_model
from bench.figures import Machine
from bench.flow import Measure, cj
from bench.ground import StubsProcess, ground
from bench.switch import sitecustomize
from tests.otlp import Receiver
from tests.stack import Stack
from tests.waiting import wait_until
from workers.metrics import KINDS

SHOP, MERCHANT, CONVERSATION = "trace.myshopify.com", "m1", "conv_1"
IN_FLIGHT = 16
WARM_FLOWS = 20
FIRST_PORT = 19_864
SWITCH = Path(sitecustomize.__file__).parent
CORES = os.cpu_count() or 1
SCRAPE_SECONDS = 15
SCRAPES = 10
SETTLED_SECONDS = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", help="where else to send the trace (OTLP over HTTP)")
    parser.add_argument("--think", type=float, default=0.4, help="seconds the model takes per answer")
    parser.add_argument("--cost", type=int, metavar="STARTS", help="measure what being watched costs instead")
    parser.add_argument("--rounds", type=int, default=60, help="times on and off in each start")
    parser.add_argument("--flows", type=int, default=20, help="flows each time")
    options = parser.parse_args()
    if options.cost:
        cost(options.cost, options.rounds, options.flows)
        return
    trace = secrets.token_hex(16)
    with ground() as here, Receiver() as receiver, thinking_model(options.think) as model:
        environ = {**model, "OTEL_EXPORTER_OTLP_ENDPOINT": options.to or receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "500"}
        with Stack(here.database_url, here.valkey.url, here.folder, environ=environ) as stack:
            stack.connect(SHOP, MERCHANT)
            stack.connected(MERCHANT, SHOP, CONVERSATION, traceparent=f"00-{trace}-{secrets.token_hex(8)}-01")
            stack.gateway.wait_for_ends(CONVERSATION)
            if options.to is None:
                wait_until(lambda: any(span.name == "settle acks" for span in receiver.of(trace)))
        print(f"trace {trace}")
        print("\n".join(receiver.tree(trace)))
        if options.to is None:
            print(f"{len(receiver.of(trace))} spans")


def cost(starts: int, rounds: int, flows: int) -> None:
    """Print what being watched adds to a flow's CPU."""
    added: list[float] = []
    between: list[float] = []
    pages: list[float] = []
    with Receiver() as receiver:
        receiver.decodes = False
        for start in range(starts):
            found = started(receiver, rounds, flows)
            added += found.added
            between += found.between
            pages.append(found.pages)
            print(
                f"start {start + 1}: {1000 * found.flow:.1f} ms a flow; watched {statistics.mean(found.added):+.1f} %; "
                f"{statistics.mean(found.between):+.1f} %; pages {found.pages:.2f} %",
                flush=True,
            )
    print(f"traces and metrics   {spread(added)}")
    print(f"nothing              {spread(between)}")
    print(f"reading the pages    {spread(pages)}")


@dataclass(frozen=True)
class Found:
    """What a start found: CPU seconds of a flow, and in percent of it what each round added."""

    flow: float
    added: list[float]
    between: list[float]
    pages: float


def started(receiver: Receiver, rounds: int, flows: int) -> Found:
    """Measure with newly started processes."""
    watched = {
        "CJ_METRICS_PORT": str(FIRST_PORT),
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        "PYTHONPATH": str(SWITCH),
    }
    with ExitStack() as opened:
        stubs = StubsProcess()
        opened.callback(stubs.stop)
        here = opened.enter_context(ground())
        system = opened.enter_context(cj(here, stubs, also=watched))
        machine = Machine(here.postgres, here.valkey, system.database_url, system.kinds())
        measure = Measure(system, machine, stubs)

        def used(is_watched: bool) -> float:
            for pid in {pid for pids in system.kinds().values() for pid in pids}:
                os.kill(pid, sitecustomize.ON if is_watched else sitecustomize.OFF)
            time.sleep(SETTLED_SECONDS)
            numbers, before = measure.prepared(flows), machine.cpu().total()
            measure.many(numbers, IN_FLIGHT)
            time.sleep(SETTLED_SECONDS)
            return (machine.cpu().total() - before) / flows

        measure.many(measure.prepared(WARM_FLOWS), IN_FLIGHT)
        on, off = list[float](), list[float]()
        for _ in range(rounds):
            for is_on in random.sample((True, False), 2):
                (on if is_on else off).append(used(is_on))
        if receiver.requests == 0:
            raise SystemExit("no spans arrived")
        before = machine.cpu().total()
        for _ in range(SCRAPES):
            scrape(FIRST_PORT)
        read = (machine.cpu().total() - before) / SCRAPES
    flow = statistics.mean(off)
    return Found(
        flow,
        [100 * (one - other) / flow for one, other in zip(on, off, strict=True)],
        [100 * (one - other) / flow for one, other in zip(off[::2], off[1::2], strict=False)],
        100 * read / (CORES * SCRAPE_SECONDS),  # of what the cores can do in that time
    )


def spread(percent: Sequence[float]) -> str:
    """The mean, and where it is with 95 % certainty."""
    mean, error = statistics.mean(percent), statistics.stdev(percent) / len(percent) ** 0.5
    return f"{mean:+.1f} % ({mean - 2 * error:+.1f} to {mean + 2 * error:+.1f} with 95 % certainty)"


def scrape(first: int) -> int:
    """Read the page of each process, as Prometheus does; how many answered."""
    found = 0  # the second agent's is seven further on
    for port in range(first, first + 2 * len(KINDS)):
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                found += bool(page.read())
        except OSError:
            continue
    return found


if __name__ == "__main__":
    main()
