"""Calls of the tool for store data, made as an agent worker makes them, but without a turn and a model."""

from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from storage import connections
from storage.cache import Cache
from storage.redis_server import RedisServer
from storage.turns import Claim, TurnInput
from tests.stack import Stack
from workers.agent.tools import Tools
from workers.delivery.wake_ups import WakeUps, broker_breaker, sender
from workers.model.response import ToolCall


class ToolCalls:
    """Asks the stack's own Shopify workers."""

    def __init__(self, stack: Stack) -> None:
        self._database = stack.database
        self._app = sender(stack.broker_url)
        self._redis = RedisServer(stack.redis_url)
        self.cache = Cache(self._redis)
        self._tools = Tools(self.cache, self._database, WakeUps(self._app, broker_breaker()))

    def ask(self, merchant_id: str, data_type: str, *, seconds: float = 15.0) -> dict[str, Any]:
        """The tool's result."""
        now = datetime.now(UTC)
        claim = Claim(
            turn_id=1,
            conversation_id="none",
            merchant_id=merchant_id,
            seq=1,
            attempt=1,
            failures=0,
            workflow=None,
            workflow_hash=None,
            input=TurnInput("merchant", "x"),
            event_id="none",
            event_type="message_received",
            event_received_at=now,
            traceparent=None,
            started_at=now,
            now=now,
            lease_seconds=10.0,
        )
        call = ToolCall("call", "shopify_data", {"data_type": data_type})
        with self._database.reading() as session:
            shop = connections.integration_of(session, merchant_id)
        [result] = self._tools.run(claim, [call], shop=shop, allowed=None, seconds=seconds)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._app.close()
        self._redis.close()
