"""Runs `cj` inside the test process, in a folder of its own and with exactly the environment a test gives."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from workers.cli import cj


class Terminal:
    """`terminal("check", "--json")` runs `cj check --json`; what it says comes back."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str, typed: str | None = None, code: int = 0, **environ: Any) -> Result:
        """Run a command with `typed` on its standard input; it must end with exit code `code`."""
        result = CliRunner().invoke(
            cj, list(arguments), input=typed, env={**self.environ, **environ}, prog_name="cj", catch_exceptions=False
        )
        assert result.exit_code == code, f"exit code {result.exit_code}: {result.output}"
        return result

    def json(self, *arguments: str, **options: Any) -> Any:
        """The same with `--json`, parsed."""
        return json.loads(self(*arguments, "--json", **options).stdout)
