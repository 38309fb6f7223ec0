import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.model.errors import Cause
from workers.model.response import (
    MAX_ARGUMENTS,
    MAX_TOOL_CALLS,
    MOST_REFUSED_CALLS,
    TOO_MANY_CALLS,
    Answer,
    ToolCall,
    assistant_message,
    parse_arguments,
    read_answer,
    repaired,
    whole_sentences,
)


def call(name: object = "shopify_data", arguments: object = "{}", id: object = "call00001") -> SimpleNamespace:
    return SimpleNamespace(id=id, function=SimpleNamespace(name=name, arguments=arguments))


def response(content: object = None, *calls: SimpleNamespace, usage: object = None) -> SimpleNamespace:
    message = SimpleNamespace(content=content, tool_calls=list(calls) or None)
    return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=usage)


def read(content: object = None, *calls: SimpleNamespace) -> Answer:
    answer = read_answer(response(content, *calls), "m")
    assert isinstance(answer, Answer)
    return answer


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("All is well. And then", "All is well. …"),
        ("All is well.", "All is well."),
        ("It came to $1,234.", ""),  # of what may have been $1,234.56
        ("You sold 7 mugs! 1. Blue mug\n2. Re", "You sold 7 mugs! 1. Blue mug …"),
        ("売上は好調です。次に", "売上は好調です。 …"),
        ("He said “yes.” Then", "He said “yes.” …"),
        ("no end", ""),
    ],
)
def test_a_text_that_was_cut_off_ends_with_a_sentence(text: str, kept: str) -> None:
    assert whole_sentences(text) == kept


def test_words_calls_and_tokens_are_read() -> None:
    usage = SimpleNamespace(prompt_tokens=11, completion_tokens=5)
    answer = read_answer(response("Hello", call(arguments='{"data_type": "counts"}'), usage=usage), "openai/x")
    expected = ToolCall("call00001", "shopify_data", {"data_type": "counts"})
    assert answer == Answer("Hello", (expected,), "openai/x", 11, 5)


@pytest.mark.parametrize(
    ("finish", "said"),
    [
        *((finish, "You have some. It is 6") for finish in ("stop", "STOP", "eos_token", "end_turn", None, "")),
        *((finish, "You have some. …") for finish in ("length", "MAX_TOKENS", "network_error", "abort")),
        ("insufficient_system_resource", "You have some. …"),  # DeepSeek's
        ({"type": "stop"}, "You have some. …"),
    ],
    ids=str,
)
def test_after_an_end_that_nobody_knows_half_a_sentence_is_not_said(finish: object, said: str) -> None:
    answer = read_answer(
        {"choices": [{"message": {"content": "You have some. It is 6"}, "finish_reason": finish}]}, "m"
    )
    assert isinstance(answer, Answer)
    assert answer.text == said


@pytest.mark.parametrize("count", [-1, 10**12, "7", 7.5, None, [7]])
def test_a_count_of_tokens_that_cannot_be_right_is_none(count: object) -> None:
    """The column takes no larger ones, and a negative one would give the merchant more of the day's tokens."""
    body = {"choices": [{"message": {"content": "Hi."}}], "usage": {"prompt_tokens": count, "completion_tokens": 3}}
    answer = read_answer(body, "m")
    assert isinstance(answer, Answer)
    assert (answer.input_tokens, answer.output_tokens) == (None, 3)


@pytest.mark.parametrize(
    "nothing",
    [
        {"function_call": {}},
        {"function_call": {"name": None, "arguments": None}},
        {"tool_calls": [{"id": "1", "function": {"name": "", "arguments": ""}}]},
    ],
    ids=str,
)
def test_a_call_of_nothing_is_none(nothing: dict[str, Any]) -> None:
    tool = {"type": "function", "function": {"name": "shopify_data", "parameters": {}}}
    answer = read_answer({"choices": [{"message": {"content": "Hi.", **nothing}}]}, "m", [], [tool])
    assert isinstance(answer, Answer)
    assert answer.tool_calls == ()


