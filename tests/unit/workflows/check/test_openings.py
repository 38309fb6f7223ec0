"""Who opens a conversation: what the files say, where they do not say it, and the table that shows it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflows.builders import folder, text
from workflows.errors import InvalidWorkflows, UnknownWorkflow
from workflows.explanation import opening, openings_table
from workflows.loader import SHIPPED, check_paths, load_folder
from workflows.workflow import WorkflowSet

CONNECTED = {"provider": "shopify", "success": True, "shop_domain": "a.myshopify.com", "merchant_id": "m"}
MESSAGE = {"merchant_id": "m", "conversation_id": "c", "text": "hello"}


def behavior(*, cj: bool = False, opens: str = "", before: str = "") -> str:
    first = "  initiator: cj\n  initial_action: {type: process_message, message: hi}\n" if cj else ""
    listed = f"  opens: {opens}\n" if opens else ""
    return f"behavior:\n  transitions: {{}}\n{first}{listed}" + (f"  opens_before: {before}\n" if before else "")


def rule(event: str, condition: str = "true") -> str:
    action = "[{type: process_message, message: hi}]"
    return f'system_events:\n  {event}:\n    - condition: "{condition}"\n      actions: {action}\n'


def beside_shipped(path: Path, **bodies: str) -> WorkflowSet:
    for file in SHIPPED.glob("*.yaml"):
        shutil.copy(file, path)
    return folder(path, **bodies)


def opened(workflows: WorkflowSet, event: str, data: dict[str, Any]) -> str:
    return workflows.opener(event, data)[0].name


def refused(path: Path, **bodies: str) -> str:
    with pytest.raises(InvalidWorkflows) as error:
        beside_shipped(path, **bodies)
    (problem,) = error.value.problems
    return f"{Path(problem.file).name}:{problem.line}: {problem.message.replace(f'{path}/', '')}"


def test_a_rule_opens_a_conversation_only_where_it_holds(tmp_path: Path) -> None:
    # Given the obvious way to write a weekly review, which once took every new conversation
    review = rule("conversation_started", "workflow == 'weekly_review'")
    workflows = beside_shipped(tmp_path, weekly_review=review)
    assert opened(workflows, "conversation_started", {}) == "shopify_onboarding"
    assert opened(workflows, "conversation_started", {"workflow": "weekly_review"}) == "weekly_review"
    assert opened(workflows, "message_received", MESSAGE) == "shopify_onboarding"


VIP = rule("oauth_complete", "shop_domain in ['a.myshopify.com', 'b.myshopify.com'] and success == true")


def test_a_workflow_for_some_merchants_silences_no_other(tmp_path: Path) -> None:
    vip = behavior(cj=True, opens="[oauth_complete]", before="[shopify_onboarding]") + VIP
    workflows = beside_shipped(tmp_path, vip_onboarding=vip)
    assert opened(workflows, "oauth_complete", CONNECTED) == "vip_onboarding"
    assert opened(workflows, "oauth_complete", {**CONNECTED, "shop_domain": "c.myshopify.com"}) == "shopify_onboarding"
    assert opened(workflows, "oauth_complete", {**CONNECTED, "success": False}) == "shopify_onboarding"
    assert opened(workflows, "message_received", MESSAGE) == "shopify_onboarding"
    # And a conversation whose file is gone does not go on there
    assert workflows.or_default("gone").name == "shopify_onboarding"


def test_two_that_could_both_be_meant_are_an_error_that_names_both(tmp_path: Path) -> None:
    assert refused(tmp_path, a_vip=behavior(cj=True) + VIP) == (
        "shopify_onboarding.yaml:2: oauth_complete and conversation_started and message_received could open a "
        "conversation here or in 'a_vip' (a_vip.yaml:1): say under 'behavior' which events open one ('opens: […]', "
        "[] for none) or who goes first ('opens_before: [a_vip]')"
    )


def test_whom_the_event_names_needs_no_word_about_opening(tmp_path: Path) -> None:
    workflows = beside_shipped(tmp_path, review=behavior(cj=True, opens="[]"))
    assert opening(workflows, "conversation_started", {"workflow": "review"})[0] == "review"
    assert opened(workflows, "conversation_started", {}) == "shopify_onboarding"


@pytest.mark.parametrize(
    ("one", "other", "is_contested"),
    [
        ("success == true", "success == false", False),
        ("success == true", "provider == 'shopify'", True),
        ("merchant_id in ['a', 'b']", "merchant_id == 'c'", False),
        ("merchant_id in ['a', 'b']", "merchant_id in ['c', 'b']", True),
        ("merchant_id == 'a' or merchant_id == 'b'", "merchant_id not in ['a', 'b', 'c']", False),
        ("context.connected_at older than '7d'", "context.connected_at newer than '1w'", False),
        ("context.connected_at older than '7d'", "context.connected_at older than '14d'", True),
        ("'read_orders' in scopes", "not ('read_orders' in scopes)", False),
    ],
)
def test_only_what_may_hold_together_is_contested(tmp_path: Path, one: str, other: str, is_contested: bool) -> None:
    bodies = {name: behavior(opens="[oauth_complete]") + rule("oauth_complete", when) for name, when in
              (("first", one), ("second", other))}  # fmt: skip
    for name, body in bodies.items():
        (tmp_path / f"{name}.yaml").write_text(text(body, name=name))
    problems = [each for each in check_paths([tmp_path]) if each.severity == "error"]
    assert bool(problems) is is_contested


def test_what_somebody_before_both_takes_is_contested_by_none(tmp_path: Path) -> None:
    both = rule("oauth_complete", "success == true")
    workflows = beside_shipped(
        tmp_path, one=behavior(opens="[]") + both, two=both.replace("success", "provider == 'shopify' and success")
    )
    assert opened(workflows, "oauth_complete", CONNECTED) == "shopify_onboarding"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (behavior(before="[shopify_onboarding]"), "x.yaml:5: this needs 'opens' beside it: the events that open a"),
        (behavior(opens="[]", before="[x]"), "x.yaml:6: a workflow cannot go before itself"),
        (behavior(opens="[]", before="[onboarding]"), "x.yaml:6: unknown workflow 'onboarding', did you mean 'sho"),
        (behavior(opens="[app_uninstalled]"), "x.yaml:5: an item of 'opens' cannot be 'app_uninstalled'; possible"),
        (
            behavior(opens="[oauth_complete]") + rule("oauth_complete", "provider == 'shopify' and success == true"),
            "x.yaml:5: oauth_complete never opens a conversation here, others take it first: name whom to go before",
        ),
        (behavior(opens="[message_received]"), "x.yaml:5: message_received never opens a conversation here"),
    ],
)
def test_what_cannot_be_meant_is_said(tmp_path: Path, body: str, expected: str) -> None:
    assert refused(tmp_path, x=body).startswith(expected)


def test_two_cannot_both_go_first(tmp_path: Path) -> None:
    first = behavior(opens="[message_received]", before="[second]")
    with pytest.raises(InvalidWorkflows, match="'second' says that it goes before this one: only one of them can"):
        folder(tmp_path, first=first, second=first.replace("second", "first"))


def test_an_event_without_a_rule_opens_nothing_worth_it(tmp_path: Path) -> None:
    workflows = beside_shipped(tmp_path, x=behavior(opens="[oauth_complete]"))
    assert "there is no rule for oauth_complete here, so CJ would say nothing" in [
        w.message for w in workflows.warnings
    ]


def test_going_before_one_is_going_before_those_behind_it(tmp_path: Path) -> None:
    vip = behavior(opens="[oauth_complete]", before="[shopify_onboarding]") + VIP
    workflows = beside_shipped(tmp_path, a=behavior(opens="[]"), vip=vip, z=behavior(cj=True, opens="[]"))
    assert workflows.names == ("vip", "shopify_onboarding", "z", "a", "ad_hoc_support")
    assert workflows.default.name == "shopify_onboarding"


def test_the_table_says_who_opens_what(tmp_path: Path) -> None:
    vip = behavior(cj=True, opens="[oauth_complete]", before="[shopify_onboarding]") + VIP
    table = openings_table(beside_shipped(tmp_path, vip=vip))
    assert table.splitlines() == [
        "who opens a new conversation (the first that fits):",
        "  oauth_complete        vip                 when shop_domain in ['a.myshopify.com', 'b.myshopify.com'] "
        "and success == true",
        "  oauth_complete        shopify_onboarding  when provider == 'shopify' and success == true",
        "  oauth_complete        shopify_onboarding  when provider == 'shopify' and success == false",
        "  oauth_complete        shopify_onboarding  when provider != 'shopify' and success == true",
        "  oauth_complete        shopify_onboarding  when provider != 'shopify' and success == false",
        "  conversation_started  the one it names    if it names one",
        "  conversation_started  shopify_onboarding  otherwise, then ad_hoc_support if shopify_oauth is met",
        "  message_received      shopify_onboarding  always, then ad_hoc_support if shopify_oauth is met",
    ]


GREETING = """%ssystem_events:
  oauth_complete: {condition: "success == true", actions: [{type: process_message, message: hi}]}
