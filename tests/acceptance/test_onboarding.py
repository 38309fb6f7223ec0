"""A merchant connects a store; CJ says true things about it, message by message, and the conversation continues."""

from tests.acceptance.conftest import Someone
from tests.stack import Stack


def connect(stack: Stack, someone: Someone, size: str = "medium") -> None:
    stack.connect(someone.shop_domain, someone.merchant_id, size=size)
    stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)


def test_the_first_words_are_true_and_come_one_by_one(stack: Stack, someone: Someone) -> None:
    connect(stack, someone)
    replies = stack.gateway.wait_for_ends(someone.conversation_id)
    truth = stack.store.truth(someone.shop_domain)
    said = [reply for reply in replies if reply.text]
    counts, recent = [reply for reply in said if not reply.continues][:2]
    assert f"{truth['customers']:,} customers in your store" in (counts.text or "")
    assert "recent activity" in (recent.text or "")
    assert recent.time is not None
    assert counts.time is not None
    assert (recent.time - counts.time).total_seconds() >= 1.0
    assert "support system" in stack.gateway.texts(someone.conversation_id)[-1]
    assert replies[0].kinds[0] == "RUN_STARTED"
    assert replies[-1].kinds[-1] == "RUN_FINISHED"
    assert [reply.sequence for reply in replies] == [f"{n:06d}" for n in range(1, len(replies) + 1)]


def test_after_the_insights_the_conversation_is_open_ended(stack: Stack, someone: Someone) -> None:
    connect(stack, someone)
    replies = stack.gateway.wait_for_ends(someone.conversation_id)
    moves = [event["value"] for reply in replies for event in reply.data if event["type"] == "CUSTOM"]
    assert moves == [{"from": "shopify_onboarding", "to": "ad_hoc_support"}]
    [(workflow,)] = stack.rows("select workflow from conversations where id = :id", id=someone.conversation_id)
    assert workflow == "ad_hoc_support"


def test_the_merchant_is_answered_with_the_history(stack: Stack, someone: Someone) -> None:
    connect(stack, someone)
    stack.gateway.wait_for_ends(someone.conversation_id)
    stack.say(someone.merchant_id, someone.conversation_id, "How many customers do I have?")
    stack.gateway.wait_for_ends(someone.conversation_id, 2)
    truth = stack.store.truth(someone.shop_domain)
    assert f"{truth['customers']:,}" in stack.gateway.texts(someone.conversation_id)[-1]
    second = [reply for reply in stack.gateway.of(someone.conversation_id) if reply.turn == 2]
    assert "TOOL_CALL_START" not in [
        kind for reply in second for kind in reply.kinds
    ]  # the counts are in the history already
    [(workflow,)] = stack.rows(
        "select workflow from turns where conversation_id = :id and seq = 2", id=someone.conversation_id
    )
    assert workflow == "ad_hoc_support"


def test_the_same_event_five_times_has_one_effect(stack: Stack, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    for _ in range(5):
        stack.connected(
            someone.merchant_id, someone.shop_domain, someone.conversation_id, id=f"same-{someone.merchant_id}"
        )
    stack.gateway.wait_for_ends(someone.conversation_id)
    stack.say(someone.merchant_id, someone.conversation_id, "thanks")
    replies = stack.gateway.wait_for_ends(someone.conversation_id, 2)
    assert {reply.turn for reply in replies} == {1, 2}


def test_cj_opens_a_conversation_before_a_store_is_connected(stack: Stack, someone: Someone) -> None:
    started = {"merchant_id": someone.merchant_id, "conversation_id": someone.conversation_id}
    stack.publish("conversation_started", started, source="/gateway")
    stack.gateway.wait_for_ends(someone.conversation_id)
    [greeting] = stack.gateway.texts(someone.conversation_id)
    assert "connect" in greeting
    connect(stack, someone)
    stack.gateway.wait_for_ends(someone.conversation_id, 2)
    assert "customers in your store" in "\n".join(stack.gateway.texts(someone.conversation_id))


def test_a_connected_merchant_begins_in_support(stack: Stack, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    started = {"merchant_id": someone.merchant_id, "conversation_id": someone.conversation_id}
    stack.publish("conversation_started", started, source="/gateway")
    replies = stack.gateway.wait_for_ends(someone.conversation_id)
    assert "already connected" in stack.gateway.texts(someone.conversation_id)[0]
    assert any(event.get("name") == "workflow_transition" for reply in replies for event in reply.data)


def test_a_disconnected_store_leads_back_to_onboarding_and_a_new_connection_out_again(
    stack: Stack, someone: Someone
) -> None:
    connect(stack, someone)
    stack.gateway.wait_for_ends(someone.conversation_id)
    gone = {"merchant_id": someone.merchant_id, "shop_domain": someone.shop_domain}
    stack.publish("app_uninstalled", gone)
    stack.gateway.wait_for_ends(someone.conversation_id, 2)
    assert "no longer connected" in stack.gateway.texts(someone.conversation_id)[-1]
    [(key, refresh)] = stack.rows(
        "select api_key, refresh_token from merchant_integrations where merchant_id = :id", id=someone.merchant_id
    )
    assert key is None
    assert refresh is None
    connect(stack, someone)
    stack.gateway.wait_for_ends(someone.conversation_id, 3)
    [(workflow,)] = stack.rows("select workflow from conversations where id = :id", id=someone.conversation_id)
    assert workflow == "ad_hoc_support"
