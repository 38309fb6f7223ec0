"""The registry of tools, how models see them, and which calls are refused before anything runs."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from storage.cache import Cache
from storage.database import Database
from storage.turns import Claim
from workers.agent.tools import REGISTRY, Tools, canonical, definitions
from workers.delivery.wake_ups import WakeUps
from workers.model.response import ToolCall
from workflows.definition import TOOLS

CLAIM = cast(Claim, SimpleNamespace(merchant_id="m1", conversation_id="c1", turn_id=1, event_id="e1"))
SALES = {"period": "last_30_days", "compare_to": "previous_period"}
FETCHED = [
    {"success": True, "data_type": "counts", "data": {}},
    {"success": True, "data_type": "sales", "data": SALES},
    {"success": False, "data_type": "overview"},
]


def refusal(name: str, arguments: dict[str, Any] | None) -> dict[str, Any]:
    tools = Tools(cast(Cache, None), cast(Database, None), cast(WakeUps, None))
    [result] = tools.run(CLAIM, [ToolCall("c", name, arguments)], shop=None, allowed=None, results=FETCHED, seconds=1.0)
    assert result["success"] is False
    return result


def test_workflows_know_the_registry() -> None:
    assert tuple(REGISTRY) == TOOLS
    assert canonical("get_shopify_data") == "shopify_data"


def test_a_model_is_told_plain_schemas() -> None:
    for told in definitions(None):
        function = told["function"]
        assert told["type"] == "function"
        assert function["description"]
        assert function["parameters"]["additionalProperties"] is False
        assert "anyOf" not in str(function)
        assert "title" not in str(function["parameters"]["properties"].keys())
    assert definitions(["shopify_data"])[0]["function"]["parameters"]["required"] == ["data_type"]
    assert [tool["function"]["name"] for tool in definitions(["calculate_metrics"])] == ["calculate_metrics"]


def test_what_a_turn_began_with_may_be_asked_for() -> None:
    call = ToolCall("c", "shopify_data", {"data_type": "counts"})
    began_with = [{**FETCHED[0], "prefetched": True}]
    tools = Tools(cast(Cache, None), cast(Database, None), cast(WakeUps, None))
    [result] = tools.run(CLAIM, [call], shop=None, allowed=None, results=began_with, seconds=1.0)
    assert result["error_code"] == "shopify.not_connected", "the model takes the prompt by its word: it is looked for"


@pytest.mark.parametrize(
    ("name", "arguments", "code", "says"),
    [
        ("shop_data", {}, "tool.unknown", "the tools are: shopify_data, calculate_metrics"),
        ("shopify_data", None, "tool.bad_arguments", "not a JSON object"),
        (
            "shopify_data",
            {"shop": "x", "data_type": "counts"},
            "tool.bad_arguments",
            "only data_type, period, compare_to are taken",
        ),
        ("shopify_data", {"data_type": "profit"}, "tool.unknown_data_type", "use counts, recent_orders"),
        ("shopify_data", {"data_type": "sales", "period": "last week"}, "tool.bad_arguments", "use today, yesterday"),
        ("get_shopify_data", {"data_type": "counts"}, "tool.already_fetched", "result above"),
        ("shopify_data", {"data_type": "sales"}, "tool.already_fetched", "result above"),
        ("shopify_data", {"data_type": "counts", "period": "today"}, "tool.already_fetched", "result above"),
        ("calculate_metrics", {"data_type": "recent_orders"}, "tool.bad_arguments", "rows: Field required"),
        (
            "calculate_metrics",
            {"data_type": "recent_orders", "rows": "orders", "metric": "total*2"},
            "tool.bad_arguments",
            "use sum, average",
        ),
        (
            "calculate_metrics",
            {"data_type": "recent_orders", "rows": "orders", "metric": "sum", "of": "total"},
            "tool.nothing_fetched",
            "call shopify_data first",
        ),
    ],
)
def test_what_is_refused(name: str, arguments: dict[str, Any] | None, code: str, says: str) -> None:
    result = refusal(name, arguments)
    assert result["error_code"] == code
    assert says in result["error"]
