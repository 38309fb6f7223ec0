"""The two shipped workflows, and the spec's own text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.unit.workflows.builders import text
from workflows import definition, engine
from workflows.actions import ACTIONS, Prefetch, ProcessMessage, UpdateContext
from workflows.loader import SHIPPED, check_paths, load_folder, load_text
from workflows.schema import FILE, schema, schema_text

SPEC = Path(__file__).with_name("spec_shopify_onboarding.yaml")
CONNECTED = {"provider": "shopify", "success": True, "shop_domain": "test.myshopify.com", "merchant_id": "test_123"}
FAILED = {"provider": "shopify", "success": False, "merchant_id": "test_123", "error": "access_denied"}
INSIGHTS = ProcessMessage(
    "show_shopify_insights", "system", False, {"command": "progressive_disclosure", "start_tier": "tier1"}
)
STORE = UpdateContext({"shop_domain": "test.myshopify.com", "shopify_connected": True, "merchant_id": "test_123"})


def test_the_specs_text_loads_by_itself_and_means_what_it_says() -> None:
    spec = load_text(SPEC.read_text(), file=SPEC.name)
    plan = engine.plan(spec, "oauth_complete", CONNECTED)
    assert plan == (STORE, INSIGHTS)
    assert engine.plan(spec, "oauth_complete", FAILED) is None
    assert spec.initial_action == ProcessMessage("Ready to connect your Shopify store", "merchant", True, {})
    already = engine.start_transition(spec, {"shopify_oauth"})
    assert already is not None
    assert (already.target_workflow, already.message) == (
        "ad_hoc_support",
        "I see you're already connected! Let me help you with your store.",
    )
    assert engine.next_transition(spec, {"fetched": ["counts", "recent_orders"]}) is None
    assert spec.tools is None
    assert spec.prompt.startswith("You are CJ, a customer support AI assistant helping a merchant connect")


def test_the_specs_text_has_only_the_warnings_it_deserves() -> None:
    assert [(problem.severity, problem.message) for problem in check_paths([SPEC])] == [
        (
            "warning",
            "a conversation that begins before its store is connected never moves on to 'ad_hoc_support': this is "
            "only taken when a conversation starts; add a transition with a condition, such as "
            "\"shopify_connected == true and 'counts' in fetched\"",
        ),
        (
            "warning",
            "a merchant who could not connect a store while in this workflow hears nothing: no rule takes "
            "oauth_complete with provider == 'shopify' and success == false",
        ),
        ("warning", "'start_tier' has no effect: there are no tiers any more"),
    ]


def test_every_value_of_the_spec_is_in_the_shipped_file() -> None:
    spec, shipped = yaml.safe_load(SPEC.read_text()), yaml.safe_load((SHIPPED / "shopify_onboarding.yaml").read_text())
    # One rule became the first of a list, which is the same with room for more.
    (first, *_) = shipped["system_events"]["oauth_complete"]
    shipped["system_events"]["oauth_complete"] = first
    # What was added to the prompt stands below what was there.
    assert shipped["prompts"]["cj"]["system"].startswith(spec["prompts"]["cj"]["system"])
    shipped["prompts"] = spec["prompts"]
    assert_within(spec, shipped)


def assert_within(part: Any, whole: Any) -> None:
    """All of `part` is in `whole`, in its order; maps and lists may have more."""
    if isinstance(part, dict):
        assert [key for key in whole if key in part] == list(part)
        for key, value in part.items():
            assert_within(value, whole[key])
    elif isinstance(part, list):
        rest = iter(whole)
        for item in part:
            assert any(item == other for other in rest), item
    else:
        assert part == whole


def test_the_specs_lines_are_all_there_in_their_order() -> None:
    def bare(text: str) -> list[str]:
        return [line.strip().removeprefix("- ") for line in text.splitlines() if line.strip()]

    shipped = iter(bare((SHIPPED / "shopify_onboarding.yaml").read_text()))
    assert [line for line in bare(SPEC.read_text()) if line not in shipped] == []


def test_the_shipped_workflows_are_sound() -> None:
    loaded = load_folder()
    assert loaded.names == ("shopify_onboarding", "ad_hoc_support")
    assert loaded.default.name == "shopify_onboarding"
    assert [warning.message for warning in loaded.warnings] == [
        "'start_tier' has no effect: there are no tiers any more"
    ]
    assert all(workflow.tools == ("shopify_data", "calculate_metrics") for workflow in loaded)
    assert loaded.opener("oauth_complete", CONNECTED)[0] is loaded.default


def test_onboarding_fetches_while_cj_still_thinks() -> None:
    plan = engine.plan(load_folder().get("shopify_onboarding"), "oauth_complete", CONNECTED)
    assert plan is not None
    assert plan == (
        STORE,
        Prefetch(("counts",), inject=True),
        Prefetch(("recent_orders", "overview")),
        INSIGHTS,
    )


def test_a_connection_that_failed_is_told() -> None:
    for name in ("shopify_onboarding", "ad_hoc_support"):
        workflow = load_folder().get(name)
        plan = engine.plan(workflow, "oauth_complete", FAILED)
        assert plan == (ProcessMessage("store_connection_failed: access_denied", "system"),)
        del_error = {key: value for key, value in FAILED.items() if key != "error"}
        plan = engine.plan(workflow, "oauth_complete", del_error)
        assert plan is not None
        assert plan == (ProcessMessage("store_connection_failed: unknown reason", "system"),)
        assert "store_connection_failed" in workflow.prompt


def test_a_store_that_is_connected_again_is_told() -> None:
    support = load_folder().get("ad_hoc_support")
    plan = engine.plan(support, "oauth_complete", CONNECTED)
    assert plan == (STORE, ProcessMessage("store_reconnected", "system"))
    assert "store_reconnected" in support.prompt


def test_a_conversation_lives_through_insights_uninstall_and_reconnect() -> None:
    workflows = load_folder()
    onboarding, support = workflows.get("shopify_onboarding"), workflows.get("ad_hoc_support")

    def settled(start: str, context: dict[str, Any]) -> list[str]:
        return [hop.target_workflow for hop in engine.settle(workflows, workflows.get(start), context)]

    # Before the store is connected, and while only counts are there, nothing moves
    assert settled("shopify_onboarding", {}) == []
    assert settled("shopify_onboarding", {"shopify_connected": True, "fetched": ["counts"]}) == []
    # After the insights the conversation goes to support and stays there
    shown = {"shopify_connected": True, "fetched": ["counts", "recent_orders"]}
    assert settled("shopify_onboarding", shown) == ["ad_hoc_support"]
    assert settled("ad_hoc_support", shown) == []
    # Uninstalled, it goes back, and what was fetched before does not send it away again
    for workflow in (onboarding, support):
        plan = engine.plan(workflow, "app_uninstalled", {"merchant_id": "m", "shop_domain": "s"})
        assert plan == (UpdateContext({"shopify_connected": False}),)
    gone = {**shown, "shopify_connected": False}
    assert settled("ad_hoc_support", gone) == ["shopify_onboarding"]
    assert settled("shopify_onboarding", gone) == []


@pytest.mark.parametrize("names", [["win_back"], ["weekly_review"], ["vip_onboarding"], None])
def test_the_examples_are_sound_beside_the_shipped_and_take_nothing_from_them(
    tmp_path: Path, names: list[str] | None
) -> None:
    added = [SHIPPED / "examples" / f"{name}.yaml" for name in names or ("win_back", "weekly_review", "vip_onboarding")]
    for path in (*SHIPPED.glob("*.yaml"), *added):
        (tmp_path / path.name).write_text(path.read_text())
    loaded = load_folder(tmp_path)
    assert [warning.message for warning in loaded.warnings] == [
        "'start_tier' has no effect: there are no tiers any more"
    ]
    for event, data in (("oauth_complete", CONNECTED), ("oauth_complete", FAILED), ("message_received", {})):
        assert loaded.opener(event, data)[0].name == "shopify_onboarding"
    vip = {**CONNECTED, "shop_domain": "acme.myshopify.com"}
    assert loaded.opener("oauth_complete", vip)[0].name == (
        "vip_onboarding" if "vip_onboarding" in loaded else "shopify_onboarding"
    )


def test_the_committed_schema_is_current() -> None:
    assert FILE.read_text() == schema_text(), "run: python -m workflows.schema"


def test_the_schema_is_one_and_accepts_what_the_checker_accepts() -> None:
    validator = Draft202012Validator(schema())
    Draft202012Validator.check_schema(schema())
    for path in (*sorted(SHIPPED.glob("*.yaml")), SPEC):
        assert [error.message for error in validator.iter_errors(yaml.safe_load(path.read_text()))] == []


def test_the_schema_refuses_what_an_editor_should_mark() -> None:
    validator = Draft202012Validator(schema())
    faulty = Path(__file__).parent / "check" / "faulty"
    for name in (
        "kind_out_of_range",
        "kind_limits",
        "kind_empty",
        "name_unknown_action",
        "name_unknown_data_type",
        "name_unknown_event",
        "name_unknown_requirement",
        "name_unknown_tool",
        "name_wrong_speaker",
        "nesting_action_keys_outside",
        "nesting_actions_not_a_list",
        "nesting_event_at_top",
        "nesting_prompt_without_agent",
        "nesting_typos_in_keys",
    ):
        document = yaml.safe_load((faulty / f"{name}.yaml").read_text())
        assert not validator.is_valid(document), name


def test_the_schema_tells_an_editor_about_events_and_actions() -> None:
    made = json.loads(schema_text())
    assert list(made["properties"]["system_events"]["properties"]) == list(definition.EVENT_TYPES)
    assert (
        "Fields: provider (text)" in made["properties"]["system_events"]["properties"]["oauth_complete"]["description"]
    )
    described = [name for name, each in made["$defs"].items() if not each.get("description")]
    assert described == []


def test_every_data_type_is_explained_to_authors_alike() -> None:
    offered = schema()["$defs"]["PrefetchAction"]["properties"]["data_types"]["items"]
    language = (SHIPPED / "README.md").read_text()
    assert len(offered["enumDescriptions"]) == len(offered["enum"])
    for data_type, meaning in zip(offered["enum"], offered["enumDescriptions"], strict=True):
        assert f"| `{data_type}` | {meaning} |" in language


def test_what_an_editor_inserts_is_sound(tmp_path: Path) -> None:
    made = schema(["ad_hoc_support"], ["plan"])["$defs"]
    rule, transition = made["RuleSection"], made["TransitionSection"]

    def bodies(place: dict[str, Any]) -> list[Any]:
        """What is inserted, with the places to fill in left as they are."""
        texts = (json.dumps(each["body"]) for each in place["defaultSnippets"])
        return [json.loads(re.sub(r"\$\{\d:(.*?)\}", r"\1", text)) for text in texts]

    def conditions(place: dict[str, Any]) -> list[Any]:
        return [yaml.safe_load(body) for body in bodies(place["properties"]["condition"])]

    def errors(event: str, rule: dict[str, Any], way: dict[str, Any]) -> list[str]:
        workflow = {
            "name": "greeting",
            "description": "For a test",
            "behavior": {"transitions": {"way": {"target_workflow": "ad_hoc_support", **way}}},
            "system_events": {event: rule, "app_uninstalled": {"actions": set_plan}},
            "prompts": {"cj": {"system": "You are CJ."}},
        }
        (tmp_path / "greeting.yaml").write_text(json.dumps(workflow))
        return [each.message for each in check_paths([tmp_path / "greeting.yaml"]) if each.severity == "error"]

    actions = bodies(rule["properties"]["actions"]["items"])
    set_plan = [action for action in actions if action["type"] == "update_context"]
    assert {action["type"] for action in actions} == set(ACTIONS)
    rules = [{"condition": condition, "actions": actions} for condition in conditions(rule)] + bodies(rule)
    ways = [{"condition": condition} for condition in conditions(transition)] + bodies(transition)
    assert {"context.plan != null", "plan != null"} <= {each["condition"] for each in (*rules, *ways)}
    for each in rules:
        assert errors("custom" if "name" in each["condition"] else "oauth_complete", each, ways[0]) == []
    for way in ways:
        assert errors("oauth_complete", rules[0], way) == []


def test_an_editor_is_offered_the_names_of_the_folder(tmp_path: Path) -> None:
    body = """
        system_events:
          custom:
            actions:
              - type: update_context
                data: {plan: "{{name}}"}
    """
    (tmp_path / "greeting.yaml").write_text(text(body))
    (tmp_path / "faulty.yaml").write_text("name: faulty\nprompts: [")
    made = json.loads(schema_text(tmp_path))["$defs"]
    assert made["TransitionAction"]["properties"]["target_workflow"]["enum"] == ["faulty", "greeting"]
    assert "plan" in made["UpdateContextAction"]["properties"]["data"]["properties"]
    assert "turns" not in made["UpdateContextAction"]["properties"]["data"]["properties"]


def test_an_editor_finds_the_schema_from_the_first_line() -> None:
    for path in SHIPPED.glob("*.yaml"):
        first = path.read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=./workflow.schema.json"


def test_names_made_elsewhere_are_the_same_there() -> None:
    from workers.settings import Settings

    assert Settings.model_fields["prompt_tokens"].default == definition.PROMPT_TOKENS
