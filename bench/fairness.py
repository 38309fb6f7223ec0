"""One busy merchant with a thousand turns next to fifty others: `python -m bench.fairness [--hot 1000] [--seconds 15]`.

With `--flood 20000` the one merchant writes so many messages of the greatest length, `--flood-rate` a second, while the
others are measured, and 100,000 turns of another one wait for their time.

The others say something in turn, `--rate` messages per second together, first alone and then beside the thousand. The
time from publish to the end of the turn must hardly change: aim p95 within 1.3 x of alone. The model thinks for
`--think` seconds, as models do. With 0 the demo model answers at once: then the one merchant's two turns at a time
are nothing but work for the processors, and on two of them the others feel that, however fair the queue is.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from bench.figures import latency
from bench.ground import StoreProcess, ground, unhurried_workflows
from storage import merchants
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

OTHERS = 50


STAGES = """
    WITH stages AS (
        SELECT unnest(ARRAY['taken in', 'handled', 'claimed', 'answered', 'shown']) AS stage, unnest(ARRAY[
            e.received_at - e.time, e.processed_at - e.received_at, t.started_at - e.processed_at,
            t.finished_at - t.started_at,
            (SELECT max(r.acked_at) FROM replies r WHERE r.turn_id = t.id) - t.finished_at]) AS took
        FROM turns t JOIN events e ON e.key = t.event_key
        WHERE t.merchant_id LIKE 'other_%' AND e.received_at > (
            SELECT min(created_at) FROM turns WHERE merchant_id = 'hot')
    )
    SELECT stage, 1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(extract(epoch FROM took) AS float)),
           1000 * percentile_cont(0.95) WITHIN GROUP (ORDER BY CAST(extract(epoch FROM took) AS float))
    FROM stages GROUP BY stage
    ORDER BY array_position(ARRAY['taken in', 'handled', 'claimed', 'answered', 'shown'], stage)
"""


WAITING = """
INSERT INTO merchants (id, name) VALUES ('waiting', 'waiting');
INSERT INTO merchant_integrations (merchant_id, type, shop_domain, api_key, status, is_active)
VALUES ('waiting', 'shopify', 'waiting.myshopify.com', 'sealed', 'needs_reauth', false);
INSERT INTO conversations (id, merchant_id, workflow, context, last_turn)
SELECT 'waiting_' || n, 'waiting', 'ad_hoc_support', '{}', 10000 FROM generate_series(0, 9) AS n;
INSERT INTO events (source, id, type, content_hash, status, merchant_id, processed_at)
VALUES ('/waiting', 'waiting', 'message_received', '', 'processed', 'waiting', clock_timestamp());
INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, run_after, wake_at, input)
SELECT 'waiting_' || n % 10, 'waiting', n / 10 + 1, e.key, n, soon, soon,
       '{"sender"\\: "merchant", "text"\\: "hello", "cleanup_trigger"\\: false, "metadata"\\: {}}'
FROM events e, generate_series(0, 99999) AS n, (SELECT clock_timestamp() + interval '1 hour') AS t (soon)
WHERE e.id = 'waiting';
ANALYZE
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


def measure_in_flood(stack: Stack, count: int, flood_rate: float, rate: float) -> float:
    """As `measure`, while the one merchant floods."""
    others = Others(stack)
    others.write(rate, 3.0)
    alone = latency("others alone", others.write(rate, count / flood_rate))
    with stack.database.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = '60s'"))
        for statement in WAITING.split(";"):
            session.execute(text(statement))
    command = [sys.executable, "-m", "bench.flooder", stack.broker_url, str(count), str(flood_rate)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as flooder:
        name = f"others beside {count} messages of one merchant"
        beside = latency(name, others.write(rate, count / flood_rate), "aim p95 <= 1.3 x")
        left = flooder.communicate()[0].strip()
    taken_in, handled, declined = stack.rows("""
        SELECT (SELECT count(*) FROM events WHERE merchant_id = 'hot'),
               (SELECT count(*) FROM events WHERE merchant_id = 'hot' AND status = 'processed'),
               (SELECT count(*) FROM turns WHERE merchant_id = 'hot' AND error = 'too_many_waiting')""")[0]
    print(f"the one merchant wrote {left} messages/s; {taken_in} taken in, {handled} handled, {declined} declined")
    for stage, p50, p95 in stack.rows(STAGES):
        print(f"    {stage:<20} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms")
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
    parser.add_argument("--flood", type=int, default=0, help="messages that the one merchant writes meanwhile")
    parser.add_argument("--flood-rate", type=float, default=400.0, help="how many of them a second")
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
                if options.flood:
                    ratio = measure_in_flood(stack, options.flood, options.flood_rate, options.rate)
                else:
                    ratio = measure(stack, options.hot, options.rate, options.seconds)
    finally:
        store.stop()
    print(f"p95 with load / p95 alone: {ratio:.2f}")


if __name__ == "__main__":
    main()
