"""SCENARIOS.md is complete and correct."""

import re
from pathlib import Path
from typing import get_args

import pytest

from tests.scenario_plugin import PATTERNS
from workers import scenario
from workers.scenario.language import (
    FACTS,
    STEPS,
    Expectation,
    FaultKind,
    Given,
    ModelAnswer,
    PlannedFault,
    ScenarioDefinition,
    TimeLimits,
)
from workers.scenario.read import read_text
from workers.scenario.run import PATIENCE_SECONDS

PAGE = (Path(scenario.__file__).parent / "SCENARIOS.md").read_text()
SHARED = {*Expectation.model_fields, "action", "expect"}


def test_the_example_can_be_played() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(read_text(example, file="SCENARIOS.md").steps) == 5


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, steps in STEPS.items() for name in steps])
def test_every_step_has_its_row_with_all_its_keys(key: str, name: str) -> None:
    [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    fields = STEPS[key][name].model_fields.items()
    keys = {field.alias or field_name for field_name, field in fields} - SHARED
    assert set(re.findall(r"`(\w+)`", row.split("|")[2])) >= keys


@pytest.mark.parametrize("section", [Given, ModelAnswer, PlannedFault, TimeLimits, ScenarioDefinition, Expectation])
def test_every_other_key_is_named(section: type[ScenarioDefinition]) -> None:
    named = {word for code in re.findall(r"`([^`\n]+)`", PAGE) for word in re.findall(r"\w+", code)}
    assert set(section.model_fields) - {"steps", "name", "description"} <= named


def test_every_fault_and_every_fact_is_named() -> None:
    for word in (*get_args(FaultKind), *FACTS):
        assert f"`{word}`" in PAGE or f"store.{word}" in PAGE, word


def test_figures_and_patterns_are_those_of_the_code() -> None:
    assert f"at most {PATIENCE_SECONDS:g} seconds" in PAGE
    assert f"`{' '.join(PATTERNS)}`" in PAGE
