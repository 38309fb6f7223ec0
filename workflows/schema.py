"""The JSON Schema of a workflow file, for completion, hover texts and error marks in an editor.

`python -m workflows.schema` rewrites workflows/workflow.schema.json; a test keeps that file current. An editor with
yaml-language-server finds it through the first line of a workflow:

    # yaml-language-server: $schema=./workflow.schema.json
"""

import json
from pathlib import Path
from typing import Any

from events.catalog import CATALOG
from workflows.actions import ACTIONS
from workflows.definition import (
    ALREADY_AUTHENTICATED,
    EVENT_TYPES,
    REQUIREMENTS,
    TOOLS,
    WorkflowDefinition,
    event_fields,
)
from workflows.expression.kinds import WORDS, base

FILE = Path(__file__).with_name("workflow.schema.json")


def schema() -> dict[str, Any]:
    """The schema, made from the same classes that check a workflow, and from the event catalog."""
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
    for tag, action in ACTIONS.items():  # an editor offers an action by its title, and shows what is said of its type
        section = definitions[action.__name__]
        section["title"] = tag
        section["properties"]["type"]["description"] = section["description"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "CJ workflow", **made}


def schema_text() -> str:
    """The schema as it is written to the file."""
    return json.dumps(schema(), indent=2) + "\n"


def _tidy(value: Any, *, names: bool = False) -> Any:
    """Drop pydantic's titles and line breaks, and null where a key may be left out. `names`: the keys of this map are
    the author's, not JSON Schema's."""
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
    """What an editor shows for an event: what it means and which fields it has."""
    kinds = {name: WORDS.get(str(base(kind)), "anything") for name, kind in event_fields(event).items()}
    fields = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    meaning = " ".join((CATALOG[event].__doc__ or event).split("\n\n")[0].split())
    return {"description": f"{meaning} Fields: {fields}."}


if __name__ == "__main__":
    FILE.write_text(schema_text())
