"""Task messages that Celery must never see."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from workers.celery_consumer import MAX_BODY_BYTES, fault

KNOWN = {"cj.run_turn", "celery.starmap"}
NO_CANVAS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


@dataclass
class Frame:
    headers: Any = field(default_factory=lambda: {"task": "cj.run_turn", "id": "x", "retries": 0})
    body: Any = field(default_factory=lambda: json.dumps([[1], {}, NO_CANVAS]))
    content_type: str | None = "application/json"
    content_encoding: str | None = "utf-8"

    def decode(self) -> Any:
        return json.loads(self.body)


def headers(**changed: Any) -> dict[str, Any]:
    return {"task": "cj.run_turn", "id": "x", **changed}


def test_a_good_frame_passes() -> None:
    assert fault(Frame(), KNOWN) is None


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (Frame(headers=None), "no headers"),
        (Frame(headers={}), "no task name or id"),
        (Frame(headers=headers(id=5)), "no task name or id"),
        (Frame(headers=headers(task="cj.nope")), "unknown task"),
        (Frame(headers=headers(task="celery.starmap")), "unknown task"),
        (Frame(headers=headers(retries="x")), "retries is not a number"),
        (Frame(headers=headers(timelimit="x")), "timelimit is not a pair of numbers"),
        (Frame(headers=headers(timelimit=[1, "x"])), "timelimit is not a pair of numbers"),
        (Frame(headers=headers(expires=5)), "expires is not a time"),
        (Frame(headers=headers(eta=5)), "eta is not supported"),
        (Frame(headers=headers(eta="2199-01-01T00:00:00+00:00")), "eta is not supported"),
        (Frame(content_type="application/x-python-serialize"), "not JSON in UTF-8"),
        (Frame(content_encoding="binary"), "not JSON in UTF-8"),
        (Frame(body=None), "body missing or too large"),
        (Frame(body="[" * (MAX_BODY_BYTES + 1)), "body missing or too large"),
        (Frame(body='{"a": 1}'), "body is not [arguments, keywords, options]"),
        (Frame(body="[[1], {}]"), "body is not [arguments, keywords, options]"),
        (Frame(body=json.dumps([[1], {}, {"chain": [{"task": "x"}]}])), "canvas is not supported"),
    ],
)
def test_a_bad_frame_is_named(frame: Frame, reason: str) -> None:
    assert fault(frame, KNOWN) == reason
