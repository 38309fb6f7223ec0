"""The console script when only the dependencies for publishing are installed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from workers.__main__ import NEEDS_MORE
from workers.local.embedded_server import EmbeddedServerError, package_folder

ROOT = Path(__file__).parents[4]
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
    assert ended.stderr == "cj: click is not installed; `cj` needs cj-workers[worker], not cj-workers alone\n"


def test_what_it_says_to_install_can_be_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    can_be = {f"{project['name']}[{extra}]" for extra in project["optional-dependencies"]}
    with pytest.raises(EmbeddedServerError) as missing:
        package_folder("no_such_package", "no-such-wheel")
    for said in (NEEDS_MORE, str(missing.value)):
        assert re.findall(r"[\w-]+\[\w+\]", said)
        assert {*re.findall(r"[\w-]+\[\w+\]", said)} <= can_be


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
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (ended.returncode, ended.stderr) == (1, "cj: interrupted\n")
