"""What a workflow author sees in an editor with yaml-language-server: marks, completion and help."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.language_server import LOCK, LanguageServer, Mark, installed
from workflows.actions import ACTIONS
from workflows.definition import EVENT_TYPES, WorkflowDefinition
from workflows.loader import SHIPPED
from workflows.schema import schema_text

MODELINE = "# yaml-language-server: $schema=./workflow.schema.json\n"
ONBOARDING = SHIPPED / "shopify_onboarding.yaml"
HEAD = MODELINE + "name: greeting\ndescription: Greets\nprompts:\n  cj:\n    system: You are CJ.\n"
PLANS = """\
system_events:
  custom:
    actions:
      - type: update_context
        data: {plan: "{{name}}"}
"""


@pytest.fixture(scope="module")
def editor() -> Iterator[LanguageServer]:
    if shutil.which("npm") is None and "CI" not in os.environ:  # where its absence is a failure
        pytest.skip("npm is not installed: apt-get install npm")
    with LanguageServer(installed()) as server:
        yield server


def at_the_end(text: str) -> tuple[int, int]:
    lines = text.split("\n")
    return len(lines), len(lines[-1]) + 1


def test_the_server_is_named_exactly_and_without_an_address() -> None:
    named, locked = json.loads(LOCK.with_name("package.json").read_text()), json.loads(LOCK.read_text())
    version = named["dependencies"]["yaml-language-server"]
    packages = {name: package for name, package in locked["packages"].items() if name}
    assert packages["node_modules/yaml-language-server"]["version"] == version
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_nothing_is_marked_in_a_shipped_workflow(editor: LanguageServer, path: Path) -> None:
    text = path.read_text()
    assert editor.open(SHIPPED, text).marks == []
    # The schema was in use: it reports the missing name.
    (mark,) = editor.open(SHIPPED, text.replace("\nname:", "\ncalled:")).marks[:1]
    assert mark == Mark(2, 'Missing property "name".')


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("tools: [", "tolls: [", "Property tolls is not allowed."),
        ("  app_uninstalled:", "  app_unistalled:", "Property app_unistalled is not allowed."),
        (
            'sender: "merchant"',
            'sender: "mechant"',
            'Value is not accepted. Valid values: "merchant", "system", "cj".',
        ),
        ('type: "prefetch" ', 'type: "prefetsh" ', 'Value must be "prefetch".'),
        ("cleanup_trigger: true", "cleanup_trigger: soon", 'Incorrect type. Expected "boolean".'),
    ],
)
def test_a_mistake_is_marked_in_its_line(editor: LanguageServer, right: str, wrong: str, message: str) -> None:
    text = ONBOARDING.read_text()
    before, after = text.split(right, 1)
    assert editor.open(SHIPPED, before + wrong + after).marks == [Mark(before.count("\n") + 1, message)]


def test_action_types_are_offered_with_what_they_do(editor: LanguageServer) -> None:
    text = (
        HEAD + "system_events:\n  oauth_complete:\n    - condition: success == true\n      actions:\n        - type: "
    )
    offered = editor.open(SHIPPED, text).completions(*at_the_end(text))
    assert offered == {tag: action.__doc__ for tag, action in ACTIONS.items()}


def test_conditions_actions_and_the_folders_own_names_are_offered(editor: LanguageServer, tmp_path: Path) -> None:
    for name, body in (("vip", ""), ("plans", PLANS)):
        (tmp_path / f"{name}.yaml").write_text(HEAD.replace("greeting", name) + body)
    (tmp_path / "workflow.schema.json").write_text(schema_text(tmp_path))

    def offered(text: str) -> set[str]:
        return set(editor.open(tmp_path, HEAD + text).completions(*at_the_end(HEAD + text)))

    rule = "system_events:\n  oauth_complete:\n    - condition: "
    assert {"oauth_complete: a store was connected", "by plan"} <= offered(rule)
    assert "action that lets CJ speak" in offered(f"{rule}success\n      actions:\n        - ")
    assert offered(f"{rule}success\n      actions:\n        - type: transition\n          target_workflow: ") == {
        "plans",
        "vip",
    }
    kept = f"{rule}success\n      actions:\n        - type: update_context\n          data:\n            "
    assert {"plan", "shop_domain"} <= offered(kept)


def test_keys_and_events_are_offered_with_what_they_mean(editor: LanguageServer) -> None:
    offered = editor.open(SHIPPED, HEAD).completions(*at_the_end(HEAD))
    assert offered.keys() == WorkflowDefinition.model_fields.keys() - {"name", "description", "prompts"}
    assert offered["tools"] == "The tools CJ may use; without it all of them."
    text = HEAD + "system_events:\n  "
    events = editor.open(SHIPPED, text).completions(*at_the_end(text))
    assert events.keys() == set(EVENT_TYPES)
    assert "Fields: provider (text), success (true or false)" in str(events["oauth_complete"])


def test_the_pointer_on_a_key_shows_its_meaning(editor: LanguageServer) -> None:
    lines = ONBOARDING.read_text().split("\n")
    line = next(number for number, line in enumerate(lines, 1) if "cleanup_trigger" in line)
    shown = editor.open(SHIPPED, "\n".join(lines)).hover(line, lines[line - 1].index("cleanup") + 1)
    assert "CJ sees the message in this turn only" in shown


def test_a_folder_of_ones_own_with_the_schema_beside_the_workflow(editor: LanguageServer, tmp_path: Path) -> None:
    (tmp_path / "workflow.schema.json").write_text(schema_text())
    text = ONBOARDING.read_text()
    assert editor.open(tmp_path, text).marks == []
    assert editor.open(tmp_path, text + "tolls: []\n").marks == [
        Mark(text.count("\n") + 1, "Property tolls is not allowed.")
    ]
