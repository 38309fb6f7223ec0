"""The contract as another language would use it: only kombu and JSON."""

import json
import time
import uuid

from ag_ui.core import Event as AgUiEvent
from kombu import Connection
from pydantic import TypeAdapter

from tests.acceptance.conftest import Someone
from tests.stack import Stack
from tests.waiting import wait_until


def put(stack: Stack, body: bytes | str, content_type: str = "application/cloudevents+json") -> None:
    with Connection(stack.broker_url) as connection:
        connection.Producer().publish(
            body,
            exchange="",
            routing_key="events",
            content_type=content_type,
            content_encoding="utf-8",
            delivery_mode=2,
        )


def event(someone: Someone, **changed: object) -> dict[str, object]:
    data = {
        "provider": "shopify",
        "success": True,
        "shop_domain": someone.shop_domain,
        "merchant_id": someone.merchant_id,
        "conversation_id": someone.conversation_id,
    }
    frame = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "/auth", "type": "oauth_complete"}
    return {**frame, "time": "2026-11-22T10:00:00Z", "data": {**data, **changed}}


def test_an_event_put_by_kombu_alone_is_answered_as_the_contract_says(stack: Stack, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    sent = event(someone)
    put(stack, json.dumps(sent))
    replies = stack.gateway.wait_for_ends(someone.conversation_id)
    for reply in replies:
        assert reply.source == "/cj"
        assert reply.type == "cj.reply"
        assert reply.causationid == sent["id"]
        for found in reply.data:
            TypeAdapter(AgUiEvent).validate_python(found)
    stack.wait_row(
        "select count(*) from replies where conversation_id = :id and acked_at is null",
        lambda rows: rows == [(0,)],
        id=someone.conversation_id,
    )


def test_refused_events_have_a_code_and_the_next_good_one_is_answered(stack: Stack, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id)
    other = Someone(f"{someone.merchant_id}x", f"other-{someone.shop_domain}", f"{someone.conversation_id}x")
    stack.connect(other.shop_domain, other.merchant_id)
    unknown = event(someone) | {"type": "oauth_completed"}
    foreign = event(someone, shop_domain="mycom.myshopify.company")
    mixed = event(someone, shop_domain=other.shop_domain)
    large = event(someone, error="x" * 1_000_000)
    before = stack.rows("select coalesce(max(key), 0) from events")[0][0]
    put(stack, "this is not JSON")
    for bad in (unknown, event(someone, success="true"), foreign, mixed, large):
        put(stack, json.dumps(bad))
    put(stack, json.dumps(event(someone)))
    stack.gateway.wait_for_ends(someone.conversation_id)
    rows = stack.wait_row(
        "select error_code, error from events where status = 'rejected' and key > :before order by error_code",
        lambda rows: len(rows) == 6,
        before=before,
    )
    assert {code for code, _ in rows} == {
        "event.not_json",
        "event.unknown_type",
        "event.bad_type",
        "event.bad_shop_domain",
        "event.shop_merchant_mismatch",
        "event.too_large",
    }
    assert all(len(sentence) > 10 for _, sentence in rows)


def test_a_first_request_reaches_the_store_soon(stack: Stack, someone: Someone) -> None:
    """The promise is 500 ms, which `bench.flow` measures on a quiet machine; this may be a busy one."""
    stack.connect(someone.shop_domain, someone.merchant_id)
    started = time.time()
    stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
    first = wait_until(
        lambda: [seen for seen in stack.store.requests() if seen["shop"] == someone.shop_domain], limit=5.0
    )[0]
    stack.gateway.wait_for_ends(someone.conversation_id)
    assert first["received_at"] - started < 2.0
