"""`python -m tests.copilotkit [FOLDER]`: CopilotKit's client and runtime talk with CJ through the door.

FOLDER keeps what npm brings, 300 MB; without it they are brought again each time. Exit code 1 if a word was lost,
doubled, or missing in the history.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.door import KEYS, token
from tests.servers import PostgresForTests, fast_folder
from tests.stack import ROOT, Stack
from workers.local.embedded import EmbeddedValkey, free_port
from workers.local.procfile import Process

HERE = Path(__file__).parent
SAYS = ("How many customers do I have?", "And how was my week?")
QUIET = {"COPILOTKIT_TELEMETRY_DISABLED": "true", "DO_NOT_TRACK": "1", "SCARF_ANALYTICS": "false"}


def main() -> int:
    """Talk once; print what the first client has, and what a second one has that connects anew."""
    with tempfile.TemporaryDirectory() as temporary, fast_folder() as servers:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        _install(folder)
        found = _talk(folder, servers)
    print(json.dumps(found, indent=1, ensure_ascii=False))
    problems = list(_problems(found["first"], found["second"], found["warnings"]))
    print(*(problems or ["good"]), sep="\n")
    return 1 if problems else 0


def _install(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "talk.mjs"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(command, cwd=folder, check=True)


def _talk(folder: Path, servers: Path) -> dict[str, list[list[str]]]:
    port = free_port()
    door = Process("gateway", "exec python -m workers.gateway")
    environ = {**KEYS, "CJ_GATEWAY_LISTEN": f"127.0.0.1:{port}"}
    with (
        PostgresForTests(servers / "postgres", durable=False) as postgres,
        EmbeddedValkey(servers / "valkey") as valkey,
        postgres.migrated_database() as database_url,
        Stack(database_url, valkey.url, servers, environ=environ, others=(door,), shows=False) as stack,
    ):
        stack.connect("copilot.myshopify.com", "m1", size="tiny")
        assert stack.supervisor.wait_ready(60)
        asked = {"door": f"http://127.0.0.1:{port}", "token": token(), "threadId": "copilot", "says": SAYS}
        environ = {**os.environ, **QUIET}
        done = subprocess.run(
            ["node", "talk.mjs", json.dumps(asked)], cwd=folder, env=environ, stdout=subprocess.PIPE, timeout=120
        )
        assert done.returncode == 0, "CopilotKit ended with an error"
        answer: dict[str, list[list[str]]] = json.loads(done.stdout)
        return answer


def _problems(first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], warnings: Sequence[object]) -> list[str]:
    """`first` talked; `second` connected when it was over."""
    found = [f"CopilotKit warned: {warning}" for warning in warnings]
    words = [(role, said) for role, said in first if role != "tool" and said]
    if [said for role, said in words if role == "user"] != list(SAYS):
        found.append("not each message of the merchant is there once")
    if len(words) <= len(SAYS) or words[-1][0] != "assistant":
        found.append("CJ did not answer")
    if [(role, said) for role, said in second] != words:
        found.append("the history is not what was said")
    return found


if __name__ == "__main__":
    assert ROOT.is_dir()
    sys.exit(main())
