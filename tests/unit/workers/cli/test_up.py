"""What `cj up` tells people to type, and which signals stop it."""

import signal
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from workers.cli.up import _started_as, stopped_by_signals


def test_without_cj_on_the_path_the_command_is_the_one_it_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    assert _started_as(str(tmp_path / ".venv/bin/cj")) == ".venv/bin/cj"
    assert _started_as(str(tmp_path / "workers/__main__.py")) == ".venv/bin/python -m workers"


def test_a_closed_terminal_does_not_stop_what_nohup_started() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals(Mock()):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
