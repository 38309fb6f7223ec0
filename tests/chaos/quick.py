"""Chaos in seconds instead of minutes: the sweeper looks more often, and agents start without litellm.

Nothing else differs: the demo model's own answers are used, bypassing only the library that would carry them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import workers.bootstrap
import workers.celery
from workers.model import demo
from workers.model.client import Model
from workers.model.response import Answer, ToolCall, parse_arguments

FACTOR = 0.2
"""Of the production's pauses."""


class DemoModel(Model):
    """The demo model, asked without litellm."""

    def ask(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None,
        *,
        timeout: float,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        names: Sequence[str] | None = None,
    ) -> Answer:
        message = demo.wire_message(demo.reply_to(messages, bool(tools)))
        calls = tuple(
            ToolCall(call["id"], call["function"]["name"], parse_arguments(call["function"]["arguments"])[0])
            for call in message.get("tool_calls", ())
        )
        return Answer(message["content"], calls, "demo")

    def warm_up(self) -> None:
        """Nothing to import."""

    def problems(self) -> tuple[str, ...]:
        return ()


def apply() -> None:
    """Apply the quick pace to this process."""
    workers.bootstrap.Model = DemoModel  # type: ignore[attr-defined]
    workers.celery.DRAIN_SECONDS *= FACTOR
