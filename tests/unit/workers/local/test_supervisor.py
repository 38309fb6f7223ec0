"""The supervisor, with real children that die, refuse, ignore SIGTERM and print too much."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_until
from workers.local.procfile import Process
from workers.local.supervisor import Pace, Supervisor
from workers.settings import environment

READY = 'print(\'{"event": "ready"}\', flush=True)'
PACE = Pace(first=0.05, longest=0.2, healthy=5.0, grace=5.0)


class Stage:
    """Runs supervisors over small Python programs and keeps their output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.supervisors: list[Supervisor] = []

    def run(self, pace: Pace = PACE, **programs: str) -> Supervisor:
        supervisor = Supervisor(
            [Process(name, self.command(name, program)) for name, program in programs.items()],
            folder=self.folder,
            show=lambda name, line: self.lines.append((name, line)),
            say=self.said.append,
            pace=pace,
        )
        self.supervisors.append(supervisor)
        supervisor.start(environment())
        return supervisor

    def command(self, name: str, program: str) -> str:
        (self.folder / f"{name}.py").write_text(textwrap.dedent(program))
        return f"exec python {name}.py"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    for supervisor in stage.supervisors:
        supervisor.ask_to_stop()
        supervisor.ask_to_stop()
        supervisor.wait(10)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_ready_lines_and_prefixes(stage: Stage) -> None:
    supervisor = stage.run(
        a=f"import time; print('hello'); {READY}; time.sleep(60)",
        b=f"import sys, time; print('over there', file=sys.stderr); {READY}; time.sleep(60)",
    )
    assert supervisor.wait_ready(20)
    assert supervisor.not_ready() == []
    assert {("a", "hello"), ("b", "over there")} <= set(stage.lines)
    pids = list(supervisor.pids().values())
    supervisor.stop()
    assert all(is_gone(pid) for pid in pids)
    assert stage.said == []


def test_not_ready_in_time(stage: Stage) -> None:
    supervisor = stage.run(slow="import time; time.sleep(60)")
    assert not supervisor.wait_ready(0.2)
    assert supervisor.not_ready() == ["slow"]


def test_children_are_in_sessions_of_their_own_and_find_the_environments_programs(stage: Stage) -> None:
    supervisor = stage.run(a=f"import os, sys; print(os.getsid(0), sys.executable); {READY}; input()")
    wait_until(lambda: len(stage.lines) >= 1)
    session, executable = stage.lines[0][1].split()
    assert int(session) != os.getsid(0)
    assert Path(executable).parent == Path(sys.executable).parent
    supervisor.stop()


def test_a_child_that_is_killed_comes_back(stage: Stage) -> None:
    supervisor = stage.run(a=f"import time; {READY}; time.sleep(60)")
    assert supervisor.wait_ready(20)
    first = supervisor.pids()["a"]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: supervisor.pids().get("a", first) != first)
    assert supervisor.wait_ready(20)
    assert stage.said == ["a was killed by SIGKILL; restarting in 0.05 s"]


def test_a_child_that_keeps_dying_is_given_longer_pauses(stage: Stage) -> None:
    stage.run(a="print('no'); raise SystemExit(1)")
    wait_until(lambda: len(stage.said) >= 5)
    assert [line.rsplit(" in ")[-1] for line in stage.said[:5]] == [
        "0.05 s",
        "0.1 s",
        "0.2 s",
        "0.2 s",
        "0.2 s",
    ]
    assert stage.said[0].startswith("a ended with exit code 1")
    assert stage.lines[0] == ("a", "no")


def test_a_healthy_life_resets_the_pause(stage: Stage) -> None:
    stage.run(Pace(first=0.05, longest=10, healthy=0.0), a="")
    wait_until(lambda: len(stage.said) >= 4)
    assert {line.rsplit(" in ")[-1] for line in stage.said} == {"0.05 s"}


def test_a_child_that_refuses_stops_everything(stage: Stage) -> None:
    supervisor = stage.run(
        fine=f"import time; {READY}; time.sleep(60)",
        wrong="print('DATABASE_URL is not set'); raise SystemExit(2)",
    )
    assert not supervisor.wait_ready(20)
    assert supervisor.wait(20)
    assert supervisor.refused == "wrong"
    assert supervisor.pids() == {}
    assert ("wrong", "DATABASE_URL is not set") in stage.lines
    assert len(stage.said) == 1
    assert stage.said[0].startswith("wrong refuses to start")


def test_a_refusal_after_a_good_start_is_tried_again(stage: Stage) -> None:
    supervisor = stage.run(a=f"{READY}; raise SystemExit(2)")
    wait_until(lambda: len(stage.said) >= 3)
    assert supervisor.refused is None
    assert stage.said[0] == "a ended with exit code 2; restarting in 0.05 s"


