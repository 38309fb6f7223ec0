"""What is logged about replies, including those seen again later."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from events.reply import Reply
from storage import agui
from workers.local.stack import Stack
from workers.scenario.match import ScenarioLog
from workers.scenario.observe import Observer
from workers.scenario.time_travel import ScenarioClock

BEGAN = 1_000.0


class Gateway:
    def __init__(self) -> None:
        self.shown: list[Reply] = []

    def show(self, unix: float, *data: dict[str, Any]) -> None:
        number = len(self.shown) + 1
        self.shown.append(
            Reply.model_validate(
                {
                    "specversion": "1.0",
                    "id": f"turn_7:{number:06d}",
                    "source": "/workers",
                    "type": "cj.reply",
                    "time": datetime.fromtimestamp(unix, UTC).isoformat(),
                    "subject": "conv_1",
                    "merchantid": "m1",
                    "turn": 1,
                    "sequence": f"{number:06d}",
                    "data": list(data),
                }
            )
        )


def test_a_message_that_is_told_again_after_a_jump_stays_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is the last of its turn is known at the turn's end, when time may have jumped."""
    monkeypatch.setattr("workers.scenario.time_travel.time.time", lambda: BEGAN)
    clock, log, gateway = ScenarioClock(), ScenarioLog(), Gateway()
    store = SimpleNamespace(request_log=SimpleNamespace(requests=list))
    stack = SimpleNamespace(gateway=gateway, store=store, rows=lambda *_, **__: [])
    observer = Observer(cast(Stack, stack), clock, log, after_turn=0)
    gateway.show(BEGAN + 0.1, {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": "Hello."})
    observer.look()
    clock.jumped(0.9, at=BEGAN + 1.3)
    gateway.show(BEGAN + 0.9 + 1.5, {"type": "RUN_FINISHED", "threadId": "conv_1", "runId": "turn_7"})
    observer.look()
    message, end = list(log)
    assert (message.kind, message.body["final"], end.kind) == ("cj_message", True, "turn")
    assert message.at == pytest.approx(0.1)
    assert end.at == pytest.approx(2.4)


def test_a_call_took_as_long_as_its_tool_not_as_the_model_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick result is told with the words that follow from it."""
    monkeypatch.setattr("workers.scenario.time_travel.time.time", lambda: BEGAN)
    log, gateway = ScenarioLog(), Gateway()
    store = SimpleNamespace(request_log=SimpleNamespace(requests=list))
    call = {"id": "c", "function": {"name": "shopify_data", "arguments": "{}"}}
    result = {"content": {"success": False, "error_code": "shopify.unavailable", "error": "away"}}
    steps = [(7, 0, {"tool_calls": [call]}, [result])]
    stack = SimpleNamespace(gateway=gateway, store=store, rows=lambda sql, **_: steps if "tool_results" in sql else [])
    observer = Observer(cast(Stack, stack), ScenarioClock(), log, after_turn=0)
    gateway.show(BEGAN + 1.0, *agui.tool_call("turn_7-m0-c0", "shopify_data", "turn_7-m0", None))
    answered = datetime.fromtimestamp(BEGAN + 1.2, UTC)
    told = agui.tool_result("turn_7-m0-c0", "shopify.unavailable", answered)
    gateway.show(BEGAN + 9.0, *told, {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": "Hm."})
    observer.look()
    called, error, message = list(log)
    assert [entry.kind for entry in (called, error, message)] == ["cj_tool_call", "error", "cj_message"]
    assert called.body["seconds"] == pytest.approx(0.2)
    assert [error.at, message.at] == pytest.approx([1.2, 9.0])
