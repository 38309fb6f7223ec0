"""The author's guide, README.md, is complete and correct."""

import re

import pytest

from events.envelope import parse
from tests.unit.workflows.builders import workflow
from workflows import engine
from workflows.actions import ACTIONS, ProcessMessage, Section
from workflows.check import check
from workflows.definition import (
    EVENT_TYPES,
    KEPT_BY_WORKERS,
    BehaviorSection,
    LimitsSection,
    ModelSection,
    RuleSection,
    TransitionSection,
    WorkflowDefinition,
    context_fields,
    event_fields,
)
from workflows.expression.evaluate import MAX_TEXT, compiled
from workflows.expression.parse import MAX_LENGTH, MAX_TOKENS
from workflows.expression.template import Template
from workflows.loader import SHIPPED, load_text
from workflows.source import MAX_BYTES, Document

PAGE = (SHIPPED / "README.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def row(first: str) -> str:
    """The row of a table that begins with a name."""
    (found,) = (line for line in PAGE.splitlines() if re.match(rf"\| [^|]*`{re.escape(first)}`", line))
    return found


def test_the_example_is_sound_and_does_what_it_says() -> None:
    example = load_text(BLOCKS[0], file="README.md")
    plan = engine.plan(example, "oauth_complete", {"provider": "shopify", "success": True, "shop_domain": "a"})
    assert plan is not None
    assert plan[2] == ProcessMessage("greet the merchant of a")
    document = Document("README.md", BLOCKS[0])
    check(document, None)
    assert document.problems == []


def test_the_transition_is_sound() -> None:
    indented = "".join(f"        {line}\n" for line in BLOCKS[1].splitlines())
    assert workflow("behavior:\n    transitions:\n" + indented).transitions


def test_the_event_is_one() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert parse(block.encode()).type == "oauth_complete"


@pytest.mark.parametrize("event", EVENT_TYPES)
def test_every_event_has_its_fields(event: str) -> None:
    _, _, fields, _ = row(event).split("|")
    assert set(re.findall(r"`(\w+)`", fields.split("Default")[0])) == set(event_fields(event))


def test_every_key_is_there() -> None:
    sections: tuple[type[Section], ...] = (
        WorkflowDefinition,
        BehaviorSection,
        TransitionSection,
        RuleSection,
        LimitsSection,
        ModelSection,
        *ACTIONS.values(),
    )
    keys = {key for section in sections for key in section.model_fields} - {"type", "cj"}
    assert [key for key in keys if not re.search(rf"\b{key}\b", PAGE)] == []
    assert all(row(tag) for tag in ACTIONS)
    assert [key for key in (*context_fields(None), *KEPT_BY_WORKERS) if f"`{key}`" not in PAGE] == []


@pytest.mark.parametrize("key", list(LimitsSection.model_fields))
def test_limits_and_defaults_are_those(key: str) -> None:
    field = LimitsSection.model_fields[key]
    bounds = {name: getattr(bound, name) for bound in field.metadata for name in ("ge", "le") if hasattr(bound, name)}
    _, _, meaning, default, _ = row(f"limits.{key}").split("|")
    assert f"{bounds['ge']} to {bounds['le']}" in meaning
    assert default.strip() == ("the operator's" if field.default is None else str(field.default))


def test_other_limits_are_those() -> None:
    page = " ".join(PAGE.split())
    for number in (f"{MAX_LENGTH:,} characters", f"{MAX_TOKENS} words and symbols", f"{MAX_TEXT:,} characters"):
        assert number in page
    assert f"{MAX_BYTES // 1024} KiB" in PAGE


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("error == null", True),
        ("error != 'x'", True),
        ("success == 'true'", False),
        ("success == 1", False),
        ("one == 1.0", True),
        ("error < 1", False),
        ("'b' in tags", True),
        ("'b' in text", True),
        ("'key' in group", True),
        ("not empty and not zero and not error", True),
        ("agreed says ['yes', 'yes please'] and agreed says 'YES PLEASE'", True),
        ("declined says ['yes', 'yes please']", False),
        ("tags[0] == 'b' and tags[-1] == 'b' and group['a b'] == 1", True),
    ],
)
def test_what_is_said_of_conditions(source: str, expected: bool) -> None:
    group = {"key": 1, "a b": 1}
    data = {"success": True, "one": 1, "tags": ["b"], "text": "abc", "group": group, "empty": "", "zero": 0}
    said = {"agreed": "Yes, please!", "declined": "yes, but not today"}
    assert compiled(source).holds({**data, **said}) is expected


def test_what_is_said_of_long_lists() -> None:
    assert compiled("'y' in tags").holds({"tags": ["n"] * 700 + ["y"]})
    assert not compiled("'y' in tags").holds({"tags": ["n"] * 2000 + ["y"]})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{success}}", True),
        ("Hello {{shop_domain}}", "Hello a"),
        ("{{error or 'unknown reason'}}", "unknown reason"),
        ("{{ '{{' }}", "{{"),
    ],
)
def test_what_is_said_of_templates(source: str, expected: object) -> None:
    assert f'`"{source}"`' in PAGE
    assert Template.parse(source).value({"success": True, "shop_domain": "a"}) == expected