@pytest.mark.parametrize(
    "empty",
    [
        SimpleNamespace(choices=[]),
        SimpleNamespace(choices=None),
        SimpleNamespace(),
        None,
        response(None),
        response(""),
        response(" \n "),
        response("\x00"),
    ],
)
def test_an_answer_without_words_and_calls_is_empty(empty: object) -> None:
    assert read_answer(empty, "m") is Cause.EMPTY


@pytest.mark.parametrize(
    ("text", "arguments"),
    [(None, {}), ("", {}), ("  ", {}), ("null", {}), ("{}", {}), ('{"data_type":"counts"}', {"data_type": "counts"})],
)
def test_arguments(text: str | None, arguments: dict[str, Any]) -> None:
    assert parse_arguments(text) == (arguments, None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"data_type": "cou', "not valid JSON"),
        ("data_type=counts", "not valid JSON"),
        ('{"a": NaN}', "not valid JSON"),
        ("[" * 1_000, "not valid JSON"),
        ('["counts"]', "not valid JSON"),
        ('"counts"', "not valid JSON"),
        ('{"a": "' + "x" * MAX_ARGUMENTS + '"}', "too long"),
    ],
)
def test_bad_arguments_become_a_sentence_for_the_model_and_are_kept_as_an_empty_object(
    text: str, complaint: str
) -> None:
    answer = read(None, call(arguments=text))
    (tool_call,) = answer.tool_calls
    assert tool_call.arguments is None
    assert complaint in str(tool_call.error)
    assert assistant_message(answer)["tool_calls"][0]["function"]["arguments"] == "{}"


def test_arguments_that_came_as_an_object_are_taken() -> None:
    assert read(None, call(arguments={"data_type": "counts"})).tool_calls[0].arguments == {"data_type": "counts"}


def test_no_more_calls_are_run_than_the_cap_and_the_model_is_told_of_the_others() -> None:
    calls = [call(id=f"call000{i:02}") for i in range(MAX_TOOL_CALLS + MOST_REFUSED_CALLS + 3)]
    answer = read("working on it", *calls)
    run, refused = answer.tool_calls[:MAX_TOOL_CALLS], answer.tool_calls[MAX_TOOL_CALLS:]
    assert [one.id for one in run] == ["call00000", "call00001", "call00002", "call00003"]
    assert {one.error for one in run} == {None}
    assert [(one.arguments, one.error) for one in refused] == [(None, TOO_MANY_CALLS)] * MOST_REFUSED_CALLS
    assert len(assistant_message(answer)["tool_calls"]) == MAX_TOOL_CALLS + MOST_REFUSED_CALLS


@pytest.mark.parametrize("bad", [None, "", "call:1.a|b", "x" * 41, 7])
def test_a_call_id_some_provider_would_refuse_is_replaced(bad: object) -> None:
    (tool_call,) = read(None, call(id=bad)).tool_calls
    assert re.fullmatch("[a-z0-9]{9}", tool_call.id)


def test_an_id_used_twice_is_made_unique_and_the_first_stays() -> None:
    first, second = read(None, call(id="call00000"), call(id="call00000")).tool_calls
    assert first.id == "call00000"
    assert second.id != "call00000"


def test_an_id_of_an_earlier_answer_is_not_used_again() -> None:
    earlier = [{"role": "user", "content": "hi"}, assistant_message(read(None, call(id="call00000")))]
    answer = read_answer(response(None, call(id="call00000")), "m", earlier)
    assert isinstance(answer, Answer)
    assert answer.tool_calls[0].id != "call00000"


def test_a_thought_signature_in_an_id_is_kept_for_its_provider() -> None:
    answer = read(None, call(id="call_12ab__thought__Q0lBQ0E9PQ+/"))
    [made] = answer.tool_calls
    assert "thought" not in made.id
    fields = {"thought_signature": "Q0lBQ0E9PQ+/"}
    assert answer.extras == {"model": "m", "calls": {made.id: {"provider_specific_fields": fields}}}


