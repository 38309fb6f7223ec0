"""What `cj up` tells people to type."""

import sys
from pathlib import Path

import pytest

from workers.cli.up import _started_as


def test_without_cj_on_the_path_the_command_is_the_one_it_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    assert _started_as(str(tmp_path / ".venv/bin/cj")) == ".venv/bin/cj"
    assert _started_as(str(tmp_path / "workers/__main__.py")) == ".venv/bin/python -m workers"
