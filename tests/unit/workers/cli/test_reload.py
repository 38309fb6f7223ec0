"""Edited workflows: reloaded when valid and complete, reported when not."""

import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_until
from workers import bootstrap
from workers.cli.up import SETTLED, Reloader
from workflows.loader import SHIPPED


class Folder:
    """A folder with the shipped workflows, and the results of edits in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for source in SHIPPED.glob("*.yaml"):
            (path / source.name).write_text(source.read_text())
        self.said: list[str] = []
        self.taken_up = 0
        self.reloader = Reloader(path, self._restart, self.said.append)

    def _restart(self) -> None:
        self.taken_up += 1

    def edit(self, old: str, new: str) -> None:
        path = self.path / "ad_hoc_support.yaml"
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def watched(folder: Folder) -> Iterator[Folder]:
    with folder.reloader:
        yield folder


def test_an_edit_is_taken_up_once(folder: Folder) -> None:
    folder.edit("Never invent a number.", "Never, ever invent a number.")
    folder.reloader.read()
    folder.reloader.read()
    assert folder.taken_up == 1
    assert folder.said == ["workflows changed"]


def test_it_is_said_when_every_process_has_taken_the_edit_up(folder: Folder) -> None:
    said: list[str] = []
    reloader = Reloader(folder.path, lambda: None, said.append, ["workflow", "agent.1"])
    line = json.dumps({"event": bootstrap.TAKEN_UP})
    reloader.heard("agent.1", line)  # nothing was asked of it
    folder.edit("Never", "Not ever")
    reloader.read()
    reloader.heard("intake", line)
    reloader.heard("agent.1", line)
    assert said == ["workflows changed"]
    reloader.heard("workflow", line)
    assert re.fullmatch(r"workflows reloaded by workflow, agent.1, 0.\d s after the change", said[1])


def test_a_file_that_was_only_touched_is_not_taken_up(folder: Folder) -> None:
    folder.edit("Never", "Never")
    folder.reloader.read()
    assert (folder.taken_up, folder.said) == (0, [])


def test_what_is_wrong_is_said_and_the_former_text_stays_until_it_is_mended(folder: Folder) -> None:
    folder.edit("tools: [", "tolls: [")
    folder.reloader.read()
    assert folder.taken_up == 0
    [told] = folder.said
    assert "ad_hoc_support.yaml:" in told
    assert "did you mean 'tools'" in told
    assert told.endswith("1 error\nnot reloaded; the workflows stay as they were")
    folder.edit("tolls: [", "tools: [")
    folder.reloader.read()
    assert folder.taken_up == 0, "it is the text in use again"
    folder.edit("Never", "Not ever")
    folder.reloader.read()
    assert folder.taken_up == 1


def test_edits_new_files_and_removed_ones_are_noticed(watched: Folder) -> None:
    text = (watched.path / "ad_hoc_support.yaml").read_text()
    wait_until(lambda: _edited(watched, 0), limit=10, what="an edit")
    (watched.path / "second.yaml").write_text(text.replace("name: ad_hoc_support", "name: second"))
    wait_until(lambda: watched.taken_up == 2, limit=10, what="a new file")
    (watched.path / "second.yaml").unlink()
    wait_until(lambda: watched.taken_up == 3, limit=10, what="a removed file")


def _edited(folder: Folder, before: int) -> bool:
    """Edit until one edit is noticed: the first may precede the start of watching."""
    if folder.taken_up == before:
        folder.edit("Never", "Never ever")
    return folder.taken_up > before


def test_an_edit_in_several_steps_is_read_when_it_has_settled(watched: Folder) -> None:
    wait_until(lambda: _edited(watched, 0), limit=10, what="the watching")
    path = watched.path / "ad_hoc_support.yaml"
    took = math.inf
    while took > SETTLED / 2:  # on a busy machine the steps may be so far apart that they are two edits
        before, whole = watched.taken_up, path.read_text() + "#\n"
        watched.said.clear()
        began = time.monotonic()
        path.write_text("")  # as an editor does that truncates first
        path.write_text(whole)
        took = (time.monotonic() - began) * 1000
        wait_until(lambda before=before: watched.taken_up > before, limit=10, what="the edit")  # type: ignore[misc]
    assert not [line for line in watched.said if "not reloaded" in line]
