"""Whatever a model answers, the merchant soon reads something, and nothing that was not meant for merchants."""

import json
from collections.abc import Sequence

import pytest

from tests.agent_turns import Hire
from tests.openai_server import Answer, Call, Received, Recorded, Say, Serve, Status
from workers.model.client import Model
from workers.model.errors import ModelUnavailable

COUNTS = Say(None, [Call("shopify_data", {"data_type": "counts"})])
TOLD = "You have 7 customers in your store, and 3 orders."
NO_WORDS = "Sorry, I could not put an answer into words. Please ask again."
NO_HELP = "Sorry, I can't help with that. Is there something else about your store?"
REFUSAL = "I'm sorry, I can't assist with that request."
FINISHED = ("RUN_FINISHED", None)
FILTER = Status(400, message="The response was filtered due to the prompt triggering the content management policy.")


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    Model(["openai/x"]).warm_up()


def ends(finish_reason: str, **message: object) -> Recorded:
    choice = {"index": 0, "message": {"role": "assistant", "content": "", **message}, "finish_reason": finish_reason}
    return Recorded({"id": "1", "choices": [choice]})


@pytest.mark.parametrize(
    ("answers", "said", "requests"),
    [
        ([Say(None)], NO_WORDS, 2),
        ([COUNTS, Say(None)], TOLD, 3),
        ([COUNTS, Say(None), Say("Seven.")], "Seven.", 3),
        ([COUNTS, ends("length")], TOLD, 3),
        ([ends("length"), Say("Hello.")], "Hello.", 2),
        ([ends("stop", content=None, refusal=REFUSAL)], REFUSAL, 1),
        ([ends("content_filter")], NO_HELP, 1),
        ([FILTER], NO_HELP, 1),
        ([Say("<think>hm"), Say("Hello.")], "Hello.", 2),
    ],
    ids=str,
)
def test_a_legitimate_end_is_an_end(
    serve: Serve, hire: Hire, answers: Sequence[Answer], said: str, requests: int
) -> None:
    server = serve(answers)
    assert hire().asks() == (FINISHED, [said])
    assert len(server.requests) == requests


@pytest.mark.parametrize(
    "call",
    [
        Say(None, [Call("functions.shopify_data", {"data_type": "counts"})]),
        Say(None, [Call("shopify_data", json.dumps('{"data_type": "counts"}'))]),
        Say('<tool_call>{"name": "shopify_data", "arguments": {"data_type": "counts"}}</tool_call>'),
        ends("function_call", function_call={"name": "shopify_data", "arguments": '{"data_type": "counts"}'}),
    ],
    ids=str,
)
def test_a_call_in_any_dialect_is_carried_out_and_not_shown(serve: Serve, hire: Hire, call: Answer) -> None:
    server = serve([call, Say("Seven.")])
    merchant = hire()
    assert merchant.asks() == (FINISHED, ["Seven."])
    [ran] = merchant.worker.ran
    assert (ran.name, ran.arguments) == ("shopify_data", {"data_type": "counts"})
    assert len(server.requests) == 2


def test_what_is_wrong_with_its_calls_is_told_to_the_model_once(serve: Serve, hire: Hire) -> None:
    server = serve([Say("<tool_call>the counts, please</tool_call>")])
    merchant = hire()
    merchant.worker.results = lambda calls: [
        {"success": False, "error": call.error, "error_code": "tool.bad_arguments"} for call in calls
    ]
    assert merchant.asks() == (FINISHED, [NO_WORDS])
    assert "You wrote a tool call into your text" in json.dumps(server.requests[1].messages)
    assert [bool(request.tool_names) for request in server.requests[:3]] == [True, True, False]
    assert len(server.requests) <= 4


def test_a_message_that_a_provider_filters_does_not_wedge_the_conversation(serve: Serve, hire: Hire) -> None:
    server = serve(lambda request: FILTER if "POISON" in json.dumps(request.messages) else Say("Hello again."))
    merchant = hire()
    assert merchant.asks("POISON") == (FINISHED, [NO_HELP])
    assert merchant.asks("hello again") == (FINISHED, ["Hello again."])
    assert len(server.requests) == 2


def test_what_was_said_before_the_filter_came_is_left_out(serve: Serve, hire: Hire) -> None:
    strict = False

    def answer(request: Received) -> Answer:
        return FILTER if strict and "POISON" in json.dumps(request.messages) else Say("Well.")

    server = serve(answer)
    merchant = hire()
    assert merchant.asks("POISON") == (FINISHED, ["Well."])
    strict = True
    assert merchant.asks("hello again") == (FINISHED, ["Well."])
    assert len(server.requests) == 3


def test_what_only_the_operator_can_mend_is_told_at_once(serve: Serve, hire: Hire) -> None:
    broke: Answer = Status(400, message="Your credit balance is too low to access the API.")
    server = serve(lambda _request: broke)
    merchant = hire()
    worker, before, turn_id = merchant.worker, merchant.worker.clock(), merchant.say()
    worker.runner.run(turn_id)
    assert worker.clock() - before < 5
    assert (worker.status(turn_id), worker.said(turn_id)) == ("done", [ModelUnavailable.merchant])
    assert len(server.requests) == 1


def test_reasoning_is_kept_with_its_step(serve: Serve, hire: Hire) -> None:
    def answer(request: Received) -> Answer:
        made = [message for message in request.messages if message.get("tool_calls")]
        if any(not message.get("reasoning_content") for message in made):
            return Status(400, message="The `reasoning_content` in the thinking mode must be passed back to the API.")
        if made:
            return Say("Seven.")
        return ends("tool_calls", reasoning_content="I should look.", tool_calls=[COUNTS.calls[0].wire()])

    server = serve(answer)
    merchant = hire()
    assert merchant.asks() == (FINISHED, ["Seven."])
    assert merchant.asks("and now?") == (FINISHED, ["Seven."])
    assert len(server.requests) == 3


LOOK = "Let me look."
LOOKING = Say(LOOK, [Call("shopify_data", {"data_type": "counts"})])
SEVEN = "You have 7 customers."


@pytest.mark.parametrize(
    ("answers", "end"),
    [
        ([LOOKING, LOOKING, Say(LOOK)], f" {LOOK} {TOLD}"),
        ([LOOKING, LOOKING, Say(None)], f" {LOOK} {TOLD}"),
        ([LOOKING, LOOKING, Say("Anything else?")], f" {LOOK} Anything else?"),
        ([*[LOOKING] * 6, Say(SEVEN, LOOKING.calls)], f" {LOOK} {SEVEN}"),
        ([COUNTS, Say("Sure! I'll check that now.")], f"Sure! I'll check that now. {TOLD}"),
        ([Say("Gern! Ich melde mich gleich."), COUNTS, Say("7 Kunden.")], "Gern! Ich melde mich gleich. 7 Kunden."),
        ([Say(LOOK), COUNTS, Say(SEVEN)], f"{LOOK} {SEVEN}"),
        ([Say(LOOK), Say(LOOK, COUNTS.calls), Say(SEVEN)], f"{LOOK} {SEVEN}"),
        ([Say(LOOK), Say(".")], LOOK),
        ([Say(LOOK)], LOOK),
    ],
    ids=str,
)
def test_a_turn_does_not_end_with_an_announcement(
    serve: Serve, hire: Hire, answers: Sequence[Answer], end: str
) -> None:
    serve(answers)
    ended, said = hire().asks()
    assert ended == FINISHED
    assert " ".join(map(str.strip, said)).endswith(end)
