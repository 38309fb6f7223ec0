"""`cj up` as people use it: one terminal runs everything, another talks to it without any environment."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from shopify.development_store import token_for
from storage.database import Database
from tests import rows
from tests.cj import Terminal
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedPostgres
from workflows.loader import SHIPPED

SHOP = "dev-tiny.myshopify.com"
#: The console script `cj`, announcing itself first.
START = "import sys; print('begun', flush=True); from workers.__main__ import main; main()"
pytestmark = pytest.mark.timeout(300)


class Up:
    """A `cj up` in its own folder, and its output so far."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from workers.cli import main; main()", "up", *options],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, said: str, *, limit: float = 90.0) -> None:
        wait_until(lambda: said in self.text or self._process.poll() is not None, limit=limit, what=said)
        assert said in self.text, self.text

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self._process.pid).children(recursive=True)

    def end(self, number: signal.Signals) -> int:
        """Signal only the parent, unlike a terminal: the children must not depend on getting the signal."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self._process.wait(60)
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def kill_if_running(self) -> None:
        if self._process.poll() is None:
            self.end(signal.SIGKILL)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*options: str, **environ: str) -> Up:
        started.append(Up(tmp_path, *options, **environ))
        return started[-1]

    yield start
    for one in started:
        one.kill_if_running()


CONNECTED = """
SELECT DISTINCT application_name, CAST(usename AS text) FROM pg_stat_activity WHERE application_name LIKE 'cj-%'
ORDER BY 1
"""


def name_of(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


def test_one_terminal_runs_everything_and_another_uses_it(
    up: Callable[..., Up], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = up("--agents", "2")
    running.wait_for("all processes ready")
    running.wait_for(" chat m1")
    assert running.text.index("starting intake, workflow, agent.1") < running.text.index("all processes ready")
    assert " warning " not in running.text, "a newcomer has done nothing wrong"
    other = Terminal(tmp_path, monkeypatch, {})

    # Nothing is set, yet everything is found.
    checked = other.json("check")
    assert checked["ok"]
    assert checked["problems"] == []
    assert {f"agent.{number}" for number in (1, 2)} <= {line.split(" ")[0] for line in running.lines}

    # The suggested commands work (with a smaller store).
    other("store-token", SHOP, "--merchant-id", "m1", typed=token_for(SHOP))
    pairs = ["provider=shopify", "success=true", f"shop_domain={SHOP}", "merchant_id=m1", "conversation_id=c1"]
    other("publish", "oauth_complete", *pairs)
    assert "CJ: " in other("replies", "--once", "8").stdout
    moments = [moment for event in other.json("timeline", "c1")["events"] for moment in event["moments"]]
    assert {"event", "claimed", "model", "tools", "reply"} <= {moment["kind"] for moment in moments}

    # Each process has a role of its own, and the keys to tokens only where tokens are opened.
    server = EmbeddedPostgres.running(tmp_path / ".cj" / "postgres")
    assert server is not None
    connected = rows.query(Database(server), CONNECTED)
    assert connected == [
        (f"cj-{kind}", f"cj_{kind}") for kind in ("agent", "gateway", "intake", "ops", "shopify", "workflow")
    ]
    assert "more rights than it needs" not in running.text
    others = [one for one in running.processes() if name_of(one).startswith("cj-")]
    assert not any("CJ_TOKEN_KEYS" in one.environ() for one in others)

    # What comes in is taken in before it is worked on.
    steps = {one.name(): one.nice() - psutil.Process().nice() for one in others}
    assert {name for name, step in steps.items() if step} == {"cj-workflow"}
    assert steps["cj-workflow"] == 5

    # A process that dies is restarted, and work continues.
    victims = [one for one in running.processes() if one.name().startswith("cj-agent")]
    assert len(victims) == 2
    for victim in victims:
        victim.kill()
    for name in ("agent.1", "agent.2"):
        running.wait_for(f"{name} was killed by SIGKILL; restarting in 0.2 s")
    assert "CJ: " in other("chat", "m1", "--conversation", "c1", typed="How many orders do I have?\n").stdout

    # Only one may run in a folder.
    second = up()
    assert second.wait() == 2
    assert "another `cj up` is running in" in second.text

    # Ctrl-C ends everything; no token was ever shown.
    processes = running.processes()
    assert running.end(signal.SIGINT) == 0
    assert all_gone(processes)
    assert token_for(SHOP) not in running.text
    assert "it is not running in" in other("publish", "shop_redact", code=2).stderr


def test_nothing_outlives_a_cj_up_that_is_killed(up: Callable[..., Up]) -> None:
    running = up("--only", "intake")
    running.wait_for("all processes ready")
    processes = running.processes()
    assert len(processes) >= 3, "intake, postgres, valkey"
    running.end(signal.SIGKILL)
    wait_until(lambda: all_gone(processes), limit=30, what="the end of every process")
    again = up("--only", "intake")
    again.wait_for("all processes ready")
    assert again.end(signal.SIGTERM) == 0


def test_a_database_that_is_behind_is_not_touched(up: Callable[..., Up], empty_database_url: str) -> None:
    key = "1:" + "A" * 43 + "="
    refused = up(DATABASE_URL=empty_database_url, CJ_TOKEN_KEYS=key)
    assert refused.wait() == 2
    assert "alembic upgrade head" in refused.text


def test_with_real_servers_it_starts_none(up: Callable[..., Up], database_url: str, valkey_url: str) -> None:
    key = "1:" + "A" * 43 + "="
    named = {"DATABASE_URL": database_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url, "CJ_TOKEN_KEYS": key}
    running = up("--only", "intake", **named)
    running.wait_for("all processes ready")
    assert [one.name() for one in running.processes()] == ["cj-fork workers", "cj-intake"]
    assert f"BROKER_URL={valkey_url}" in running.text
    assert "plays Shopify" not in running.text
    assert "python -m shopify.development_store" in running.text
    assert running.end(signal.SIGINT) == 0
    assert {path.name for path in (running.folder / ".cj").iterdir()} == {"lock"}


def test_beside_a_real_database_the_demo_model_has_to_be_named(
    up: Callable[..., Up], database_url: str, valkey_url: str
) -> None:
    key = "1:" + "A" * 43 + "="
    named = {"DATABASE_URL": database_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url, "CJ_TOKEN_KEYS": key}
    refused = up(**named)
    assert refused.wait() == 2
    assert "CJ_MODEL is not set" in refused.text
    assert "CJ_MODEL=demo" in refused.text


def test_the_ports_are_known_beforehand(up: Callable[..., Up]) -> None:
    """Other programs are configured once: the same ports each time, or the next free ones if taken."""

    def ports(text: str) -> tuple[int, int]:
        found = re.search(
            r"BROKER_URL=redis://127.0.0.1:(\d+)/0.*SHOPIFY_ADMIN_URL=http://127.0.0.1:(\d+)/", text, re.S
        )
        assert found is not None, text
        return int(found[1]), int(found[2])

    first = up("--only", "intake")
    first.wait_for(" chat m1")
    valkey, store = ports(first.text)
    assert 6390 <= valkey < 6490
    assert 4010 <= store < 4110
    assert first.end(signal.SIGINT) == 0
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # whatever connections have just ended there
        with contextlib.suppress(OSError):  # somebody else's by now
            other.bind(("127.0.0.1", store))
            other.listen()
        second = up("--only", "intake")
        second.wait_for(" chat m1")
        assert ports(second.text)[1] != store
        assert second.end(signal.SIGINT) == 0


def test_a_folder_that_cannot_be_written_is_said(up: Callable[..., Up], tmp_path: Path) -> None:
    (tmp_path / ".cj").write_text("in the way")  # works for root too, who ignores permissions
    refused = up()
    assert refused.wait() == 2
    assert re.fullmatch(
        r"cj: cannot write to \S+/\.cj \(File exists\), .* run this in a writable folder.*", refused.text
    )


def test_ctrl_c_while_it_imports_is_a_sentence(tmp_path: Path) -> None:
    """Whenever it arrives: no traceback, and nothing left behind."""
    for pause in (0.05, 0.15, 0.3, 0.6):
        running = subprocess.Popen(
            [sys.executable, "-c", START, "up"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(pause)
        running.send_signal(signal.SIGINT)
        try:
            _, errors = running.communicate(timeout=60)
        finally:
            running.kill()
        assert "Traceback" not in errors
        assert running.returncode in (0, 1), errors


def test_wrong_settings_are_said_before_anything_starts(up: Callable[..., Up]) -> None:
    refused = up(CJ_LEASE_SECONDS="soon", CJ_WORKFLOWS="nowhere")
    assert refused.wait() == 2
    assert "CJ_LEASE_SECONDS" in refused.text
    assert "CJ_WORKFLOWS" in refused.text
    assert not (refused.folder / ".cj" / "postgres").exists()


def test_a_real_database_needs_its_keys(up: Callable[..., Up]) -> None:
    refused = up(DATABASE_URL="postgresql://127.0.0.1:1/cj")
    assert refused.wait() == 2
    assert "CJ_TOKEN_KEYS is not set" in refused.text


def test_a_process_that_refuses_ends_it_with_2(up: Callable[..., Up]) -> None:
    refused = up("--only", "agent", "--only", "intake", CJ_MODEL="no-such-provider/model")
    assert refused.wait() == 2
    assert "no-such-provider" in refused.text
    assert re.search(r"^cj: agent(\.\d)? refused to start$", refused.text, re.M)


def test_faulty_workflows_are_said_before_anything_starts(up: Callable[..., Up], tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "a.yaml").write_text("name: a\nbehaviour: {}\n")
    refused = up(CJ_WORKFLOWS=str(tmp_path / "flows"))
    assert refused.wait() == 2
    assert "a.yaml:2:1" in refused.text
    assert not (refused.folder / ".cj" / "postgres").exists()


PONG = """
    - condition: "text == 'ping'"
      actions:
        - type: "process_message"
          message: "pong"
          sender: "cj"
