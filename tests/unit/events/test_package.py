import subprocess
import sys

import pytest

import events
from events.errors import BrokerUnavailable, EventError, InvalidEvent, PublishFailed

HEAVY = ("celery", "sqlalchemy", "alembic", "gql", "litellm", "redis", "httpx", "aiohttp", "click", "prometheus_client")


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_events_is_light() -> None:
    loaded = loaded_by("events")
    assert not loaded & set(HEAVY)
    assert not loaded & {"workers", "storage", "shopify", "workflows"}


def test_all_is_true_and_sorted() -> None:
    assert all(hasattr(events, name) for name in events.__all__)
    public = {name for name in vars(events) if not name.startswith("_")} - {"Any", "TYPE_CHECKING"}
    modules = {name for name in public if name in sys.modules or f"events.{name}" in sys.modules}
    # `publish` and the like are functions that share no name with a module.
    assert public - modules <= set(events.__all__)
    assert len(set(events.__all__)) == len(events.__all__)


@pytest.mark.parametrize(
    "error", [InvalidEvent("event.not_json", "why"), PublishFailed("why"), BrokerUnavailable("why")]
)
def test_every_error_has_code_and_message(error: EventError) -> None:
    assert isinstance(error, EventError)
    assert error.code.startswith("event.")
    assert str(error) == error.message == "why"
