"""Scenarios are read strictly, and every mistake is reported with its place and what was probably meant."""

import hashlib
from pathlib import Path

import pytest

from workers.scenario.language import STEPS, ScenarioDefinition
from workers.scenario.read import InvalidScenario, read, read_text
from workflows.actions import Section
from workflows.source import MAX_BYTES

ROOT = Path(__file__).parents[4]
SPEC_EXAMPLE = ROOT / "tests" / "shopify_data" / "oauth_complete_flow.yaml"
WORKFLOWS = ("shopify_onboarding", "ad_hoc_support")

GOOD = """\
name: good
steps:
  - action: simulate_oauth_complete
  - expect: cj_message
    contains: hello
"""


def problems(text: str) -> list[str]:
    """The first line of each problem, without the file's name."""
    with pytest.raises(InvalidScenario) as caught:
        read_text(text, file="s.yaml", workflows=WORKFLOWS)
    return [str(problem).removeprefix("s.yaml:") for problem in caught.value.problems]


def with_step(*lines: str) -> str:
    return "name: x\nsteps:\n  - action: simulate_oauth_complete\n  - " + "\n    ".join(lines) + "\n"


def test_the_text_of_the_specifications_example_is_unchanged() -> None:
    digest = hashlib.sha256(SPEC_EXAMPLE.read_bytes()).hexdigest()
    assert digest == "0f391223447003eca0db6b98275d4240f28e1a71069f9d5fc665b6f70930bf49"


def test_the_specifications_example_means_what_it_says() -> None:
    scenario = read(SPEC_EXAMPLE, workflows=WORKFLOWS)
    assert scenario.name == "test_shopify_oauth_data_flow"
    assert [step.line for step in scenario.steps] == [6, 13, 18, 23, 26, 32]
    slow = scenario.definition.steps[4].model_dump()
    assert slow["min_delay"] == 1.0
    assert slow["params"] == {"data_type": "recent_orders"}


def test_a_step_is_kept_with_its_lines() -> None:
    [_, step] = read_text(GOOD, file="s.yaml").steps
    assert step.line == 4
    assert step.text == "  - expect: cj_message\n    contains: hello"


def test_a_text_that_is_not_read_as_it_was_meant_is_a_mistake() -> None:
    text = with_step("expect: cj_message", "excludes: Order #1001")
    assert problems(text) == [
        "5:21: warning: this is a comment, not part of the text; if it should be, put the text in quotes"
    ]


