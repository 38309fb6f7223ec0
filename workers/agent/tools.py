"""The tools a model may call: the registry, running calls, and storing and reporting them.

`workers.agent.tool` defines what a tool is.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from events.data_types import DATA_TYPES
from storage import agui, turns
from storage.agui import Events
from storage.outbox import NewReply
from storage.turns import Claim
from workers.agent import calculate_metrics, shopify_data
from workers.agent.prompt import ERRORS
from workers.agent.prompt_size import shrunk
from workers.agent.time_limits import ASK_AGAIN_SECONDS
from workers.agent.tool import Arguments, Tool, ToolTurn, at_once
from workers.model.response import ToolCall
from workers.shop.results import Result, failed

if TYPE_CHECKING:
    from storage.cache import Cache
    from storage.connections import Integration
    from storage.database import Database
    from workers import tracing
    from workers.delivery.wake_ups import WakeUps

REGISTRY: Mapping[str, Tool] = {tool.name: tool for tool in (shopify_data.TOOL, calculate_metrics.TOOL)}
"""Every tool by its name; `workflows.definition.TOOLS` has the same names."""
_ALIASES = {alias: tool.name for tool in REGISTRY.values() for alias in tool.aliases}


def definitions(allowed: Collection[str] | None) -> list[dict[str, Any]]:
    """The tools offered to a model, in chat-completion format; None allows all."""
    return [tool.definition for name, tool in REGISTRY.items() if allowed is None or name in allowed]


def canonical(name: str) -> str:
    """The tool's own name for `name`, which may be an alias."""
    return _ALIASES.get(name, name)


class Tools:
    """Runs tool calls for one process."""

    def __init__(
        self, cache: "Cache", database: "Database", wake_ups: "WakeUps", *, recovery_factor: float = 1.0
    ) -> None:
        self._cache = cache
        self._database = database
        self._wake_ups = wake_ups
        self._ask_again_seconds = ASK_AGAIN_SECONDS * recovery_factor

    def run(
        self,
        claim: Claim,
        calls: Sequence[ToolCall],
        *,
        shop: "Integration | None",
        allowed: Collection[str] | None,
        seconds: float,
        results: Sequence[Result] = (),
    ) -> list[Result]:
        """The results of `calls`, in order, within `seconds`. All requests are sent before waiting for any.

        `shop`: the merchant's. `results`: of the turn's earlier calls; a repeated request is answered without a fetch.
        """
        from workers import metrics, tracing  # imported here, so that the tools' definitions do not need them

        started = time.monotonic()
        deadline = started + seconds
        so_far = list(results)
        turn = ToolTurn(claim, shop, self._cache, self._database, self._wake_ups, self._ask_again_seconds, so_far)
        spans = [tracing.tool_call(known_name(call.name), call.id) for call in calls]
        waiting = [_begin(turn, call, allowed, span) for call, span in zip(calls, spans, strict=True)]
        found = []
        for call, finish, span in zip(calls, waiting, spans, strict=True):
            result = shrunk(finish(deadline))
            so_far.append(result)
            found.append(result)
            took, data_type = time.monotonic() - started, result.get("data_type")
            known = data_type if data_type in DATA_TYPES else ""
            metrics.tool_call(known_name(call.name), _outcome(result), data_type=known, seconds=took)
            span.note(data_type=known or None, result=_outcome(result))
            span.end(None if result["success"] else result["error_code"])
        return found


def _begin(
    turn: ToolTurn, call: ToolCall, allowed: Collection[str] | None, span: "tracing.Span"
) -> Callable[[float], Result]:
    names = [name for name in REGISTRY if allowed is None or name in allowed]
    if canonical(call.name) not in names:
        offered = ", ".join(names) or "none"
        return at_once(failed(None, "tool.unknown", f"unknown tool {call.name[:80]!r}; the tools are: {offered}"))
    if call.arguments is None:
        return at_once(failed(None, "tool.bad_arguments", call.error or "the arguments are not a JSON object"))
    tool = REGISTRY[canonical(call.name)]
    arguments = tool.read(call.arguments)
    if not isinstance(arguments, Arguments):
        return at_once(arguments)
    with span.current():
        return tool.begin(turn, arguments)


def known_name(name: str) -> str:
    """The tool's own name; "unknown" for one that a model made up."""
    return canonical(name) if canonical(name) in REGISTRY else "unknown"


def _outcome(result: Result) -> str:
    """The metric's result label: ok, stale, or the error's code."""
    return ("stale" if "stale" in result else "ok") if result["success"] else str(result["error_code"])


def calls_of(assistant: dict[str, Any]) -> list[ToolCall]:
    """The calls in a stored answer."""
    errors = assistant.get(ERRORS, {})
    return [
        ToolCall(
            item["id"],
            item["function"]["name"],
            None if item["id"] in errors else json.loads(item["function"]["arguments"] or "{}"),
            errors.get(item["id"]),
        )
        for item in assistant["tool_calls"]
    ]


def rows(calls: Sequence[ToolCall], results: Sequence[Result]) -> list[dict[str, Any]]:
    """The results of calls, as stored in a step."""
    return [
        {"tool_call_id": call.id, "name": call.name, "content": result}
        for call, result in zip(calls, results, strict=True)
    ]


def told(claim: Claim, step: int, results: Sequence[Result], at: datetime) -> NewReply:
    """AG-UI events that say whether a step's tool calls worked, known `at` this time by the database's clock."""
    events: Events = []
    for number, result in enumerate(results):
        events += agui.tool_result(turns.call_id(claim.turn_id, step, number), result.get("error_code"), at)
    return NewReply(f"{step}:results", events)


def announced(claim: Claim, step: int, assistant: dict[str, Any]) -> NewReply:
    """AG-UI events that announce a step's tool calls."""
    events: Events = []
    for number, call in enumerate(calls_of(assistant)):
        data_type = (call.arguments or {}).get("data_type")
        known = data_type if data_type in DATA_TYPES else None
        name = known_name(call.name)
        events += agui.tool_call(turns.call_id(claim.turn_id, step, number), name, claim.message_id(step), known)
    return NewReply(f"{step}:calls", events)
