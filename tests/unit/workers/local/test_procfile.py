"""The Procfile: what runs, and how many of each."""

from pathlib import Path

import pytest

from workers.local import procfile
from workers.local.procfile import Process, ProcfileError

COMMANDS = {"intake": "exec a", "agent": "exec b"}


def test_the_shipped_one_has_every_kind() -> None:
    commands = procfile.read()
    assert list(commands) == ["intake", "workflow", "agent", "shopify", "ops", "gateway"]
    assert all(command.startswith("exec ") for command in commands.values())


def test_one_of_each_unless_asked() -> None:
    assert procfile.processes(COMMANDS) == (Process("intake", "exec a"), Process("agent", "exec b"))
    assert procfile.processes(COMMANDS, only=["agent"]) == (Process("agent", "exec b"),)
    assert procfile.processes(COMMANDS, counts={"agent": 2}) == (
        Process("intake", "exec a"),
        Process("agent.1", "exec b"),
        Process("agent.2", "exec b"),
    )


def test_unknown_kind() -> None:
    with pytest.raises(ProcfileError, match=r"no process kind 'agnet'.*intake, agent"):
        procfile.processes(COMMANDS, only=["agnet"])


@pytest.mark.parametrize("text", ["no colon", "a: x\na: y\n", "a:\n"])
def test_unreadable_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "Procfile"
    path.write_text(text)
    with pytest.raises(ProcfileError, match=r"Procfile:\d: expected"):
        procfile.read(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ProcfileError, match="no Procfile at"):
        procfile.read(tmp_path / "Procfile")