"""


def test_edited_workflows_are_taken_up(up: Callable[..., Up], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    text = (SHIPPED / "ad_hoc_support.yaml").read_text().partition("  transitions:")
    whole = text[0] + text[2][text[2].index("\ntools:") :]  # drop the transition to a workflow missing here
    support = flows / "ad_hoc_support.yaml"
    support.write_text(whole)
    running = up("--reload", "--only", "intake", "--only", "workflow", "--only", "agent", CJ_WORKFLOWS="flows")
    running.wait_for("all processes ready")
    pids = {one.pid for one in running.processes()}
    other = Terminal(tmp_path, monkeypatch, {})

    support.write_text(whole.replace("tools: [", "tolls: ["))
    running.wait_for("not reloaded; the workflows stay as they were")
    assert "did you mean 'tools'" in running.text
    assert pids <= {one.pid for one in running.processes()}

    support.write_text(re.sub(r"(?<=  message_received:).*\n", PONG, whole))
    began = time.monotonic()
    running.wait_for("workflows reloaded by workflow, agent")
    assert time.monotonic() - began < 5  # under a second where nothing else runs
    assert pids <= {one.pid for one in running.processes()}, "nobody was restarted"
    other("publish", "conversation_started", "merchant_id=m1", "conversation_id=c1")
    assert "CJ: pong" in other("chat", "m1", "--conversation", "c1", typed="ping\n").stdout
    assert running.end(signal.SIGINT) == 0
