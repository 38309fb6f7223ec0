"""Edited workflows: taken up when they are without fault and whole, told of when not."""

import os
from pathlib import Path

import pytest

from workers.local.reload import Reloader
from workflows.loader import SHIPPED


class Folder:
    """A folder with the shipped workflows, and what came of looking at it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for source in SHIPPED.glob("*.yaml"):
            (path / source.name).write_text(source.read_text())
        self.said: list[str] = []
        self.taken_up = 0
        self.reloader = Reloader(path, self._take_up, self.said.append)

    def _take_up(self) -> None:
        self.taken_up += 1

    def edit(self, old: str, new: str) -> None:
        path = self.path / "ad_hoc_support.yaml"
        before = path.stat().st_mtime_ns
        path.write_text(path.read_text().replace(old, new))
        os.utime(path, ns=(before + 1, before + 1))

    def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.reloader.look()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_nothing_happens_while_nothing_is_edited(folder: Folder) -> None:
    folder.look(4)
    assert (folder.taken_up, folder.said) == (0, [])


def test_an_edit_is_taken_up_once(folder: Folder) -> None:
    folder.edit("Never invent a number.", "Never, ever invent a number.")
    folder.look(4)
    assert folder.taken_up == 1
    assert folder.said == ["workflows changed: restarting workflow and agent"]


def test_an_edit_is_read_when_it_has_settled(folder: Folder) -> None:
    for number in range(3):
        folder.edit("Never", f"Never {number}")
        folder.look(1)
    assert folder.taken_up == 0
    folder.look(1)
    assert folder.taken_up == 1


def test_a_file_that_was_only_touched_is_not_taken_up(folder: Folder) -> None:
    folder.edit("Never", "Never")
    folder.look(3)
    assert (folder.taken_up, folder.said) == (0, [])


def test_what_is_wrong_is_said_and_the_former_text_stays_until_it_is_mended(folder: Folder) -> None:
    folder.edit("tools: [", "tolls: [")
    folder.look(4)
    assert folder.taken_up == 0
    [told] = folder.said
    assert "ad_hoc_support.yaml:" in told
    assert "did you mean 'tools'" in told
    assert told.endswith("1 error\nnot taken up; the workflows stay as they were")
    folder.edit("tolls: [", "tools: [")
    folder.look()
    assert folder.taken_up == 0, "it is the text in use again"
    folder.edit("Never", "Not ever")
    folder.look()
    assert folder.taken_up == 1


def test_a_new_file_and_a_removed_one_are_edits(folder: Folder) -> None:
    text = (folder.path / "ad_hoc_support.yaml").read_text()
    (folder.path / "second.yaml").write_text(text.replace("name: ad_hoc_support", "name: second"))
    folder.look()
    assert folder.taken_up == 1
    (folder.path / "second.yaml").unlink()
    folder.look()
    assert folder.taken_up == 2
