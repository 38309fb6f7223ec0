"""The tools a model may call. The shop and the merchant always come from the turn, never from the model.

`workers.shop.results` describes the shape of every result. To add a tool, describe it in `_DEFINITIONS`, check its
arguments in `_refusal`, run it from `Tools._begin`, and name it in `workflows.definition.TOOLS`; then
`python -m workflows.schema` tells editors.
"""

import time
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any

from events.data_types import DATA_TYPES
from shopify.errors import Temporary
from storage import connections
from storage.cache import Cache
from storage.connections import Integration
from storage.database import Database
from storage.errors import StorageError
from storage.turns import Claim
from workers import logs, metrics
from workers.agent.prompt_size import shrunk
from workers.agent.time_limits import ASK_AGAIN_SECONDS
from workers.delivery.wake_ups import WakeUps
from workers.model.response import ToolCall
from workers.shop import results
from workers.shop.fetch import FetchRequest
from workers.shop.results import Result, failed

log = logs.get(__name__)

SHOPIFY_DATA = "shopify_data"
ALIASES = {"get_shopify_data": SHOPIFY_DATA}  # the name the onboarding prompt uses

NOT_CONNECTED = "No Shopify store is connected. Suggest connecting the store first."
NEEDS_REAUTH = "unauthorized: Shopify no longer accepts the store's connection. Suggest reconnecting the store."
NO_ANSWER = "Shopify data did not arrive in time. Say so and go on with what is known."


def definitions(allowed: Collection[str] | None) -> list[dict[str, Any]]:
    """The tools offered to a model, in chat-completion format; None allows all."""
    return [tool for name, tool in _DEFINITIONS.items() if allowed is None or name in allowed]


def canonical(name: str) -> str:
    """The tool's own name for `name`, which may be an alias."""
    return ALIASES.get(name, name)


class Tools:
    """Runs tool calls for one process."""

    def __init__(self, database: Database, cache: Cache, wake_ups: WakeUps, *, recovery_factor: float = 1.0) -> None:
        self._database = database
        self._cache = cache
        self._wake_ups = wake_ups
        self._ask_again_seconds = ASK_AGAIN_SECONDS * recovery_factor

    def run(
        self,
        claim: Claim,
        calls: Sequence[ToolCall],
        *,
        allowed: Collection[str] | None,
        seen: Collection[str],
        seconds: float,
    ) -> list[Result]:
        """The results of `calls`, in order, within `seconds`. All requests are sent before waiting for any.

        `seen` are the data types this turn already has; requesting one again is answered without a fetch.
        """
        deadline = time.monotonic() + seconds
        waiting = [self._begin(claim, call, allowed, seen) for call in calls]
        found = [shrunk(finish(deadline)) for finish in waiting]
        for call, result in zip(calls, found, strict=True):
            metrics.tool_call(_known_name(call), _outcome(result))
        return found

    def _begin(
        self, claim: Claim, call: ToolCall, allowed: Collection[str] | None, seen: Collection[str]
    ) -> Callable[[float], Result]:
        refused = _refusal(call, allowed)
        if refused is not None:
            return lambda _deadline: refused
        data_type = str((call.arguments or {}).get("data_type", "overview"))
        if data_type in seen:
            note = "This was already fetched in this turn; use the result above."
            return lambda _deadline: failed(data_type, "tool.already_fetched", note)
        return self._shopify_data(claim, data_type)

    def _shopify_data(self, claim: Claim, data_type: str) -> Callable[[float], Result]:
        try:
            with self._database.reading() as session:
                integration = connections.integration_of(session, claim.merchant_id)
        except StorageError:
            unavailable = failed(data_type, "tool.unavailable", NO_ANSWER)
            return lambda _deadline: unavailable
        problem = _connection_problem(integration, data_type)
        if problem is not None or integration is None:
            return lambda _deadline: problem or {}
        kept = self._cache.get(claim.merchant_id, integration.token_version, data_type)
        if kept is not None:
            metrics.cache_read(data_type, "hit")
            hit = results.cached(data_type, kept)
            return lambda _deadline: hit
        request = FetchRequest.for_turn(claim, data_type, str(uuid.uuid4()))
        self._wake_ups.fetch(request.to_json())
        return lambda deadline: self._wait(request, integration, deadline)

    def _wait(self, request: FetchRequest, integration: Integration, deadline: float) -> Result:
        while (left := deadline - time.monotonic()) > 0:
            answer = self._cache.wait_answer(request.request_id or "", min(left, self._ask_again_seconds))
            if answer is not None:
                return answer
            if deadline - time.monotonic() > 0:
                self._wake_ups.fetch(request.to_json())
        found = self._cache.stale(request.merchant_id, integration.token_version, request.data_type)
        if found is None:
            return failed(request.data_type, Temporary.code, NO_ANSWER)
        return results.stale(request.data_type, found, failed(None, Temporary.code, Temporary.blame().sentence))


def _known_name(call: ToolCall) -> str:
    name = canonical(call.name)
    return name if name in _DEFINITIONS else "unknown"


def _outcome(result: Result) -> str:
    """The metric's result label: ok, stale, or the error's code."""
    return ("stale" if "stale" in result else "ok") if result["success"] else str(result["error_code"])


def _refusal(call: ToolCall, allowed: Collection[str] | None) -> Result | None:
    names = [name for name in _DEFINITIONS if allowed is None or name in allowed]
    if canonical(call.name) not in names:
        offered = ", ".join(names) or "none"
        return failed(None, "tool.unknown", f"unknown tool {call.name[:80]!r}; the tools are: {offered}")
    if call.arguments is None:
        return failed(None, "tool.bad_arguments", call.error or "the arguments are not a JSON object")
    extra = sorted(set(call.arguments) - {"data_type"})
    if extra:
        return failed(None, "tool.bad_arguments", f"unknown argument {extra[0][:80]!r}; only data_type is taken")
    data_type = call.arguments.get("data_type", "overview")
    if data_type not in DATA_TYPES:
        known = ", ".join(DATA_TYPES[:-1]) + f" or {DATA_TYPES[-1]}"
        error = f"unknown data_type {str(data_type)[:80]!r}; use {known}"
        return failed(None, "tool.unknown_data_type", error, available_types=list(DATA_TYPES))
    return None


def _connection_problem(integration: Integration | None, data_type: str) -> Result | None:
    if integration is None or integration.status == "uninstalled":
        return failed(data_type, "shopify.not_connected", NOT_CONNECTED)
    if integration.status == "needs_reauth":
        return failed(data_type, "shopify.unauthorized", NEEDS_REAUTH)
    return None


_DEFINITIONS: dict[str, dict[str, Any]] = {
    SHOPIFY_DATA: {
        "type": "function",
        "function": {
            "name": SHOPIFY_DATA,
            "description": (
                "Get raw data of the merchant's own Shopify store. counts: customers, orders, open and unfulfilled "
                "orders. recent_orders: the ten newest orders. overview: the shop, newest orders, best-stocked "
                "products. week_orders: the last seven days. You do the analysis."
            ),
            "parameters": {
                "type": "object",
                "properties": {"data_type": {"type": "string", "enum": list(DATA_TYPES)}},
                "required": ["data_type"],
                "additionalProperties": False,
            },
        },
    }
}
