"""Scenario tests as a workflow author uses them: in pytest and with `cj workflows test`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = (sys.executable, "-m", "pytest", "-p", "tests.scenario_plugin", "-p", "no:cacheprovider", "-q")
CJ_TEST = (sys.executable, "-c", "from workers.cli import main; main()", "workflows", "test")

RIGHT = """\
name: right
steps:
  - action: simulate_oauth_complete
  - expect: cj_message
    contains: "{{store.customers}} customers in your store"
"""
LATE = """\
name: late
given: {connected: true, workflow: ad_hoc_support}
model:
  - say: "Let me look."
    call: {shopify_data: {data_type: counts}}
  - say: "Seventy-eight."
steps:
  - action: merchant_message
    text: "How many customers do I have?"
  - expect: cj_message
    contains: "Let me look."
  - expect: cj_message
    contains: "Seventy-eight."
    within: 0.5
"""
EARLY = LATE.replace("late", "early").replace(
    """contains: "Let me look."
  - expect: cj_message
    contains: "Seventy-eight."
    within: 0.5
""",
    """contains: "Seventy-eight."
  - expect: cj_message
    contains: "Let me look."
""",
)
SHORT = """\
name: short
given: {connected: true, workflow: ad_hoc_support}
model:
  - call: {shopify_data: {data_type: counts}}
steps:
  - action: merchant_message
    text: "How many customers do I have?"
  - expect: cj_message
"""
REPEATED = """\
name: repeated
given: {workflow: shopify_onboarding}
steps:
  - action: simulate_oauth_complete
    data: {success: false}
  - expect: nothing
    kind: cj_message
"""
SURVIVED = """\
name: survived
given: {connected: true, workflow: ad_hoc_support}
model: [{say: "Hello."}]
steps:
  - action: kill
    worker: agent
    at: tools.before
  - action: merchant_message
    text: "Hello?"
  - expect: cj_message
    final: true
"""
HURRIED = """\
name: hurried
limits:
  total_seconds: 0.001
steps:
  - action: simulate_oauth_complete
  - expect: cj_message
"""
#: The event's wake-up is lost; the sweeper notices after a second or two.
MISSED = """\
name: missed
given: {connected: true, workflow: ad_hoc_support}
model: [{say: "Hello."}]
steps:
  - action: kill
    worker: intake
    at: T1.after_commit
  - action: merchant_message
    text: "Hello?"
  - expect: nothing
    kind: cj_message
    for: 20
"""
#: The store is slow for the second message's data and refuses the third's. The fetch is working, or waiting to retry,
#: so the pause before the message must not be skipped.
PATIENT = """\
name: patient
faults:
  - {on: shopify.recent_orders, call: every, fail: slow, seconds: 1}
  - {on: shopify.overview, call: 1, fail: rate_limit, seconds: 1.5}
steps:
  - action: simulate_oauth_complete
  - expect: cj_message
    contains: "customers in your store"
  - expect: cj_tool_call
    params: {data_type: recent_orders}
    min_delay: 9.9
    within: 11.5
    max_seconds: 0.5
    result: {cached: true}
  - expect: cj_tool_call
    params: {data_type: overview}
    min_delay: 9.9
    result: {cached: true}
  - expect: cj_message
    contains: "support system"
    within: 1.0
  - expect: nothing
    kind: cj_message
    for: 60
"""
MISSPELT = """\
name: misspelt
steps:
  - action: simulate_oauth_complete
  - expect: cj_mesage
