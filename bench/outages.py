"""Merchants who connect a store while something is away: `python -m bench.outages [FAULT …]`.

Twenty merchants, spread over a minute, connect a store while Shopify hangs, throttles or is down, or the model is down;
`none` is the same without a fault. Printed for each, beside the machine's load: seconds from `oauth_complete` to the
first words, from the end of the outage until each has heard what is owed (the counts of the store), what was said
twice, and who heard nothing. Exits with 1 unless everyone hears something within 3 s and everything within 60 s after
the end, once.
"""

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.ground import StoreProcess, ground
from tests.openai_server import Answer, Drop, OpenAIServer, Received, Slow, plays_the_demo_model
from tests.stack import Stack
from tests.waiting import wait_until

FIRST_WORDS_SECONDS, OWED_SECONDS = 3.0, 60.0
#: How long the bench waits for what is owed, to tell late from lost.
PATIENCE_SECONDS = 150.0
OWED = "customers in your store"
FAULTS: Mapping[str, dict[str, Any]] = {
    "none": {},
    "hanging": {"kind": "hang", "seconds": 90},
    "throttling": {"kind": "throttled", "seconds": 5},
    "down": {"kind": "status", "status": 503},
    "model": {},
}
OPEN = """
    SELECT count(*) FROM turns
    WHERE merchant_id LIKE :like AND (status IN ('queued', 'running') OR waits_for IN ('model', 'store', 'data'))
"""


class ModelDouble(OpenAIServer):
    """The demo model over HTTP; while it `is_down` it closes each connection."""

    def __init__(self, seconds: float) -> None:
        super().__init__(self._answer)
        self._seconds = seconds
        self.is_down = False

    def _answer(self, received: Received) -> Answer:
        return Drop() if self.is_down else Slow(self._seconds, plays_the_demo_model(received))


@dataclass
class Result:
    """What one outage did; times in seconds."""

    fault: str
    first: list[float] = field(default_factory=list)
    owed: list[float] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    silent: int = 0
    lost: int = 0

    @property
    def holds(self) -> bool:
        is_heard = not self.silent and max(self.first) <= FIRST_WORDS_SECONDS
        return is_heard and not self.lost and not self.doubled and max(self.owed) <= OWED_SECONDS

    def __str__(self) -> str:
        first = (
            f"first words p50 {statistics.median(self.first):.1f} max {max(self.first):.1f} s" if self.first else "-"
        )
        owed = f"owed {max(self.owed):.1f} s after the end" if self.owed else "-"
        counts = f"doubled {len(self.doubled)}   lost {self.lost}   silent {self.silent}"
        load = f"load {os.getloadavg()[0]:.1f}"
        return f"{self.fault:<11} {first}   {owed}   {counts}   {load}   {'holds' if self.holds else 'DOES NOT HOLD'}"


def measure(stack: Stack, model: ModelDouble, store: StoreProcess, fault: str, count: int, seconds: float) -> Result:
    """One outage."""
    gateway, result = stack.gateway, Result(fault)
    names = [f"{fault}-{number}" for number in range(count)]
    for name in names:
        stack.connect(f"{name}.myshopify.com", name)
    if FAULTS[fault]:
        store.fault(FAULTS[fault])
    model.is_down = fault == "model"
    began, published = time.time(), dict[str, float]()
    for number, name in enumerate(names):
        time.sleep(max(0.0, began + number * seconds / count - time.time()))
        published[name] = time.time()
        stack.connected(name, f"{name}.myshopify.com", name)
    time.sleep(max(0.0, began + seconds - time.time()))
    store.clear_faults()
    model.is_down = False
    ended = time.time()

    def is_over() -> bool:
        told = all(any(OWED in text for text in gateway.texts(name)) for name in names)
        return told and stack.rows(OPEN, like=f"{fault}-%")[0][0] == 0

    try:
        wait_until(is_over, limit=PATIENCE_SECONDS, what="what is owed")
    except AssertionError:
        print(f"  still open: {stack.rows(OPEN, like=f'{fault}-%')[0][0]} turns", flush=True)
    for name in names:
        said = [reply for reply in gateway.of(name) if reply.text]
        if not said:
            result.silent += 1
        else:
            result.first.append(min(gateway.arrived[reply.id] for reply in said) - published[name])
        told = [reply for reply in said if OWED in (reply.text or "")]
        if told:
            result.owed.append(max(0.0, gateway.arrived[told[0].id] - ended))
        else:
            result.lost += 1
        heard = Counter(reply.text for reply in said)
        result.doubled += [f"{name}: {text}" for text, times in heard.items() if text and times > 1]
    for text in result.doubled[:5]:
        print(f"  twice: {text}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(FAULTS)}; default: all")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of an outage")
    parser.add_argument("--merchants", type=int, default=20, help="how many connect during it")
    parser.add_argument("--think", type=float, default=0.3, help="seconds the model takes per answer")
    parser.add_argument("--show", action="store_true", help="print what the first merchant heard, and when")
    options = parser.parse_args()
    if unknown := set(options.faults) - set(FAULTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    results = []
    store = StoreProcess()
    try:
        with ground() as here, ModelDouble(options.think) as model:
            environ = {
                "CJ_MODEL": "openai/double",
                "OPENAI_API_BASE": model.base_url,
                "OPENAI_API_KEY": "none",
                "CJ_LEASE_SECONDS": "10",
                "CJ_LOG_LEVEL": "WARNING",
            }
            ready = Stack(here.database_url, here.valkey.url, here.folder, environ=environ, store=store.as_store())
            with ready as stack:
                for fault in options.faults or FAULTS:
                    results.append(measure(stack, model, store, fault, options.merchants, options.seconds))
                    print(results[-1], flush=True)
                    if options.show:
                        show(stack, f"{fault}-0")
    finally:
        store.stop()
    sys.exit(0 if all(result.holds for result in results) else 1)


def show(stack: Stack, name: str) -> None:
    """What one merchant heard, in seconds since the first reply."""
    said = [reply for reply in stack.gateway.of(name) if reply.text]
    for reply in said:
        print(f"  {stack.gateway.arrived[reply.id] - stack.gateway.arrived[said[0].id]:6.1f}  {reply.text}")


if __name__ == "__main__":
    main()
