"""From `oauth_complete` to CJ's first insight, begun with prefetched data and without: `python -m bench.first_insight`.

Both in one run, in turn: the shipped onboarding, whose prefetch says `inject: true`, and the same workflow without it.
The model takes `--think` seconds for each answer. Aim: one round trip of the model and 100 ms.
"""

import argparse
import time
from pathlib import Path

from bench.fairness import thinking_model
from bench.figures import latency
from bench.ground import StoreProcess, ground
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

SHIPPED, ASKING = "shopify_onboarding", "asking_onboarding"


def workflows(folder: Path) -> Path:
    """The shipped ones, and onboarding without `inject`."""
    target = folder / "workflows"
    target.mkdir()
    for source in (ROOT / "workflows").glob("*.yaml"):
        (target / source.name).write_text(source.read_text())
    text = (target / f"{SHIPPED}.yaml").read_text()
    asking = text.replace("          inject: true\n", "").replace(f"name: {SHIPPED}\n", f"name: {ASKING}\n", 1)
    assert asking.count("\n") == text.count("\n") - 1
    asking = asking.replace("behavior:\n", "behavior:\n  opens: []\n", 1)
    (target / f"{ASKING}.yaml").write_text(asking)
    return target


def first_insight(stack: Stack, workflow: str, number: int) -> float:
    """Seconds from publishing the event until the gateway shows the first text that answers it."""
    merchant_id = conversation = f"{workflow}_{number}"
    shop = f"{workflow.replace('_', '-')}-{number}.myshopify.com"
    gateway = stack.gateway
    opened = {"merchant_id": merchant_id, "conversation_id": conversation, "workflow": workflow}
    stack.publish("conversation_started", opened, source="/gateway")
    wait_until(lambda: gateway.ends(conversation), limit=30, what="CJ's opening")
    before = len(gateway.texts(conversation))
    stack.connect(shop, merchant_id)
    began = time.time()
    stack.connected(merchant_id, shop, conversation)
    wait_until(lambda: len(gateway.texts(conversation)) > before, limit=30, what="the first insight")
    said = [reply for reply in gateway.of(conversation) if reply.text][before]
    assert said.text is not None
    assert "customers" in said.text, said.text
    return gateway.arrived[said.id] - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--think", type=float, default=0.6, help="seconds the model takes per answer")
    parser.add_argument("--flows", type=int, default=15, help="of each kind")
    options = parser.parse_args()
    took: dict[str, list[float]] = {SHIPPED: [], ASKING: []}
    store = StoreProcess()
    try:
        with ground() as here, thinking_model(options.think) as model:
            environ = {**model, "CJ_WORKFLOWS": str(workflows(here.folder)), "CJ_LOG_LEVEL": "WARNING"}
            with Stack(
                here.database_url, here.valkey.url, here.folder, environ=environ, store=store.as_store()
            ) as stack:
                for number in range(options.flows + 1):
                    for workflow, found in took.items():
                        found.append(first_insight(stack, workflow, number))
    finally:
        store.stop()
    aim = f"aim p50 <= {options.think * 1000 + 100:.0f} ms"
    latency("begun with prefetched counts", took[SHIPPED][1:], aim)
    latency("asked for by the model", took[ASKING][1:])


if __name__ == "__main__":
    main()
