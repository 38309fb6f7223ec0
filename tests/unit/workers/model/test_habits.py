from typing import Any

import pytest

from storage import turns
from workers.model.habits import EXTRAS, Habits

CALL = {"id": "call00001", "type": "function", "function": {"name": "shopify_data", "arguments": "{}"}}
SIGNED = {"extra_content": {"google": {"thought_signature": "SIG"}}}
OWN = {"model": "a/x", "message": {"reasoning_content": "hm"}, "calls": {"call00001": SIGNED}}
PLAIN: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
KEPT = {**PLAIN, EXTRAS: OWN}
USER = {"role": "user", "content": "hello"}
DEMAND = "The `reasoning_content` in the thinking mode must be passed back to the API."
OPTIONS = {"temperature": 0.2, "max_tokens": 300}


def test_what_a_provider_gave_goes_back_to_it_and_to_nobody_else() -> None:
    habits = Habits()
    back = {**PLAIN, "reasoning_content": "hm", "tool_calls": [{**CALL, **SIGNED}]}
    assert habits.messages("a/x", [USER, KEPT]) == [USER, back]
    assert habits.messages("b/y", [USER, KEPT]) == [USER, PLAIN]
    assert KEPT[EXTRAS] is OWN


def test_reasoning_that_is_demanded_of_another_models_step_is_blank() -> None:
    habits = Habits()
    assert habits.learn("b/y", DEMAND, [USER, KEPT], {})
    assert habits.messages("b/y", [USER, KEPT]) == [USER, {**PLAIN, "reasoning_content": " "}]
    assert habits.messages("a/x", [KEPT])[0]["reasoning_content"] == "hm"
    assert not habits.learn("b/y", DEMAND, [USER, {"role": "assistant", **PLAIN, "reasoning_content": "x"}], {})


@pytest.mark.parametrize(
    "complaint",
    [
        "property 'reasoning_content' is unsupported",
        "Invalid `signature` in `thinking` block",
        "body.messages.2.assistant.reasoning_content: Extra inputs are not permitted",
    ],
)
def test_what_is_refused_is_not_sent_again(complaint: str) -> None:
    habits = Habits()
    assert habits.learn("a/x", complaint, [USER, KEPT], {})
    assert habits.messages("a/x", [USER, KEPT]) == [USER, PLAIN]
    assert not habits.learn("a/x", complaint, [USER, KEPT], {})


def test_a_signature_that_is_demanded_is_the_one_that_google_takes_for_foreign_calls() -> None:
    habits = Habits()
    assert habits.learn("b/y", "Function call is missing a thought_signature in functionCall parts.", [KEPT], {})
    [sent] = habits.messages("b/y", [KEPT])
    assert sent["tool_calls"][0]["extra_content"]["google"]["thought_signature"] == "skip_thought_signature_validator"


@pytest.mark.parametrize(
    ("complaint", "left"),
    [
        ("Unsupported value: 'temperature' does not support 0.2 with this model.", {"max_tokens": 300}),
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", {"temperature": 0.2}),
    ],
)
def test_an_option_that_is_refused_is_left_out(complaint: str, left: dict[str, Any]) -> None:
    habits = Habits()
    assert habits.options("a/x", OPTIONS) == OPTIONS
    assert habits.learn("a/x", complaint, [USER], OPTIONS)
    assert habits.options("a/x", OPTIONS) == left
    assert habits.options("b/y", OPTIONS) == OPTIONS
    assert not habits.learn("a/x", complaint, [USER], OPTIONS)


def test_ids_that_mistral_refuses_become_nine_characters_in_the_call_and_its_result() -> None:
    habits = Habits()
    call = {**CALL, "id": "call_1"}
    talk = [USER, {**PLAIN, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_1", "content": "{}"}]
    complaint = "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."
    assert habits.messages("m/x", talk) == talk
    assert habits.learn("m/x", complaint, talk, {})
    _, said, result = habits.messages("m/x", talk)
    assert said["tool_calls"][0]["id"] == result["tool_call_id"]
    assert len(result["tool_call_id"]) == 9
    assert result["tool_call_id"].isalnum()
    assert not habits.learn("m/x", complaint, talk, {})


def test_other_complaints_change_nothing() -> None:
    assert not Habits().learn("a/x", "Invalid value: 'tools'.", [USER, KEPT], OPTIONS)
    assert not Habits().learn("a/x", DEMAND, [USER], OPTIONS)


def test_storage_knows_the_key_that_redaction_takes_out() -> None:
    assert turns.EXTRAS == EXTRAS


@pytest.mark.parametrize(
    "complaint",
    [
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "After the optional system message, user and assistant roles should be alternating.",
    ],
)
def test_who_wants_both_sides_to_take_turns_finds_an_empty_message_between(complaint: str) -> None:
    habits = Habits()
    said = {"role": "assistant", "content": "Hi."}
    assert habits.learn("vllm/x", complaint, [USER, USER], {})
    empty = [{"role": role, "content": ""} for role in ("assistant", "user")]
    assert habits.messages("vllm/x", [USER, USER, said, said]) == [USER, empty[0], USER, said, empty[1], said]
    assert habits.messages("a/x", [USER, USER]) == [USER, USER]
    assert not habits.learn("vllm/x", complaint, [USER, USER], {})
    assert not Habits().learn("vllm/x", complaint, [USER, said], {}), "they do take turns"


def test_who_wants_the_user_last_finds_an_empty_message_there() -> None:
    habits = Habits()
    said = {"role": "assistant", "content": "Hi."}
    assert habits.learn("tgi/x", "Last message must have role `user`", [USER, said], {})
    assert habits.messages("tgi/x", [USER, said]) == [USER, said, {"role": "user", "content": ""}]
    assert habits.messages("tgi/x", [said, USER]) == [said, USER]
