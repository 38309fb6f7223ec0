"""`cj evaluate`, a small slice: every liar meets the real workers, and the report says what came of it."""

import re
from typing import Any

import pytest

from workers.evaluate.evaluation import Plan, evaluate, table
from workers.evaluate.page import page
from workers.evaluate.sentences import LIES

FEW = 2
"""The stores are as old as the moment: what `make evaluate` finds over thousands of sentences may happen in these."""


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return evaluate(Plan(stores=2, questions=16, lies=1, repeated=3, times=2, sentences=False))


def test_an_honest_model_is_left_alone(report: dict[str, Any]) -> None:
    figures = report["answers"]["all"]
    assert figures["asked"] == 16
    assert figures["said"] == figures["none"] == 0
    assert figures["false_alarms"] <= FEW, [one for one in report["list"] if one["false_alarm"]]


def test_hardly_a_lie_reaches_a_merchant(report: dict[str, Any]) -> None:
    assert set(report["lies"]) == {"all", *LIES} - {"stale"}
    assert report["lies"]["all"]["asked"] == 2 * (len(LIES) - 1)
    said = [one for one in report["list"] if one["lie"] and one["outcome"] != "caught"]
    assert len(said) <= FEW, said
    assert report["lies"]["all"]["corrections"] >= len(LIES)


def test_killed_agents_answer_all_the_same(report: dict[str, Any]) -> None:
    assert report["repeated"]["kills"] > 0
    assert report["repeated"]["pass"] == {1: 1.0, 2: 1.0}


def test_the_report_is_for_people_too_and_needs_nothing_from_elsewhere(report: dict[str, Any]) -> None:
    assert "lies told to merchants" in table(report)
    shown = page(report)
    assert shown.count("<tr>") > 16
    assert re.findall(r"(?:src|href|url|@import)\s*[=(]", shown) == []
    assert "//" not in re.sub(r"//(?=\w*\.myshopify)", "", shown)
