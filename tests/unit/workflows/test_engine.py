"""From events and contexts to the actions to take."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflows.builders import folder, workflow
from workflows import engine
from workflows.actions import Emit, FollowUp, Prefetch, ProcessMessage, Transition, UpdateContext
from workflows.errors import InvalidWorkflows
from workflows.loader import load_again

EVENT = {"provider": "shopify", "success": True, "shop_domain": "a.myshopify.com", "merchant_id": "m1"}
ACTIONS = """
    system_events:
      oauth_complete:
        - condition: "success == true"
          actions:
            - type: update_context
              data:
                shop_domain: "{{shop_domain}}"
                shopify_connected: true
                note: {from: ["{{provider}}", "{{scopes}}"]}
            - type: prefetch
              data_types: [counts, overview, counts]
            - type: process_message
              message: "connected {{shop_domain}}"
              sender: system
              metadata: {scopes: "{{scopes}}", plain: 1}
            - type: transition
              target_workflow: elsewhere
              message: "Bye {{merchant_id}}"
        - condition: "success == false"
          actions:
            - type: process_message
              message: "{{success}}"
              sender: merchant
              cleanup_trigger: true
    """


def test_the_first_rule_that_holds_gives_the_plan() -> None:
    found = engine.plan(workflow(ACTIONS), "oauth_complete", {**EVENT, "scopes": ["a"]})
    assert found == (
        UpdateContext(
            {
                "shop_domain": "a.myshopify.com",
                "shopify_connected": True,
                "note": {"from": ["shopify", ["a"]]},
            }
        ),
        Prefetch(("counts", "overview")),
        ProcessMessage("connected a.myshopify.com", "system", False, {"scopes": ["a"], "plain": 1}),
        Transition("elsewhere", "Bye m1"),
    )


def test_a_message_is_text_and_says_who_sends_it() -> None:
    found = engine.plan(workflow(ACTIONS), "oauth_complete", {"success": False})
    assert found == (ProcessMessage("false", "merchant", True, {}),)


def test_without_a_rule_that_holds_there_is_no_plan() -> None:
    assert engine.plan(workflow(ACTIONS), "oauth_complete", {}) is None
    assert engine.plan(workflow(ACTIONS), "oauth_complete", {"success": "true"}) is None
    assert engine.plan(workflow(ACTIONS), "message_received", {"text": "hello"}) is None
    assert engine.plan(workflow(), "no such event", {}) is None


def test_one_rule_needs_no_list_and_no_condition() -> None:
    single = workflow(
        """
        system_events:
          message_received:
            actions:
              - type: process_message
                message: "{{text}}"
                sender: merchant
        """
    )
    assert engine.plan(single, "message_received", {"text": "hi {{text}}"}) == (
        ProcessMessage("hi {{text}}", "merchant"),
    )


def test_plans_share_nothing_with_each_other_or_with_the_workflow() -> None:
    compiled = workflow(ACTIONS)
    data = {**EVENT, "scopes": ["a"]}
    for _ in range(2):
        plan = engine.plan(compiled, "oauth_complete", data)
        assert plan is not None
        update, _, message, _ = plan
        assert isinstance(update, UpdateContext)
        assert isinstance(message, ProcessMessage)
        assert update.values["note"] == {"from": ["shopify", ["a"]]}
        assert message.metadata == {"scopes": ["a"], "plain": 1}
        update.values["note"]["from"].append("more")
        message.metadata["more"] = True
        message.metadata["scopes"].append("more")


BEGINNING = """
    requirements:
      - shopify_oauth: true
    behavior:
      initiator: {initiator}
      initial_action:
        type: process_message
        message: hello
        sender: merchant
        cleanup_trigger: true
      transitions:
        already_authenticated:
          target_workflow: support
          message: Welcome back
        later:
          condition: "turns > 2"
          target_workflow: support
    """


def test_cj_begins_with_the_initial_action_only_if_it_is_to_begin() -> None:
    cj = workflow(BEGINNING.format(initiator="cj"))
    assert cj.initial_action == ProcessMessage("hello", "merchant", True, {})
    assert workflow(BEGINNING.format(initiator="merchant")).initial_action is None
    assert workflow().initial_action is None


def test_a_start_with_all_requirements_met_leads_on() -> None:
    begins = workflow(BEGINNING.format(initiator="cj"))
    assert engine.start_transition(begins, {"shopify_oauth", "more"}) == Transition(
        "support", "Welcome back", "already_authenticated"
    )
    assert engine.start_transition(begins, []) is None
    assert engine.start_transition(begins, {"something"}) is None


def test_without_requirements_nothing_can_be_met() -> None:
    way = "behavior: {transitions: {already_authenticated: {target_workflow: support}}}\n"
    assert engine.start_transition(workflow(way), {"shopify_oauth"}) is None
    off = "requirements: [{shopify_oauth: false}]\n"
    assert engine.start_transition(workflow(way + off), {"shopify_oauth"}) is None


def test_already_authenticated_is_only_for_the_start() -> None:
    begins = workflow(BEGINNING.format(initiator="cj"))
    assert engine.next_transition(begins, {"turns": 0}) is None
    assert engine.next_transition(begins, {"turns": 3}) == Transition("support", None, "later")


def test_the_first_transition_that_holds_is_taken() -> None:
    ways = workflow(
        """
        behavior:
          transitions:
            b: {condition: "turns == 2 and last_error == null", target_workflow: two}
            a: {condition: "turns > 1", target_workflow: one}
        """
    )
    assert engine.next_transition(ways, {"turns": 2}) == Transition("two", None, "b")
    assert engine.next_transition(ways, {"turns": 2, "last_error": "x"}) == Transition("one", None, "a")
    assert engine.next_transition(ways, {}) is None


def way(target: str, condition: str) -> str:
    way = f'on: {{condition: "{condition}", target_workflow: {target}}}'
    return f"behavior: {{opens: [], transitions: {{{way}}}}}\n"


def test_settling_goes_from_workflow_to_workflow(tmp_path: Path) -> None:
    chain = folder(
        tmp_path,
        a=way("b", "turns == 1 and workflow == 'a'"),
        b=way("c", "turns == 1 and workflow == 'b'"),
        c=way("d", "turns == 1"),
        d=way("e", "turns == 1"),
        e="",
    )
    context: dict[str, Any] = {"turns": 1, "workflow": "a"}
    hops = engine.settle(chain, chain.get("a"), context)
    assert [hop.target_workflow for hop in hops] == ["b", "c", "d"]
    assert context == {"turns": 1, "workflow": "a"}
    assert engine.settle(chain, chain.get("a"), {"turns": 2}) == []


def test_settling_does_not_come_back_to_where_it_was(tmp_path: Path) -> None:
    # Given two workflows that hand a conversation to each other in one context (a warning, not an error)
    circle = folder(tmp_path, a=way("b", "'counts' in fetched"), b=way("a", "shopify_connected == false"))
    assert any("leads in a circle" in warning.message for warning in circle.warnings)
    context = {"fetched": ["counts"], "shopify_connected": False}
    assert [hop.target_workflow for hop in engine.settle(circle, circle.get("a"), context)] == ["b"]
    assert [hop.target_workflow for hop in engine.settle(circle, circle.get("b"), context)] == ["a"]


def test_settling_stays_when_the_target_is_not_loaded(tmp_path: Path) -> None:
    loaded = folder(tmp_path, a="")
    stray = workflow(way("gone", "turns == 1"), name="stray")
    assert engine.settle(loaded, stray, {"turns": 1}) == []


@pytest.mark.parametrize("context", [{}, {"fetched": "counts"}, {"fetched": None, "shopify_connected": "true"}])
def test_odd_contexts_settle_nowhere(tmp_path: Path, context: dict[str, Any]) -> None:
    loaded = folder(tmp_path, a=way("b", "shopify_connected == true and 'overview' in fetched"), b="")
    assert engine.settle(loaded, loaded.get("a"), context) == []


NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("context.turns > 2 and text == 'hi'", True),
        ("context.plan == 'vip'", True),
        ("context.absent == null", True),
        ("context.since older than '7d'", True),
        ("context.since older than '8d'", False),
        ("context.since newer than '192h'", True),
        ("not (context.since newer than '1w')", True),
        ("time newer than '30m'", True),
        ("time older than '30m'", False),
        ("context.plan older than '1m' or context.plan newer than '1m'", False),
        ("context.absent older than '1m' or context.naive newer than '9w'", False),
        ("'x' in context.absent", False),
        ("'x' not in context.absent", True),
    ],
)
def test_rules_read_the_context_and_the_time(condition: str, holds: bool) -> None:
    keys = "{plan: vip, absent: null, since: '{{time}}', naive: a}"
    rules = workflow(
        f"""
        system_events:
          app_uninstalled:
            actions: [{{type: update_context, data: {keys}}}]
          message_received:
            condition: "{condition}"
            actions: [{{type: process_message, message: "{{{{context.plan}}}} at {{{{time}}}}"}}]
        """
    )
    context = {"turns": 3, "plan": "vip", "since": "2026-11-14T12:00:00Z", "naive": "2026-11-22T11:00:00"}
    seen = engine.seen({"text": "hi"}, context, time=NOW - timedelta(minutes=20), now=NOW)
    plan = engine.plan(rules, "message_received", seen)
    assert plan == ((ProcessMessage("vip at 2026-11-22T11:40:00+00:00"),) if holds else None)


def test_transitions_read_ages_and_what_other_workflows_set(tmp_path: Path) -> None:
    other = """
        behavior: {opens: []}
        system_events:
          app_uninstalled:
            actions: [{type: update_context, data: {left_at: "{{time}}"}}]
        """
    both = folder(tmp_path, a=way("b", "left_at older than '2d' and connected_at newer than '9w'"), b=other)
    context = {"left_at": "2026-11-20T11:59:00Z", "connected_at": "2026-11-01T00:00:00+00:00", "now": NOW.isoformat()}
    assert [hop.target_workflow for hop in engine.settle(both, both.get("a"), context)] == ["b"]
    assert engine.settle(both, both.get("a"), {**context, "left_at": "2026-11-20T12:01:00Z"}) == []
    # A key that no file sets is a typo all the same
    with pytest.raises(InvalidWorkflows, match="unknown field 'left', did you mean 'left_at'"):
        folder(tmp_path, a=way("b", "left older than '2d'"), b=other)
    # And a turn that began with such a text ends with it, whatever the folder holds by then
    assert load_again(both.get("a").text, file="a").transitions[0].condition.holds(context)


@pytest.mark.parametrize(
    ("question", "answered", "expected"),
    [
        ("answered == false", False, True),
        ("answered == false", True, False),
        ("shopify_connected == false and connected_at older than '7d'", True, True),
        ("connected_at newer than '7d'", False, False),
        ("gone = 1", False, False),  # of a version that understood it
    ],
)
def test_a_follow_up_asks_when_it_is_due(question: str, answered: bool, expected: bool) -> None:
    long_ago = (NOW - timedelta(days=8)).isoformat()
    context = {"shopify_connected": False, "connected_at": long_ago, "now": NOW.isoformat()}
    assert engine.is_wanted(question, context, answered=answered) is expected


def test_what_a_workflow_plans_and_tells_is_filled_in() -> None:
    body = """
        system_events:
          custom:
            - actions:
                - {type: follow_up, after: 2 days, message: "ask about {{data.plan}}"}
                - {type: emit, name: plan_wanted, data: {plan: "{{data.plan}}", trial: true}}
    """
    plan = engine.plan(workflow(body), "custom", {"name": "x", "data": {"plan": 5}})
    assert plan == (
        FollowUp(172_800, "ask about 5", "answered == false"),
        Emit("plan_wanted", {"plan": 5, "trial": True}),
    )
    assert [action.describe() for action in plan] == [
        'in 48 h, if answered == false: turn on "ask about 5"',
        'tell the systems outside: plan_wanted {"plan": 5, "trial": true}',
    ]
