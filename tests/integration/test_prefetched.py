"""A turn that begins with what was fetched for it: on real rows, the model scripted."""

from typing import Any

import pytest

from storage.database import Database
from storage.turns import TurnInput
from tests import rows
from tests.agent_turns import AgentWorker, counts
from workers.agent.time_limits import PREFETCHED_SECONDS
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
        database, "SELECT body -> 'data' ->> 'type' FROM replies WHERE turn_id = :id ORDER BY sequence", id=turn_id
    )
    return [kind for (kind,) in found]


def test_what_is_there_in_time_is_in_the_first_prompt(clocked: Database, model: Model) -> None:
    worker = AgentWorker(clocked, load_folder(), names=["openai/x"])
    waited: list[float] = []

    def run(claim: Any, calls: Any, **limits: Any) -> list[dict[str, Any]]:
        waited.append(limits["seconds"])
        return [counts(calls[0]), failed("recent_orders", "shopify.unavailable", "not now")]

    worker.run = run  # type: ignore[method-assign, assignment]
    turn_id = rows.queue(clocked, SAID, conversation_id="in time")
    worker.ends(turn_id)
    assert waited == [PREFETCHED_SECONDS]
    [asked] = model.asked
    assert [message["role"] for message in asked] == ["system", "user", "assistant", "tool"]
    [call] = asked[2]["tool_calls"]
    assert call["function"] == {"name": "shopify_data", "arguments": '{"data_type": "counts"}'}
    assert asked[3]["tool_call_id"] == call["id"]
    assert '"customers":7' in asked[3]["content"]
    assert replies(clocked, turn_id) == [
        "RUN_STARTED",
        "TOOL_CALL_START",
        "TOOL_CALL_END",
        "TEXT_MESSAGE_CHUNK",
        "RUN_FINISHED",
    ]
    [(context,)] = rows.query(clocked, "SELECT context FROM conversations WHERE id = 'in time'")
    assert context["fetched"] == ["counts"]
    found = rows.query(
        clocked, "SELECT step, model, tool_results IS NULL FROM steps WHERE turn_id = :id ORDER BY step", id=turn_id
    )
    assert found == [(0, None, False), (1, "openai/x", True)]


def test_without_data_in_time_the_model_is_asked_as_ever(clocked: Database, model: Model) -> None:
    worker = AgentWorker(clocked, load_folder(), names=["openai/x"])
    worker.results = lambda calls: [failed("counts", "shopify.unavailable", "not now") for _ in calls]
    turn_id = rows.queue(clocked, SAID, conversation_id="late")
    worker.ends(turn_id)
    assert [message["role"] for message in model.asked[0]] == ["system", "user"]
