"""The ids of runs, messages, tool calls and replies: made and read in one place."""

import pytest

from storage import turns


def test_every_id_of_a_turn_names_it() -> None:
    ids = [turns.message_id(12, 3), turns.call_id(12, 3, 0), f"{turns.run_id(12)}:000001:0a1b"]
    assert ids == ["turn_12-m3", "turn_12-m3-c0", "turn_12:000001:0a1b"]
    assert [turns.turn_of(id) for id in ids] == [12, 12, 12]


@pytest.mark.parametrize("id", ["event_12:000001:0a1b", "turn_-m1", "turn_1x-m1", "turn_" + "9" * 19 + "-m1", "m1", ""])
def test_ids_of_other_things_name_no_turn(id: str) -> None:
    assert turns.turn_of(id) is None
