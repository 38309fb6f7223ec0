"""What is sent once an event is handled."""

from types import SimpleNamespace
from typing import Any, cast

from workers.bootstrap import Resources
from workers.workflow.planned_turns import Effects
from workers.workflow.runner import notify


def test_all_prefetches_of_an_event_are_one_message_before_its_turns_are_woken() -> None:
    sent: list[tuple[Any, ...]] = []
    wake_ups = SimpleNamespace(
        fetch=lambda *requests: sent.append(tuple(request["data_type"] for request in requests)),
        run_turn=lambda turn_id: sent.append(("turn", turn_id)),
    )
    effects = Effects("m1", "e1", prefetches=[("m1", "counts"), ("m1", "overview")], wake_ups=[7])
    assert notify(cast(Resources, SimpleNamespace(wake_ups=wake_ups)), effects)
    assert sent == [("counts", "overview"), ("turn", 7)]
