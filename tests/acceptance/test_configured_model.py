"""The model configured in the environment answers: over HTTP, with tools, and with the history. A badly behaved
one breaks no promise to merchants."""

import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from events.reply import texts
from tests.openai_server import Answer, Drop, Held, OpenAIServer, Received, Say, plays_the_demo_model
from tests.servers import PostgresForTests
from tests.stack import MEANWHILE, Stack
from tests.tcp import closed_port
from workers.agent.answers import NOTED, UNASKED
from workers.local.embedded import EmbeddedValkey
from workflows.loader import SHIPPED

SHOP, MERCHANT, CONVERSATION = "configured.myshopify.com", "m_configured", "conv_configured"
MODELS = ("refuses", "empty", "dialect", "invents", "slow")
"""Names of models, and how they behave."""
KINDS = ("lost", "late", "well")
"""Of merchants: Shopify no longer accepts the token, Shopify does not answer, all is well."""
INVENTED = "You made $98,765.43 in sales last Tuesday."
_requests: Counter[str] = Counter()
"""By shop."""
_stacks: list[Stack] = []
"""The one that asks."""


def behaves(request: Received) -> Answer:
    """As the model's name says, at a shop's first requests or always; else as the demo model does."""
    said, shop = plays_the_demo_model(_insisting(request)), _shop(request)
    _requests[shop] += 1
    calls = "".join(f"<tool_call>{json.dumps(vars(call))}</tool_call>" for call in said.calls)
    match request.body["model"]:
        case "refuses" if shop == shop_of("refuses", "lost") and _requests[shop] == 1:  # more, and it is said
            return Drop()
        case "slow" if _requests[shop] == 1:
            return Held(lambda: any(texts(_stacks[0].gateway.of(shop))), said)
        case "empty":
            return Say(None, said.calls)
        case "dialect":
            return Say(f"{said.text or ''}{calls}")
        case "invents":
            return Say(f"{said.text} {INVENTED}" if said.text else None, said.calls)
    return said


def _insisting(request: Received) -> Received:
    """As if no message had ever been sent back for its claims."""
    messages = request.messages
    corrected = [at for at, message in enumerate(messages) if "claims_without_ground" in str(message.get("content"))]
    left = [message for at, message in enumerate(messages) if at not in corrected and at + 1 not in corrected]
    return replace(request, body={**request.body, "messages": left})


def _shop(request: Received) -> str:
    found = re.search(r'"shop_domain": "([^"]+)"', str(request.messages[0]["content"]))
    return found[1] if found else ""


def workflow_of(model: str) -> str:
    """The shipped onboarding with that model, for the model's merchants only, who stay in it."""
    workflow = yaml.safe_load((SHIPPED / "shopify_onboarding.yaml").read_text())
    provider = "deepseek" if model == "away" else "openai"
    workflow |= {"name": model, "model": {"name": f"{provider}/{model}"}}
    workflow["behavior"] = {"initiator": "cj", "opens": ["oauth_complete"], "opens_before": ["shopify_onboarding"]}
    workflow["requirements"] = []
    first, *others = workflow["system_events"]["oauth_complete"]
    first["condition"] += f" and shop_domain in {[shop_of(model, kind) for kind in KINDS]}"
    for rule in others:
        rule["condition"] += f" and context.workflow == '{model}'"
    return str(yaml.safe_dump(workflow, sort_keys=False))


def shop_of(model: str, kind: str) -> str:
    return f"{model}-{kind}.myshopify.com"


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenAIServer]:
    with OpenAIServer(behaves) as server:
        yield server


@pytest.fixture(scope="module")
def configured(
    postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory, provider: OpenAIServer
) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("configured")
    workflows = folder / "workflows"
    workflows.mkdir()
    for name in ("shopify_onboarding.yaml", "ad_hoc_support.yaml"):
        (workflows / name).write_text((SHIPPED / name).read_text())
    for model in (*MODELS, "away"):
        (workflows / f"{model}.yaml").write_text(workflow_of(model))
    environ = {
        "CJ_WORKFLOWS": str(workflows),
        "CJ_MODEL": "openai/test-model",
        "OPENAI_API_BASE": provider.base_url,
        "OPENAI_API_KEY": "sk-not-a-key",
        "DEEPSEEK_API_BASE": f"http://127.0.0.1:{closed_port()}",  # nobody listens
        "DEEPSEEK_API_KEY": "sk-not-a-key",
    }
    with (
        EmbeddedValkey(folder / "valkey", aof=False) as valkey,
        postgres.migrated_database() as database_url,
        Stack(database_url, valkey.url, folder, environ=environ) as stack,
    ):
        _stacks[:] = [stack]
        yield stack


def test_the_turn_goes_through_the_configured_model(configured: Stack, provider: OpenAIServer) -> None:
    configured.connect(SHOP, MERCHANT)
    configured.connected(MERCHANT, SHOP, CONVERSATION)
    replies = configured.gateway.wait_for_ends(CONVERSATION)
    assert replies[-1].kinds[-1] == "RUN_FINISHED"
    truth = configured.store.truth(SHOP)
    assert f"{truth['customers']:,} customers in your store" in configured.gateway.texts(CONVERSATION)[0]
    first = provider.requests[0]
    assert first.body["model"] == "test-model"
    assert first.tool_names == ["shopify_data", "calculate_metrics"]
    assert first.messages[0]["role"] == "system"
    assert "You are CJ" in first.messages[0]["content"]
    assert first.messages[1]["content"].startswith("[system event] show_shopify_insights")
    assert any(message["role"] == "tool" for message in provider.requests[1].messages)


