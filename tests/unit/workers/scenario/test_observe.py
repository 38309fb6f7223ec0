"""What the log is told of replies, also when it is told again later."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from events.reply import Reply
from workers.local.stack import Stack
from workers.scenario.match import ScenarioLog
from workers.scenario.observe import Observer
from workers.scenario.time_travel import ScenarioClock

BEGAN = 1_000.0


class Gateway:
    def __init__(self) -> None:
        self.shown: list[Reply] = []

    def show(self, unix: float, data: dict[str, Any]) -> None:
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
                    "data": [data],
                }
            )
        )


def test_a_message_that_is_told_again_after_a_jump_stays_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is the last of its turn is known at the turn's end, when time may have jumped."""
    monkeypatch.setattr("workers.scenario.time_travel.time.time", lambda: BEGAN)
    clock, log, gateway = ScenarioClock(), ScenarioLog(), Gateway()
    store = SimpleNamespace(store=SimpleNamespace(request_log=SimpleNamespace(requests=list)))
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
