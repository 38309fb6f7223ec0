"""One quick ground for all chaos tests of a test process; each run uses its own merchants."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.ground import Ground, ground
from tests.servers import fast_folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They may wait for longer than others."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def here() -> Iterator[Ground]:
    """Two processes of every kind, so that one can take over at once."""
    counts = {"intake": 2, "workflow": 2, "agent": 2}
    with fast_folder() as folder, ground(folder, quick=True, lease_seconds=2.0, counts=counts, durable=False) as made:
        yield made
