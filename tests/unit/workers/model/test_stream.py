"""Streams put together: every dialect, cut at every byte."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.model.response import Answer, read_answer, repaired, words_so_far
from workers.model.stream import END, Assembly, as_stream

RECORDED = yaml.safe_load((Path(__file__).parents[3] / "providers" / "streams" / "recorded.yaml").read_text("utf-8"))
OF_OPENAI = [name for name, recorded in RECORDED.items() if recorded["events"][0].startswith('{"id"')]
TOOL = {"type": "function", "function": {"name": "shopify_data", "parameters": {}}}


def assembled(events: list[str]) -> dict[str, Any] | None:
    assembly = Assembly()
    for event in events:
        assembly.add(json.loads(event))
    return assembly.completion()


def answer(events: list[str]) -> Answer:
    found = read_answer(repaired(assembled(events)), "m", [], [TOOL])
    assert isinstance(found, Answer)
    return found


def chunk(finish: str | None = None, **delta: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def call(name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **more}


@pytest.mark.parametrize("provider", OF_OPENAI)
def test_wherever_it_is_cut_it_is_whole_or_no_answer(provider: str) -> None:
    events = RECORDED[provider]["events"]
    whole = answer(events)
    assert (whole.text, len(whole.tool_calls)) == (RECORDED[provider]["says"], RECORDED[provider]["calls"])
    stream = "".join(f"data: {event}\n\n" for event in events)
    results = set()
    for cut in range(len(stream)):
        came = [line.removeprefix("data: ") for line in stream[:cut].split("\n\n")[:-1]]
        results.add(None if assembled(came) is None else answer(came).text)
    assert results <= {None, whole.text}


@pytest.mark.parametrize("provider", OF_OPENAI)
def test_no_words_come_behind_what_is_taken_for_the_end_of_them(provider: str) -> None:
    assembly, words = Assembly(), []
    for event in RECORDED[provider]["events"]:
        assembly.add(json.loads(event))
        words.append(assembly.words if assembly.begins_to_call or assembly.has_finished else None)
    assert {found for found in words if found is not None} <= {assembly.words}


def test_a_piece_with_words_is_never_the_last() -> None:
    """litellm's parser of Gemini ends every piece."""
    assembly = Assembly()
    for event, ends in (
        (chunk("stop", content="Hel"), False),
        (chunk("stop", content="lo."), False),
        (chunk("stop"), True),
    ):
        assembly.add(json.loads(event))
        assert assembly.has_finished is ends


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        ([call("a", "{", index=0, id="1"), call(None, "}", index=0)], [("a", "{}")]),
        ([call("a", "{}", index=0, id="1"), call("b", "{}", index=0, id="2")], [("a", "{}"), ("b", "{}")]),
        ([call("a", "{}"), call("b", "{}")], [("a", "{}"), ("b", "{}")]),
        ([call("a", {"x": 1})], [("a", '{"x": 1}')]),
        ([call("shop", ""), call("ify", ""), call(None, "{}")], [("shopify", "{}")]),
        ([call("a", "", index=0), call("a", "{}", index=0)], [("a", "{}")]),
        ([call("a", None, index=1, id="x"), call("b", "{}", index=0, id="y")], [("a", ""), ("b", "{}")]),
        ([call("a", "{}", index=0), call("", "", index=1, id="")], [("a", "{}")]),
    ],
    ids=["numbered", "all number 0", "no id", "object", "name in pieces", "name again", "out of order", "an empty one"],
)
def test_calls(pieces: list[dict[str, Any]], calls: list[tuple[str, str]]) -> None:
    found = assembled([*(chunk(tool_calls=[piece]) for piece in pieces), chunk("stop")])
    assert found is not None
    made = [call["function"] for call in found["choices"][0]["message"]["tool_calls"]]
    assert [(one["name"], one["arguments"]) for one in made] == calls


@pytest.mark.parametrize("calls", [[None], [{}], {"function": None}, [call("", "", id="", index=0)]])
def test_a_call_of_nothing_is_none(calls: object) -> None:
    assembly = Assembly()
    assembly.add(json.loads(chunk(content="Hi.", tool_calls=calls, function_call={"name": "", "arguments": ""})))
    assert not assembly.begins_to_call
    assert answer([chunk(content="Hi.", tool_calls=calls), chunk("stop")]).tool_calls == ()


def test_a_single_call_without_a_list() -> None:
    [made] = answer([chunk(tool_calls=call("shopify_data", "{}", id="1")), chunk("tool_calls")]).tool_calls
    assert made.name == "shopify_data"


def test_words_that_come_again_whole_are_said_once() -> None:
    again = {"choices": [{"index": 0, "delta": {}, "message": {"content": "Hi."}, "finish_reason": "stop"}]}
    assert answer([chunk(content="Hi."), json.dumps(again)]).text == "Hi."


def test_what_comes_as_parts_or_whole_or_in_the_older_form() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Hi."}]
    assert answer([chunk(content=parts), chunk("stop")]).text == "Hi."
    assert answer([json.dumps({"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]})]).text == "Hi."
    older = {"text": "Hi.", "is_finished": True, "finish_reason": "length", "usage": None, "index": 0}
    done = {"text": "", "is_finished": True, "finish_reason": "stop", "usage": None, "index": 0}
    assembly = Assembly()
    for piece in (older, done):
        assembly.add(piece)
    found = assembly.completion()
    assert found is not None
    assert found["choices"][0]["finish_reason"] == "length"


def test_thoughts_and_their_signatures() -> None:
    first, second = {"type": "thinking", "thinking": "a", "signature": ""}, {"type": "thinking", "thinking": "b"}
    signed = {"type": "thinking", "thinking": "", "signature": "S"}
    found = assembled([chunk(thinking_blocks=[block]) for block in (first, second, signed, first)] + [chunk("stop")])
    assert found is not None
    assert found["choices"][0]["message"]["thinking_blocks"] == [
        {"type": "thinking", "thinking": "ab", "signature": "S"},
        first,
    ]


def test_an_answer_that_came_whole_is_a_stream_of_one_piece() -> None:
    body = {"choices": [{"message": {"content": "Hi.", "tool_calls": [call("a", "{}")]}, "finish_reason": "stop"}]}
    stream = as_stream(body)
    assert END.search(stream)
    found = answer([stream.decode().splitlines()[0].removeprefix("data: ")])
    assert (found.text, len(found.tool_calls)) == ("Hi.", 1)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("Hi. You", "Hi. You"),
        ("<think>Let me. See.", ""),
        ("<think>Let me.</think>\n\nHi. You", "Hi. You"),
        ("[THINK]Hm.[/THINK]Hi.", "Hi."),
        ("Hi.\n<tool_call>{", "Hi.\n"),
        ("Hi.\n```json\n{", "Hi.\n"),
        ('{"name": "shopify_data"', ""),
        ("Hi.\n[TOOL_CALLS]", "Hi.\n"),
        ("Action: shopify_data\n", ""),
        ("shopify_data(data_type=", ""),
        ("analysis We need", ""),
        ("3 < 4 and [1] it is", "3 < 4 and [1] it is"),
        ("Hi.\x00 You", "Hi. You"),
    ],
)
def test_what_are_surely_words(raw: str, words: str) -> None:
    assert words_so_far(raw) == words