def test_stopping_lets_children_finish(stage: Stage) -> None:
    supervisor = stage.run(
        a=f"""
        import os, signal, time
        def finish(*_):
            time.sleep(0.3); os.write(1, b"finished\\n"); raise SystemExit(0)
        signal.signal(signal.SIGTERM, finish)
        {READY}
        time.sleep(60)
        """
    )
    assert supervisor.wait_ready(20)
    supervisor.stop()
    assert stage.lines[-1] == ("a", "finished")
    assert stage.said == []


#: The signal may arrive while the main program still prints, so the handler bypasses Python's buffers.
POLITE = f"""
import os, signal, sys, time
def finish(*_):
    os.write(1, b"finished\\n"); sys.exit(0)
signal.signal(signal.SIGTERM, finish)
{READY}
time.sleep(60)
"""


def test_a_restart_lets_a_child_finish_and_starts_it_again_at_once(stage: Stage) -> None:
    supervisor = stage.run(Pace(first=60, longest=60), a=POLITE, b=POLITE)
    assert supervisor.wait_ready(20)
    before = supervisor.pids()
    supervisor.restart(["a"])
    wait_until(lambda: supervisor.pids().get("a", before["a"]) != before["a"])
    assert supervisor.wait_ready(20)
    assert supervisor.pids()["b"] == before["b"]
    assert [name for name, line in stage.lines if line == "finished"] == ["a"]
    assert stage.said == []
    os.kill(supervisor.pids()["a"], signal.SIGKILL)  # a later end is none that was asked for
    wait_until(lambda: stage.said == ["a was killed by SIGKILL; restarting in 60 s"])


def test_a_child_that_does_not_end_for_a_restart_is_killed(stage: Stage) -> None:
    supervisor = stage.run(Pace(first=60, longest=60, grace=0.3), a=STUBBORN)
    assert supervisor.wait_ready(20)
    before = supervisor.pids()["a"]
    supervisor.restart(["a"])
    wait_until(lambda: supervisor.pids().get("a", before) != before)


STUBBORN = f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}; time.sleep(60)"


def test_a_child_that_ignores_term_is_killed_after_the_grace(stage: Stage) -> None:
    supervisor = stage.run(Pace(grace=0.3), a=STUBBORN)
    assert supervisor.wait_ready(20)
    pid = supervisor.pids()["a"]
    supervisor.stop()
    assert is_gone(pid)
    assert stage.said == ["killing a: not finished within 0.3 s"]


def test_asked_twice_kills_at_once(stage: Stage) -> None:
    supervisor = stage.run(Pace(grace=60), a=STUBBORN)
    assert supervisor.wait_ready(20)
    supervisor.ask_to_stop()
    supervisor.ask_to_stop()
    assert supervisor.wait(10)
    assert stage.said == ["killing a: asked twice"]


def test_what_a_child_leaves_in_its_group_is_killed(stage: Stage) -> None:
    supervisor = stage.run(
        a="import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True); raise SystemExit(1)"
    )
    wait_until(lambda: len(stage.said) >= 1)
    wait_until(lambda: is_gone(int(stage.lines[0][1])))
    supervisor.stop()


def test_a_child_that_closes_its_output_is_watched_on_without_haste(stage: Stage) -> None:
    spent = time.process_time()
    supervisor = stage.run(a="import os, time; os.close(1); os.close(2); time.sleep(1); os._exit(1)")
    wait_until(lambda: len(stage.said) >= 1)
    assert time.process_time() - spent < 0.5
    supervisor.stop()
    assert stage.said[0] == "a ended with exit code 1; restarting in 0.05 s"


def test_long_and_unfinished_lines(stage: Stage) -> None:
    stage.run(a="import sys, time; sys.stdout.write('x' * 600_000 + '\\nend'); sys.stdout.flush()")
    wait_until(lambda: len(stage.said) >= 1)
    texts = [line for _, line in stage.lines]
    last = texts.index("end")
    assert "".join(texts[:last]) == "x" * 600_000


def test_children_do_not_outlive_a_supervisor_killed_with_9(stage: Stage) -> None:
    stage.command("child", f"import os, time; print(os.getpid()); {READY}; time.sleep(60)")
    program = """
    from pathlib import Path
    from workers.local.procfile import Process
    from workers.settings import environment
    from workers.local.supervisor import Supervisor
    supervisor = Supervisor(
        [Process("child", "exec python child.py")],
        folder=Path(FOLDER),
        show=lambda name, line: print(line, flush=True),
        say=print,
    )
    supervisor.start(environment())
    supervisor.wait()
    """.replace("FOLDER", repr(str(stage.folder)))
    boss = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert boss.stdout is not None
    child = int(boss.stdout.readline())
    assert not is_gone(child)
    boss.kill()
    boss.wait()
    boss.stdout.close()
    wait_until(lambda: is_gone(child))
