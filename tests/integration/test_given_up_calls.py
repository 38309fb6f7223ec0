"""A call to a model ends, and its connection closes, soon after the worker has lost the turn."""

import socket
import threading
import time

import pytest

from shopify.transport import until
from storage import turns
from storage.database import Database
from tests import rows
from workers.agent.leases import LeaseKeeper
from workers.model.client import Model
from workers.model.errors import GivenUp

SOON_SECONDS = 2.0  # one, and what a busy machine takes


def test_a_stopped_turn_hangs_up_on_the_provider(clocked: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider takes the request and says nothing more."""
    Model(["openai/x"]).warm_up()
    claim = rows.claim(clocked, rows.queue(clocked, conversation_id="given up"))
    leases = LeaseKeeper(clocked, 30.0)
    hung_up, asked, stopped_at = threading.Event(), threading.Event(), list[float]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def provide() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20.0)
                connection.recv(65536)
                asked.set()
                while connection.recv(65536):
                    pass
                hung_up.set()

        def stop() -> None:
            asked.wait(20.0)
            with clocked.transaction() as session:
                turns.stop(session, "given up", everything=False)
            stopped_at.append(time.monotonic())

        for work in (provide, stop):
            threading.Thread(target=work, daemon=True).start()
        monkeypatch.setenv("OPENAI_API_BASE", f"http://127.0.0.1:{server.getsockname()[1]}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        with leases.hold(claim) as lost, until(lost), pytest.raises(GivenUp):
            Model(["openai/x"]).ask([{"role": "user", "content": "hi"}], None, timeout=20.0)
        assert hung_up.wait(SOON_SECONDS), "the connection is still open"
        assert time.monotonic() - stopped_at[0] < SOON_SECONDS
    leases.stop()
