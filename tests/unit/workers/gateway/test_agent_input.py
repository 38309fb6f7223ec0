"""What a client already has according to its history, and which parts of a run it lacks."""

from typing import Any

import pytest

from events.errors import InvalidEvent
from storage import agui
from workers.gateway.agent_input import History, read

RUN = [
    *agui.run_started("c", "turn_7"),
    *agui.text("turn_7-m1", "Let me look."),
    *agui.tool_call("call_1", "shopify_data", "turn_7-m1", "counts"),
    *agui.tool_result("call_1", None),
    *agui.text("turn_7-m2", "Seven customers."),
    *agui.run_finished("c", "turn_7"),
]


def assistant(id: str, content: str = "", *calls: tuple[str, str]) -> dict[str, Any]:
    called = [{"id": call, "type": "function", "function": {"name": "x", "arguments": given}} for call, given in calls]
    return {"id": id, "role": "assistant", "content": content, **({"toolCalls": called} if called else {})}


ARGUMENTS = '{"data_type": "counts"}'
CALLED = assistant("turn_7-m1", "Let me look.", ("call_1", ARGUMENTS))
RESULT = {"id": "r", "role": "tool", "toolCallId": "call_1", "content": "{}"}


@pytest.mark.parametrize(
    ("messages", "deltas", "results"),
    [
        ([], ["Let me look.", ARGUMENTS, "Seven customers."], 1),
        ([assistant("turn_7-m1", "Let me")], [" look.", ARGUMENTS, "Seven customers."], 1),
        ([CALLED], ["Seven customers."], 1),
        ([CALLED, RESULT], ["Seven customers."], 0),
        ([CALLED, RESULT, assistant("turn_7-m2", "Seven")], [" customers."], 0),
        ([CALLED, RESULT, assistant("turn_7-m2", "Seven customers.")], [], 0),
        ([assistant("turn_3-m1", "Let me look.")], ["Let me look.", ARGUMENTS, "Seven customers."], 1),
    ],
)
def test_a_client_is_given_what_it_lacks(messages: list[dict[str, Any]], deltas: list[str], results: int) -> None:
    given = list(History.of(messages).lacks(RUN))
    assert [event["delta"] for event in given if "delta" in event] == deltas
    assert sum(event["type"] == "TOOL_CALL_RESULT" for event in given) == results
    assert (given[0]["type"], given[-1]["type"]) == ("RUN_STARTED", "RUN_FINISHED")


def test_a_message_in_several_pieces_is_gone_on_with() -> None:
    """Words come sentence by sentence, each a reply: what is had may end within any of them."""
    deltas = ("One. ", "Two. ", "Three.")
    pieces: list[dict[str, Any]] = [{"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": it} for it in deltas]
    for length in range(len("One. Two. Three.") + 1):
        history = History.of([assistant("m", "One. Two. Three."[:length])])
        rest = [event["delta"] for piece in pieces for event in history.lacks([piece])]
        assert "".join(rest) == "One. Two. Three."[length:]


def test_the_latest_turn_is_that_of_the_last_message_of_ours() -> None:
    messages = [assistant("turn_3-m1", "a"), assistant("turn_9-error", "b"), assistant("theirs", "c")]
    assert History.of(messages).latest_turn == 9
    assert History.of([assistant("theirs", "c")]).latest_turn is None


def test_what_the_merchant_says_comes_after_our_last_word() -> None:
    said = {"id": "1", "role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image", "url": "x"}]}
    more = {"id": "2", "role": "user", "content": "Well?"}
    theirs = {"id": "3", "role": "developer", "content": "Be brief."}

    def messages(*history: dict[str, Any]) -> list[tuple[str, str]]:
        return list(read({"threadId": "c", "runId": "r", "messages": list(history) or None}).messages)

    assert messages() == []
    assert messages(CALLED, said) == [("1", "Hi")]
    assert messages(said, CALLED, said, more, theirs) == [("1", "Hi"), ("2", "Well?")]
    assert messages({**said, "id": 1}, more) == [("2", "Well?")]
    assert messages(said, CALLED) == []
    assert messages(said, CALLED, RESULT) == []
    assert len(messages(*[said] * 500)) == 20


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"threadId": ""},
        {"threadId": "c", "messages": "hi"},
        {"threadId": "c", "messages": [1]},
        {"threadId": "c", "messages": [{"role": "user", "content": "hi"}]},
    ],
)
def test_a_request_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(InvalidEvent):
        read(value)
