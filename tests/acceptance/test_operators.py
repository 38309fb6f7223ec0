"""What operators run: Celery's own commands, and processes that refuse to start."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.conftest import Someone
from tests.stack import ROOT, Stack
from tests.tcp import closed_port
from tests.waiting import wait_until

KINDS = ("workflow", "agent", "shopify", "ops")


def run(stack: Stack, *command: str, **changed: str | None) -> subprocess.CompletedProcess[str]:
    environ = stack.environ() | {name: value for name, value in changed.items() if value is not None}
    environ = {name: value for name, value in environ.items() if changed.get(name, "") is not None}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )


def test_celery_sees_every_worker(stack: Stack) -> None:
    answer = run(stack, "celery", "-A", "workers", "inspect", "ping", "--timeout", "5")
    assert answer.returncode == 0, answer.stderr
    for kind in KINDS:
        assert f"{kind}-" in answer.stdout


@pytest.fixture
def flower(stack: Stack) -> Iterator[httpx.Client]:
    """Flower, as an operator starts it, and a client logged in to it."""
    port = closed_port()
    command = [sys.executable, "-m", "celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
    environ = stack.environ() | {"FLOWER_BASIC_AUTH": "me:secret"}
    with (
        subprocess.Popen(
            [*command, "--read_only=True"], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("me", "secret"), trust_env=False) as client,
    ):
        yield client
        process.terminate()
        process.wait(10)


def test_flower_shows_the_workers_and_from_then_on_their_tasks(
    stack: Stack, someone: Someone, flower: httpx.Client
) -> None:
    """Workers send task events while Flower requests them (README)."""
    wait_until(lambda: page(flower, "/healthcheck") == "OK", limit=30, what="Flower")
    wait_until(lambda: all(f"{kind}-" in page(flower, "/workers") for kind in KINDS), limit=30, what="all workers")
    assert httpx.get(f"{flower.base_url}/workers", trust_env=False).status_code == 401

    def greeted() -> bool:
        stack.connect(someone.shop_domain, someone.merchant_id, size="tiny")
        stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
        stack.gateway.wait_for_ends(someone.conversation_id)
        return "cj.run_turn" in page(flower, "/metrics")

    wait_until(greeted, limit=40, what="a task in Flower")
    assert someone.merchant_id not in page(flower, "/tasks")


def page(flower: httpx.Client, path: str) -> str:
    """The page Flower shows; empty while it does not listen."""
    try:
        return flower.get(path).raise_for_status().text
    except httpx.HTTPError:
        return ""


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
