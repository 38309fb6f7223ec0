"""The small parts: actors, faults, and which process dies at which point."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import workers
from shopify.data.query import FOLDER
from shopify.development_store.faults import StoreFault
from workers.failpoints import FAILPOINTS
from workers.local import procfile
from workers.local.procfile import Process
from workers.local.stack import Late, wait_until
from workers.scenario.act import STORE_FAULTS, Ids, store_fault
from workers.scenario.killable import Killer, killable
from workers.scenario.language import PlannedFault, files
from workers.scenario.observe import OPERATIONS
from workers.scenario.read import read_text


def ids(steps: str) -> Ids:
    return Ids.of(read_text(f"name: x\nsteps:\n{steps}  - expect: error\n", file="x.yaml").definition)


def test_who_is_not_named_is_who_the_specification_names() -> None:
    assert ids("  - action: simulate_oauth_complete\n") == Ids("test_123", "test.myshopify.com", "conv_1")


def test_who_connects_a_store_is_the_merchant() -> None:
    step = "  - action: simulate_oauth_complete\n    data: {merchant_id: m1, shop_domain: A.myshopify.com}\n"
    other = "  - action: event\n    type: app_uninstalled\n    data: {merchant_id: m2}\n"
    assert ids(other + step) == Ids("m1", "a.myshopify.com", "conv_1")
    assert ids(other) == Ids("m2", "test.myshopify.com", "conv_1")


def test_an_event_that_must_be_refused_does_not_name_the_shop() -> None:
    step = "  - action: simulate_oauth_complete\n    data: {shop_domain: evil.example, merchant_id: m1}\n"
    assert ids(step) == Ids("m1")


def test_events_get_the_ids_that_their_type_needs() -> None:
    me = Ids("m1", "a.myshopify.com", "c1")
    assert me.event_data("app_uninstalled", {}) == {"merchant_id": "m1", "shop_domain": "a.myshopify.com"}
    assert me.event_data("conversation_started", {"conversation_id": "c2"}) == {
        "merchant_id": "m1",
        "conversation_id": "c2",
    }
    assert me.event_data("oauth_completed", {"x": 1}) == {"x": 1}
    assert me.oauth_data({"success": False})["success"] is False


@pytest.mark.parametrize("fail", sorted(STORE_FAULTS))
def test_every_fault_is_one_that_the_store_has(fail: str) -> None:
    arguments = store_fault(PlannedFault.model_validate({"on": "shopify.counts", "fail": fail, "call": 3}))
    assert arguments is not None
    fault = StoreFault(**arguments)
    assert (fault.times, fault.skip, fault.operation) == (1, 2, "Counts")


def test_a_fault_of_every_request() -> None:
    arguments = store_fault(PlannedFault.model_validate({"on": "shopify.*", "fail": "slow", "call": "every"}))
    assert arguments is not None
    fault = StoreFault(**arguments)
    assert (fault.times, fault.skip, fault.operation, fault.seconds) == (None, 0, None, 2.0)
    assert store_fault(PlannedFault.model_validate({"on": "model", "fail": "slow"})) is None


def test_operations_are_those_of_the_documents() -> None:
    for data_type, operation in OPERATIONS.items():
        text = (FOLDER / f"{data_type}.graphql").read_text()
        assert re.search(rf"^query {operation}\b", text, re.MULTILINE), data_type


def test_the_failpoints_are_those_that_the_workers_reach() -> None:
    sources = "".join(path.read_text() for path in Path(workers.__file__).parent.rglob("*.py"))
    reached = set(re.findall(r'failpoint\("([\w.]+)"\)', sources))
    begun = re.findall(r'(?:in_transaction\(\s*[\w.]+, |_transact\(|_write\(|_retrying\()"(\w+)"', sources)
    commits = {f"{step}.{at}" for step in begun for at in ("before_commit", "after_commit")}
    points = {point for points in FAILPOINTS.values() for point in points}
    assert reached <= points <= reached | commits


def test_every_process_that_has_points_is_started_so_that_it_can_be_killed() -> None:
    for process in procfile.processes(procfile.read()):
        command = killable(process, Path("/tmp/orders"))
        kind = process.name
        assert ("workers.scenario.killable '/tmp/orders'" in command) == (kind in FAILPOINTS), command
    agent = killable(Process("agent.2", "exec celery -A workers worker"), Path("/o"))
    assert agent == "exec python -m workers.scenario.killable '/o' agent celery -A workers worker"
    intake = killable(Process("intake", "exec python -m workers.intake"), Path("/o"))
    assert intake == "exec python -m workers.scenario.killable '/o' intake workers.intake"


def test_a_process_dies_at_the_point_it_was_ordered_to(tmp_path: Path) -> None:
    program = tmp_path / "walker.py"
    program.write_text(
        "import sys\nfrom workers.failpoints import failpoint\n"
        "failpoint('model.before')\nprint(sys.argv[1], flush=True)\n"
        "failpoint('model.after')\nprint('alive', flush=True)\n"
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
    for name in ("b.yaml", "a.yaml", "c.yml", "x.txt"):
        (tmp_path / name).touch()
    found = files([tmp_path / "b.yaml", tmp_path])
    assert [path.name for path in found] == ["b.yaml", "a.yaml", "c.yml"]


def test_waiting_ends() -> None:
    assert wait_until(lambda: 7) == 7
    with pytest.raises(Late, match="in vain for rain; last value: 0"):
        wait_until(lambda: 0, limit=0.02, what="rain")
