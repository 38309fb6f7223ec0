"""A turn that starts with prefetched data, on real rows and with a scripted model."""

import json
from typing import Any

import pytest

from storage.database import Database
from storage.turns import TurnInput
from tests import rows
from tests.agent_turns import AgentWorker, counts
from workers.agent.shopify_data import NOT_NOW
from workers.agent.time_limits import TOOL_SECONDS
from workers.model import litellm_call
from workers.model.response import Answer
from workers.shop.results import failed
from workflows.loader import load_folder

SAID = TurnInput("system", "show_shopify_insights", prefetched=("counts", "recent_orders"))


class Model:
    """Says one thing, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[dict[str, Any]]] = []

    def call(self, name: str, request: litellm_call.Request, _seconds: float) -> Answer:
        self.asked.append([dict(message) for message in request.messages])
        return Answer("You have 7 customers.", (), name, 10, 10)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    model = Model()
    monkeypatch.setattr(litellm_call, "call", model.call)
    return model


def replies(database: Database, turn_id: int) -> list[str]:
    found = rows.query(
        database,
        "SELECT e ->> 'type' FROM replies, jsonb_array_elements(body -> 'data') WITH ORDINALITY AS d (e, place)"
        " WHERE turn_id = :id ORDER BY sequence, place",
        id=turn_id,
    )
    return [kind for (kind,) in found]


def test_what_was_fetched_is_in_the_first_prompt(clocked: Database, model: Model) -> None:
    worker = AgentWorker(clocked, load_folder(), names=["openai/x"])
    waited: list[float] = []

    def run(claim: Any, calls: Any, **limits: Any) -> list[dict[str, Any]]:
        waited.append(limits["seconds"])
        return [counts(call) for call in calls]

    worker.run = run  # type: ignore[method-assign, assignment]
    turn_id = rows.queue(clocked, SAID, conversation_id="in time")
    worker.ends(turn_id)
    assert waited == [TOOL_SECONDS]
    [asked] = model.asked
    assert [message["role"] for message in asked] == ["system", "user", "assistant", "tool", "tool"]
    call = asked[2]["tool_calls"][0]
    assert call["function"] == {"name": "shopify_data", "arguments": '{"data_type": "counts"}'}
    assert asked[3]["tool_call_id"] == call["id"]
    assert '"customers":7' in asked[3]["content"]
    told = replies(clocked, turn_id)
    assert [kind for kind in told if kind.startswith("TOOL_CALL")] == [
        *["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"] * 2,
        *["TOOL_CALL_RESULT"] * 2,
    ]
    assert (told[0], told[-1]) == ("RUN_STARTED", "RUN_FINISHED")
    [(context,)] = rows.query(clocked, "SELECT context FROM conversations WHERE id = 'in time'")
    assert context["fetched"] == ["counts", "recent_orders"]
    found = rows.query(
        clocked, "SELECT step, model, tool_results IS NULL FROM steps WHERE turn_id = :id ORDER BY step", id=turn_id
    )
    assert found == [(0, None, False), (1, "openai/x", True)]


def test_a_failure_is_an_answer_too(clocked: Database, model: Model) -> None:
    """Asking again at once would return the same."""
    worker = AgentWorker(clocked, load_folder(), names=["openai/x"])
    worker.results = lambda calls: [failed("counts", "shopify.unavailable", NOT_NOW) for _ in calls]
    worker.ends(rows.queue(clocked, SAID, conversation_id="refused"))
    assert [message["role"] for message in model.asked[0]][-2:] == ["tool", "tool"]


def test_a_model_is_told_the_time_by_the_shops_clock(clocked: Database, model: Model) -> None:
    worker = AgentWorker(clocked, load_folder(), names=["openai/x"])
    worker.results = lambda calls: [counts(call) | {"data": {"time_zone": "Asia/Tokyo"}} for call in calls]
    worker.ends(rows.queue(clocked, SAID, conversation_id="in Tokyo"))
    context = json.loads(model.asked[0][0]["content"].rpartition("\n")[2])
    assert context["now"].endswith("+09:00")
