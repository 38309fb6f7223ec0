"""The model configured in the environment answers: over HTTP, with tools, and with the history."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.openai_server import OpenAIServer, plays_the_demo_model
from tests.servers import PostgresForTests
from tests.stack import Stack
from workers.local.embedded import EmbeddedValkey

SHOP, MERCHANT, CONVERSATION = "configured.myshopify.com", "m_configured", "conv_configured"


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenAIServer]:
    with OpenAIServer(plays_the_demo_model) as server:
        yield server


@pytest.fixture(scope="module")
def configured(
    postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory, provider: OpenAIServer
) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("configured")
    environ = {"CJ_MODEL": "openai/test-model", "OPENAI_API_BASE": provider.base_url, "OPENAI_API_KEY": "sk-not-a-key"}
    with (
        EmbeddedValkey(folder / "valkey", aof=False) as valkey,
        postgres.migrated_database() as database_url,
        Stack(database_url, valkey.url, folder, environ=environ) as stack,
    ):
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
