"""What a tool is: a name, a description, a pydantic model of its arguments, and a function of the turn.

To add one: write a module beside `shopify_data` and `calculate_metrics`, list its TOOL in `workers.agent.tools`, and
add its name to `workflows.definition.TOOLS`, which the checker and the editor's schema use.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from storage.turns import Claim
from workers.shop.results import Result, failed

if TYPE_CHECKING:
    from storage.cache import Cache
    from storage.connections import Integration
    from storage.database import Database
    from workers.delivery.wake_ups import WakeUps

Finish = Callable[[float], Result]
"""Waits for a call's result until a deadline (`time.monotonic()`)."""


class Arguments(BaseModel):
    """Base of all arguments: strict, no unknown fields, and every choice an enum."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True)
class ToolTurn:
    """What a tool may read. The shop and the merchant come from the claim, never from the model."""

    claim: Claim
    shop: "Integration | None"
    cache: "Cache"
    database: "Database"
    wake_ups: "WakeUps"
    ask_again_seconds: float
    results: Sequence[Result]
    """The results of this turn's tool calls so far; grows as calls finish, in order."""


@dataclass(frozen=True)
class Tool:
    """`begin` may send requests and returns at once; the function that it returns waits. `aliases`: other names that
    models use."""

    name: str
    description: str
    arguments: type[Arguments]
    begin: Callable[[ToolTurn, Any], Finish]
    aliases: tuple[str, ...] = ()

    @property
    def definition(self) -> dict[str, Any]:
        """The definition for models, in chat-completion format; a new object each time, since litellm modifies some."""
        return dict(json.loads(self._definition))

    @cached_property
    def _definition(self) -> str:
        schema = _plain(self.arguments.model_json_schema())
        parameters = {"type": "object", "properties": schema["properties"], "additionalProperties": False}
        if "required" in schema:
            parameters["required"] = schema["required"]
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return json.dumps({"type": "function", "function": function})

    def read(self, arguments: dict[str, Any]) -> Arguments | Result:
        """The validated arguments, or a failure that says what is wrong."""
        try:
            return self.arguments.model_validate(arguments)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            return self._refusal(first["type"], str(first["loc"][0]) if first["loc"] else "", arguments, first["msg"])

    def _refusal(self, kind: str, field: str, arguments: dict[str, Any], message: str) -> Result:
        if kind == "extra_forbidden":
            taken = ", ".join(self.arguments.model_fields)
            text = f"unknown argument {field[:80]!r}; only {taken} {'are' if ',' in taken else 'is'} taken"
            return failed(None, "tool.bad_arguments", text)
        if kind != "literal_error":
            return failed(None, "tool.bad_arguments", f"{field or 'arguments'}: {message[:200]}")
        schema = _plain(self.arguments.model_json_schema())["properties"][field]
        known = [str(value) for value in schema.get("enum", ())]
        text = f"unknown {field} {str(arguments[field])[:80]!r}; use {', '.join(known[:-1])} or {known[-1]}"
        if field == "data_type":
            return failed(None, "tool.unknown_data_type", text, available_types=known)
        return failed(None, "tool.bad_arguments", text)


def at_once(result: Result) -> Finish:
    """A result that needs no waiting."""
    return lambda _deadline: result


def _plain(schema: Any) -> Any:
    """A schema without titles, and with optional values as plain ones: some providers do not support `anyOf`."""
    match schema:
        case dict():
            found = {
                key: _plain(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)
            }
            kinds = [kind for kind in found.pop("anyOf", ()) if kind != {"type": "null"}]
            if found.get("default", ...) is None:
                del found["default"]
            return {**found, **(kinds[0] if kinds else {})}
        case list():
            return [_plain(value) for value in schema]
    return schema
