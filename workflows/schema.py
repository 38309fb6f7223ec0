"""The JSON Schema of a workflow file, for completion, hover texts and error marks in an editor.

`python -m workflows.schema` rewrites workflows/workflow.schema.json; a test keeps that file current. An editor with
yaml-language-server finds it through the first line of a workflow:

    # yaml-language-server: $schema=./workflow.schema.json
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from events.catalog import CATALOG
from events.data_types import DATA_TYPES
from workflows.actions import ACTIONS
from workflows.definition import (
    ALREADY_AUTHENTICATED,
    EVENT_TYPES,
    KEPT_BY_WORKERS,
    REQUIREMENTS,
    TOOLS,
    WorkflowDefinition,
    context_fields,
    event_fields,
)
from workflows.expression.kinds import WORDS, base
from workflows.loader import vocabulary

#: What each data type contains.
_DATA_TYPES = {
    "counts": "how many customers, and orders of the last 60 days, open and unfulfilled ones",
    "recent_orders": "the ten latest orders: amounts, what was bought, who came again",
    "overview": "the shop (name, currency, time zone), its latest orders, best-stocked products",
    "week_orders": "every order of the last seven days: totals by day, best sellers",
    "sales": "the shop's own reports for a period and the one before: total and net sales, returns, orders",
}
_RULE = {
    "condition": "${1:success == true}",
    "actions": [{"type": "process_message", "message": "${2:what CJ is to act on}"}],
}
_TRANSITION = {"condition": "${1:shopify_connected == true}", "target_workflow": "${2:ad_hoc_support}"}
_ACTIONS: Mapping[str, Mapping[str, Any]] = {
    "action that remembers a fact": {"type": "update_context", "data": {"${1:plan}": "${2:pro}"}},
    "action that lets CJ speak": {"type": "process_message", "message": "${1:what CJ is to act on}"},
    "action that fetches ahead": {"type": "prefetch", "data_types": ["${1:counts}"]},
    "action that moves on": {"type": "transition", "target_workflow": "${1:ad_hoc_support}"},
    "action that comes back later": {"type": "follow_up", "after": "${1:1d}", "message": "${2:what CJ is to act on}"},
    "action for systems outside": {"type": "emit", "name": "${1:plan_wanted}"},
}
#: The most common conditions: of rules, and of transitions.
_RULE_CONDITIONS = {
    "oauth_complete: a store was connected": "provider == 'shopify' and success == true",
    "oauth_complete: connecting a store failed": "provider == 'shopify' and success == false",
    "custom: an event of your own": "name == '${1:plan_changed}'",
    "some merchants only": "shop_domain in ['${1:acme.myshopify.com}']",
    "connected for less than a week": "context.connected_at newer than '${1:7d}'",
}
_TRANSITION_CONDITIONS = {
    "the store is connected": "shopify_connected == true",
    "the store is no longer connected": "shopify_connected == false",
    "CJ has read this data": "'${1:counts}' in fetched",
    "after some turns": "turns > ${1:3}",
}
#: With a type, an editor adds the colon after the key.
_ANY = ["string", "number", "boolean", "array", "object", "null"]

FILE = Path(__file__).with_name("workflow.schema.json")


def schema(names: Collection[str] = (), keys: Collection[str] = ()) -> dict[str, Any]:
    """The schema, generated from the classes that check a workflow and from the event catalog.

    Editors offer `names` as targets of transitions, and `keys` as context keys.
    """
    made: dict[str, Any] = _tidy(WorkflowDefinition.model_json_schema())
    properties, definitions = made["properties"], made["$defs"]
    (rules,) = properties["system_events"].pop("patternProperties").values()
    properties["system_events"] |= _closed({event: {**rules, **_event(event)} for event in EVENT_TYPES})
    properties["tools"]["items"] = {"enum": list(TOOLS)}
    properties["requirements"]["items"] = {
        "type": "object",
        **_closed({name: {"const": True} for name in REQUIREMENTS}),
    }
    transitions = definitions["BehaviorSection"]["properties"]["transitions"]
    transitions["properties"] = {
        ALREADY_AUTHENTICATED: {
            "$ref": "#/$defs/TransitionSection",
            "description": "Taken at the start of a conversation whose requirements are all met; has no condition.",
        }
    }
    transitions["additionalProperties"] = False
    if names:
        target = {"enum": sorted(names)}
        for section in ("TransitionSection", "TransitionAction"):
            definitions[section]["properties"]["target_workflow"] |= target
        definitions["BehaviorSection"]["properties"]["opens_before"]["items"] = target
    definitions["PrefetchAction"]["properties"]["data_types"]["items"] |= {
        "enumDescriptions": [_DATA_TYPES[data_type] for data_type in DATA_TYPES]
    }
    data = definitions["UpdateContextAction"]["properties"]["data"]
    data["properties"] = {key: {"type": _ANY} for key in sorted({*_settable(), *keys})}
    rule, transition = definitions["RuleSection"], definitions["TransitionSection"]
    rule["defaultSnippets"] = [_snippet("rule", _RULE)]
    transition["defaultSnippets"] = [_snippet("transition", _TRANSITION)]
    of_keys = {f"by {key}": f"{key} != ${{1:null}}" for key in sorted(keys)}
    _offer(rule["properties"]["condition"], _RULE_CONDITIONS | {k: f"context.{v}" for k, v in of_keys.items()})
    _offer(transition["properties"]["condition"], _TRANSITION_CONDITIONS | of_keys)
    rule["properties"]["actions"]["items"]["defaultSnippets"] = [
        _snippet(label, body) for label, body in _ACTIONS.items()
    ]
    for tag, action in ACTIONS.items():  # editors offer an action by its title, and show the description of its type
        section = definitions[action.__name__]
        section["title"] = tag
        section["properties"]["type"]["description"] = section.get("description", "")  # none under `python -OO`
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "CJ workflow", **made}


def schema_text(folder: Path | None = None) -> str:
    """The schema file's text, with the names that the workflows of a folder use."""
    names, keys = ((), ()) if folder is None else vocabulary(folder)
    return json.dumps(schema(names, keys), indent=2) + "\n"