def test_the_merchants_words_reach_it_unchanged_with_what_was_said_before(
    configured: Stack, provider: OpenAIServer
) -> None:
    words = "How many customers do I have? {{7*7}} \u00e9 <b>"
    before = len(provider.requests)
    configured.say(MERCHANT, CONVERSATION, words)
    configured.gateway.wait_for_ends(CONVERSATION, 2)
    asked = provider.requests[before].messages
    assert asked[-1] == {"role": "user", "content": words}
    assert [message["role"] for message in asked].count("tool") >= 3
    assert any(
        message["role"] == "assistant" and "recent activity" in (message.get("content") or "") for message in asked
    )


# --- models that behave badly -----------------------------------------------------------------------------------


class Merchants:
    """Three merchants of each model, whose stories run side by side; each conversation is named after its shop."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.shops = {(model, kind): shop_of(model, kind) for model in MODELS for kind in KINDS}

    def play(self) -> None:
        stack = self._stack
        shops = [*self.shops.values(), shop_of("away", "well")]
        for shop in shops:
            stack.connect(shop, f"m-{shop}", size="tiny")
        for (_, kind), shop in self.shops.items():
            if kind != "well":
                stack.store.fault(shop, {"lost": "unauthorized", "late": "status"}[kind])
        for shop in shops:
            stack.connected(f"m-{shop}", shop, shop)
        for shop in shops:
            if shop.endswith("-well.myshopify.com") and not shop.startswith("away"):
                stack.say(f"m-{shop}", shop, "How did the week go?")
        self._wait("lost", 1)
        self._each("lost", "How many customers do I have?")
        self._wait("late", 1)
        for model in MODELS:
            stack.store.clear_faults(self.shops[model, "late"])
        self._wait("lost", 2)
        self._each("lost", "Are you there?")
        self._wait("well", 2)
        for model in MODELS:
            shop = self.shops[model, "well"]
            other = {"provider": "zendesk", "success": True, "merchant_id": f"m-{shop}", "conversation_id": shop}
            stack.publish("oauth_complete", other)
        self._wait("lost", 3)
        for model in MODELS:
            shop = self.shops[model, "lost"]
            stack.store.clear_faults(shop)
            stack.connect(shop, f"m-{shop}", size="tiny")
            stack.connected(f"m-{shop}", shop, shop)
        for kind, ends in {"well": 3, "lost": 5, "late": 2}.items():
            self._wait(kind, ends)

    def _each(self, kind: str, text: str) -> None:
        for model in MODELS:
            shop = self.shops[model, kind]
            self._stack.say(f"m-{shop}", shop, text)

    def _wait(self, kind: str, ends: int) -> None:
        for model in MODELS:
            self._stack.gateway.wait_for_ends(self.shops[model, kind], ends, limit=60)

    def answers(self, model: str, kind: str) -> list[str]:
        """What each turn said, without what was said only because it took long."""
        by_turn: dict[int, list[Any]] = defaultdict(list)
        for reply in self._stack.gateway.of(shop_of(model, kind)):
            if not MEANWHILE.search(str(reply.data[-1].get("messageId"))):
                by_turn[reply.turn].append(reply)
        return [" ".join(texts(replies)) for _, replies in sorted(by_turn.items())]


@pytest.fixture(scope="module")
def merchants(configured: Stack) -> Merchants:
    found = Merchants(configured)
    found.play()
    return found


@pytest.mark.parametrize(("model", "kind"), [*itertools.product(MODELS, KINDS)])
def test_a_model_that_behaves_badly_takes_no_words_and_no_promise(
    merchants: Merchants, configured: Stack, model: str, kind: str
) -> None:
    answers = merchants.answers(model, kind)
    whole = " ".join(answers)
    assert not re.search(r"tool_call|98,765|system event|shopify_data", whole)
    for answer in answers:
        sentences = re.split(r"(?<=[.?!]) ", answer)
        assert [sentence for sentence, times in Counter(sentences).items() if times > 1] == []
    customers = f"{configured.store.truth(shop_of(model, kind))['customers']} customers"
    assert whole.count(customers) == 1
    if kind == "lost":  # never silent, and each question is answered when the store is back
        greeting, asked, small_talk, *_ = answers
        assert "reconnect" in greeting
        assert asked
        assert small_talk
        assert re.search(rf"^Your store is connected again\..*{customers}", " ".join(answers[3:]))
    elif kind == "late":  # a promise is kept
        first, second = answers
        assert "I'll look again by myself and tell you then." in first
        assert re.search(rf"^I looked again, as promised\..*{customers}", second)
    else:  # one listener; another provider is data
        assert "last seven days" in answers[0]
        assert answers[-1]


@pytest.mark.usefixtures("merchants")
def test_that_a_model_is_away_is_said_once_and_what_the_merchant_writes_is_noted(configured: Stack) -> None:
    shop = shop_of("away", "well")
    configured.gateway.wait_for_ends(shop, 1)
    configured.say(f"m-{shop}", shop, "How did the week go?")
    configured.gateway.wait_for_ends(shop, 2)
    assert configured.gateway.texts(shop) == [UNASKED, NOTED]
