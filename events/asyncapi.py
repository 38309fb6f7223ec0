"""The contract for people and tools of any language: `events/asyncapi.yaml`, AsyncAPI 3.0, made from the models.

    python -m events.asyncapi       # writes it

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import inspect
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from events import queues
from events.catalog import CATALOG
from events.envelope import Envelope
from events.reply import REPLY_TYPE, Ack, Reply

PATH = Path(__file__).with_name("asyncapi.yaml")

_HEADER = "# Made from the models by `python -m events.asyncapi`: change those, not this file.\n"

_DESCRIPTION = """\
Events come in on one queue, replies to the chat gateway go out on another, acks of the gateway come back on a third.
All are published to the default exchange with the queue's name as routing key, persistent.

Events and replies are CloudEvents 1.0 in structured mode. (source, id) is the identity: the same pair twice is one
event, and a pair that comes back with other content is refused. Unknown attributes and unknown data fields are
ignored. An event has at most 65536 bytes, 20 levels and 200 keys; NUL, lone surrogates, NaN and duplicate keys are
refused; a time more than a day ahead is refused.

A reply's data is an AG-UI 1.0 event. The gateway shows replies in the order of (turn, sequence) within a
conversation (subject), each (source, id) once, and then acks by id; what is not acked is sent again. Every turn ends
with exactly one RUN_FINISHED or RUN_ERROR. Words (delta of TEXT_MESSAGE_CHUNK, message of RUN_ERROR) are plain text,
never Markdown or HTML: show them as text. The only addresses in them are those of the shop's own admin and storefront.
"""

_REPLY_EXAMPLE = {
    "specversion": "1.0",
    "id": "turn_9:000003:5f0c19d2a7b3e846",
    "source": "/cj",
    "type": REPLY_TYPE,
    "time": "2026-11-22T10:00:02Z",
    "subject": "conv_1",
    "causationid": "oauth-7c1e",
    "sequence": "000003",
    "turn": 4,
    "data": {
        "type": "TEXT_MESSAGE_CHUNK",
        "threadId": "conv_1",
        "runId": "turn_9",
        "messageId": "turn_9-m1",
        "role": "assistant",
        "delta": "You have 42 customers in your store",
    },
}


def document() -> dict[str, Any]:
    """The AsyncAPI document."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "CJ workers", "version": "1.0.0", "description": _DESCRIPTION},
        "defaultContentType": queues.CONTENT_TYPE,
        "channels": {
            queues.EVENTS: _channel(queues.EVENTS, "What happened; CJ reads it.", list(CATALOG)),
            queues.REPLIES: _channel(queues.REPLIES, "What CJ says; the chat gateway reads it.", ["reply"]),
            queues.ACKS: _channel(queues.ACKS, "What the gateway has shown; CJ reads it.", ["ack"]),
        },
        "operations": {
            "receiveEvent": _operation("receive", queues.EVENTS),
            "sendReply": _operation("send", queues.REPLIES),
            "receiveAck": _operation("receive", queues.ACKS),
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def text() -> str:
    """The document as YAML: the content of asyncapi.yaml."""
    import yaml  # not among the dependencies of this package

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def represent_text(self, data: str) -> yaml.ScalarNode:
            return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)

    Dumper.add_representer(str, Dumper.represent_text)
    return _HEADER + yaml.dump(document(), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)


class _WithoutTitles(GenerateJsonSchema):
    """pydantic's titles only repeat the fields' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _channel(queue: str, summary: str, messages: list[str]) -> dict[str, Any]:
    return {
        "address": queue,
        "summary": summary,
        "messages": {name: _reference("messages", name) for name in messages},
    }


def _operation(action: str, queue: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{queue}"}}


def _messages() -> dict[str, Any]:
    found = {name: _event_message(name) for name in CATALOG}
    found["reply"] = _message(REPLY_TYPE, Reply, _reference("schemas", "Reply"), _REPLY_EXAMPLE)
    found["ack"] = _message("ack", Ack, _reference("schemas", "Ack"), {"id": "turn_9:000003:5f0c19d2a7b3e846"})
    found["ack"]["contentType"] = "application/json"
    return found


def _event_message(event_type: str) -> dict[str, Any]:
    data_class = CATALOG[event_type]
    data: dict[str, Any] = {
        "type": "object",
        "properties": {"type": {"const": event_type}, "data": _reference("schemas", data_class.__name__)},
    }
    if data_class.timed:
        data["required"] = ["time"]
    example = {
        "specversion": "1.0",
        "id": f"{event_type}-1",
        "source": "/auth",
        "type": event_type,
        "time": "2026-11-22T10:00:00Z",
        "data": dict(data_class.example),
    }
    payload = {"allOf": [_reference("schemas", "Envelope"), data]}
    return _message(event_type, data_class, payload, example)


def _message(name: str, model: type[BaseModel], payload: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "summary": inspect.getdoc(model),
        "payload": payload,
        "examples": [{"payload": example}],
    }


def _schemas() -> dict[str, Any]:
    models: list[type[BaseModel]] = [Envelope, *CATALOG.values(), Reply, Ack]
    _, definitions = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
        schema_generator=_WithoutTitles,
    )
    schemas: dict[str, Any] = definitions["$defs"]
    return {model.__name__: schemas[model.__name__] for model in models}


def _reference(section: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
