"""The incidents of the runbook, played on real processes in real time: `python -m tests.chaos.drill [--only NAME …]`.

For each: something breaks; a Prometheus that reads the workers' pages with the shipped rules must raise the alert;
`cj status` or `cj why` must name the cause on one screen; and the runbook's step must end it, so that a merchant is
answered again. Needs `prometheus` (Debian's package), and root for `disk_full`, which mounts a small file system. About
three minutes each, most of which the rules wait before they alarm. Exit code 1 if anything was missed.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import yaml
from sqlalchemy import text

from bench.figures import table
from storage.vault import new_key_text
from tests.openai_server import OpenAIServer, Status, plays_the_demo_model
from tests.servers import PostgresForTests
from tests.stack import ROOT, Gateway, Stack
from tests.tcp import closed_port
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedValkey
from workers.local.embedded_server import EmbeddedServerError
from workers.local.procfile import Process
from workers.local.stack import Late

RULES = ROOT / "workers" / "monitoring" / "alerts.yaml"
FIRST_PORT = 19_564
SCRAPE_SECONDS = 5
ALERT_SECONDS = 480.0
HISTORY = "max_over_time(up[1h:1m])"
OVER_SECONDS = 180.0
SCREEN_LINES = 50
AHEAD_SECONDS = 90
#: Runs a worker, or `cj`, on a machine whose clock is wrong while a file is there.
SKEWED = (
    "import os, sys, time; right = time.time; "
    f"time.time = lambda: right() + ({AHEAD_SECONDS} if os.path.exists({{flag!r}}) else 0); "
    "import runpy; sys.argv[:] = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__')"
)


class Drill:
    """What incidents break, look at and mend."""

    def __init__(self, stack: Stack, valkey: EmbeddedValkey, postgres: PostgresForTests, folder: Path) -> None:
        self.stack, self.postgres, self.folder = stack, postgres, folder
        self.redis = redis.Redis.from_url(valkey.url)
        self.model_down = False
        self._number = 0

    @property
    def clock(self) -> Path:
        return self.folder / "clock-is-wrong"

    @property
    def keys(self) -> Path:
        return self.folder / "token-keys"

    def merchant(self) -> str:
        """A merchant with a shop and a conversation; all three are named alike."""
        self._number += 1
        name = f"drill-{self._number}"
        self.stack.connect(f"{name}.myshopify.com", name, size="tiny")
        self.stack.publish("conversation_started", {"merchant_id": name, "conversation_id": name})
        return name

    def ask(self, name: str, *, times: int = 1) -> None:
        for _ in range(times):
            self.stack.say(name, name, "What did I sell this week?")

    def is_answered(self) -> None:
        """A new merchant asks and is answered. Raises Late."""
        name = self.merchant()
        self.ask(name)
        wait_until(
            lambda: any("sold" in told or "orders" in told for told in self.stack.gateway.texts(name)),
            limit=OVER_SECONDS,
            what="an answer",
        )

    def cj(self, *arguments: str) -> str:
        """What `cj` prints on the machine of the incident."""
        command = [sys.executable, "-c", SKEWED.format(flag=str(self.clock)), "workers", *arguments]
        done = subprocess.run(
            command,
            env=self.stack.environ() | {"CJ_TOKEN_KEYS": self.keys.read_text()},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    def end_process(self, kind: str) -> None:
        """The supervisor starts another."""
        os.kill(self.stack.supervisor.pids()[kind], signal.SIGTERM)

    def sql(self, statement: str) -> None:
        with self.stack.database.transaction() as session:
            session.execute(text(statement))


@dataclass(frozen=True)
class Incident:
    """`looks`: commands of `cj`, `NAME` being a merchant's, and what each must say."""

    alert: str
    begin: Callable[[Drill, str], None]
    looks: Sequence[tuple[tuple[str, ...], str]]
    end: Callable[[Drill, str], None]
    meanwhile: Callable[[Drill, str], None] = lambda drill, name: drill.ask(name)


