"""The contract for people and tools of any language: `events/asyncapi.yaml`, AsyncAPI 3.0, made from the models.

    python -m tests.asyncapi       # writes it

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import inspect
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

import events
from events import queues
from events.catalog import CATALOG, Place
from events.envelope import Envelope
from events.reply import CUSTOM, ERROR_CODES, REPLY_TYPE, Ack, Reply

PATH = Path(events.__file__).with_name("asyncapi.yaml")

_HEADER = "# Made from the models by `python -m tests.asyncapi`: change those, not this file.\n"

_DESCRIPTION = """\
Events come in on one queue, replies to the chat gateway go out on another, acks of the gateway come back on a third.
All are published to the default exchange with the queue's name as routing key, persistent.

Events and replies are CloudEvents 1.0 in structured mode. (source, id) is the identity: the same pair twice is one
event, and a pair that comes back with other content is refused. Unknown attributes and unknown data fields are
ignored. An event has at most 65536 bytes, 20 levels and 200 keys; NUL, lone surrogates, NaN and duplicate keys are
refused; a time more than a day ahead is refused.

A reply's data is a list of AG-UI 1.0 events that belong together, in order: hand them to an AG-UI client one after the
other. The gateway shows replies in the order of (turn, sequence) within a merchant's conversation (merchantid,
subject), each (source, id) once, and then acks by id; what is not acked is sent again. A turn is a run: it begins with
one RUN_STARTED and ends with exactly one RUN_FINISHED or RUN_ERROR, and so does every event that names a conversation,
also one that is refused. A reply of turn 0 is a whole run by itself, outside of the order: it answers a refused event
whose merchant has no such conversation, or it is the history that `replies_requested` asked for. CJ's words (delta of
TEXT_MESSAGE_CONTENT, message of RUN_ERROR) are plain text, never Markdown or HTML: show them as text. The only
addresses in them are those of the shop's own admin and storefront.
"""

_REPLY_EXAMPLE = {
    "specversion": "1.0",
    "id": "turn_9:000003:5f0c19d2a7b3e846",
    "source": "/cj",
    "type": REPLY_TYPE,
    "time": "2026-11-22T10:00:02Z",
    "subject": "conv_1",
    "merchantid": "m1",
    "causationid": "oauth-7c1e",
    "sequence": "000003",
    "turn": 4,
    "data": [
        {"type": "TEXT_MESSAGE_START", "messageId": "turn_9-m1", "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "turn_9-m1", "delta": "You have 42 customers in your store"},
        {"type": "TEXT_MESSAGE_END", "messageId": "turn_9-m1"},
    ],
}

_TEXT: dict[str, Any] = {"type": "string"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


_PLACE = _object(turn={"type": "integer"}, sequence={"type": "integer"})
_USAGE = {"type": "array", "items": {"type": "object"}, "description": "Tokens, by provider and model."}
#: Each kind of AG-UI event that a reply may hold: when it comes, what it always has, what it may have.
_KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "RUN_STARTED": (
        "A turn begins; the first event of a run.",
        {"threadId": _TEXT, "runId": _TEXT, "protocolVersion": {"const": "1.0"}},
        {"metadata": {"type": "object", "properties": {"workflow": _TEXT}}},
    ),
    "TEXT_MESSAGE_START": ("CJ says something.", {"messageId": _TEXT, "role": {"const": "assistant"}}, {}),
    "TEXT_MESSAGE_CONTENT": (
        "Its words, plain text, or the next ones: a message may come in parts.",
        {"messageId": _TEXT, "delta": _TEXT},
        {},
    ),
    "TEXT_MESSAGE_END": ("It is said.", {"messageId": _TEXT}, {}),
    "TOOL_CALL_START": (
        "CJ looks something up.",
        {"toolCallId": _TEXT, "toolCallName": _TEXT, "parentMessageId": _TEXT},
        {},
    ),
    "TOOL_CALL_ARGS": (
        "Which data type, as JSON; nothing else of the arguments.",
        {"toolCallId": _TEXT, "delta": _TEXT},
        {},
    ),
    "TOOL_CALL_END": ("The call is made.", {"toolCallId": _TEXT}, {}),
    "TOOL_CALL_RESULT": (
        "Whether it worked, as JSON: `success`, and `error_code` if not; nothing of what was found.",
        {"messageId": _TEXT, "toolCallId": _TEXT, "content": _TEXT},
        {"timestamp": {"type": "integer", "description": "When it came (Unix, ms); it may be told a while later."}},
    ),
    "MESSAGES_SNAPSHOT": (
        "What was said so far, by the merchant (`user`) and CJ (`assistant`), for who asked for it; a run by itself.",
        {
            "messages": {
                "type": "array",
                "items": _object(id=_TEXT, role={"enum": ["user", "assistant"]}, content=_TEXT),
            }
        },
        {},
    ),
    "CUSTOM": (
        "; ".join(f"`{name}`: {value}" for name, value in CUSTOM.items()) + ".",
        {"name": {"enum": list(CUSTOM)}, "value": {"type": "object"}},
        {},
    ),
    "RUN_FINISHED": (
        "The run ended well, or was stopped (outcome `cancelled`). `result.absorbedBy`: the run that answered instead. "
        "`result.after`: the place up to which a MESSAGES_SNAPSHOT holds everything.",
        {"threadId": _TEXT, "runId": _TEXT, "outcome": _object(type={"enum": ["success", "cancelled"]})},
        {"usage": _USAGE, "result": {"type": "object", "properties": {"absorbedBy": _TEXT, "after": _PLACE}}},
    ),
    "RUN_ERROR": (
        "The run failed; before it the sentence comes as a message, too. Codes: "
        + "; ".join(f"`{code}`: {meaning}" for code, meaning in ERROR_CODES.items())
        + ".",
        {"message": _TEXT, "code": _TEXT},
        {"usage": _USAGE},
    ),
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
            "receiveEvent": _operation("receive", queues.EVENTS, "CJ reads what happened"),
            "sendReply": _operation("send", queues.REPLIES, "CJ speaks"),
            "receiveAck": _operation("receive", queues.ACKS, "CJ reads what was shown"),
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def text() -> str:
    """The document as YAML: the content of asyncapi.yaml."""

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
        "title": f"Queue {queue}",
        "summary": summary,
        "messages": {name: _reference("messages", name) for name in messages},
        "bindings": {
            "amqp": {
                "bindingVersion": "0.3.0",
                "is": "queue",
                "queue": {"name": queue, "durable": True, "exclusive": False, "autoDelete": False, "vhost": "/"},
                "x-arguments": queues.arguments(queue),
            }
        },
    }


def _operation(action: str, queue: str, title: str) -> dict[str, Any]:
    return {
        "action": action,
        "title": title,
        "channel": {"$ref": f"#/channels/{queue}"},
        "bindings": {"amqp": {"bindingVersion": "0.3.0", "deliveryMode": 2}},
    }


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
        "title": name.replace("_", " ").replace(".", " ").capitalize(),
        "summary": inspect.getdoc(model),
        "payload": payload,
        "examples": [{"name": name, "payload": example}],
    }


def _schemas() -> dict[str, Any]:
    models: list[type[BaseModel]] = [Envelope, *CATALOG.values(), Place, Reply, Ack]
    _, definitions = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
        schema_generator=_WithoutTitles,
    )
    schemas: dict[str, Any] = definitions["$defs"]
    found = {model.__name__: schemas[model.__name__] for model in models}
    found["Reply"]["properties"]["data"] = {
        "type": "array",
        "minItems": 1,
        "description": "AG-UI 1.0 events, in order.",
        "items": {"oneOf": [_reference("schemas", _schema_name(kind)) for kind in _KINDS]},
    }
    return found | {_schema_name(kind): _ag_ui(kind, *parts) for kind, parts in _KINDS.items()}


def _schema_name(kind: str) -> str:
    return "AgUi" + kind.title().replace("_", "")


def _ag_ui(kind: str, when: str, always: dict[str, Any], sometimes: dict[str, Any]) -> dict[str, Any]:
    return {**_object(type={"const": kind}, **always), "title": kind, "description": when} | {
        "properties": {"type": {"const": kind}, **always, **sometimes}
    }


def _reference(section: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
