"""Fixtures for tests that use a development store, or turns over a model's HTTP server."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from shopify.development_store.server import DevelopmentStore
from shopify.transport import http_client
from storage.database import Database
from tests.agent_turns import AgentWorker, Hire, Merchant, with_clock
from tests.openai_server import OpenAIServer, Script, Serve
from tests.servers import PostgresForTests
from workers.agent import state as state_module
from workflows.loader import load_folder


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """The HTTP client workers use for Shopify."""
    with http_client() as client:
        yield client


@pytest.fixture(scope="module")
def store() -> Iterator[DevelopmentStore]:
    """A store without shops; a test that registers some resets it."""
    with DevelopmentStore().start() as store:
        yield store


@pytest.fixture(scope="module")
def clocked(postgres: PostgresForTests) -> Iterator[Database]:
    """A database whose clock tests put forward."""
    with postgres.empty_database() as url:
        with_clock(url)
        database = Database(url, pool_size=4)
        yield database
        database.dispose()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts servers of models; OPENAI_API_BASE is the latest."""
    servers: list[OpenAIServer] = []

    def start(script: Script) -> OpenAIServer:
        servers.append(OpenAIServer(script).start())
        monkeypatch.setenv("OPENAI_API_BASE", servers[-1].base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-key")
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def hire(clocked: Database, monkeypatch: pytest.MonkeyPatch) -> Hire:
    """Makes merchants, each with an agent worker that asks openai/x."""

    def start(workflows: Any = None, **limits: int) -> Merchant:
        worker = AgentWorker(clocked, workflows or load_folder(), names=["openai/x"], **limits)
        monkeypatch.setattr(state_module, "time", SimpleNamespace(monotonic=worker.clock))
        return Merchant(worker)

    return start
