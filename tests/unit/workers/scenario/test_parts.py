"""The small parts: who plays, what time it is, what goes wrong, who dies where."""

import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shopify import documents
from shopify.development_store.faults import Fault as StoreFault
from workers import failpoints
from workers.local import procfile
from workers.local.procfile import Process
from workers.scenario import trouble
from workers.scenario.aging import aged
from workers.scenario.batch import files
from workers.scenario.cast import Cast
from workers.scenario.clock import Clock
from workers.scenario.killable import POINTS, RENEWAL_POINTS, Killer, killable
from workers.scenario.language import Fault
from workers.scenario.reading import read_text
from workers.scenario.waiting import Late, wait_until


def cast(steps: str) -> Cast:
    return Cast.of(read_text(f"name: x\nsteps:\n{steps}", file="x.yaml").definition)


def test_who_is_not_named_is_who_the_specification_names() -> None:
    assert cast("  - action: simulate_oauth_complete\n") == Cast("test_123", "test.myshopify.com", "conv_1")


def test_who_connects_a_store_is_the_merchant() -> None:
    step = "  - action: simulate_oauth_complete\n    data: {merchant_id: m1, shop_domain: A.myshopify.com}\n"
    other = "  - action: event\n    type: app_uninstalled\n    data: {merchant_id: m2}\n"
    assert cast(other + step) == Cast("m1", "a.myshopify.com", "conv_1")
    assert cast(other) == Cast("m2", "test.myshopify.com", "conv_1")


def test_an_event_that_must_be_refused_does_not_name_the_shop() -> None:
    step = "  - action: simulate_oauth_complete\n    data: {shop_domain: evil.example, merchant_id: m1}\n"
    assert cast(step) == Cast("m1")


def test_events_get_the_ids_that_their_type_needs() -> None:
    me = Cast("m1", "a.myshopify.com", "c1")
    assert me.event_data("app_uninstalled", {}) == {"merchant_id": "m1", "shop_domain": "a.myshopify.com"}
    assert me.event_data("conversation_started", {"conversation_id": "c2"}) == {
        "merchant_id": "m1",
        "conversation_id": "c2",
    }
    assert me.event_data("oauth_completed", {"x": 1}) == {"x": 1}
    assert me.oauth_data({"success": False})["success"] is False


def test_the_clock_jumps() -> None:
    clock = Clock()
    before = time.time()
    clock.advance(900, at=time.time())
    assert clock.of(before) < 1
    assert 900 <= clock.now() < 901
    assert clock.told(datetime.now(UTC)) >= 900
    assert clock.told(datetime.fromtimestamp(before - 0.001, UTC)) < 1  # a datetime has no more than microseconds
    assert clock.told(None) >= 900


def test_a_moment_in_a_row_is_that_at_which_the_row_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows move back whenever time jumps."""
    unix = 1000.0
    monkeypatch.setattr("workers.scenario.clock.time.time", lambda: unix)
    clock = Clock()
    clock.advance(10, at=1001.0)  # the scenario's 1 s becomes 11 s
    clock.advance(5, at=1003.0)  # 13 s becomes 18 s

    def written(kept: float) -> float:
        return clock.kept(datetime.fromtimestamp(kept, UTC))

    assert written(1000.5 - 15) == pytest.approx(0.5)  # before both jumps
    assert written(1002.0 - 5) == pytest.approx(12.0)  # between them
    assert written(1003.5) == pytest.approx(18.5)  # after them


def test_what_says_how_old_it_is_gets_older() -> None:
    result: dict[str, Any] = {
        "content": {"as_of": "2026-11-22T10:00:00+00:00", "data": {"orders": [{"at": "x"}]}},
        "n": 1,
    }
    assert aged([result], 60) == [{**result, "content": {**result["content"], "as_of": "2026-11-22T09:59:00+00:00"}}]
    assert aged({"as_of": "yesterday"}, 60) == {"as_of": "yesterday"}


@pytest.mark.parametrize("fail", sorted(trouble._KINDS))
def test_every_fault_is_one_that_the_store_has(fail: str) -> None:
    arguments = trouble.at_store(Fault.model_validate({"on": "shopify.counts", "fail": fail, "call": 3}))
    assert arguments is not None
    fault = StoreFault(**arguments)
    assert (fault.times, fault.skip, fault.operation) == (1, 2, "Counts")


def test_a_fault_of_every_request() -> None:
    arguments = trouble.at_store(Fault.model_validate({"on": "shopify.*", "fail": "slow", "call": "every"}))
    assert arguments is not None
    fault = StoreFault(**arguments)
    assert (fault.times, fault.skip, fault.operation, fault.seconds) == (None, 0, None, 2.0)
    assert trouble.at_store(Fault.model_validate({"on": "model", "fail": "slow"})) is None


def test_operations_are_those_of_the_documents() -> None:
    for data_type, operation in trouble.OPERATIONS.items():
        text = (Path(documents.__file__).parent / "documents" / f"{data_type}.graphql").read_text()
        assert re.search(rf"^query {operation}\b", text, re.MULTILINE), data_type


def test_the_points_are_those_that_the_workers_know() -> None:
    known = failpoints.__doc__ or ""
    for point in (*RENEWAL_POINTS, *(point for kind in POINTS.values() for point in kind)):
        name, _, at = point.partition(".")
        assert point in known or (f"{name}.*" in known and at in ("before_commit", "after_commit")), point


def test_every_process_that_has_points_is_started_so_that_it_can_be_killed() -> None:
    for process in procfile.processes(procfile.read()):
        command = killable(process, Path("/tmp/orders"))
        kind = process.name
        assert ("workers.scenario.killable '/tmp/orders'" in command) == (kind in POINTS), command
    agent = killable(Process("agent.2", "exec celery -A workers worker"), Path("/o"))
    assert agent == "exec python -m workers.scenario.killable '/o' agent celery -A workers worker"
    intake = killable(Process("intake", "exec python -m workers.intake"), Path("/o"))
    assert intake == "exec python -m workers.scenario.killable '/o' intake workers.intake"


def test_a_process_dies_at_the_point_it_was_ordered_to(tmp_path: Path) -> None:
    program = tmp_path / "walker.py"
    program.write_text(
        "import sys\nfrom workers.failpoints import reach\n"
        "reach('model.before')\nprint(sys.argv[1], flush=True)\nreach('model.after')\nprint('alive', flush=True)\n"
    )
    killer = Killer(tmp_path / "orders")
    killer.folder.mkdir()
    killer.order("agent", "model.after")
    killer.order("workflow", "model.before")
    command = [
        sys.executable,
        "-m",
        "workers.scenario.killable",
        str(killer.folder),
        "agent",
        "walker",
        "argument",
    ]
    environ = {"PYTHONPATH": f"{tmp_path}:{procfile.PROCFILE.parent}"}
    first = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (first.returncode, first.stdout) == (-9, "argument\n")
    assert not killer.is_pending("agent", "model.after")
    assert killer.is_pending("workflow", "model.before")
    killer.withdraw()
    assert not killer.is_pending("workflow", "model.before")
    again = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (0, "argument\nalive\n")


def test_files_are_found_in_folders_and_once(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml", "x.txt"):
        (tmp_path / name).touch()
    assert files([tmp_path / "b.yaml", tmp_path]) == [tmp_path / "b.yaml", tmp_path / "a.yaml"]


def test_waiting_ends() -> None:
    assert wait_until(lambda: 7) == 7
    with pytest.raises(Late, match="in vain for rain; last value: 0"):
        wait_until(lambda: 0, limit=0.02, what="rain")
