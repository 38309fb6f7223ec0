"""The demo model with data the shop code really reads, from stores of all kinds."""

import json
import re
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from shopify import data as shopify_data
from shopify.client import ShopifyClient
from shopify.development_store import DevelopmentStore, token_for
from shopify.errors import ShopifyError
from shopify.transport import http_client
from workers.agent import grounding
from workers.agent.grounds import Grounds
from workers.model.demo import reply_to, wire_message

INSIGHTS = "[system event] show_shopify_insights"


class Reader:
    """Answers the demo model's tool calls from a store, as the Shopify worker does."""

    def __init__(self, store: DevelopmentStore, shop: str, token: str | None = None) -> None:
        secret = SecretStr(token or token_for(shop))
        self.http = http_client()
        self.client = ShopifyClient(shop, secret, http=self.http, admin_url=store.admin_url)
        self.read: dict[str, Any] = {}
        self.results: list[dict[str, Any]] = []
        self.zone: tzinfo = UTC

    def result(self, data_type: str) -> str:
        now = datetime.now(UTC)
        result: dict[str, Any] = {"data_type": data_type, "as_of": now.isoformat(timespec="seconds")}
        try:
            fetched = shopify_data.fetch(self.client, data_type, scopes=None, now=now)
        except ShopifyError as error:
            return json.dumps(result | {"success": False, "error_code": error.code, "error": error.merchant})
        self.read[data_type] = fetched.data
        parts = {"missing": fetched.missing, "data_window": fetched.data_window}
        if zone := fetched.data.get("time_zone") or fetched.data.get("shop", {}).get("time_zone"):
            self.zone = ZoneInfo(zone)
        self.results.append(result | {"success": True, "data": fetched.data} | parts)
        return json.dumps(self.results[-1])


def texts(reader: Reader, *said: str) -> list[str]:
    """The demo model's texts until its turn ends. Each says nothing that was not read."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": text} for text in said]
    spoken: list[str] = []
    try:
        while True:
            script = reply_to(messages, True)
            spoken += [script.text] if script.text else []
            grounds = Grounds.of(reader.results, now=datetime.now(reader.zone), said=said)
            assert grounding.ungrounded(grounding.check(script.text or "", grounds)) == []
            messages.append(wire_message(script))
            if not script.calls:
                return spoken
            for call in messages[-1]["tool_calls"]:
                data_type = json.loads(call["function"]["arguments"])["data_type"]
                result = {"role": "tool", "tool_call_id": call["id"], "content": reader.result(data_type)}
                messages.append(result)
    finally:
        reader.http.close()


def assert_well_worded(text: str) -> None:
    assert not re.search(r"\bNone\b|\bnan\b|[{}]|\b1 (customers|orders|units|days)\b|  |\.\.|\bno no\b", text), text
    assert text == text.strip()


@pytest.mark.parametrize("size", ["new", "tiny", "medium", "large", "huge"])
def test_the_insights_of_a_store_are_true_and_well_worded(store: DevelopmentStore, size: str) -> None:
    reader = Reader(store, f"dev-{size}.myshopify.com")
    counts, recent, last = texts(reader, INSIGHTS)
    customers = reader.read["counts"]["customers"]
    assert "customers in your store" in counts
    assert f"{customers:,} customers" in counts or customers == 0
    assert "recent activity" in recent
    newest = [order for order in reader.read["recent_orders"]["orders"] if not order["test"] and not order["cancelled"]]
    assert not newest or newest[0]["name"] in recent
    assert reader.read["overview"]["best_stocked_products"][0]["title"] in last
    assert "support system" in last
    for text in (counts, recent, last):
        assert_well_worded(text)


@pytest.mark.parametrize("size", ["new", "tiny", "huge"])
def test_the_week_of_a_store_is_true_and_well_worded(store: DevelopmentStore, size: str) -> None:
    reader = Reader(store, f"dev-{size}.myshopify.com")
    (told,) = texts(reader, "How are sales today?")
    number = reader.read["week_orders"]["orders_counted"]
    assert f"{number:,} order" in told or (number == 0 and "no orders" in told)
    assert_well_worded(told)


def test_a_wrong_token_leads_to_reconnecting(store: DevelopmentStore) -> None:
    (only,) = texts(Reader(store, "dev-tiny.myshopify.com", "shpat_wrong"), INSIGHTS)
    assert "Please reconnect the store" in only


def test_what_was_not_granted_is_named_and_the_rest_is_told(store: DevelopmentStore) -> None:
    store.register("demo-narrow.myshopify.com", "tiny", scopes=["read_orders"])
    counts, recent, last = texts(Reader(store, "demo-narrow.myshopify.com"), INSIGHTS)
    assert "You have 7 orders in the last 60 days." in counts
    assert "I can't see the customers in your store." in counts
    assert "read_customers" in counts
    assert re.search(r"your latest \d orders come to", recent)
    assert "read_customers" not in recent  # that was told
    assert "I can't see the best stocked products in your store." in last
    assert "no products" not in last