def fill_broker(drill: Drill, name: str) -> None:
    used = int(drill.redis.info("memory")["used_memory"])
    drill.redis.config_set("maxmemory-policy", "noeviction")
    drill.redis.config_set("maxmemory", used // 2)


def empty_and_widen_broker(drill: Drill, name: str) -> None:
    """The worst case besides: what lay on it is gone."""
    drill.redis.config_set("maxmemory", 0)
    drill.redis.flushall()


def take_gateway(drill: Drill, name: str) -> None:
    drill.stack.gateway.stop()
    drill.ask(name)


def bring_gateway(drill: Drill, name: str) -> None:
    drill.stack.gateway = Gateway(drill.stack.broker_url)
    drill.stack.gateway.start()


def break_shopify(drill: Drill, name: str) -> None:
    drill.stack.store.fault(None, "status", status=503)


def mend_shopify(drill: Drill, name: str) -> None:
    drill.stack.store.clear_faults()


def ask_of_many_shops(drill: Drill, _name: str) -> None:
    drill.ask(drill.merchant())


def take_model(drill: Drill, name: str) -> None:
    drill.model_down = True


def bring_model(drill: Drill, name: str) -> None:
    drill.model_down = False
    drill.cj("turns", "retry", "--all", "--since", "2h", "--error", "model_unavailable")


def poison(drill: Drill, name: str) -> None:
    """A workflow whose events cannot be handled, whatever the reason: here Postgres refuses its turns."""
    drill.sql("""
        CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.input ->> 'text' LIKE '%poison%' THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$
    """)
    drill.sql("CREATE TRIGGER poison BEFORE INSERT ON turns FOR EACH ROW EXECUTE FUNCTION poison()")
    for _ in range(15):
        drill.stack.say(name, name, "poison")


def cure(drill: Drill, name: str) -> None:
    drill.sql("DROP TRIGGER poison ON turns")
    refused = re.findall(r"(?m)^\s*(\d+)\b", drill.cj("events", "rejected"))
    for key in refused:
        drill.cj("events", "retry", key)


def fill_disk(drill: Drill, name: str) -> None:
    with (drill.folder / "postgres" / "fills-the-disk").open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65_536)
            file.flush()


def make_room(drill: Drill, name: str) -> None:
    (drill.folder / "postgres" / "fills-the-disk").unlink()
    with contextlib.suppress(EmbeddedServerError):  # it had stopped, since it could not write its log
        drill.postgres.start()


def lose_key(drill: Drill, name: str) -> None:
    drill.keys.write_text(new_key_text().replace("1:", "9:", 1))
    drill.end_process("shopify")  # the next one refuses to start


def put_key_back(drill: Drill, name: str) -> None:
    drill.keys.write_text(drill.stack.keys)


def flood(drill: Drill, name: str) -> None:
    drill.ask(name, times=300)


def revoke(drill: Drill, name: str) -> None:
    """Seven shops at once, as when the app's secret changed."""
    names = [name, *(drill.merchant() for _ in range(6))]
    for one in names:
        drill.stack.store.fault(f"{one}.myshopify.com", "unauthorized")
        drill.ask(one)


def connect_again(drill: Drill, name: str) -> None:
    drill.stack.store.clear_faults()
    for number in range(1, drill._number + 1):
        one = f"drill-{number}"
        drill.stack.connect(f"{one}.myshopify.com", one, size="tiny", token=f"shpat_again_{one}")


def nothing(_drill: Drill, _name: str) -> None:
    """Ends by itself."""


INCIDENTS: Mapping[str, Incident] = {
    "broker_full": Incident(
        "CJBrokerAway",
        fill_broker,
        [(("check",), r"✗ broker .*(maxmemory|memory)"), (("status",), "✗ the broker has used .* of its maxmemory")],
        empty_and_widen_broker,
    ),
    "shopify_down": Incident(
        "CJShopifyDown",
        break_shopify,
        [(("why", "NAME"), "Shopify|it lacked data|promised"), (("status",), "Shopify|stores can be read again")],
        mend_shopify,
        ask_of_many_shops,
    ),
    "model_down": Incident(
        "CJModelDown",
        take_model,
        [(("why", "NAME"), "waits for a model: none answers"), (("status",), "because no language model answers")],
        bring_model,
        ask_of_many_shops,
    ),
    "gateway_away": Incident(
        "CJRepliesNotAcked",
        take_gateway,
        [
            (("status",), "the chat gateway does not consume `replies`"),
            (("why", "NAME"), "the chat gateway is down, or does not ack"),
        ],
        bring_gateway,
        nothing,
    ),
    "poison_workflow": Incident(
        "CJEventsRefused",
        poison,
        [(("status",), "events refused in the last hour"), (("why", "NAME"), "was refused: event.handling_failed")],
        cure,
        nothing,
    ),
    "disk_full": Incident(
        "CJPostgresAway",
        fill_disk,
        [(("status",), "Postgres accepts no writes|Postgres is not available")],
        make_room,
    ),
    "clock_wrong": Incident(
        "CJClockWrong",
        lambda drill, _name: drill.clock.touch(),
        [(("status",), "clock differs from Postgres' by 90 s")],
        lambda drill, _name: drill.clock.unlink(),
        nothing,
    ),
    "key_lost": Incident(
        "CJProcessMissing",
        lose_key,
        [(("status",), "no shopify worker answers"), (("check", "--kind", "shopify"), "lacks key 1")],
        put_key_back,
        nothing,
    ),
    "flood": Incident(
        "CJFlood",
        flood,
        [
            (("status",), "messages of merchant NAME that were declined"),
            (("why", "NAME"), "messages declined in the last hour"),
        ],
        nothing,
        lambda drill, name: drill.ask(name, times=100),  # more than is answered: the model takes no time
    ),
    "must_reconnect": Incident(
        "CJShopsMustReconnect",
        revoke,
        [(("why", "NAME"), "must reconnect"), (("status",), "[5-9] needs_reauth")],
        connect_again,
        nothing,
    ),
}