def test_every_scenario_that_is_shipped_is_right() -> None:
    files = sorted((ROOT / "tests" / "scenarios").glob("*.yaml"))
    assert len(files) > 30
    names = [read(path, workflows=WORKFLOWS).name for path in files]
    assert names == [path.stem for path in files]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1:1: the file is empty"),
        ("- a\n", "1:1: a scenario is a map that begins with 'name: …', not a list"),
        (GOOD + "modl: 1\n", "6:1: unknown key 'modl', did you mean 'model'?"),
        ("steps:\n  - action: flush\n", "1:1: key 'name' is missing in the top level"),
        ("name: x\n", "1:1: key 'steps' is missing in the top level"),
        ("name: x\nprompts: {}\n", "1:1: this is a workflow, not a scenario: `cj workflows check` checks it"),
        ("name: x\nsteps:\n", "2:1: 'steps' is empty: fill it in or remove the line"),
        ("name: x\nsteps: []\n", "2:8: 'steps' is empty"),
        (GOOD + "given: {store: tny}\n", "6:16: 'store' cannot be 'tny', did you mean 'tiny'?"),
        (GOOD + "given: {connected: yes}\n", "6:20: 'connected' must be true or false, not the text 'yes'"),
        (GOOD + "given: {workflow: shopify_onbording}\n", "6:19: unknown workflow 'shopify_onbording', did you mean"),
        (GOOD + "model: [{say: a, call: {shopify_data: 3}}]\n", "6:39: 'shopify_data' must be a map, not the number 3"),
        (GOOD + "model: [{}]\n", "6:9: an answer says something or calls a tool"),
        (GOOD + "faults: [{on: x, call: evry, fail: slow}]\n", "6:24: 'call' is the number of a request, from 1, or"),
        (GOOD + "faults: [{on: shopify.count, fail: slow}]\n", "6:15: unknown place 'shopify.count', did you mean"),
        (GOOD + "faults: [{on: shopify.counts, fail: slwo}]\n", "6:37: 'fail' cannot be 'slwo', did you mean 'slow'?"),
        (GOOD + "faults: [{on: model, fail: slow}]\n", "6:15: the demo model cannot fail: give the model's answers"),
        (GOOD + "faults: [{on: shopify.*, fail: timeout, seconds: 3}]\n", "6:50: 'seconds' means nothing with timeout"),
        (GOOD + "limits: {total_secnds: 3}\n", "6:10: unknown key 'total_secnds', did you mean 'total_seconds'?"),
        ("name: x\nsteps:\n  - expect: error\n", "3:5: the first step is an action: nothing happens before it"),
        (with_step("expct: error"), "4:5: unknown key 'expct', did you mean 'expect'?"),
        (with_step("expect: cj_mesage"), "4:13: unknown expectation 'cj_mesage', did you mean 'cj_message'?"),
        (with_step("action: cj_message"), "4:13: 'cj_message' is no action: write 'expect: cj_message'"),
        (with_step("action: kill", "expect: error"), "4:5: a step is an action or an expectation, not both"),
        (with_step("contains: a"), "4:5: a step begins with 'action: …' or 'expect: …'"),
        (with_step("7"), "4:5: a step is a map that begins with action or expect, not the number 7"),
        (with_step("action: [kill]"), "4:13: unknown action \"['kill']\""),
        (with_step("action: kill"), "4:5: key 'worker' is missing in a 'kill' action"),
        (with_step("action: kill", "worker: agnt"), "5:13: 'worker' cannot be 'agnt', did you mean 'agent'?"),
        (
            with_step("action: kill", "worker: agent", "at: model.befor"),
            "6:9: unknown point 'model.befor', did",
        ),
        (
            with_step("action: kill", "worker: shopify", "at: fetch.befor"),
            "6:9: unknown point 'fetch.befor', did you mean 'fetch.before'?",
        ),
        (with_step("expect: cj_message", "contain: a"), "5:5: unknown key 'contain', did you mean 'contains'?"),
        (with_step("expect: cj_message", "contains: 3"), "5:15: 'contains' must be text, not the number 3: put it in"),
        (with_step("expect: cj_message", "contains: [a, 2]"), "5:19: an item of 'contains' must be text, not the"),
        (with_step("expect: cj_message", 'matches: "("'), "5:14: 'matches' is not a regular expression: missing )"),
        (
            with_step("expect: cj_message", 'contains: "{{store.customer}}"'),
            "5:15: unknown fact {{store.custo",
        ),
        (with_step("expect: cj_message", "min_delay: -1"), "5:16: 'min_delay' must be at least 0, not -1"),
        (with_step("expect: cj_message", "min_delay: 2", "within: 1"), "6:13: 'within' is less than 'min_delay'"),
        (with_step("expect: cj_tool_call", "tool: shopify_dat"), "5:11: unknown tool 'shopify_dat', did you mean"),
        (
            with_step("expect: cj_tool_call", "params: {data_type: count}"),
            "5:25: unknown data type 'count', did",
        ),
        (with_step("expect: context_update"), "4:5: key 'values' is missing in a 'context_update' expectation"),
        (with_step("expect: transition", "to: ad_hoc_suport"), "5:9: unknown workflow 'ad_hoc_suport', did you mean"),
        (with_step("expect: nothing", "for: long"), "5:10: 'for' must be a number, not the text 'long'"),
        (
            with_step("action: event", "type: oauth_completed"),
            "5:11: unknown event type 'oauth_completed', did",
        ),
        (with_step("action: advance_clock", "seconds: 0"), "5:14: 'seconds' must be more than 0, not 0"),
        (
            "name: x\nsteps:\n  - action: flush\n",
            "3:3: nothing is expected: without an 'expect' step a scenario passes",
        ),
        (
            with_step("expect: cj_message", 'matches: "{{store.orders}} orders"'),
            "5:14: {{store.orders}} is filled in only",
        ),
        (
            with_step("expect: cj_tool_call", 'params: {n: "{{store.orders}}"}'),
            "5:17: {{store.orders}} is filled in only",
        ),
        (
            with_step("action: merchant_message", 'text: "I have {{ store.orders }}"'),
            "5:11: {{ store.orders }} is filled",
        ),
        (GOOD + 'model: [{say: "{{store.orders}}"}]\n', "6:15: {{store.orders}} is filled in only in 'contains'"),
        (
            GOOD + "model: [{call: shopify_data}]\n",
            "6:16: 'call' must be a map, not the text 'shopify_data'; a call names",
        ),
        (
            GOOD + "model: [{call: {data_type: counts}}]\n",
            "6:28: 'data_type' must be a map, not the text 'counts'; a call names",
        ),
        ("name: x\nname: y\n", "2:1: key 'name' is repeated; it is already on line 1"),
        ("name: x\nsteps:\n\t- a\n", "3:1: this line is indented with a tab; YAML needs spaces"),
    ],
)
def test_a_mistake_is_told_by_its_place(text: str, told: str) -> None:
    assert any(problem.startswith(told) for problem in problems(text)), problems(text)


