"""The options with which the door's process is started."""

import runpy
import sys

import pytest


def test_a_door_that_does_not_exist_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was the chat frontends' door, whatever was asked for."""
    monkeypatch.delitem(sys.modules, "workers.gateway.__main__", raising=False)
    monkeypatch.setattr(sys, "argv", ["workers.gateway", "Auth"])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_module("workers.gateway", run_name="__main__", alter_sys=False)
    assert "invalid choice: 'Auth'" in capsys.readouterr().err
