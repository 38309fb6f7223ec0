"""A small slice of `cj evaluate`: every lying model meets the real workers, and the report says what happened."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from shopify.development_store.server import DevelopmentStore
from workers.evaluate.dialogue import questions
from workers.evaluate.evaluation import Plan, evaluate, table
from workers.evaluate.page import page
from workers.evaluate.sentences import LIES
from workers.evaluate.world import build

QUESTIONS = 12
pytestmark = pytest.mark.timeout(300)  # the first test does the work of all


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return evaluate(Plan(stores=2, questions=QUESTIONS, lies=1, repeated=2, times=2))


def test_an_honest_model_is_left_alone(report: dict[str, Any]) -> None:
    figures = report["answers"]["all"]
    assert figures["asked"] == QUESTIONS
    assert figures["none"] == 0
    changed = [one for one in report["list"] if not one["lie"] and (one["false_alarm"] or one["outcome"] != "right")]
    assert changed == []


def test_what_is_asked_and_said_is_the_same_on_any_day(report: dict[str, Any]) -> None:
    expected = questions(build(DevelopmentStore(), datetime(2026, 11, 18, 15, tzinfo=UTC), range(2)), QUESTIONS)
    told = [(one["question"], one["answer"]) for one in report["list"] if not one["lie"]]
    assert sorted(told) == sorted((question.ask, question.truth.text) for question in expected)


def test_hardly_a_lie_reaches_a_merchant(report: dict[str, Any]) -> None:
    assert set(report["lies"]) == {"all", *LIES} - {"stale"}
    assert report["lies"]["all"]["asked"] == len(LIES) - 1
    said = [one for one in report["list"] if one["lie"] and one["outcome"] != "caught"]
    assert len(said) <= 1, said  # how good the check is, `tests.truth` measures over thousands
    assert report["lies"]["all"]["corrections"] >= len(LIES) - 2


def test_killed_agents_answer_all_the_same(report: dict[str, Any]) -> None:
    assert report["repeated"]["kills"] > 0
    assert report["repeated"]["pass"] == {1: 1.0, 2: 1.0}


def test_the_report_is_for_people_too_and_needs_nothing_from_elsewhere(report: dict[str, Any]) -> None:
    assert "lies told to merchants" in table(report)
    shown = page(report)
    assert shown.count("<tr>") > QUESTIONS
    assert re.findall(r"(?:src|href|url|@import)\s*[=(]", shown) == []
    assert "//" not in re.sub(r"//(?=\w*\.myshopify)", "", shown)
