"""Which replies count as the expected ones."""

from typing import Any

import pytest

from workers.scenario.language import (
    CjMessage,
    CjToolCall,
    ContextUpdate,
    ErrorCode,
    Nothing,
    ShopifyRequest,
    TransitionTo,
    WorkflowEvent,
)
from workers.scenario.match import (
    ACTION,
    LogEntry,
    Matched,
    Mismatch,
    Outcome,
    ScenarioLog,
    Unmatched,
    find,
    seconds_text,
)


def entry(kind: str, at: float = 1.0, *, is_open: bool = False, number: int = 0, **body: Any) -> LogEntry:
    return LogEntry(at, kind, "…", body, is_open=is_open, number=number)


def message(text: str, **more: Any) -> LogEntry:
    return entry("cj_message", text=text, final=more.pop("final", False), **more)


def call(data_type: str = "counts", **more: Any) -> LogEntry:
    return entry("cj_tool_call", tool="shopify_data", params={"data_type": data_type}, **more)


def look(wanted: Any, *entries: LogEntry, since: float = 0.0, truth: dict[str, Any] | None = None) -> Outcome:
    return find(wanted, entries, since=since, truth=truth or {})


def why(wanted: Any, found: LogEntry) -> str:
    outcome = look(wanted, found)
    assert isinstance(outcome, Unmatched)
    return outcome.differs[found.number]


def test_what_lies_between_does_not_matter() -> None:
    wanted = CjMessage(expect="cj_message", contains=["b"])
    second = message("b", number=2)
    assert look(wanted, message("a", number=0), call(number=1), second) == Matched(second)


def test_the_first_that_fits_is_taken() -> None:
    wanted = CjMessage(expect="cj_message")
    first = message("a", number=0)
    assert look(wanted, first, message("a", number=1)) == Matched(first)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"contains": ["seven customers"]}, "does not contain 'seven customers'"),
        ({"excludes": ["customers"]}, "contains 'customers'"),
        ({"matches": "^customers"}, "does not match '^customers'"),
        ({"final": True}, "final is false"),
    ],
)
def test_why_a_message_is_not_the_one(wanted: dict[str, Any], reason: str) -> None:
    assert why(CjMessage(expect="cj_message", **wanted), message("You have 7 customers.")) == reason


def test_a_message_may_be_asked_for_in_every_way_at_once() -> None:
    wanted = CjMessage(expect="cj_message", contains=["7", "customers"], excludes=["8"], matches=r"\d c", final=True)
    assert isinstance(look(wanted, message("7 customers", final=True)), Matched)


def test_the_stores_true_numbers_are_filled_in_as_people_write_them() -> None:
    wanted = CjMessage(expect="cj_message", contains=["{{store.orders}} orders"], excludes=["{{ store.products }}"])
    truth = {"orders": 1500, "products": 12}
    assert isinstance(look(wanted, message("1,500 orders"), truth=truth), Matched)
    assert isinstance(look(wanted, message("1,500 orders of 12"), truth=truth), Unmatched)


def test_whether_a_message_is_final_is_waited_for_and_not_skipped() -> None:
    wanted = CjMessage(expect="cj_message", final=True)
    unsure, sure = message("a", is_open=True, number=0), message("b", final=True, number=1)
    assert look(wanted, unsure, sure) == Unmatched({0: "not known yet"})


def test_parameters_are_a_subset() -> None:
    wanted = CjToolCall(expect="cj_tool_call", params={"data_type": "counts"})
    more = entry("cj_tool_call", tool="shopify_data", params={"data_type": "counts", "more": 1})
    assert isinstance(look(wanted, more), Matched)
    assert why(wanted, call("overview")) == "data_type is 'overview'"
    assert why(wanted, entry("cj_tool_call", tool="shopify_data", params={})) == "has no data_type"
    assert why(wanted, entry("cj_tool_call", tool="other", params={})) == "tool is other"


def test_a_call_is_matched_before_its_result_unless_the_result_matters() -> None:
    running = call(is_open=True, result=None)
    assert isinstance(look(CjToolCall(expect="cj_tool_call"), running), Matched)
    wanted = CjToolCall(expect="cj_tool_call", result={"success": True})
    assert look(wanted, running) == Unmatched({0: "not known yet"})
    assert isinstance(look(wanted, call(result={"success": True, "data": {}})), Matched)
    assert why(wanted, call(result={"success": False})) == "result.success is False"


def test_how_long_a_call_may_take() -> None:
    wanted = CjToolCall(expect="cj_tool_call", max_seconds=0.1)
    assert isinstance(look(wanted, call(result={}, seconds=0.05)), Matched)
    outcome = look(wanted, call(result={}, seconds=0.25))
    assert isinstance(outcome, Mismatch)
    assert outcome.why == "took 0.25 s, expected at most 0.10 s"


@pytest.mark.parametrize(
    ("wanted", "found", "reason"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 2, "d": 3}], "e": 4}}, None),
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": True}, {"a": 1}, "result.a is 1"),
        ({"a": [1]}, {"a": [1, 2]}, "result.a is [1, 2]"),
        ({"a": [1, 3]}, {"a": [1, 2]}, "result.a[1] is 2"),
        ({"a": {"b": 1}}, {"a": {}}, "has no result.a.b"),
        ({"a": None}, {"a": None}, None),
        ({"a": "1"}, {"a": 1}, "result.a is 1"),
    ],
)
def test_values_are_compared_as_json_and_maps_may_hold_more(
    wanted: dict[str, Any], found: dict[str, Any], reason: str | None
) -> None:
    seen = call(result=found)
    expected = CjToolCall(expect="cj_tool_call", result=wanted)
    if reason is None:
        assert look(expected, seen) == Matched(seen)
    else:
        assert why(expected, seen) == reason


