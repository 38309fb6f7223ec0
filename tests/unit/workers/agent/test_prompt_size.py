"""What fits into a prompt."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.conversations import PastTurn
from storage.turns import StepRow, TurnInput
from workers.agent.prompt import Absorbed, messages
from workers.agent.prompt_size import RESULT_BYTES, shrunk, size

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def result(bytes_: int) -> dict[str, Any]:
    return {"success": True, "data_type": "counts", "data": {"orders": [{"note": "x" * 50}] * (bytes_ // 65)}}


def step(number: int, sizes: list[int]) -> StepRow:
    calls = [
        {"id": f"c{number}_{n}", "type": "function", "function": {"name": "shopify_data", "arguments": "{}"}}
        for n in range(len(sizes))
    ]
    results = [{"tool_call_id": call["id"], "content": result(many)} for call, many in zip(calls, sizes, strict=True)]
    return StepRow(number, {"role": "assistant", "content": None, "tool_calls": calls}, results, NOW)


sizes = st.lists(st.lists(st.integers(0, RESULT_BYTES), min_size=1, max_size=4), max_size=6)
words = st.text(max_size=300)


@given(
    current=words,
    steps=sizes,
    history=st.lists(st.tuples(words, sizes), max_size=5),
    absorbed=st.lists(words, max_size=3),
    most=st.integers(10_000, 120_000),
)
def test_a_prompt_keeps_its_size_and_no_result_loses_its_call(
    current: str,
    steps: list[list[int]],
    history: list[tuple[str, list[list[int]]]],
    absorbed: list[str],
    most: int,
) -> None:
    past = [
        PastTurn(seq, TurnInput("merchant", said), tuple(step(n, many) for n, many in enumerate(taken)), ())
        for seq, (said, taken) in enumerate(history)
    ]
    now = [step(n, many) for n, many in enumerate(steps)]
    kept = copy.deepcopy(now)
    later = [Absorbed(0, TurnInput("merchant", said)) for said in absorbed]
    asked = messages(
        "You are CJ.", {}, past, TurnInput("merchant", current), now, later, now=NOW, max_history=400, most_bytes=most
    )
    floor = 24 * 600 + 10 * size(current) + 10 * sum(map(size, absorbed)) + 2000  # what is never left out
    assert size(asked) <= max(most, floor)
    assert now == kept, "the rows are not what is cut"
    assert [message["content"] for message in asked if message["role"] == "user"].count(current) >= 1
    made = [call["id"] for message in asked for call in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in asked if message["role"] == "tool"]
    assert made == answered
    said = "Left out because of the length" in asked[0]["content"]
    full = messages(
        "You are CJ.", {}, past, TurnInput("merchant", current), now, later, now=NOW, max_history=400, most_bytes=10**7
    )
    assert said or len(asked) == len(full)


def test_a_result_that_no_cut_makes_small_enough_says_so() -> None:
    whole = {"success": True, "data_type": "counts", "data": {"text": "x" * 20_000}}
    assert shrunk(whole)["error_code"] == "tool.too_large"
    assert whole["success"], "the result itself is left alone"


@pytest.mark.parametrize("most", [256, 1024, 4096, RESULT_BYTES])
def test_a_long_list_loses_its_tail(most: int) -> None:
    found = shrunk(result(100_000), most)
    assert size(found) <= most
    assert found["shortened"]
    assert found["data"]["orders"]


def test_very_long_data_of_an_event_is_trimmed() -> None:
    event = TurnInput("system", "store_connection_failed", metadata={"reason": "x" * 50_000, "list": ["y" * 50_000]})
    context = {"note": "z" * 50_000}
    asked = messages("You are CJ.", context, [], event, [], now=NOW, max_history=40, most_bytes=120_000)
    assert size(asked) < 10_000


def test_what_a_talkative_model_said_in_this_turn_is_cut_too() -> None:
    steps = [
        StepRow(n, {**step(n, [10]).assistant, "content": "y" * 16_000}, step(n, [10]).tool_results, NOW)
        for n in range(20)
    ]
    said = TurnInput("merchant", "hello")
    asked = messages("You are CJ.", {}, [], said, steps, now=NOW, max_history=40, most_bytes=60_000)
    assert size(asked) < 60_000
    assert len(str(asked[-2]["content"])) == 16_000, "the latest words are whole"