"""


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a person would; its children can be recognized by their TMPDIR."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environ |= {"TMPDIR": str(cwd), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=110)


def left_behind(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scenarios").mkdir()
    return tmp_path


def test_a_failing_scenario_tells_where_what_and_the_timed_log(folder: Path) -> None:
    files = {"late": LATE, "missed": MISSED, "repeated": REPEATED, "right": RIGHT, "short": SHORT, "survived": SURVIVED}
    for name, text in (files | {"hurried": HURRIED, "early": EARLY}).items():
        (folder / "scenarios" / f"{name}.yaml").write_text(text)
    done = run(*PLUGIN, "scenarios", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "7 failed, 1 passed" in done.stdout
    told = done.stdout
    assert "scenarios/late.yaml:12: cj_message came 1." in told
    assert " s after the step before, expected at most 0.50 s\n  12 | - expect: cj_message\n  13 |   contains: " in told
    assert "  *    0." in told
    assert 'cj_tool_call    shopify_data {"data_type": "counts"} succeeded, ' in told
    assert "scenarios/short.yaml:8: cj_message did not come: the model was asked once more, but 'model' has one" in told
    assert "scenarios/early.yaml:12: cj_message did not come, and nothing is under way any more" in told
    assert "^ this would match, but it came before the entry that the step above matched: expect it earlier" in told
    assert "scenarios/repeated.yaml:6: cj_message came, but nothing was expected" in told
    assert "scenarios/missed.yaml:10: cj_message came, but nothing was expected" in told
    assert "scenarios/survived.yaml:5: no agent worker got to tools.before: nobody was killed" in told
    assert "scenarios/hurried.yaml:3: all of it took " in told
    assert "Traceback" not in told
    assert left_behind(folder) == []


def test_what_is_a_scenario(folder: Path) -> None:
    (folder / "scenarios" / "right.yaml").write_text(RIGHT)
    (folder / "other.yaml").write_text(RIGHT.replace("right", "other"))
    (folder / "scenarios" / "notes.txt").write_text("not one")
    found = run(*PLUGIN, "--collect-only", cwd=folder)
    assert "scenarios/right.yaml::right" in found.stdout
    assert "other.yaml" not in found.stdout
    named = run(*PLUGIN, "--collect-only", "other.yaml", cwd=folder)
    assert "other.yaml::other" in named.stdout


def test_a_mistake_in_a_scenario_is_an_error_of_the_collection(folder: Path) -> None:
    (folder / "scenarios" / "misspelt.yaml").write_text(MISSPELT)
    done = run(*PLUGIN, cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "scenarios/misspelt.yaml:4:13: unknown expectation 'cj_mesage', did you mean 'cj_message'?" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_plugin_costs_other_tests_nothing() -> None:
    code = (
        "import sys, tests.scenario_plugin;"
        "heavy = {'celery', 'kombu', 'sqlalchemy', 'litellm', 'pydantic', 'yaml', 'aiohttp', 'redis'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_somebody_elses_workflows_are_tested_without_pytest(folder: Path) -> None:
    """A copy of the onboarding workflow with a different condition and prompt and fewer tools."""
    flows = folder / "flows"
    flows.mkdir()
    for name in ("shopify_onboarding", "ad_hoc_support"):
        shutil.copy(ROOT / "workflows" / f"{name}.yaml", flows)
    text = (flows / "shopify_onboarding.yaml").read_text()
    changed = text.replace("name: shopify_onboarding", "name: quiet_onboarding")
    changed = changed.replace("provider == 'shopify' and success == true", "success == true and provider != 'x'")
    changed = changed.replace("behavior:\n", "behavior:\n  opens: []\n")
    changed = changed.replace('message: "show_shopify_insights"', 'message: "store_reconnected"')
    (flows / "quiet_onboarding.yaml").write_text(changed)
    (folder / "quiet.yaml").write_text(
        "name: quiet\ngiven: {workflow: quiet_onboarding}\nsteps:\n  - action: simulate_oauth_complete\n"
        "  - expect: cj_message\n    contains: connected again\n    final: true\n"
        "  - expect: nothing\n    kind: cj_tool_call\n    for: 0.2\n"
    )
    (folder / "misspelt.yaml").write_text(MISSPELT)
    # And beside it the workflows that the documentation has to copy from
    examples = ROOT / "workflows" / "examples"
    for path in examples.glob("*.yaml"):
        shutil.copy(path, flows)
    shutil.copytree(examples / "scenarios", folder / "shown")
    done = run(*CJ_TEST, "quiet.yaml", "misspelt.yaml", "shown", "--workflows", "flows", "--json", cwd=folder)
    assert done.stdout, done.stderr
    assert done.returncode == 1
    wrong, *right = json.loads(done.stdout)
    assert wrong["problem"].startswith("misspelt.yaml:4:13: unknown expectation")
    named = ["quiet", "not_vip", "vip_onboarding", "weekly_review", "win_back", "win_back_answered"]
    assert [(one["name"], one["problem"]) for one in right] == [(name, None) for name in named]
    assert left_behind(folder) == []


def test_pauses_are_skipped_and_count_all_the_same(folder: Path) -> None:
    """Twenty seconds pass in the scenario, but only a twentieth of that in real time."""
    flows = folder / "flows"
    shutil.copytree(ROOT / "workflows", flows, ignore=shutil.ignore_patterns("*.py", "*.md"))
    text = (flows / "shopify_onboarding.yaml").read_text()
    assert "\nlimits:" not in text
    (flows / "shopify_onboarding.yaml").write_text(text + "\nlimits:\n  pause_between_messages_seconds: 10\n")
    (folder / "patient.yaml").write_text(PATIENT)
    done = run(*CJ_TEST, "patient.yaml", "--workflows", "flows", "--json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    [result] = json.loads(done.stdout)
    assert result["seconds"] < 5.0


def test_processes_of_pytest_do_not_meet(folder: Path) -> None:
    for name in ("right", "other"):
        (folder / "scenarios" / f"{name}.yaml").write_text(RIGHT.replace("right", name))
    done = run(*PLUGIN, "-n", "2", "scenarios", cwd=folder)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert left_behind(folder) == []


def test_no_scenario_is_wrong_use(folder: Path) -> None:
    done = run(*CJ_TEST, "scenarios", cwd=folder)
    assert done.returncode == 2
    assert "no *.yaml in scenarios" in done.stderr
