"""The package that services install: it works where `events`, `shopify` and `storage` are somebody else's."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import redis
from packaging.requirements import Requirement

from events import queues
from storage.vault import new_key_text
from workers.settings import environment

ROOT = Path(__file__).parents[2]
SERVICE = """
import sys
import events, shopify, storage
from pydantic import SecretStr
from hirecj import Publisher
from hirecj.storage import merchants
from hirecj.storage.database import Database
from hirecj.storage.vault import Vault

assert events.WHOSE == shopify.WHOSE == storage.WHOSE == "the service's"
broker_url, database_url, keys = sys.argv[1:]
database = Database(database_url)
with database.transaction() as session:
    merchants.connect_shop(
        session, Vault.from_text(keys), merchant_id="m1", shop_domain="acme.myshopify.com",
        access_token=SecretStr("shpat_1"), scopes=["read_orders"],
    )
database.dispose()
with Publisher(broker_url) as publisher:
    publisher.publish("message_received", {"merchant_id": "m1", "conversation_id": "c1", "text": "hello"})
print(*sorted(name for name in sys.modules if name.partition(".")[0] in ("events", "shopify", "storage")))
"""


def test_it_imports_itself_only(client_package: Path) -> None:
    modules = sorted(client_package.rglob("*.py"))
    assert {"publisher.py", "replies.py", "merchants.py"} <= {path.name for path in modules}
    ours = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.partition(".")[0] for name in names} & ours, f"{path}:{node}"


def test_a_service_with_packages_of_the_same_names(
    client_package: Path, tmp_path: Path, valkey_url: str, database_url: str
) -> None:
    for name in ("events", "shopify", "storage"):
        (tmp_path / f"{name}.py").write_text('WHOSE = "the service\'s"')
    (tmp_path / "service.py").write_text(SERVICE)
    done = subprocess.run(
        [sys.executable, "service.py", valkey_url, database_url, new_key_text(1)],
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(client_package.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "events shopify storage\n"), done.stderr
    with redis.Redis.from_url(valkey_url) as broker:
        assert broker.llen(queues.EVENTS) == 1


def test_what_it_needs_has_room_for_other_versions_and_holds_ours() -> None:
    client, workers = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"] for folder in ("client", ".")
    )
    assert client["version"] == workers["version"]
    needed = [Requirement(line) for line in client["dependencies"] + client["optional-dependencies"]["auth"]]
    locked = dict(
        re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==([^ ;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    )
    for requirement in needed:
        assert requirement.specifier.contains(locked[requirement.name]), requirement
    # None is needed that the workers do not name.
    ours = [Requirement(line).name for line in workers["dependencies"] + workers["optional-dependencies"]["worker"]]
    assert {requirement.name for requirement in needed} <= set(ours)
