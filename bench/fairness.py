"""One busy merchant with a thousand turns next to fifty others: `python -m bench.fairness [--hot 1000] [--seconds 15]`.

The others write in turn, `--rate` messages per second in total, first alone and then next to the busy merchant. The
time from publish to the end of the turn must hardly change: the aim is p95 within 1.3 x of alone. The model takes
`--think` seconds per answer. With 0 the demo model answers at once: then the busy merchant's two concurrent turns only
use CPU, and on two cores the others notice, however fair the queue is.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.flow import StoreProcess, latency, unhurried_workflows
from bench.ground import ground
from storage import merchants
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

OTHERS = 50


STAGES = """
    WITH stages AS (
        SELECT unnest(ARRAY['taken in', 'handled', 'claimed', 'answered']) AS stage, unnest(ARRAY[
            e.received_at - e.time, e.processed_at - e.received_at, t.started_at - e.processed_at,
            t.finished_at - t.started_at]) AS took
        FROM turns t JOIN events e ON e.key = t.event_key
        WHERE t.merchant_id <> 'hot' AND e.received_at > (SELECT max(created_at) FROM turns WHERE merchant_id = 'hot')
    )
    SELECT stage, 1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(extract(epoch FROM took) AS float)),
           1000 * percentile_cont(0.95) WITHIN GROUP (ORDER BY CAST(extract(epoch FROM took) AS float))
    FROM stages GROUP BY stage ORDER BY array_position(ARRAY['taken in', 'handled', 'claimed', 'answered'], stage)
"""


class Others:
    """Fifty merchants who write in turn."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._round = 0
        with stack.database.transaction() as session:
            for merchant_id in ["hot", *(f"other_{number}" for number in range(OTHERS))]:
                merchants.add_merchant(session, merchant_id)

    def write(self, rate: float, seconds: float) -> list[float]:
        """Write `rate` messages a second; returns the seconds from each publish to the end of its turn."""
        began: dict[str, float] = {}
        started = time.monotonic()
        for number in range(int(rate * seconds)):
            time.sleep(max(started + number / rate - time.monotonic(), 0))
            self._round += 1
            conversation = f"other_{self._round}"
            began[conversation] = time.time()
            self._stack.say(f"other_{self._round % OTHERS}", conversation, "hello")
        return [self._took(conversation, at) for conversation, at in began.items()]

    def _took(self, conversation: str, began: float) -> float:
        gateway = self._stack.gateway
        wait_until(lambda: gateway.ends(conversation), limit=60, what=f"the end of {conversation}")
        return max(gateway.arrived[reply.id] for reply in gateway.of(conversation)) - began


def measure(stack: Stack, hot: int, rate: float, seconds: float) -> float:
    others = Others(stack)
    others.write(rate, 3.0)
    alone = latency("others alone", others.write(rate, seconds))
    for number in range(hot):
        stack.say("hot", f"hot_{number}", "hello")
    taken_in = "SELECT count(*) FROM turns WHERE merchant_id = 'hot'"
    wait_until(lambda: stack.rows(taken_in)[0][0] == hot, limit=120, what="the turns of the busy merchant")
    beside = latency(f"others next to {hot} turns of one merchant", others.write(rate, seconds), "aim p95 <= 1.3 x")
    left = stack.rows("SELECT count(*) FROM turns WHERE merchant_id = 'hot' AND status = 'queued'")[0][0]
    for stage, p50, p95 in stack.rows(STAGES):
        print(f"    {stage:<20} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms")
    print(f"turns of the busy merchant still waiting at the end: {left} (0: it finished too soon to tell)")
    return float(beside["p95_ms"] / alone["p95_ms"])


@contextmanager
def thinking_model(seconds: float) -> Iterator[dict[str, str]]:
    """An environment in which agents ask a model that takes `seconds` per answer."""
    if seconds <= 0:
        yield {}
        return
    command = [sys.executable, "-m", "bench.thinking_model", str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        yield {"CJ_MODEL": "openai/thinking", "OPENAI_API_BASE": base_url, "OPENAI_API_KEY": "none"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hot", type=int, default=1000, help="turns of the busy merchant")
    parser.add_argument("--rate", type=float, default=5.0, help="messages per second from all others together")
    parser.add_argument("--think", type=float, default=0.5, help="seconds the model takes per answer")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each part")
    options = parser.parse_args()
    store = StoreProcess()
    try:
        with ground() as here, thinking_model(options.think) as model:
            environ = {
                **model,
                "CJ_WORKFLOWS": str(unhurried_workflows(here.folder)),
                "CJ_LEASE_SECONDS": "10",
                "CJ_LOG_LEVEL": "WARNING",
                "CJ_TURNS_PER_MINUTE": "0",  # the work of a thousand turns is the point
                "CJ_TOKENS_PER_DAY": "0",
            }
            with Stack(
                here.database_url, here.valkey.url, here.folder, environ=environ, store=store.as_store()
            ) as stack:
                ratio = measure(stack, options.hot, options.rate, options.seconds)
    finally:
        store.stop()
    print(f"p95 with load / p95 alone: {ratio:.2f}")


if __name__ == "__main__":
    main()
