"""The trace of one flow as a tree: `python -m bench.trace`, or `--to http://127.0.0.1:6006` to send it to a viewer.

A store is connected, a model thinks, and CJ tells what it found; see `workers.tracing`. `--cost 40` measures in so many
rounds what it costs to be watched: three systems with servers of their own take turns with `--flows` flows, one of them
with metrics (read every 15 s) and traces. CPU of a flow, servers included, is compared with that of the first, which
nobody watches, in the same round; the second, which nobody watches either, says how exact that is. Aim: 3 %.
"""

import argparse
import secrets
import statistics
import time
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
    options = parser.parse_args()
    if options.cost:
        cost(options.cost, options.flows)
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


def cost(rounds: int, flows: int) -> None:
    """Print what each way of being watched adds to a flow's CPU."""
    with Receiver() as receiver, ExitStack() as opened:
        receiver.decodes = False
        watched = {"CJ_METRICS_PORT": str(FIRST_PORT), "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        ways = {"not watched": {}, "not watched, either": {}, "metrics and traces": watched}
        systems: dict[str, tuple[Measure, Machine]] = {}
        stubs = StubsProcess()
        opened.callback(stubs.stop)
        for name, also in ways.items():
            here = opened.enter_context(ground())
            system = opened.enter_context(cj(here, stubs, also=also))
            machine = Machine(here.postgres, here.valkey, system.database_url, system.kinds())
            measure = Measure(system, machine, stubs)
            systems[name] = measure, machine
            measure.many(measure.prepared(WARM_FLOWS), IN_FLIGHT)
        used: dict[str, list[float]] = {name: [] for name in ways}
        scraped = pages = 0.0
        for number in range(rounds):
            order = list(systems)
            for name in order[number % len(order) :] + order[: number % len(order)]:
                measure, machine = systems[name]
                merchants = measure.prepared(flows)
                before = machine.cpu().total()
                measure.many(merchants, IN_FLIGHT)
                if ways[name] and time.monotonic() > scraped + SCRAPE_SECONDS:
                    scraped, pages = time.monotonic(), pages + scrape(FIRST_PORT)
                used[name].append((machine.cpu().total() - before) / flows)
        print(f"{rounds} rounds of {flows} flows; {pages:.0f} pages were read")
        for name, each in used.items():
            more = sorted(100 * (mine / other - 1) for mine, other in zip(each, used["not watched"], strict=True))
            middle, around = rounds // 2, round(0.98 * rounds**0.5)  # the order statistics that enclose the median
            print(
                f"{name:<20} {1000 * statistics.median(each):6.1f} ms a flow, {more[middle]:+.1f} % "
                f"({more[middle - around]:+.1f} to {more[min(middle + around, rounds - 1)]:+.1f} with 95 % certainty)"
            )


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