def _snippet(label: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A snippet for yaml-language-server; ${1:…} are its tab stops."""
    return {"label": label, "description": f"a whole {label}", "body": body}


def _offer(condition: dict[str, Any], written: Mapping[str, str]) -> None:
    """Conditions to choose from, whatever quotes they hold."""
    condition["defaultSnippets"] = [
        {"label": label, "description": text, "body": f'"{text}"'} for label, text in written.items()
    ]


def _settable() -> Collection[str]:
    """The built-in context keys that a workflow may set."""
    return context_fields(None).keys() - KEPT_BY_WORKERS


def _tidy(value: Any, *, names: bool = False) -> Any:
    """Drop pydantic's titles and line breaks, and null where a key is optional. `names`: this map's keys are the
    author's, not JSON Schema's."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    options = value.get("anyOf", [])
    if not names and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        kept = {key: inner for key, inner in value.items() if key not in ("anyOf", "default")}
        value = {**(rest[0] if len(rest) == 1 else {"anyOf": rest}), **kept}
    tidy: dict[str, Any] = {}
    for key, inner in value.items():
        if names or key != "title":
            tidy[key] = _tidy(inner, names=not names and key in ("properties", "$defs", "patternProperties"))
    if not names and isinstance(tidy.get("description"), str):
        tidy["description"] = " ".join(tidy["description"].split())
    return tidy


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"properties": properties, "additionalProperties": False}


def _event(event: str) -> dict[str, Any]:
    """What editors show for an event: its meaning and its fields."""
    kinds = {name: WORDS.get(str(base(kind)), "anything") for name, kind in event_fields(event).items()}
    fields = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    meaning = " ".join((CATALOG[event].__doc__ or event).split("\n\n")[0].split())
    return {"description": f"{meaning} Fields: {fields}."}


if __name__ == "__main__":
    FILE.write_text(schema_text())