def test_all_mistakes_are_told_at_once_and_in_order() -> None:
    text = "name: 3\ngiven: {store: x}\nsteps:\n  - action: kil\n  - expect: cj_mesage\n"
    assert [problem.split(": ")[0] for problem in problems(text)] == ["1:7", "2:16", "4:13", "5:13"]


def test_a_key_that_was_misspelt_is_not_missing_too() -> None:
    assert problems(with_step("action: kill", "wroker: agent")) == ["5:5: unknown key 'wroker', did you mean 'worker'?"]


def test_the_report_shows_the_line() -> None:
    with pytest.raises(InvalidScenario) as caught:
        read_text(with_step("expect: cj_mesage"), file="s.yaml")
    assert "\n  4 |   - expect: cj_mesage\n    |             ^^^^^^^^^" in str(caught.value)


def test_an_unknown_event_type_may_be_meant() -> None:
    text = with_step("action: event", "type: oauth_completed") + "  - expect: error\n    code: event.unknown_type\n"
    assert read_text(text, file="s.yaml").definition.steps


def test_a_scripted_model_may_call_what_does_not_exist() -> None:
    text = with_step("expect: cj_tool_call", "params: {data_type: weather}")
    text += "model:\n  - call: {shopify_data: {data_type: weather}}\n  - say: a\n"
    assert read_text(text, file="s.yaml").definition.model


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"# {'é' * MAX_BYTES}\n", encoding="utf-8")
    with pytest.raises(InvalidScenario, match="has at most 256 KiB"):
        read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").symlink_to("nowhere")
    with pytest.raises(InvalidScenario, match=r"s\.yaml:1:1: cannot be read: No such file"):
        read(tmp_path / "s.yaml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(InvalidScenario, match="not UTF-8"):
        read(path)


def test_every_key_is_described() -> None:
    sections: list[type[Section]] = [ScenarioDefinition, *STEPS["action"].values(), *STEPS["expect"].values()]
    described = [field for section in sections for field in section.model_fields.items()]
    missing = [name for name, field in described if field.description is None and name not in ("action", "expect")]
    assert missing == []
