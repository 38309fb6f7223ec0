"""Conversations of the demo model with stores of all kinds and faults, in one process: what the merchant reads.

The store answers over HTTP; the tools, the prompt, the grounds and the model are the agent's own. The words must pass
the check that every model's words pass, without a correction.
"""

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from shopify.client import ShopifyClient
from shopify.data.dispatch import fetch
from shopify.data.fetched import Fetched
from shopify.data.query import Access, fetch_access
from shopify.development_store import DevelopmentStore, token_for
from shopify.errors import ShopifyError, Temporary, Throttled
from shopify.transport import http_client
from storage.conversations import PastTurn
from storage.turns import AbsorbedTurn, Claim, StepRow, TurnInput
from workers.agent.calculate_metrics import MetricsArguments, calculate
from workers.agent.prompt import Absorbed
from workers.agent.state import TurnState
from workers.agent.tools import REGISTRY
from workers.model.demo import reply_to, wire_message
from workers.shop import results
from workers.shop.fetch import OF_THE_SHOP
from workers.shop.results import Result
from workers.truth import grounding
from workflows.loader import load_folder
from workflows.workflow import WorkflowSet

KEPT = Path(__file__).parent / "transcripts.yaml"
NOW = datetime(2026, 11, 19, 15, 30, tzinfo=UTC)
"""A Thursday, when the stores' time stands still."""
INSIGHTS = "show_shopify_insights"
PATIENCE_SECONDS = 60.0
SILENT = ("hang", "slow_body")


class Talk:
    """One merchant's conversation. `scopes` are those Shopify granted; `fault` is in force until it is cleared."""

    def __init__(self, store: DevelopmentStore, workflows: WorkflowSet, shop: str, patience: float) -> None:
        self._http, self.patience = http_client(), patience
        secret = SecretStr(token_for(shop))
        self.client = ShopifyClient(
            shop, secret, http=self._http, admin_url=store.admin_url, sleep=lambda _seconds: None
        )
        self._workflows = workflows
        self._workflow = workflows.get("shopify_onboarding")
        self._context: dict[str, Any] = {"shopify_connected": True, "shop_domain": shop}
        self._history: list[PastTurn] = []
        self._owed: list[str] = []
        self._facts: Access | None = None
        self._trouble: Result | None = None

    def close(self) -> None:
        self._http.close()

    def reconnect(self) -> None:
        """Shopify accepts the shop's token again."""
        self._context.pop("store", None)

    def connected(self, meanwhile: Mapping[int, str] = {}) -> list[str]:
        """What CJ says when the store is connected; `meanwhile`: what the merchant says before which step."""
        again = {"reconnected": True} if self._owed else {}
        owed, self._owed = [TurnInput("merchant", text, metadata={"again": True}) for text in self._owed], []
        absorbed = [Absorbed(0, said) for said in owed]
        absorbed += [Absorbed(step, TurnInput("merchant", text)) for step, text in meanwhile.items()]
        is_onboarding = self._workflow.name == "shopify_onboarding"
        text, command = (
            (INSIGHTS, {"command": "progressive_disclosure"}) if is_onboarding else ("store_reconnected", {})
        )
        return self._turn(TurnInput("system", text, metadata=command | again), absorbed)

    def asked(self, text: str, *, crossed: bool = False) -> list[str]:
        """What CJ answers; `crossed`: the merchant wrote before CJ's last words were out."""
        return self._turn(TurnInput("merchant", text), crossed=crossed)

    def follow_up(self, *data_types: str, given_up: bool = False) -> list[str]:
        """What CJ says when it looks again, or has looked for the last time."""
        what = "Shopify does not give the data, and it is not tried again" if given_up else "look again"
        return self._turn(
            TurnInput("system", f"follow_up: {what}", metadata={"asked": [], "data_types": [*data_types]})
        )

    def _turn(self, said: TurnInput, absorbed: Sequence[Absorbed] = (), *, crossed: bool = False) -> list[str]:
        received = NOW - timedelta(seconds=1) if crossed else NOW
        claim = Claim(1, "c1", "m1", 1, 1, 0, None, None, said, "e1", "t", received, None, NOW, NOW, 10.0)
        state, heard = TurnState(claim, self._workflow, self._context, self._history, []), list[str]()
        self._trouble = None
        for step in itertools.count():
            assert step < 10, "it never ends"
            fresh = [item for item in absorbed if item.at_step == step]
            state.absorbed += fresh
            heard += [f">> {item.input.text}" for item in fresh]
            script = reply_to(state.messages(120_000), tools_offered=True)
            verdicts = grounding.check(script.text or "", state.grounds())
            assert (bad := grounding.ungrounded(verdicts)) == [], (bad, script.text)
            heard += [script.text] if script.text else []
            message = wire_message(script)
            rows = [
                {
                    "tool_call_id": call["id"],
                    "name": call["function"]["name"],
                    "content": self._run(call["function"], state.results()),
                }
                for call in message.get("tool_calls", ())
            ]
            state.steps.append(StepRow(step, message, rows or None, NOW))
            if not rows:
                break
        taken = [AbsorbedTurn(2, 2, "e2", None, item.at_step, item.input) for item in state.absorbed]
        self._history.append(PastTurn(1, said, tuple(state.steps), tuple(taken)))
        if state.promised() == "store":
            self._owed += [item.text for item in (said, *(item.input for item in taken)) if item.sender == "merchant"]
        self._context |= {"store": "lost"} if "shopify.unauthorized" in state.errors() else {}
        if {"counts", "recent_orders"} <= {*state.fetched()}:
            self._workflow = self._workflows.get("ad_hoc_support")
        return heard

    def _run(self, call: dict[str, Any], found: Sequence[Result]) -> Result:
        arguments = REGISTRY[call["name"]].read(json.loads(call["arguments"]))
        if isinstance(arguments, MetricsArguments):
            return calculate(arguments, found)
        assert not isinstance(arguments, dict), arguments
        which = {name: value for name, value in arguments if value is not None}
        data_type = which.pop("data_type")
        if self._trouble is not None:
            return {**self._trouble, "data_type": data_type}
        try:
            return results.fetched(data_type, self._fetch(data_type, which), NOW)
        except ShopifyError as error:
            result = results.refused(data_type, error)
            if isinstance(error, Temporary | Throttled) and error.reason in OF_THE_SHOP:
                self._trouble = result  # as the Shopify worker remembers it
            return result

    def _fetch(self, data_type: str, which: dict[str, Any]) -> Fetched:
        deadline = time.monotonic() + self.patience
        if self._facts is None:
            self._facts = fetch_access(self.client, deadline=deadline)
            self._context["scopes"] = sorted(self._facts.scopes)
        zone = self._facts.time_zone
        return fetch(
            self.client, data_type, scopes=self._facts.scopes, now=NOW, deadline=deadline, time_zone=zone, **which
        )