"""


@pytest.mark.parametrize(
    ("behavior", "told"),
    [
        ("", True),
        ("behavior: {opens: [oauth_complete], opens_before: [shopify_onboarding]}\n", False),
        ("behavior: {opens: []}\n", False),
    ],
)
def test_a_workflow_in_which_no_conversation_ever_is(tmp_path: Path, behavior: str, told: bool) -> None:
    """Each rule of the shipped one takes a part of what this one would; together they take everything."""
    warnings = [problem.message for problem in beside_shipped(tmp_path, greeting=GREETING % behavior).warnings]
    expected = (
        "no conversation comes here: 'shopify_onboarding' takes every oauth_complete first, and no transition leads "
        "here; say under 'behavior' what opens one ('opens: [oauth_complete]') and whom to go before "
        "('opens_before: [shopify_onboarding]')"
    )
    assert (expected in warnings) is told


def test_who_would_open_but_never_can_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkflows, match="never opens a conversation here, others take it first"):
        beside_shipped(tmp_path, greeting=GREETING % "behavior: {opens: [oauth_complete]}\n")


def test_a_sentence_says_why() -> None:
    shipped = load_folder()
    assert opening(shipped, "oauth_complete", CONNECTED) == (
        "shopify_onboarding",
        "opens a conversation in shopify_onboarding, because its rule 1 (line 30) holds: "
        "provider == 'shopify' and success == true",
    )
    assert "because no rule takes the event" in opening(shipped, "message_received", MESSAGE)[1]
    assert opening(shipped, "app_uninstalled", {})[0] is None
    assert "the merchant's latest open one" in opening(shipped, "app_uninstalled", {})[1]
    assert opening(shipped, "shop_redact", {}) == (None, "reaches no conversation: it deletes what is stored")
    with pytest.raises(UnknownWorkflow):
        opening(shipped, "conversation_started", {"workflow": "nope"})


SAY, KEEP = "[{type: process_message, message: hi}]", "[{type: update_context, data: {plan: x}}]"
CONNECTED_RULE = '    - {condition: "success == true", actions: %s}\n'
FAILED_RULE = '    - {condition: "success == false", actions: %s}\n'
RULES = "behavior:\n  opens: []\nsystem_events:\n  oauth_complete:\n"
BOTH = RULES + CONNECTED_RULE % SAY + FAILED_RULE % SAY
OF_CONNECTION = "a merchant whose store is connected while in this workflow hears nothing: "
OF_FAILURE = "a merchant who could not connect a store while in this workflow hears nothing: "


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BOTH, []),
        (
            "behavior:\n  opens: []\n",
            [(1, "a merchant who connects a store while in this workflow hears nothing: no rule takes oauth_complete")],
        ),
        (
            RULES + CONNECTED_RULE % SAY,
            [(6, OF_FAILURE + "no rule takes oauth_complete with provider == 'shopify' and success == false")],
        ),
        (
            RULES + CONNECTED_RULE % KEEP + FAILED_RULE % SAY,
            [
                (
                    6,
                    OF_CONNECTION + "the rule on line 7 takes oauth_complete with provider == 'shopify' and "
                    "success == true, and has no 'process_message'",
                )
            ],
        ),
        # In another workflow only, by another provider only: nobody here is told.
        (
            BOTH.replace("success == true", "success == true and context.workflow == 'ad_hoc_support'"),
            [(6, OF_CONNECTION + "no rule takes oauth_complete with provider == 'shopify' and success == true")],
        ),
        (
            BOTH.replace("success == false", "success == false and provider != 'shopify'"),
            [(6, OF_FAILURE + "no rule takes oauth_complete with provider == 'shopify' and success == false")],
        ),
        # A rule takes all; a move says something only with a message.
        (RULES + f"    - {{actions: {SAY}}}\n", []),
        (
            BOTH + f"  message_received: {{actions: {KEEP}}}\n",
            [(9, "CJ says nothing to message_received here: this rule takes it, and has no 'process_message'")],
        ),
        (
            BOTH + "  message_received:\n    - actions: [{type: transition, target_workflow: ad_hoc_support}]\n",
            [(10, "CJ says nothing to message_received here: this rule takes it, and has no 'process_message'")],
        ),
        (
            BOTH
            + "  message_received:\n    - actions: [{type: transition, target_workflow: ad_hoc_support, message: x}]\n",
            [],
        ),
        (BOTH + f"  conversation_started: {{actions: {KEEP}}}\n", []),  # the merchant begins
        (
            BOTH.replace("behavior:\n", behavior(cj=True)) + f"  conversation_started: {{actions: {KEEP}}}\n",
            [
                (6, "this is never used: the rule on line 12 takes every conversation_started"),
                (12, "CJ says nothing to conversation_started here: this rule takes it, and has no 'process_message'"),
            ],
        ),
    ],
)
def test_where_an_event_of_a_merchants_life_meets_silence_is_said(
    tmp_path: Path, body: str, expected: list[tuple[int, str]]
) -> None:
    warnings = beside_shipped(tmp_path, quiet=body).warnings
    found = [(each.line, each.message) for each in warnings if each.file.endswith("quiet.yaml")]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("conditions", "is_heard"),
    [
        (["success == true and shop_domain in ['a.myshopify.com']", "success == false"], False),
        (["success == true", "success == false"], True),
        (["provider == 'shopify'"], True),
        (["true"], True),
        (["success == true and error == null", "success == true and error != null", "success == false"], True),
        (["context.plan == 'x'", "not (context.plan == 'x')"], True),
    ],
)
def test_a_connection_that_no_rule_need_take_is_said_of_who_opens_it(
    tmp_path: Path, conditions: list[str], is_heard: bool
) -> None:
    rules = "".join(f'    - {{condition: "{each}", actions: {SAY}}}\n' for each in conditions)
    plan = "  app_uninstalled: {actions: [{type: update_context, data: {plan: x}}]}\n"
    loaded = folder(tmp_path, only=f"system_events:\n  oauth_complete:\n{rules}{plan}")
    assert any("in a new conversation hears nothing" in each.message for each in loaded.warnings) is not is_heard
    # A single file is not all that may open one.
    (tmp_path / "again").mkdir()
    (tmp_path / "only.yaml").rename(tmp_path / "again" / "only.yaml")
    alone = check_paths([tmp_path / "again" / "only.yaml"])
    assert not any("in a new conversation" in each.message for each in alone)


START = """
requirements: [{{shopify_oauth: true}}]
behavior:
  opens: []
  transitions:
    already_authenticated: {{target_workflow: ad_hoc_support}}
{more}
"""


@pytest.mark.parametrize(
    ("more", "is_told"),
    [
        ("", True),
        ("    grown: {condition: 'turns > 3', target_workflow: ad_hoc_support}", False),
        (
            "system_events:\n  custom:\n    actions: [{type: transition, target_workflow: ad_hoc_support}]\n",
            False,
        ),
    ],
)
def test_a_conversation_that_is_led_on_at_its_start_or_never_is_told(tmp_path: Path, more: str, is_told: bool) -> None:
    told = [each.message for each in beside_shipped(tmp_path, quiet=START.format(more=more)).warnings]
    assert any("never moves on to 'ad_hoc_support'" in message for message in told) is is_told
