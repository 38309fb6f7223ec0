"""Forked workers: what the server must not have before it forks, and how its children live and end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from workers.local import procfile
from workers.local.fork_server import ForkedChild, ForkServer, group_of
from workers.local.procfile import Process
from workers.local.stack import wait_until
from workers.scenario.killable import Killer

WORKER = """
import os, sys, threading, time
from workers.failpoints import failpoint
print("process", os.getpid(), "begins with", *sys.argv[1:], os.environ["WHOSE"], flush=True)
if sys.argv[1] == "threads":
    together = threading.Barrier(5)
    for _ in range(4):
        threading.Thread(target=lambda: (bytearray(10_000), together.wait())).start()
    together.wait()
    reserved = [line.split()[0] for line in open("/proc/self/maps") if "---p" in line]
    heaps = sum(int(at.partition("-")[2], 16) % 2**26 == 0 for at in reserved)
while True:
    if sys.argv[1] == "threads":
        print("heaps", heaps, flush=True)
    failpoint("model.before")
    time.sleep(0.01)
    if sys.argv[1] == "ends":
        sys.exit(3)
"""
SECONDS = 60
"""Until a server on a busy machine has imported everything."""


class Servers:
    """Servers of both groups, started when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "walker.py").write_text("if __name__ == '__main__':" + WORKER.replace("\n", "\n    "))
        self.running: dict[str, ForkServer] = {}

    def ready(self, group: str = "workers") -> ForkServer:
        if group in self.running and self.running[group].has_ended:
            self.running.pop(group).close()
        if group not in self.running:
            environ = {"PYTHONPATH": f"{self.folder}:{procfile.PROCFILE.parent}", "PATH": os.defpath}
            environ |= {"CJ_MODEL": "openai/x", "CJ_MODEL_FALLBACKS": "anthropic/claude-sonnet-4-5,gemini/x"}
            base = None if group == "workers" else self.ready()
            self.running[group] = ForkServer(group, environ, self.folder, base)
        wait_until(self.running[group].is_ready, limit=SECONDS, what="the server")
        return self.running[group]

    def child(self, *arguments: str) -> ForkedChild:
        """A child that has begun."""
        program = f"exec python -m workers.scenario.killable '{self.folder}' workflow walker {' '.join(arguments)}"
        child = self.ready().fork(Process("workflow", program), {"WHOSE": "mine", "PATH": os.defpath})
        assert line_of(child) == f"process {child.pid} begins with {' '.join(arguments)} mine"
        return child


def line_of(child: ForkedChild) -> str:
    return wait_until(lambda: next(child.lines(), ""), limit=SECONDS, what="a line")


def end_of(child: ForkedChild) -> int:
    wait_until(child.has_ended, limit=SECONDS, what="its end")
    return child.reap()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    for server in servers.running.values():
        server.close()


def server_of(child: ForkedChild) -> psutil.Process:
    parent = psutil.Process(child.pid).parent()
    assert parent is not None
    return parent


@pytest.mark.parametrize("group", ["workers", "agent"])
def test_before_a_fork_there_is_no_thread_socket_or_pool(servers: Servers, group: str) -> None:
    server = servers.ready(group)
    found = psutil.Process(server.pid)
    assert found.num_threads() == 1
    assert found.net_connections(kind="inet") == []
    assert len(found.net_connections(kind="unix")) == 1  # to the supervisor


def test_where_no_model_can_be_asked_a_worker_lives_to_say_so(servers: Servers) -> None:
    environ = {"PATH": os.defpath, "CJ_MODEL": "openai/x", "ALL_PROXY": "socks://127.0.0.1:1"}
    server = ForkServer("agent", environ, servers.folder, servers.ready())
    try:
        wait_until(lambda: server.is_ready() or server.has_ended, limit=SECONDS, what="the server")
        assert not server.has_ended
    finally:
        server.close()


def test_threads_have_no_heap_each(servers: Servers) -> None:
    """Each would reserve 64 MiB up to an address divisible by that."""
    child = servers.child("threads")
    assert line_of(child) == "heaps 0"
    child.signal(signal.SIGKILL)
    end_of(child)


def test_a_killed_child_is_told_and_the_next_is_of_the_same_server(servers: Servers) -> None:
    first = servers.child("on")
    server = server_of(first)
    os.kill(first.pid, signal.SIGKILL)
    assert end_of(first) == -signal.SIGKILL
    second = servers.child("on")
    assert server_of(second) == server
    second.signal(signal.SIGKILL)
    end_of(second)