def play(
    store: DevelopmentStore, workflows: WorkflowSet, case: dict[str, Any], fault: dict[str, Any] | None
) -> list[str]:
    """The whole conversation of a case of the file. What the merchant says begins with `> `, and with `>> ` what the
    answer under way takes in."""
    shop = f"dev-{case['store']}.myshopify.com"
    store.register(shop, case["store"], now=NOW, **case.get("shop", {}))
    for _ in range(case.get("orders", 0)):
        store.place_order(shop)
    if fault is not None:
        store.fault(shop, **fault)
    talk = Talk(store, workflows, shop, 0.2 if fault and fault["kind"] in SILENT else PATIENCE_SECONDS)
    try:
        lines = talk.connected(case.get("meanwhile", {}))
        for said in case.get("then", ()):
            if said == "(connected again)":
                store.clear_faults(shop)
                talk.reconnect()
                lines += [said, *talk.connected()]
            elif said.startswith("(meanwhile) "):
                lines += [f"> {said}", *talk.asked(said.removeprefix("(meanwhile) "), crossed=True)]
            elif said == "(it is over)":
                store.clear_faults(shop)
                talk.patience = PATIENCE_SECONDS
                lines += [said, *talk.follow_up(*case["owed"])]
            elif said == "(it lasts)":
                lines += [said, *talk.follow_up(*case["owed"], given_up=True)]
            else:
                lines += [f"> {said}", *talk.asked(said)]
    finally:
        talk.close()
        store.clear_faults(shop)
    return lines


def cases() -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Each case of the file with each of its faults."""
    return [
        (case, {"kind": fault} if isinstance(fault, str) else fault)
        for case in yaml.safe_load(KEPT.read_text())
        for fault in case.get("faults", [None])
    ]


if __name__ == "__main__":
    written = ""
    with DevelopmentStore(now=NOW).start() as running:
        for each in yaml.safe_load(KEPT.read_text()):
            [first, *_] = [fault for case, fault in cases() if case == each]
            each["heard"] = play(running, load_folder(), each, first)
            written += yaml.safe_dump([each], width=118, sort_keys=False, allow_unicode=True, default_flow_style=False)
    comments = [line for line in KEPT.read_text().splitlines() if line.startswith("#")]
    KEPT.write_text("\n".join(comments) + "\n" + written)
