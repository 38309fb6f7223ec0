import json
from typing import Any

import pytest

from events import InvalidEvent, decode_reply

SAID = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "turn_9-m1", "delta": "You have 42 customers in your store"}
DATA = [{"type": "TEXT_MESSAGE_START", "messageId": "turn_9-m1", "role": "assistant"}, SAID]


def body(**attributes: Any) -> dict[str, Any]:
    found = {
        "specversion": "1.0",
        "id": "turn_9:000003",
        "source": "/cj",
        "type": "cj.reply",
        "subject": "conv_1",
        "merchantid": "m1",
        "time": "2026-11-22T10:00:00Z",
        "sequence": "000003",
        "turn": 4,
        "causationid": "oauth-7c1e",
        "data": DATA,
        **attributes,
    }
    return {name: value for name, value in found.items() if value is not ...}


def test_the_example_of_the_contract() -> None:
    reply = decode_reply(json.dumps(body()).encode())
    assert reply.place == (4, 3)
    assert reply.kinds == ("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT")
    assert reply.text == "You have 42 customers in your store"
    assert reply.error is None
    assert not reply.final
    assert json.loads(reply.encode()) == body()


@pytest.mark.parametrize(
    ("data", "text", "error", "final"),
    [
        ({"type": "RUN_STARTED"}, None, None, False),
        ({"type": "TOOL_CALL_START", "toolCallName": "shopify_data"}, None, None, False),
        ({"type": "TEXT_MESSAGE_CONTENT"}, None, None, False),
        ({"type": "TEXT_MESSAGE_CONTENT", "delta": 5}, None, None, False),
        ({"type": "TOOL_CALL_ARGS", "delta": "{}"}, None, None, False),
        ({"type": "CUSTOM", "name": "workflow_transition", "delta": "x"}, None, None, False),
        ({"type": "RUN_FINISHED"}, None, None, True),
        ({"type": "RUN_ERROR", "message": "Sorry", "code": "turn_lost"}, None, "Sorry", True),
        ({"type": "SOMETHING_NEW"}, None, None, False),
    ],
)
def test_kinds(data: dict[str, Any], text: str | None, error: str | None, final: bool) -> None:
    reply = decode_reply(body(data=[data]))
    assert (reply.kinds, reply.text, reply.error, reply.final) == ((data["type"],), text, error, final)


def test_the_words_of_several_messages_stand_apart() -> None:
    said = [{"type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": words} for id, words in ("a1", "a2", "b3")]
    assert decode_reply(body(data=said)).text == "12\n\n3"


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"nonsense", "event.not_json: not valid UTF-8 JSON at byte 0"),
        ([], "event.not_object: expected an object, got list"),
        (body(type="oauth_complete"), 'event.bad_value: type must be "cj.reply", got "oauth_complete"'),
        (body(subject=...), "event.missing_field: subject is missing"),
        (body(turn=...), "event.missing_field: turn is missing"),
        (body(turn="4"), 'event.bad_type: turn must be a whole number, got "4"'),
        (body(turn=-1), "event.bad_value: turn must be greater than or equal to 0, got -1"),
        (body(sequence=...), "event.missing_field: sequence is missing"),
        (body(sequence=3), "event.bad_type: sequence must be text, got 3"),
        (body(sequence="3"), 'event.bad_value: sequence must match pattern "^[0-9]{6,12}$", got "3"'),
        (
            body(data=[{"text": "secret"}]),
            "event.missing_field: data[].type is missing: data are AG-UI events",
        ),
        (body(data="secret"), "event.bad_type: data must be a list, got string"),
    ],
)
def test_refusals(value: object, error: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode_reply(value)
    assert f"{caught.value.code}: {caught.value}" == error


def nested(levels: int) -> Any:
    return {"deeper": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    "events",
    [
        [
            {
                "type": "MESSAGES_SNAPSHOT",
                "messages": [{"id": str(n), "role": "user", "content": "Hi"} for n in range(500)],
            }
        ],
        [{"type": "TOOL_CALL_START", "toolCallId": f"t{n}", "toolCallName": "shopify_data"} for n in range(100)],
        [{"type": "CUSTOM", "name": "workflow_event", "value": {"name": "told", "data": nested(18)}}],
        [
            {
                "type": "CUSTOM",
                "name": "workflow_event",
                "value": {"name": "told", "data": {str(n): n for n in range(190)}},
            }
        ],
    ],
)
def test_whatever_cj_sends_is_a_reply(events: list[dict[str, Any]]) -> None:
    whole = body(data=events)
    assert decode_reply(whole).data == decode_reply(json.dumps(whole)).data == events


def test_a_reply_may_be_longer_than_an_event() -> None:
    long = decode_reply(body(data=[{**SAID, "delta": "ä" * 100_000}]))
    assert len(long.text or "") == 100_000
    with pytest.raises(InvalidEvent, match="limit 1048576"):
        decode_reply(body(data=[{**SAID, "delta": "x" * 1_100_000}]))
