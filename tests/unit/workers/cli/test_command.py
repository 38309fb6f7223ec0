"""The console script when only the dependencies for publishing are installed."""

import subprocess
import sys

WITHOUT = """
import sys
sys.modules[{name!r}] = None
from workers.__main__ import main
sys.argv = ["cj", "check"]
main()
"""


def run_without(name: str) -> "subprocess.CompletedProcess[str]":
    code = WITHOUT.format(name=name)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_without_the_workers_packages_it_says_what_to_install() -> None:
    ended = run_without("click")
    assert ended.returncode == 2
    assert ended.stderr == "cj: click is not installed; `cj` needs the package hirecj[worker], not hirecj alone\n"


def test_any_other_missing_module_is_a_defect() -> None:
    ended = run_without("decimal")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr


LOST_INTERRUPT = """
import signal, sys, threading, types, weakref
from workers.__main__ import main

class Lock:
    pass

def run():
    lock = Lock()
    reference = weakref.ref(lock, lambda _: signal.raise_signal(signal.SIGINT))
    del lock
    threading.Event().wait(60)

sys.modules["workers.cli"] = types.SimpleNamespace(main=run)
main()
"""


def test_ctrl_c_is_not_lost_where_python_ignores_exceptions() -> None:
    command = [sys.executable, "-c", LOST_INTERRUPT]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (ended.returncode, ended.stderr) == (1, "cj: interrupted\n")