def test_a_context_update_is_one_that_changed_what_is_expected() -> None:
    wanted = ContextUpdate(expect="context_update", values={"a": 1, "b": 2})
    context = {"a": 1, "b": 2, "c": 3}
    assert isinstance(look(wanted, entry("context_update", context=context, changed={"b"})), Matched)
    assert why(wanted, entry("context_update", context=context, changed={"c"})) == "none of a, b changed"
    assert why(wanted, entry("context_update", context={"a": 1}, changed={"a"})) == "has no b"


def test_the_other_kinds() -> None:
    assert why(TransitionTo(expect="transition", to="a"), entry("transition", to="b")) == "to is b"
    assert isinstance(look(TransitionTo(expect="transition", to="a"), entry("transition", to="a")), Matched)
    told = entry("workflow_event", name="wanted", data={"plan": "pro", "free": False})
    assert isinstance(look(WorkflowEvent(expect="workflow_event", name="wanted", data={"plan": "pro"}), told), Matched)
    assert why(WorkflowEvent(expect="workflow_event", name="other"), told) == "name is wanted"
    assert why(WorkflowEvent(expect="workflow_event", name="wanted", data={"plan": "x"}), told) == "plan is 'pro'"
    assert isinstance(look(ErrorCode(expect="error"), entry("error", code="x")), Matched)
    assert why(ErrorCode(expect="error", code="y"), entry("error", code="x")) == "code is x"
    asked = ShopifyRequest(expect="shopify_request", data_type="counts")
    assert isinstance(look(asked, entry("shopify_request", data_type="counts")), Matched)
    assert why(asked, entry("shopify_request", data_type="overview")) == "data_type is overview"


@pytest.mark.parametrize(
    ("bounds", "at", "told"),
    [
        ({"min_delay": 1.0}, 1.7, "came 0.70 s after the step before, expected at least 1.0 s"),
        ({"min_delay": 1.0}, 1.99, None),  # rows of one commit are milliseconds apart
        ({"min_delay": 1.0}, 9.0, None),
        ({"within": 2.0}, 3.5, "came 2.5 s after the step before, expected at most 2.0 s"),
        ({"within": 2.0}, 2.9, None),
        ({"min_delay": 1.0, "within": 2.0}, 2.5, None),
    ],
)
def test_when_it_came(bounds: dict[str, float], at: float, told: str | None) -> None:
    expected = CjMessage.model_validate({"expect": "cj_message", **bounds})
    outcome = look(expected, entry("cj_message", at, text="a"), since=1.0)
    if told is None:
        assert isinstance(outcome, Matched)
    else:
        assert isinstance(outcome, Mismatch)
        assert outcome.why == told


@pytest.mark.parametrize("kind", ["cj_message", "any"])
def test_nothing_of_a_kind_must_come(kind: Any) -> None:
    wanted = Nothing.model_validate({"expect": "nothing", "kind": kind, "for": 1})
    assert look(wanted) == Unmatched()
    unwelcome = message("again", number=3)
    assert look(wanted, unwelcome) == Mismatch("cj_message came, but nothing was expected", unwelcome)
    assert look(wanted, entry(ACTION), entry("turn")) == Unmatched()


def test_nothing_of_one_kind_says_nothing_of_another() -> None:
    wanted = Nothing.model_validate({"expect": "nothing", "kind": "error"})
    assert look(wanted, message("a")) == Unmatched()


def test_the_log_is_in_the_order_of_time_whatever_the_order_of_telling() -> None:
    log = ScenarioLog()
    log.add("late", entry("b", 2.0))
    log.add("early", entry("a", 1.0))
    log.add("same moment", entry("c", 2.0))
    assert [item.kind for item in log] == ["a", "b", "c"]
    assert [item.kind for item in log.after((2.0, 0))] == ["c"]


def test_an_entry_is_completed_in_its_place() -> None:
    log = ScenarioLog()
    log.add("x", entry("a", 1.0, is_open=True))
    log.add("y", entry("b", 1.0))
    log.add("x", entry("a", 1.0, done=True))
    assert [item.body for item in log] == [{"done": True}, {}]


@pytest.mark.parametrize(("value", "text"), [(0.0123, "0.012 s"), (0.7, "0.70 s"), (12.34, "12.3 s")])
def test_seconds_are_shown_as_people_read_them(value: float, text: str) -> None:
    assert seconds_text(value) == text


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("you have 42 Customers", "does not contain 'You have 42 customers': only capitals differ"),
        ("You have\n42  customers", "does not contain 'You have 42 customers': only spaces differ"),
        ("You have 42.", "does not contain 'You have 42 customers'"),
    ],
)
def test_a_text_that_is_nearly_there_is_told(said: str, told: str) -> None:
    assert why(CjMessage(expect="cj_message", contains=["You have 42 customers"]), message(said)) == told
