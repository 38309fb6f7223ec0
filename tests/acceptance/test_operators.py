"""What an operator types: Celery's own commands, and processes that refuse to start."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import ROOT, Stack


def run(stack: Stack, *command: str, **changed: str | None) -> subprocess.CompletedProcess[str]:
    environ = stack.environ() | {name: value for name, value in changed.items() if value is not None}
    environ = {name: value for name, value in environ.items() if changed.get(name, "") is not None}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )


def test_celery_sees_every_worker(stack: Stack) -> None:
    answer = run(stack, "celery", "-A", "workers", "inspect", "ping", "--timeout", "5")
    assert answer.returncode == 0, answer.stderr
    for kind in ("workflow", "agent", "shopify", "ops"):
        assert f"{kind}-" in answer.stdout


AGENT = ("celery", "-A", "workers", "worker", "-Q", "turns", "-P", "threads", "-c", "1")


@pytest.mark.parametrize("command", [("workers.intake",), AGENT], ids=["intake", "celery"])
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATABASE_URL", None, "DATABASE_URL"),
        ("BROKER_URL", "http://nowhere", "BROKER_URL"),
        ("CJ_TOKEN_KEYS", "nonsense", "CJ_TOKEN_KEYS"),
    ],
)
def test_missing_or_wrong_settings_are_named(
    stack: Stack, command: tuple[str, ...], name: str, value: str | None, says: str
) -> None:
    answer = run(stack, *command, **{name: value})
    assert answer.returncode == 2, answer.stderr
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("command", [("workers.intake",), AGENT], ids=["intake", "celery"])
def test_a_database_behind_its_migrations_is_named(
    stack: Stack, command: tuple[str, ...], empty_database_url: str
) -> None:
    answer = run(stack, *command, DATABASE_URL=empty_database_url)
    assert answer.returncode == 2, answer.stderr
    assert "alembic upgrade head" in answer.stderr


def test_an_invalid_workflow_is_named_with_its_place(stack: Stack, tmp_path: Path) -> None:
    for source in (ROOT / "workflows").glob("*.yaml"):
        (tmp_path / source.name).write_text(source.read_text().replace('"process_message"', '"proces_message"'))
    answer = run(stack, "workers.intake", CJ_WORKFLOWS=str(tmp_path))
    assert answer.returncode == 2, answer.stderr
    assert "did you mean 'process_message'" in answer.stderr
    assert "shopify_onboarding.yaml:" in answer.stderr
