"""The trace of one flow as a tree: `python -m bench.trace`, or `--to http://127.0.0.1:6006` to send it to a viewer.

A store is connected, a model thinks, and CJ tells what it found; see `workers.tracing`. `--cost 40` measures in so many
rounds, or `--seconds`, what it costs to be watched: three systems with servers of their own take turns with `--flows`
flows, one of them with traces and metrics (read after each 15 s of work). CPU of a flow, servers included, is compared
with that of the two which nobody watches, in the same round; these two beside each other say how exact that is.
Aim: 3 %.
"""

import argparse
import random
import secrets
import statistics
import time
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
FIRST_PORT = 19_864
SCRAPE_SECONDS = 15.0
"""As in workers/monitoring/prometheus.yaml."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", help="where else to send the trace (OTLP over HTTP)")
    parser.add_argument("--think", type=float, default=0.4, help="seconds the model takes per answer")
    parser.add_argument("--cost", type=int, metavar="ROUNDS", help="measure what being watched costs instead")
    parser.add_argument("--flows", type=int, default=10, help="flows of each round")
    parser.add_argument("--seconds", type=float, default=600.0, help="no round begins after so many")
    options = parser.parse_args()
    if options.cost:
        cost(options.cost, options.flows, options.seconds)
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


def cost(rounds: int, flows: int, seconds: float) -> None:
    """Print what being watched adds to a flow's CPU."""
    with Receiver() as receiver, ExitStack() as opened:
        receiver.decodes = False
        watched = {"CJ_METRICS_PORT": str(FIRST_PORT), "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        ways: dict[str, dict[str, str]] = {"not watched": {}, "metrics and traces": watched, "not watched, either": {}}
        systems: dict[str, tuple[Measure, Machine]] = {}
        stubs = StubsProcess()
        opened.callback(stubs.stop)
        for name, also in ways.items():
            here = opened.enter_context(ground())
            # Each order of the names in its dictionaries has a speed of its own.
            system = opened.enter_context(cj(here, stubs, also={"PYTHONHASHSEED": "0", **also}))
            machine = Machine(here.postgres, here.valkey, system.database_url, system.kinds())
            systems[name] = Measure(system, machine, stubs), machine
            systems[name][0].many(systems[name][0].prepared(WARM_FLOWS), IN_FLIGHT)
        used: dict[str, list[float]] = {name: [] for name in ways}
        worked, pages, ends = 0.0, 0, time.monotonic() + seconds
        while len(used["not watched"]) < rounds and time.monotonic() < ends:
            merchants = {name: measure.prepared(flows) for name, (measure, _) in systems.items()}
            # Each has the whole round counted: spans are sent, and pages read, when a flow is over.
            before = {name: machine.cpu().total() for name, (_, machine) in systems.items()}
            for name in random.sample(list(systems), len(systems)):
                lasted = systems[name][0].many(merchants[name], IN_FLIGHT)
                if ways[name] and (worked := worked + lasted) > SCRAPE_SECONDS:
                    worked, pages = 0.0, pages + scrape(FIRST_PORT)
            for name, (_, machine) in systems.items():
                used[name].append((machine.cpu().total() - before[name]) / flows)
    first, mine, second = used.values()
    flow = 1000 * statistics.median(first)
    print(f"{len(first)} rounds of {flows} flows; {pages} pages were read; {flow:.0f} ms a flow")
    both = [(one + other) / 2 for one, other in zip(first, second, strict=True)]
    print(f"metrics and traces   {more(mine, both)}")
    print(f"nothing              {more(second, first)}")


def more(these: Sequence[float], those: Sequence[float]) -> str:
    """How much more each of `these` is: the median, and the order statistics that enclose it."""
    each = sorted(100 * (one / other - 1) for one, other in zip(these, those, strict=True))
    around = round(0.98 * len(each) ** 0.5)
    least, most = each[max(len(each) // 2 - around, 0)], each[min(len(each) // 2 + around, len(each) - 1)]
    return f"{statistics.median(each):+.1f} % ({least:+.1f} to {most:+.1f} with 95 % certainty)"


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
