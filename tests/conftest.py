"""Fixtures for all tests. Nothing starts before a test asks for it."""

import inspect
import os
import runpy
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import settings

from storage.database import Database
from tests.servers import PostgresForTests, fast_folder
from tests.stack import Stack
from workers.local.embedded import EmbeddedValkey
from workflows.loader import SHIPPED

# What a script runs in the background ignores Ctrl-C, and so would the processes whose Ctrl-C is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ("tests.scenario_plugin",)

# A busy machine may take any time for an example.
settings.register_profile("cj", deadline=None)
settings.load_profile("cj")

# No test may meet the developer's servers, keys or models.
for _name in list(os.environ):
    if _name.startswith(("CJ_", "OPENAI_", "SHOPIFY_")) or _name.endswith(("_API_KEY", "_API_BASE")):
        del os.environ[_name]
for _name in ("DATABASE_URL", "BROKER_URL", "REDIS_URL"):
    os.environ.pop(_name, None)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Scenarios run with the examples beside the shipped workflows: so what is said of the examples, that adding them
    changes nothing for others, is tested by every scenario."""
    if config.option.cj_workflows is None:
        folder = tempfile.TemporaryDirectory()
        config.add_cleanup(folder.cleanup)
        for path in (*SHIPPED.glob("*.yaml"), *(SHIPPED / "examples").glob("*.yaml")):
            shutil.copy(path, folder.name)
        config.option.cj_workflows = folder.name


def pytest_unconfigure() -> None:
    """litellm keeps its connections to models open until the process ends, and then Python complains of each."""
    if "litellm" in sys.modules:
        for client in sys.modules["litellm"].in_memory_llm_clients_cache.cache_dict.values():
            if not inspect.iscoroutinefunction(client.close):
                client.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresForTests]:
    """One Postgres per test process."""
    with fast_folder() as folder, PostgresForTests(folder / "postgres") as server:
        yield server


@pytest.fixture
def empty_database_url(postgres: PostgresForTests) -> Iterator[str]:
    """A new database without any table."""
    with postgres.empty_database() as url:
        yield url


@pytest.fixture
def database_url(postgres: PostgresForTests) -> Iterator[str]:
    """A new database at the migration head."""
    with postgres.migrated_database() as url:
        yield url


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """One Valkey per test process."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), aof=False) as server:
        yield server


@pytest.fixture
def valkey_url(valkey: EmbeddedValkey) -> str:
    """The Valkey, emptied."""
    client = redis.Redis.from_url(valkey.url)
    try:
        client.flushall()
    finally:
        client.close()
    return valkey.url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The new database, opened."""
    database = Database(database_url, pool_size=24, application_name="cj-test")
    yield database
    database.dispose()


WITH_WORKERS = ("tests/acceptance/", "tests/chaos/", "tests/scenarios/", "tests/shopify_data/", "workflows/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that run worker processes stay in one test process, for one stack at a time is enough for two cores; and
    those of a file stay together, which share what the file has started.

    Not by the mark `xdist_group`: https://github.com/pytest-dev/pytest-xdist/issues/1386
    """
    from xdist.scheduler import LoadFileScheduling

    scheduling = LoadFileScheduling(config, log)
    by_file = scheduling._split_scope
    scheduling._split_scope = lambda nodeid: "workers" if nodeid.startswith(WITH_WORKERS) else by_file(nodeid)
    return scheduling


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure stands what the worker processes said."""
    report = yield
    if report.failed:
        report.sections += [("what the processes said", stack.told()) for stack in Stack.running]
    return report


@pytest.fixture(scope="session")
def client_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package `hirecj` as services install it."""
    folder = tmp_path_factory.mktemp("client") / "hirecj"
    runpy.run_path(str(Path(__file__).parents[1] / "client" / "setup.py"))["make"](folder)
    return folder
