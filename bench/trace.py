"""The trace of one flow as a tree: `python -m bench.trace`, or `--to http://127.0.0.1:6006` to send it to a viewer.

A store is connected, a model thinks, and CJ tells what it found; see `workers.tracing`. `--cost 8` measures with so
many starts what it costs to be watched: three systems with servers of their own take turns with `--flows` flows, one of
them with traces and metrics (read once in each start, after some 5 s of work; Prometheus does it every 15). CPU of a
flow, servers included, is compared with that of the two which nobody watches; these two beside each other say how exact
that is. A start has a speed of its own, by some percent: only several of them tell. Aim: 3 %.
"""

import argparse
import random
import secrets
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from urllib.request import urlopen

from bench.fairness import thinking_model
from bench.figures import Machine
from bench.flow import Measure, cj
from bench.ground import StubsProcess, ground
from tests.otlp import Receiver
from tests.stack import Stack
from tests.waiting import wait_until
from workers.metrics import KINDS

SHOP, MERCHANT, CONVERSATION = "trace.myshopify.com", "m1", "conv_1"
IN_FLIGHT = 8
WARM_FLOWS = 20
WATCHED = "watched"
WAYS = ("not watched", WATCHED, "not watched, either")
FIRST_PORT = 19_864


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", help="where else to send the trace (OTLP over HTTP)")
    parser.add_argument("--think", type=float, default=0.4, help="seconds the model takes per answer")
    parser.add_argument("--cost", type=int, metavar="STARTS", help="measure what being watched costs instead")
    parser.add_argument("--rounds", type=int, default=12, help="rounds after each start")
    parser.add_argument("--flows", type=int, default=10, help="flows of each round")
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
    with Receiver() as receiver:
        receiver.decodes = False
        for start in range(starts):
            first, mine, second = started(receiver, rounds, flows)
            added.append(100 * (2 * mine / (first + second) - 1))
            between.append(100 * (second / first - 1))
            print(
                f"start {start + 1}: {1000 * first:.1f} ms a flow; watched {added[-1]:+.1f} %; {between[-1]:+.1f} %",
                flush=True,
            )
    print(f"metrics and traces   {spread(added)}")
    print(f"nothing              {spread(between)}")


def started(receiver: Receiver, rounds: int, flows: int) -> list[float]:
    """CPU seconds of a flow in each of `WAYS`, newly started: the median of the rounds."""
    watched = {"CJ_METRICS_PORT": str(FIRST_PORT), "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    systems: dict[str, tuple[Measure, Machine]] = {}
    used: dict[str, list[float]] = {name: [] for name in WAYS}
    with ExitStack() as opened:
        stubs = StubsProcess()
        opened.callback(stubs.stop)
        for name in random.sample(WAYS, len(WAYS)):
            here = opened.enter_context(ground())
            # Each order of the names in its dictionaries has a speed of its own.
            also = {"PYTHONHASHSEED": "0", **(watched if name == WATCHED else {})}
            system = opened.enter_context(cj(here, stubs, also=also))
            machine = Machine(here.postgres, here.valkey, system.database_url, system.kinds())
            systems[name] = Measure(system, machine, stubs), machine
            systems[name][0].many(systems[name][0].prepared(WARM_FLOWS), IN_FLIGHT)
        for turn in range(rounds):
            merchants = {name: measure.prepared(flows) for name, (measure, _) in systems.items()}
            # Each has the whole round counted: spans are sent, and pages read, when a flow is over.
            before = {name: machine.cpu().total() for name, (_, machine) in systems.items()}
            for name in random.sample(WAYS, len(WAYS)):
                systems[name][0].many(merchants[name], IN_FLIGHT)
                if name == WATCHED and turn == rounds // 2:
                    scrape(FIRST_PORT)
            for name, (_, machine) in systems.items():
                used[name].append((machine.cpu().total() - before[name]) / flows)
    return [statistics.median(each) for each in used.values()]


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
