"""Scenarios without pytest: files and folders in, one result after the other out."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from workers.scenario.environment import Stage
from workers.scenario.reading import InvalidScenario, Scenario, read
from workers.scenario.run import Play
from workflows.loader import load_folder


@dataclass(frozen=True)
class Result:
    """How one scenario went. `problem` is None if it went well, else the whole report."""

    file: str
    name: str
    seconds: float
    problem: str | None = None


def files(paths: Sequence[Path]) -> list[Path]:
    """The scenario files: each path itself, or every *.yaml in and under it if it is a folder."""
    found = [sorted(path.rglob("*.yaml")) if path.is_dir() else [path] for path in paths]
    return list(dict.fromkeys(path for part in found for path in part))


def run(paths: Sequence[Path], *, workflows: Path | None = None) -> Generator[Result, None, None]:
    """Play every scenario of `files(paths)` and tell of each as it ends. Files with mistakes are told first.

    Nothing is started when no file can be played. Raises InvalidWorkflows, OSError, and what starting the servers
    and workers may raise.
    """
    names = load_folder(workflows).names
    playable: list[Scenario] = []
    for path in files(paths):
        try:
            playable.append(read(path, workflows=names))
        except InvalidScenario as error:
            yield Result(str(path), path.stem, 0.0, str(error))
    if playable:
        with closing(Stage(workflows=workflows)) as stage:
            stage.start()
            yield from (_played(scenario, stage) for scenario in playable)


def _played(scenario: Scenario, stage: Stage) -> Result:
    stage.clear()
    began = time.monotonic()
    failure = Play(scenario, stage).run()
    took = time.monotonic() - began
    return Result(scenario.file, scenario.name, took, None if failure is None else str(failure))
