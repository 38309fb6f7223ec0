"""What benchmarks run on: temporary, durable Postgres and Valkey, the stubs, and a development store."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from shopify.development_store.server import DevelopmentStore
from tests.servers import PostgresForTests
from tests.stack import ROOT
from workers.local.embedded import EmbeddedValkey


@dataclass(frozen=True)
class Ground:
    """A database at the migration head, a Valkey with its append-only file, and a folder."""

    postgres: PostgresForTests
    database_url: str
    valkey: EmbeddedValkey
    folder: Path


@contextmanager
def ground() -> Iterator[Ground]:
    """The servers, while the block runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            PostgresForTests(folder / "postgres", durable=True) as postgres,
            EmbeddedValkey(folder / "valkey") as valkey,
            postgres.migrated_database() as database_url,
        ):
            yield Ground(postgres, database_url, valkey, folder)


def unhurried_workflows(folder: Path) -> Path:
    """The shipped workflows without the pause between messages. The model asks for everything: a flow is four calls."""
    target = folder / "workflows"
    target.mkdir()
    for source in (ROOT / "workflows").glob("*.yaml"):
        text = re.sub(r"(?m)^limits:\n", "limits:\n  pause_between_messages_seconds: 0\n", source.read_text())
        text = text.replace("          inject: true\n", "")
        if "pause_between_messages_seconds: 0\n" not in text:
            text += "\nlimits:\n  pause_between_messages_seconds: 0\n"
        (target / source.name).write_text(text)
    return target


class _Process:
    """A helper in a process of its own, so that it does not compete with this one's threads."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline().strip()
        self.pid = self._process.pid

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class StubsProcess(_Process):
    """`bench.stubs`: a model and a store that answer at once."""

    def __init__(self) -> None:
        super().__init__("bench.stubs")
        self.url = self.said
        self.admin_url = f"{self.url}/{{shop}}/admin"

    def as_store(self) -> DevelopmentStore:
        """Typed as a store, for callers that only need its address and `register`."""
        return cast(DevelopmentStore, self)

    def register(self, shop_domain: str, size: str, token: str, **settings: Any) -> None:
        """Every shop is known."""

    def first_requests(self) -> dict[str, float]:
        """When each shop was first asked (Unix time), by its domain."""
        return dict(httpx.get(f"{self.url}/first", trust_env=False).json())


class StoreProcess(_Process):
    """The development store."""

    def __init__(self) -> None:
        super().__init__("shopify.development_store", "--port", "0")
        self.admin_url = self.said.split("SHOPIFY_ADMIN_URL=")[1]
        self._http = httpx.Client(base_url=self.admin_url.split("/{shop}")[0], trust_env=False)

    def as_store(self) -> DevelopmentStore:
        """Typed as a store, for callers that only need its address and `register`."""
        return cast(DevelopmentStore, self)

    def register(self, shop_domain: str, size: str, token: str, **settings: Any) -> None:
        asked = {"shop_domain": shop_domain, "size": size, "token": token, **settings}
        self._http.post("/_control/shops", json=asked).raise_for_status()

    def fault(self, fault: dict[str, Any]) -> None:
        self._http.post("/_control/faults", json=fault).raise_for_status()

    def clear_faults(self) -> None:
        self._http.delete("/_control/faults").raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        return list(self._http.get("/_control/requests").json()["requests"])

    def stop(self) -> None:
        self._http.close()
        super().stop()
