"""The page of `cj up` in a browser: every message appears once, whatever process dies."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import npm
from tests.acceptance.conftest import PAGE_PORT
from tests.stack import Stack
from workers.local.local_page import LocalPage
from workers.settings import Settings

OFFICIAL = Path(__file__).parent.parent / "official"


@pytest.mark.skipif(
    shutil.which("chromium") is None and "CI" not in os.environ, reason="chromium is not installed: apt-get install it"
)
def test_everything_is_there_once(stack: Stack, tmp_path: Path) -> None:
    npm.installed(OFFICIAL)
    settings = Settings.read(stack.environ())
    with LocalPage(settings, stack.store, PAGE_PORT) as page:
        asked = json.dumps({"url": page.url, "picture": os.environ.get("PAGE_PICTURE")})
        with subprocess.Popen(
            ["node", "page.mjs", asked], cwd=OFFICIAL, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as browser:
            assert browser.stdin is not None
            assert browser.stdout is not None
            assert browser.stdout.readline() == "kill\n"
            os.kill(stack.supervisor.pids()["agent"], signal.SIGKILL)
            browser.stdin.write("on\n")
            browser.stdin.flush()
            found: dict[str, Any] = json.loads(browser.stdout.readline())
    own = ["How many customers do I have?", "And orders?", "Thank you!"]
    assert [said for said in found["before"] if said in own] == own
    own += ["Tell me about my week.", "Is anything running low?"]
    assert [said for said in found["again"] if said in own] == own, "each once, in order"
    assert [said for said in found["again"] if said not in own] == [said for said in found["shown"] if said not in own]
    for said in ("message_received", "claimed", "model", "reply", " ms"):
        assert said in found["timeline"]
    assert (found["rules"], found["problems"], found["asked"]) == ([], [], ["127.0.0.1"])


def test_other_sites_and_names_do_not_get_in(stack: Stack) -> None:
    with LocalPage(Settings.read(stack.environ()), stack.store, PAGE_PORT) as page:
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            assert httpx.post(f"{page.url}/session", json={}, headers=headers).status_code == 403
        answer = httpx.get(page.url)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "<script>" not in answer.text