def test_it_dies_at_a_point_when_it_is_ordered_to(servers: Servers) -> None:
    child = servers.child("on")
    killer = Killer(servers.folder)
    killer.order("workflow", "model.before")
    assert end_of(child) == -signal.SIGKILL
    assert not killer.is_pending("workflow", "model.before")


@pytest.mark.parametrize(("argument", "number", "code"), [("ends", 0, 3), ("on", signal.SIGTERM, -signal.SIGTERM)])
def test_how_a_child_ended_is_told(servers: Servers, argument: str, number: int, code: int) -> None:
    child = servers.child(argument)
    if number:
        child.signal(signal.Signals(number))
    assert end_of(child) == code


def test_a_child_says_its_process_id_where_the_procfile_asks_a_shell_for_it(servers: Servers) -> None:
    child = servers.child("on")
    child.signal(signal.SIGKILL)
    end_of(child)
    named = Process("workflow", f"exec python -m workers.scenario.killable '{servers.folder}' workflow walker a-$$@b")
    child = servers.ready().fork(named, {"WHOSE": "mine", "PATH": os.defpath})
    assert line_of(child) == f"process {child.pid} begins with a-{child.pid}@b mine"
    child.signal(signal.SIGKILL)
    end_of(child)


@pytest.mark.parametrize("how", ["it is killed", "its supervisor leaves it"])
def test_no_child_outlives_its_server(servers: Servers, how: str) -> None:
    child = servers.child("on")
    server, process = servers.ready(), psutil.Process(child.pid)
    if how == "it is killed":
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
    else:
        server.close()
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, limit=10)
    assert end_of(child) == -signal.SIGKILL
    assert server.has_ended


DEMO = {"CJ_MODEL": "demo"}


@pytest.mark.parametrize(
    ("environ", "group"),
    [
        (DEMO, "workers"),
        ({}, "workers"),
        ({"CJ_MODEL": "openai/x"}, "agent"),
        (DEMO | {"CJ_MODEL_FALLBACKS": "x/y"}, "agent"),
    ],
)
def test_agents_that_ask_a_provider_have_a_server_of_their_own(environ: dict[str, str], group: str) -> None:
    groups = {process.name: group_of(process, environ) for process in procfile.processes(procfile.read())}
    others = dict.fromkeys(("intake", "workflow", "shopify", "ops", "gateway"), "workers")
    assert groups == others | {"agent": group}
    assert group_of(Process("agent.2", "exec celery -A workers worker"), environ) == group
    assert group_of(Process("web", "exec gunicorn site"), environ) is None


def imported(*then: str) -> list[str]:
    """What a server has imported, or only what is imported after that."""
    program = ["import sys; from workers.local import fork_server; fork_server._import_common()"]
    program += [f"before = {{*sys.modules}}; {'; '.join(then)}" if then else "before = set()"]
    program += ["print(*sys.modules.keys() - before)"]
    found = subprocess.run([sys.executable, "-c", "\n".join(program)], capture_output=True, check=True, text=True)
    return found.stdout.split()


def test_what_no_worker_needs_is_in_none() -> None:
    found = imported()
    assert {"flower", "click_repl.utils", "prompt_toolkit", "sqlalchemy.orm"}.isdisjoint(found)
    assert "celery.bin.celery" in found


def test_what_workers_import_late_is_there_before_a_fork_so_that_it_is_in_memory_once() -> None:
    late = "celery.app.control", "celery.app.log", "celery.worker.strategy", "encodings.idna", "kombu.pidbox"
    connecting = "from storage.database import Database", "Database('postgresql://x/y')._engine"
    assert imported(*connecting, *(f"import {name}" for name in late)) == []


@pytest.mark.timeout(300)  # on a machine that is busy enough, importing litellm takes minutes
def test_a_model_that_is_warm_stays_warm_in_a_child_and_costs_it_nothing() -> None:
    program = """
import os, sys, threading
from workers.model import litellm_call
from workers.model.client import Model
litellm_call.warm_up(["openai/x"])
run_again = []
litellm_call._refused_call = run_again.append
child = os.fork()
Model(["openai/x"]).warm_up()
if not child:
    os._exit(len(run_again))
print(os.waitpid(child, 0)[1], threading.active_count())
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert found.stdout.split() == ["0", "1"]
