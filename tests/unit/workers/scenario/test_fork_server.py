"""A worker process that is back at once after a kill, and ends as its child does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from workers.local import procfile
from workers.local.procfile import Process
from workers.local.stack import wait_until
from workers.scenario import fork_server
from workers.scenario.fork_server import Killer

WORKER = """
import os, signal, sys, time
import logging
from workers.failpoints import failpoint
print("begins with", *sys.argv[1:], flush=True)
if sys.argv[1] == "dies young":
    os.kill(os.getpid(), signal.SIGKILL)
logging.getLogger("workers.ready").warning("ready")
while True:
    failpoint("model.before")
    time.sleep(0.01)
    if sys.argv[1] == "ends":
        sys.exit(3)
"""


class Server:
    """A fork server for a program that says it is ready and goes on."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder / "orders"
        self.folder.mkdir()
        (folder / "walker.py").write_text("if __name__ == '__main__':" + WORKER.replace("\n", "\n    "))
        self.output = folder / "output"
        forked = [fork_server.__name__, str(self.folder), "workflow"]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *forked, "walker", *arguments],
                env={"PYTHONPATH": f"{folder}:{procfile.PROCFILE.parent}"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def worker(self, *, other_than: int = 0) -> int:
        """The process id of a worker that is ready."""

        def ready() -> int:
            pid = fork_server.pid_of(self.folder, "workflow")
            return 0 if pid in (None, other_than) else int(pid or 0)

        return wait_until(ready, limit=20, what="a worker")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, "on")
    yield server
    if server.process.poll() is None:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()


def test_a_killed_worker_is_replaced_by_another_of_the_same_server(server: Server) -> None:
    first = server.worker()
    os.kill(first, signal.SIGKILL)
    second = server.worker(other_than=first)
    assert psutil.Process(second).ppid() == server.process.pid
    assert server.process.poll() is None
    assert server.output.read_text().count("begins with on") == 2
    assert f"process {first} was killed by SIGKILL" in server.output.read_text()


def test_it_dies_at_a_point_when_it_is_ordered_to(server: Server) -> None:
    first = server.worker()
    killer = Killer(server.folder)
    killer.order("workflow", "model.before")
    assert server.worker(other_than=first) != first
    assert not killer.is_pending("workflow", "model.before")


def test_whom_an_order_does_not_concern_lives_on(server: Server) -> None:
    first = server.worker()
    killer = Killer(server.folder)
    for kind, point in (("agent", "model.before"), ("workflow", "model.after")):
        killer.order(kind, point)
    killer.order("workflow", "model.before")
    assert server.worker(other_than=first) != first
    assert killer.is_pending("agent", "model.before")
    assert killer.is_pending("workflow", "model.after")
    killer.withdraw()
    assert not killer.is_pending("agent", "model.before")


def test_no_worker_outlives_its_server(server: Server) -> None:
    worker = psutil.Process(server.worker())
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, limit=5)


def test_asked_to_end_the_worker_decides_and_the_server_ends_with_it(server: Server) -> None:
    worker = server.worker()
    os.killpg(server.process.pid, signal.SIGTERM)
    assert server.process.wait(10) == -signal.SIGTERM
    assert not psutil.pid_exists(worker)
    assert fork_server.pid_of(server.folder, "workflow") is None


def test_asked_to_end_between_two_workers_it_ends(server: Server) -> None:
    os.kill(server.worker(), signal.SIGKILL)
    os.killpg(server.process.pid, signal.SIGTERM)
    assert server.process.wait(10) in (-signal.SIGTERM, -signal.SIGKILL)


def test_a_worker_that_is_killed_before_it_took_work_is_left_to_the_supervisor(tmp_path: Path) -> None:
    server = Server(tmp_path, "dies young")
    assert server.process.wait(20) == -signal.SIGKILL
    assert server.output.read_text().count("begins with") == 1


def test_a_process_id_is_that_of_a_living_worker(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    (tmp_path / "agent.pid").write_text(str(process.pid))
    assert fork_server.pid_of(tmp_path, "agent") is None
    (tmp_path / "agent.pid").write_text(str(os.getpid()))
    assert fork_server.pid_of(tmp_path, "agent") == os.getpid()


def test_a_worker_that_ends_by_itself_is_not_replaced(tmp_path: Path) -> None:
    server = Server(tmp_path, "ends")
    assert server.process.wait(20) == 3
    assert server.output.read_text().count("begins with") == 1


def test_every_process_of_the_procfile_can_be_started_so() -> None:
    for process in procfile.processes(procfile.read()):
        assert fork_server.forked(process, Path("/o")).startswith(
            f"exec python -m workers.scenario.fork_server '/o' {process.name} "
        )
    agent = fork_server.forked(Process("agent.2", "exec celery -A workers worker"), Path("/o"))
    assert agent == "exec python -m workers.scenario.fork_server '/o' agent celery -A workers worker"