@pytest.mark.parametrize(
    ("name", "kept"),
    [("functions.shopify_data", "functions_shopify_data"), ("", "unnamed"), (None, "unnamed"), ("x" * 99, "x" * 64)],
)
def test_a_tool_name_some_provider_would_refuse_is_mended(name: object, kept: str) -> None:
    assert read(None, call(name=name)).tool_calls[0].name == kept


def test_where_no_tool_is_offered_a_call_in_the_text_is_a_call_all_the_same() -> None:
    """Nobody runs it, and the merchant does not see it."""
    asked = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "shopify_data"}}]}
    written = 'Let me look.\n{"name": "shopify_data", "arguments": {"data_type": "counts"}}'
    answer = read_answer(response(written), "m", [asked])
    assert isinstance(answer, Answer)
    assert (answer.text, [call.name for call in answer.tool_calls]) == ("Let me look.", ["shopify_data"])
    unreadable = read_answer(response('Let me look.\nshopify_data {"data_ty'), "m", [asked])
    assert isinstance(unreadable, Answer)
    assert (unreadable.text, unreadable.tool_calls) == ("Let me look.", ())


def test_the_message_to_keep_has_nothing_but_what_every_provider_takes() -> None:
    answer = Answer("Hi", (ToolCall("call_1", "shopify_data", {"data_type": "counts"}),), "openai/x", 1, 2)
    assert assistant_message(answer) == {
        "role": "assistant",
        "content": "Hi",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "shopify_data", "arguments": '{"data_type": "counts"}'},
            }
        ],
    }
    assert assistant_message(Answer("Hi", (), "m")) == {"role": "assistant", "content": "Hi"}


def test_text_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "Hello "}, {"type": "image_url"}, {"type": "text", "text": "there"}]
    assert read(parts).text == "Hello there"


@given(st.text(alphabet=st.characters(codec=None), max_size=60), st.text(max_size=60))
def test_whatever_came_can_be_stored_and_sent_on(text: str, arguments: str) -> None:
    answer = read_answer(response(text, call(arguments=arguments)), "m")
    assert isinstance(answer, Answer)
    stored = json.dumps(assistant_message(answer), ensure_ascii=False)
    stored.encode("utf-8")
    assert "\x00" not in stored
    assert "\\u0000" not in str(assistant_message(answer)["content"])
    assert isinstance(json.loads(assistant_message(answer)["tool_calls"][0]["function"]["arguments"]), dict)


CALL = {"id": "a", "function": {"name": "shopify_data", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("came", "becomes"),
    [
        (
            {"content": [{"type": "text", "text": "Hello "}, {"type": "text", "text": "there"}]},
            {"content": "Hello there"},
        ),
        ({"content": [{"type": "text", "text": {"value": "Hello"}}]}, {"content": "Hello"}),
        ({"content": {"text": "Hello"}}, {"content": "Hello"}),
        ({"content": 7}, {"content": "7"}),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
            {"content": "", "reasoning_content": "hm"},
        ),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, {"content": "", "refusal": "No."}),
        ({"tool_calls": [None, {"id": "b", "function": None}, CALL]}, {"content": None, "tool_calls": [CALL]}),
        ({"tool_calls": CALL}, {"content": None, "tool_calls": [CALL]}),
        ({"tool_calls": [None]}, {"content": None, "tool_calls": None}),
        (None, {"content": None}),
    ],
)
def test_what_litellm_could_not_read_is_brought_into_form(came: object, becomes: dict[str, Any]) -> None:
    [choice] = repaired({"id": "1", "choices": [{"index": 0, "message": came}, None]})["choices"]
    assert choice == {"index": 0, "message": {"role": "assistant", **becomes}}


@pytest.mark.parametrize("body", [None, [], {}, {"choices": None}, {"content": [{"type": "text"}]}])
def test_what_is_no_chat_completion_stays(body: object) -> None:
    assert repaired(body) == body
