"""The order of messages in a history, and how many it contains."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from storage import agui, snapshots
from storage.database import Session

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def asks(turn: int | None, at: int, text: str, *, key: int | None = None, id: str | None = None) -> Any:
    key = key or at
    return _row(turn=turn, sequence=0, event_key=key, id=id or f"e{key}", text=text, data=None, at=at)


def says(turn: int | None, sequence: int, at: int, words: str, *, name: str = "", **part: bool) -> Any:
    data = agui.text(name or words, words, **part)
    return _row(turn=turn, sequence=sequence, event_key=90, id=None, text=None, data=data, at=at)


def _row(*, at: int, **values: Any) -> Any:
    return SimpleNamespace(**values, at=NOON + timedelta(seconds=at), place=9)


def told(*rows: Any) -> list[tuple[str, str]]:
    session = SimpleNamespace(execute=lambda *_: SimpleNamespace(all=lambda: list(rows)))
    found = snapshots.read(cast(Session, session), "m1", "c1", by_door=True)
    assert found is not None
    return [(message["id"], message["content"]) for message in found.messages]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([says(1, 1, 5, "B"), asks(1, 1, "a")], "aB"),
        ([asks(1, 1, "a"), asks(2, 2, "b"), says(1, 1, 3, "A"), says(2, 1, 4, "B")], "abAB"),
        ([asks(1, 1, "a"), says(1, 1, 3, "A"), asks(2, 4, "b"), says(2, 1, 5, "B")], "aAbB"),
        ([asks(1, 9, "a"), says(1, 1, 3, "A"), asks(2, 10, "b"), says(2, 1, 4, "B")], "aAbB"),  # the clock stood wrong
        ([asks(1, 1, "a"), says(1, 1, 2, "A"), asks(None, 3, "b")], "aAb"),  # nobody has taken it yet
        ([asks(1, 1, "a"), asks(2, 1, "a"), says(1, 1, 2, "A"), says(2, 1, 3, "B")], "aAB"),  # one message, two runs
        ([says(1, 2, 3, "o", name="m", begins=False, ends=False), says(1, 1, 2, "n", name="m", ends=False)], "no"),
        ([says(1, 2, 3, "o", name="m", begins=False)], ""),  # its beginning is not kept
    ],
)
def test_the_order_is_that_in_which_it_was_said(rows: list[Any], words: str) -> None:
    assert "".join(said for _, said in told(*rows)) == words


def test_no_two_messages_have_the_same_id() -> None:
    """Two sources may use one id; a frontend would keep one message of the two."""
    assert told(asks(1, 1, "a", id="1"), asks(2, 2, "b", id="1")) == [("1", "a"), ("event_2", "b")]


def test_the_latest_are_told_if_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [asks(turn, turn, f"{turn}") for turn in range(1, 9)]
    monkeypatch.setattr(snapshots, "MOST_MESSAGES", 3)
    assert [said for _, said in told(*rows)] == ["6", "7", "8"]
    monkeypatch.setattr(snapshots, "MOST_BYTES", 80)
    assert [said for _, said in told(*rows)] == ["7", "8"]
