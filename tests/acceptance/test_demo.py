"""`cj demo` from an empty folder, as the first thing a person runs."""

import itertools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)


def start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    # Whatever is set, the demo is by itself.
    environ = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "CJ_MODEL": "openai/none", "SHOPIFY_API_VERSION": "x"}
    return subprocess.Popen(
        [sys.executable, "-c", "from workers.cli import main; main()", "demo", *options],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that were started in the background hand on that Ctrl-C is not for them.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def seconds(transcript: str) -> list[float]:
    """When CJ's messages came, since the event."""
    return [float(found) for found in re.findall(r"^ +(\d+\.\d\d) s  (?!auth|\()", transcript, re.MULTILINE)]


def test_two_at_once_tell_true_things_and_leave_nothing_behind(tmp_path: Path) -> None:
    demos = {size: start(tmp_path, "--store", size) for size in ("new", "tiny")}
    said = {}
    for size, demo in demos.items():
        said[size], errors = demo.communicate(timeout=200)
        assert (demo.returncode, errors) == (0, ""), errors + said[size]
        assert "support system" in said[size]
        assert "moves on to ad_hoc_support" in said[size]
        assert "played by the development" in said[size]
        assert "demo model" in said[size]
        assert re.search(r"\d ms +event +received", said[size])
        assert len(seconds(said[size])) >= 2
    # Of an empty store all is said at once; of any other in several messages, a second apart.
    assert any(later - earlier >= 1.0 for earlier, later in itertools.pairwise(seconds(said["tiny"])))
    assert "7 orders" in said["tiny"]
    assert "no orders" in said["new"]
    assert list((tmp_path / ".cj" / "demo").iterdir()) == []


def test_a_fault_at_the_store_ends_in_words_too(tmp_path: Path) -> None:
    demo = start(tmp_path, "--store", "tiny", "--fault", "unauthorized")
    said, errors = demo.communicate(timeout=200)
    assert (demo.returncode, errors) == (0, ""), errors + said
    assert "Fault injected at the store: unauthorized" in said
    assert "reconnect" in said


def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    demo = start(tmp_path)
    boss = psutil.Process(demo.pid)
    wait_until(lambda: len(boss.children(recursive=True)) >= 7, limit=60, what="servers and workers")
    processes = boss.children(recursive=True)
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert errors == "cj: interrupted; everything was stopped\n"
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)
    assert list((tmp_path / ".cj" / "demo").iterdir()) == []
