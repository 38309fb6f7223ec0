"""Why an event was taken, or not."""

import json

from tests.unit.workflows.builders import workflow
from workflows.actions import UpdateContext
from workflows.explanation import explain
from workflows.loader import load_folder

RULES = """
    behavior:
      transitions:
        done: {condition: "shopify_connected == true and turns > 1", target_workflow: support}
        never: {condition: "turns > 100", target_workflow: support}
    system_events:
      oauth_complete:
        - condition: "provider == 'shopify' and (success or not error == 'secret@example.com')"
          actions:
            - type: update_context
              data: {shopify_connected: "{{success}}"}
            - type: prefetch
              data_types: [counts]
            - type: process_message
              message: "hello {{shop_domain}}"
              cleanup_trigger: true
              metadata: {a: 1}
            - type: transition
              target_workflow: support
              message: Bye
        - condition: "provider == 'woo'"
          actions:
            - type: process_message
              message: hi
    """
TAKEN = {"provider": "shopify", "success": True, "shop_domain": "a.myshopify.com"}
NOT_TAKEN = {"provider": "private@example.com", "success": False, "error": "secret@example.com"}


def test_every_part_has_its_value() -> None:
    found = explain(workflow(RULES), "oauth_complete", TAKEN)
    assert found.taken == 0
    assert [(part.source, part.value, part.depth) for part in found.rules[0].parts] == [
        ("provider == 'shopify' and (success or not error == 'secret@example.com')", True, 0),
        ("provider == 'shopify'", True, 1),
        ("provider", "shopify", 2),
        ("success or not error == 'secret@example.com'", True, 1),
        ("success", True, 2),
        ("not error == 'secret@example.com'", True, 2),
        ("error == 'secret@example.com'", False, 3),
        ("error", None, 4),
    ]
    assert [(rule.holds, rule.reached) for rule in found.rules] == [(True, True), (False, False)]


def test_actions_are_those_that_would_be_carried_out() -> None:
    found = explain(workflow(RULES), "oauth_complete", TAKEN)
    assert found.actions[0] == UpdateContext({"shopify_connected": True})
    assert explain(workflow(RULES), "oauth_complete", NOT_TAKEN).actions == ()


def test_the_context_goes_on_to_the_transitions() -> None:
    found = explain(workflow(RULES), "oauth_complete", TAKEN, {"turns": 2})
    assert [(name, rule.holds) for name, rule in found.transitions] == [
        ("done -> support", True),
        ("never -> support", False),
    ]
    assert explain(workflow(RULES), "oauth_complete", TAKEN).transitions == ()


def test_the_line_for_the_log_has_no_value_of_the_event() -> None:
    assert explain(workflow(RULES), "oauth_complete", TAKEN).line() == "greeting: rule 1 takes oauth_complete"
    line = explain(workflow(RULES), "oauth_complete", NOT_TAKEN).line()
    assert line == (
        "greeting: no rule takes oauth_complete; rule 1 (line 9): provider == 'shopify' is false, success is false, "
        "error == 'secret@example.com' is true; rule 2 (line 22): provider == 'woo' is false"
    )
    assert "private" not in line
    assert explain(workflow(), "app_uninstalled", {}).line() == "greeting: no rule for app_uninstalled"
    assert "\n" not in line


def test_for_a_person() -> None:
    told = explain(workflow(RULES), "oauth_complete", TAKEN, {"turns": 2}).render()
    assert told.split("\n") == [
        "oauth_complete in workflow greeting",
        "  rule 1 (line 9) takes it",
        "    provider == 'shopify' and (success or not error == 'secret@example.com')  = true",
        "      provider == 'shopify'                                                   = true",
        '        provider                                                              = "shopify"',
        "      success or not error == 'secret@example.com'                            = true",
        "        success                                                               = true",
        "        not error == 'secret@example.com'                                     = true",
        "          error == 'secret@example.com'                                       = false",
        "            error                                                             = null",
        "  rule 2 (line 22) does not hold",
        "    provider == 'woo'  = false",
        '      provider         = "shopify"',
        "  then",
        '    store in the context: {"shopify_connected": true}',
        "    fetch ahead: counts",
        '    turn on a system message: "hello a.myshopify.com" with {"a": 1}, for this turn only',
        '    move to support, saying "Bye"',
        "  transitions, given the context as it would then be",
        "    done -> support (line 5) takes it",
        "      shopify_connected == true and turns > 1  = true",
        "        shopify_connected == true              = true",
        "          shopify_connected                    = true",
        "        turns > 1                              = true",
        "          turns                                = 2",
        "    never -> support (line 6) does not hold",
        "      turns > 100  = false",
        "        turns      = 2",
    ]


def test_a_rule_after_the_one_taken_says_so() -> None:
    both = workflow(
        """
        system_events:
          oauth_complete:
            - condition: "success == true"
              actions: [{type: process_message, message: one}]
            - condition: "provider == 'shopify'"
              actions: [{type: process_message, message: two}]
        """
    )
    assert "rule 2 (line 7) would hold, but an earlier one was taken" in explain(both, "oauth_complete", TAKEN).render()


def test_events_that_need_no_rule_say_what_they_do_by_themselves() -> None:
    told = explain(workflow(), "message_received", {"text": "hi"}).render()
    assert told.endswith("no rule for this event; on its own it leads to a turn on the merchant's words")
    assert explain(workflow(), "shop_redact", {}).render().endswith("no rule for this event")


def test_that_no_rule_takes_it_is_said_after_the_rules() -> None:
    told = explain(workflow(RULES), "oauth_complete", NOT_TAKEN, {}).render().split("\n")
    assert told[told.index("  no rule takes it") + 1] == "  transitions, given the context as it would then be"
    picky = workflow(
        """
        system_events:
          message_received:
            condition: "text == 'stop'"
            actions: [{type: process_message, message: bye}]
        """
    )
    told = explain(picky, "message_received", {"text": "hi"}).render().split("\n")
    assert told[-1] == "  no rule takes it; on its own it leads to a turn on the merchant's words"
    assert "no rule takes it" not in explain(picky, "message_received", {"text": "stop"}).render()


def test_a_long_value_is_cut() -> None:
    told = explain(workflow(RULES), "oauth_complete", {"provider": "x" * 500, "success": True}).render()
    assert max(len(line) for line in told.split("\n")) < 160


def test_for_a_program() -> None:
    found = json.loads(json.dumps(explain(workflow(RULES), "oauth_complete", TAKEN, {"turns": 2}).to_json()))
    assert (found["workflow"], found["event_type"], found["taken"]) == ("greeting", "oauth_complete", 0)
    assert found["rules"][0]["parts"][1] == {
        "source": "provider == 'shopify'",
        "value": True,
        "depth": 1,
        "decides": True,
    }
    assert [action["type"] for action in found["actions"]] == [
        "update_context",
        "prefetch",
        "process_message",
        "transition",
    ]
    assert found["actions"][0]["values"] == {"shopify_connected": True}
    assert found["transitions"][0]["name"] == "done -> support"


def test_all_workflows_are_asked_in_their_order() -> None:
    found = [explain(each, "oauth_complete", TAKEN) for each in load_folder()]
    assert [(each.workflow, each.taken) for each in found] == [("shopify_onboarding", 0), ("ad_hoc_support", 0)]