@contextlib.contextmanager
def prometheus(folder: Path) -> Iterator[Callable[[], set[str]]]:
    """A Prometheus with the shipped rules; the function tells which alerts fire."""
    port, own = closed_port(), folder / "prometheus"
    own.mkdir()
    targets = [f"127.0.0.1:{FIRST_PORT + number}" for number in range(5)]
    config = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "cj", "static_configs": [{"targets": targets}]}],
    }
    (own / "prometheus.yaml").write_text(yaml.safe_dump(config))
    command = [
        "prometheus", f"--config.file={own / 'prometheus.yaml'}", f"--storage.tsdb.path={own / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (own / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)

    def answer(path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=5) as response:
            return dict(json.load(response)["data"])

    def firing() -> set[str]:
        alerts = answer("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def has_history() -> bool:
        """Some rules compare with each full minute before: what breaks within the first would have no before."""
        try:
            return bool(answer(f"query?query={urllib.parse.quote(HISTORY)}")["result"])
        except OSError:
            return False

    try:
        wait_until(has_history, limit=120, what="Prometheus' first minute")
        yield firing
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own for Postgres, where that can be had."""
    (folder / "postgres").mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m,mode=777", "tmpfs", str(folder / "postgres")], check=False
    )
    try:
        yield
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", str(folder / "postgres")], check=False)


@contextlib.contextmanager
def drill_ground() -> Iterator[tuple[Drill, Callable[[], set[str]]]]:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as opened:
        folder = Path(name)
        folder.chmod(0o755)
        opened.enter_context(small_disk(folder))
        postgres = opened.enter_context(PostgresForTests(folder / "postgres" / "server"))
        valkey = opened.enter_context(EmbeddedValkey(folder / "valkey", aof=False))
        database_url = opened.enter_context(postgres.migrated_database())
        drills: list[Drill] = []
        model = OpenAIServer(
            lambda received: Status(503) if drills and drills[0].model_down else plays_the_demo_model(received)
        )
        opened.enter_context(model)

        def command(process: Process) -> str:
            if process.kind == "shopify":
                return f'export CJ_TOKEN_KEYS="$(cat {folder / "token-keys"})"; {process.command}'
            if process.kind == "intake":
                skewed = SKEWED.format(flag=str(folder / "clock-is-wrong"))
                return f'exec python -c "{skewed}" workers.intake'
            return process.command

        environ = {
            "CJ_METRICS_PORT": str(FIRST_PORT),
            "CJ_MODEL": "openai/drill",
            "OPENAI_API_BASE": model.base_url,
            "CJ_MAX_WAITING_TURNS": "20",
        }
        stack = Stack(database_url, valkey.url, folder, environ=environ, command=command)
        (folder / "token-keys").write_text(stack.keys)
        opened.enter_context(stack)
        drills.append(Drill(stack, valkey, postgres, folder))
        yield drills[0], opened.enter_context(prometheus(folder))


def play(drill: Drill, name: str, incident: Incident, firing: Callable[[], set[str]]) -> dict[str, str]:
    """One incident; what was measured."""
    drill.is_answered()
    merchant = drill.merchant()
    drill.ask(merchant)
    wait_until(lambda: incident.alert not in firing(), limit=ALERT_SECONDS, what="the alert to be over")
    print(f"\n=== {name}", flush=True)
    began = time.monotonic()
    incident.begin(drill, merchant)
    found = {"incident": name, "alert": f"{incident.alert} MISSED", "named by": "", "over after": "MISSED"}

    def alarmed() -> bool:
        with contextlib.suppress(Exception):  # what is broken may refuse this, too
            incident.meanwhile(drill, merchant)
        time.sleep(1.0)
        return incident.alert in firing()

    with contextlib.suppress(Late):
        wait_until(alarmed, limit=ALERT_SECONDS)
        found["alert"] = f"{incident.alert} after {time.monotonic() - began:.0f} s"
    named = []
    for arguments, wanted in incident.looks:
        arguments = tuple(one.replace("NAME", merchant) for one in arguments)
        said = drill.cj(*arguments)
        lines = said.splitlines()
        fits = re.search(wanted.replace("NAME", merchant), said) and len(lines) <= SCREEN_LINES
        named.append(f"cj {arguments[0]}{'' if fits else ' MISSED'}")
        print(f"$ cj {' '.join(arguments)}\n{said}", flush=True)
    found["named by"] = ", ".join(named)
    mending = time.monotonic()
    incident.end(drill, merchant)
    with contextlib.suppress(Late):
        drill.is_answered()
        found["over after"] = f"{time.monotonic() - mending:.0f} s"
    print(found, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=INCIDENTS, default=list(INCIDENTS))
    options = parser.parse_args()
    if shutil.which("prometheus") is None:
        raise SystemExit("prometheus is not installed: apt-get install prometheus")
    with drill_ground() as (drill, firing):
        found = [play(drill, name, INCIDENTS[name], firing) for name in options.only]
    print()
    print(table(found))
    raise SystemExit(any("MISSED" in value for row in found for value in row.values()))


if __name__ == "__main__":
    main()
