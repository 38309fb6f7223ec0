"""The ground of a run: servers that can crash, real workers under the supervisor, a gateway process."""

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from tests.chaos import mutants
from tests.chaos.record import Record
from tests.door import KEYS
from tests.proxy import Proxy
from tests.servers import PostgresForTests
from tests.stack import ROOT, Stack
from workers.local.embedded import EmbeddedValkey, free_port
from workers.local.procfile import Process
from workers.local.supervisor import Pace

COUNTS: Mapping[str, int] = {"intake": 2, "workflow": 2, "agent": 3, "shopify": 2}
SOCKET = ".s.PGSQL.5432"
STANDBY = "standby"
"""A file of this name in `orders` lets a second gateway stand by."""
QUICK_PACE = Pace(first=0.2, longest=0.5)


@dataclass(frozen=True)
class Ground:
    """Everything a run needs. `orders` is the folder in which mutants are switched on.

    At the quick pace the workers reach the servers through the proxies; otherwise the proxies are unused.
    """

    stack: Stack
    postgres: PostgresForTests
    valkey: EmbeddedValkey
    record: Record
    orders: Path
    lease_seconds: float
    database_door: Proxy
    broker_door: Proxy
    doors: Sequence[str]
    """Where the doors are."""
    at_doors: Record
    """What frontends there have shown."""


@contextlib.contextmanager
def ground(
    folder: Path, *, quick: bool, lease_seconds: float, counts: Mapping[str, int] = COUNTS, durable: bool = True
) -> Iterator[Ground]:
    """With `quick`, everything runs at a fifth of production's pauses; otherwise exactly what `cj up` runs.

    With `quick`, the second process of each kind also has its clock an hour ahead.
    """
    orders = folder / "orders"
    orders.mkdir()
    if quick:
        (orders / mutants.QUICK).touch()
    environ = {
        "CJ_WORKFLOWS": str(unhurried_workflows(folder)),
        "CJ_LEASE_SECONDS": f"{lease_seconds:g}",
        "CJ_RECOVERY_FACTOR": f"{mutants.QUICK_FACTOR if quick else 1:g}",
    }
    with (
        PostgresForTests(folder / "postgres", durable=durable) as postgres,
        EmbeddedValkey(folder / "valkey") as valkey,
        postgres.migrated_database() as database_url,
    ):
        socket_folder = Path(parse_qs(urlsplit(database_url).query)["host"][0])
        doors = contextlib.ExitStack()
        own_folder = Path(doors.enter_context(tempfile.TemporaryDirectory(prefix="cj-door-", dir="/tmp")))
        own_folder.chmod(0o755)
        database_door = Proxy.of_socket(socket_folder / SOCKET, own_folder / SOCKET)
        broker_door = Proxy.of_port(int(urlsplit(valkey.url).port or 0))
        doors.enter_context(database_door)
        doors.enter_context(broker_door)
        if quick:
            behind = valkey.url.replace(f":{urlsplit(valkey.url).port}/", f":{broker_door.port}/")
            environ |= {"BROKER_URL": behind, "REDIS_URL": behind}
            environ["DATABASE_URL"] = database_url.replace(quote(str(socket_folder)), quote(str(own_folder)))
        command = f"exec python -m tests.chaos.gateway '{valkey.url}' '{folder / 'shown'}' '{orders}'"
        ports = [free_port(), free_port()]
        keys = " ".join(f"{name}={value}" for name, value in KEYS.items())
        listens = f"{keys} CJ_GATEWAY_LISTEN=127.0.0.1:{{}} exec python -m workers.gateway"
        others = (
            Process("gateway", command),
            Process("standby", f"{command} {STANDBY}"),
            *(Process(f"door.{number}", listens.format(port)) for number, port in enumerate(ports, 1)),
        )
        with (
            doors,
            Stack(
                database_url,
                valkey.url,
                folder,
                counts=counts,
                environ=environ,
                command=(lambda process: mutants.through(process, orders))
                if quick
                else lambda process: process.command,
                pace=QUICK_PACE if quick else None,
                others=others,
                shows=False,
            ) as stack,
        ):
            record = Record(folder / "shown")
            at_doors = Record(folder / "shown-at-doors")
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            yield Ground(
                stack, postgres, valkey, record, orders, lease_seconds, database_door, broker_door, urls, at_doors
            )


def unhurried_workflows(folder: Path) -> Path:
    """The shipped workflows without the pause between messages."""
    target = folder / "workflows"
    target.mkdir()
    for source in (ROOT / "workflows").glob("*.yaml"):
        whole = re.sub(r"(?m)^limits:\n", "limits:\n  pause_between_messages_seconds: 0\n", source.read_text())
        if "pause_between_messages_seconds: 0\n" not in whole:
            whole += "\nlimits:\n  pause_between_messages_seconds: 0\n"
        (target / source.name).write_text(whole)
    return target
