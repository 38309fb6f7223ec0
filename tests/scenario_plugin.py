"""Collects scenarios in pytest and runs them; switched on by `tests/conftest.py`, or by `-p tests.scenario_plugin`.

A YAML file is a scenario if it is named on the command line or matches one of the patterns of the setting
`cj_scenarios`. What the scenarios run on is started by the first one and stopped at the end of the session; each
process of pytest-xdist has its own.

It is not part of the distribution, which never imports pytest; to import it is cheap, because every test run does.
"""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from workers.scenario.environment import Environment
    from workers.scenario.read import Scenario

PATTERNS = ("scenarios/*.yaml", "shopify_data/*.yaml")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--cj-workflows FOLDER`, and the setting `cj_scenarios`."""
    group = parser.getgroup("cj", "scenario tests of CJ's workflows")
    group.addoption("--cj-workflows", metavar="FOLDER", help="Workflow YAML to test; default: the shipped ones.")
    patterns = ", ".join(PATTERNS)
    parser.addini("cj_scenarios", f"Files that are scenarios; default: {patterns}", type="args", default=list(PATTERNS))


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is started yet."""
    config.stash[_SHARED] = _Shared(config.getoption("--cj-workflows"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    if (shared := config.stash.get(_SHARED, None)) is not None:
        shared.close()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ScenarioFile | None":
    """Take the scenario files; everything else is for others."""
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    patterns: Iterable[str] = parent.config.getini("cj_scenarios")
    if not parent.session.isinitpath(file_path) and not any(file_path.match(pattern) for pattern in patterns):
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


class ScenarioFile(pytest.File):
    """A YAML file: one scenario, or what is wrong with it."""

    def collect(self) -> Iterable["ScenarioItem"]:
        """Read the file; a mistake in it is an error of the collection, as one in a Python file is."""
        from workers.scenario.read import InvalidScenario, read

        try:
            scenario = read(self.path, file=_shown(self), workflows=self.config.stash[_SHARED].workflow_names)
        except InvalidScenario as error:
            raise self.CollectError(str(error)) from None
        yield ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario)


class ScenarioItem(pytest.Item):
    """One scenario."""

    def __init__(self, *, scenario: "Scenario", **more: Any) -> None:
        super().__init__(**more)
        self.scenario = scenario

    def setup(self) -> None:
        """Start the environment if this is the first scenario, and clear it."""
        self.config.stash[_SHARED].environment().clear()

    def runtest(self) -> None:
        """Run it."""
        from workers.scenario.run import Run

        failure = Run(self.scenario, self.config.stash[_SHARED].environment()).run()
        if failure is not None:
            raise ScenarioFailed(failure)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any, **__: Any) -> Any:
        """The scenario's own report instead of a traceback through this plugin."""
        from workers.local.stack import Late

        if isinstance(excinfo.value, ScenarioFailed | Late):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it stands, for pytest's headings."""
        return self.path, self.scenario.steps[0].line - 1, self.name


class ScenarioFailed(Exception):
    """A scenario did not go as expected; the text is the report."""


class _Shared:
    """What all scenarios of this pytest process share."""

    def __init__(self, workflows: str | None) -> None:
        self._workflows = Path(workflows) if workflows else None
        self._environment: Environment | None = None
        self._failed: Exception | None = None

    @cached_property
    def workflow_names(self) -> tuple[str, ...]:
        """The workflows that there are."""
        from workflows.loader import load_folder

        return tuple(load_folder(self._workflows).names)

    def environment(self) -> "Environment":
        """Started at the first call. What failed once is not tried again: it takes long, and fails again."""
        if self._failed is not None:
            raise self._failed
        if self._environment is None:
            from workers.scenario.environment import Environment

            environment = Environment(workflows=self._workflows)
            try:
                environment.start()
            except Exception as error:
                self._failed = error
                raise
            self._environment = environment
        return self._environment

    def close(self) -> None:
        if self._environment is not None:
            self._environment.close()
            self._environment = None


_SHARED = pytest.StashKey[_Shared]()


def _shown(node: pytest.File) -> str:
    """The file's name as pytest shows it."""
    try:
        return node.path.relative_to(node.config.rootpath).as_posix()
    except ValueError:
        return str(node.path)
