"""The trace of one flow as a tree: `python -m bench.trace`, or `--to http://127.0.0.1:6006` to send it to a viewer.

A store is connected, a model thinks, and CJ tells what it found; see `workers.tracing`.
"""

import argparse
import os
import secrets
import time

from bench.fairness import thinking_model
from bench.ground import ground
from tests.otlp import Receiver
from tests.stack import Stack
from tests.waiting import wait_until
from workers import tracing

SPANS = 1500
SHOP, MERCHANT, CONVERSATION = "trace.myshopify.com", "m1", "conv_1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", help="where else to send the trace (OTLP over HTTP)")
    parser.add_argument("--think", type=float, default=0.4, help="seconds the model takes per answer")
    options = parser.parse_args()
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
            count, each = len(receiver.of(trace)), span_seconds(receiver)
            print(f"{count} spans, {each * 1e6:.0f} µs of CPU each with their export: {count * each * 1e3:.1f} ms")


def span_seconds(receiver: Receiver) -> float:
    """CPU of a span, recorded and sent."""
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url
    tracing.start(receiver.url, "agent", owner="bench", version="1")
    receiver.decodes = False
    started = time.process_time()
    for _ in range(SPANS):
        with tracing.model_call("openai/x", {"max_tokens": 1000}) as span:
            span.note(input_tokens=1000, output_tokens=100)
    tracing.stop()
    return (time.process_time() - started) / SPANS


if __name__ == "__main__":
    main()
