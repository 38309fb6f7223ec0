"""What a turn does next, from its committed steps alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.turns import StepRow
from workers.agent.decide import (
    CLAIMS,
    MAX_FRUITLESS_CALLS,
    PREFETCHED,
    AnswerLater,
    AskModel,
    End,
    NoAnswer,
    OutOfTime,
    Pause,
    RetryLater,
    RunTools,
    TakePrefetched,
    about_ungrounded,
    after_outage,
    next_move,
)
from workflows.definition import LimitsSection

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
CALL = {"id": "c1", "type": "function", "function": {"name": "shopify_data", "arguments": "{}"}}


LIMITS = LimitsSection(max_tool_rounds=2, pause_between_messages_seconds=1.0)


def committed(step: int, assistant: dict[str, Any], results: list[dict[str, Any]] | None = None) -> StepRow:
    return StepRow(step, assistant, results, NOW)


def move(*steps: StepRow, seconds_left: float = 60.0, now: datetime = NOW) -> object:
    return next_move(steps, LIMITS, now=now, seconds_left=seconds_left)


def calling(step: int, *, text: str | None = None, done: bool = False) -> StepRow:
    return committed(step, {"content": text, "tool_calls": [CALL]}, [{"content": {}}] if done else None)


def test_a_new_turn_asks_the_model_with_tools() -> None:
    assert move() == AskModel(0, with_tools=True)


def test_pending_tool_calls_are_carried_out_before_the_model_is_asked_again() -> None:
    assert move(calling(0)) == RunTools(0)


def test_results_go_back_to_the_model() -> None:
    assert move(calling(0, done=True)) == AskModel(1, with_tools=True)


def test_an_answer_without_calls_ends_the_turn() -> None:
    assert move(calling(0, done=True), committed(1, {"content": "Done."})) == End()


def test_after_the_last_round_the_model_is_asked_without_tools() -> None:
    assert move(calling(0, done=True), calling(1, done=True)) == AskModel(2, with_tools=False)


@pytest.mark.parametrize(
    ("waited", "expected"), [(0.0, Pause(1.0)), (0.25, Pause(0.75)), (1.0, RunTools(0)), (-3600.0, RunTools(0))]
)
def test_words_are_left_to_be_read_before_the_next_call_begins(waited: float, expected: object) -> None:
    assert move(calling(0, text="You have 7 customers"), now=NOW + timedelta(seconds=waited)) == expected


def test_without_a_pause_nothing_waits_even_if_the_clocks_disagree() -> None:
    steps = [calling(0, text="You have 7 customers")]
    earlier = NOW - timedelta(milliseconds=5)
    assert next_move(
        steps, LimitsSection(pause_between_messages_seconds=0.0), now=earlier, seconds_left=60
    ) == RunTools(0)


def test_a_silent_step_is_not_paused_after() -> None:
    assert move(calling(0, text=None)) == RunTools(0)


def test_near_the_deadline_the_model_comes_to_an_end_without_tools() -> None:
    assert move(calling(0, done=True), seconds_left=5.0) == AskModel(1, with_tools=False)


def test_past_the_deadline_nothing_is_asked() -> None:
    assert move(calling(0, done=True), seconds_left=0.5) == OutOfTime()


def test_a_turn_begins_with_what_was_fetched_for_it() -> None:
    def first(limits: LimitsSection = LIMITS, seconds_left: float = 60.0, *steps: StepRow) -> object:
        return next_move(steps, limits, now=NOW, seconds_left=seconds_left, prefetched=["counts"])

    assert first() == TakePrefetched(("counts",))
    assert first(seconds_left=5.0) == AskModel(0, with_tools=False)
    call = {"id": f"{PREFETCHED}1_0", "function": {"name": "shopify_data", "arguments": "{}"}}
    taken = committed(0, {"content": None, "tool_calls": [call]}, [{"content": {"success": True}}])
    assert first(LimitsSection(max_tool_rounds=1), 60.0, taken) == AskModel(1, with_tools=True), (
        "no round of the model's"
    )


def test_so_many_calls_in_vain_are_the_last() -> None:
    def asked(fruitless: int) -> object:
        return next_move([calling(0, done=True)], LIMITS, now=NOW, seconds_left=60.0, fruitless=fruitless)

    assert asked(MAX_FRUITLESS_CALLS - 1) == AskModel(1, with_tools=True)
    assert asked(MAX_FRUITLESS_CALLS) == NoAnswer()


def test_a_turn_whose_time_went_by_waiting_for_the_model_says_so() -> None:
    assert next_move([], LIMITS, now=NOW, seconds_left=0.5, fruitless=1) == NoAnswer()


WITHDRAWN = {"role": "assistant", "content": "You have 8.", CLAIMS: {"ungrounded": ["8"], "then": "withdrawn"}}


def test_a_withdrawn_answer_is_asked_for_again() -> None:
    assert move(committed(0, WITHDRAWN)) == AskModel(1, with_tools=True)
    assert move(committed(0, WITHDRAWN), seconds_left=0.5) == OutOfTime()
    left_out = {**WITHDRAWN, CLAIMS: {"ungrounded": ["8"], "then": "left_out"}}
    assert move(committed(0, left_out)) == End()


def test_a_turn_has_one_correction_if_there_is_time_for_it() -> None:
    withdrawn = committed(0, WITHDRAWN)
    assert about_ungrounded([], "strict", seconds_left=60.0) == "withdrawn"
    assert about_ungrounded([withdrawn], "strict", seconds_left=60.0) == "left_out"
    assert about_ungrounded([], "strict", seconds_left=5.0) == "left_out"
    assert about_ungrounded([withdrawn], "report", seconds_left=60.0) == "said"


def after(
    fruitless: int = 1,
    retry_after: float | None = None,
    *,
    lasting: bool = False,
    told: bool = False,
    silent: float = 0.5,
    owed: float = 0.0,
) -> object:
    return after_outage(fruitless, retry_after, lasting=lasting, told=told, silent=silent, owed=owed)


@pytest.mark.parametrize(
    ("outage", "expected"),
    [
        (after(), RetryLater(2.0)),
        (after(2), AnswerLater(5.0)),
        (after(silent=3.0), AnswerLater(5.0)),
        (after(retry_after=2.5), RetryLater(2.5)),
        (after(retry_after=30.0), AnswerLater(30.0)),
        (after(retry_after=86_400.0), AnswerLater(300.0)),
        (after(lasting=True), AnswerLater(5.0)),
        (after(told=True), AnswerLater(5.0)),
        (after(told=True, owed=6 * 3600.0), AnswerLater(5.0)),
        (after(told=True, owed=6 * 3600.0 + 1), None),
    ],
)
def test_an_outage_is_bridged_in_silence_for_seconds_only_and_then_told(outage: object, expected: object) -> None:
    assert outage == expected
