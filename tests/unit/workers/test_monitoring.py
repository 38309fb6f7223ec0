"""The alerts, the dashboard and the runbook use existing metrics; promtool plays the situation of each alert."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers import metrics

ROOT = Path(__file__).parent.parent.parent.parent
MONITORING = ROOT / "workers" / "monitoring"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for rule in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
}
NAMED = re.compile(r"\bcj_\w+")
SERIES = re.compile(r"_(bucket|count|sum)$")
KNOWN = set(re.findall(r"(?m)^\| (cj_\w+)", metrics.__doc__ or ""))

#: What each alert is for, as series over twenty minutes (`start+step x times`), and when it must fire.
HEALTHY = {f'cj_build_info{{kind="{kind}"}}': "1x40" for kind in metrics.KINDS} | {
    'cj_waiting{what="turns"}': "0x40",
    'cj_queue_messages{queue="events"}': "0x40",
}
#: The series that are different, None for one that is gone.
INCIDENTS: dict[str, dict[str, str | None]] = {
    "CJProcessMissing": {'cj_build_info{kind="agent"}': None},
    "CJPostgresAway": {'cj_service_away{service="postgres"}': "1x40"},
    "CJBrokerAway": {'cj_service_away{service="broker"}': "1x40"},
    "CJEventsPileUp": {'cj_queue_messages{queue="events"}': "9744x40"},
    "CJEventsWait": {'cj_oldest_waiting_seconds{what="events"}': "0+30x40"},
    "CJTurnsWait": {'cj_oldest_waiting_seconds{what="turns"}': "0+30x40"},
    "CJRepliesNotAcked": {'cj_oldest_waiting_seconds{what="replies"}': "0+30x40"},
    "CJModelDown": {
        'cj_model_calls_total{model="m",result="model_unavailable"}': "0+9x40",
        'cj_model_calls_total{model="m",result="ok"}': "0+1x40",
    },
    "CJShopifyDown": {
        'cj_shopify_reads_total{result="shopify.unavailable"}': "0+9x40",
        'cj_shopify_reads_total{result="ok"}': "0+1x40",
    },
    "CJTokensUnreadable": {'cj_tool_calls_total{tool="shopify_data",result="shopify.no_token"}': "0+1x40"},
    "CJTurnsFailed": {'cj_turns{state="failed"}': "3x40"},
    "CJEventsRefused": {"cj_refused_events": "11x40"},
    "CJLeasesLost": {"cj_leases_lost_total": "0+1x40"},
    "CJFlood": {'cj_events_total{type="message_received",result="over_limit"}': "0+60x40"},
    "CJShopsMustReconnect": {'cj_integrations{status="needs_reauth"}': "1x130 60x40"},
    "CJSlow": {
        'cj_first_insight_seconds_bucket{workflow="w",le="10"}': "0+1x40",
        'cj_first_insight_seconds_bucket{workflow="w",le="30"}': "0+9x40",
        'cj_first_insight_seconds_bucket{workflow="w",le="+Inf"}': "0+9x40",
    },
    "CJClockWrong": {"cj_clock_ahead_seconds": "-90x40"},
    "CJRetentionBehind": {"cj_overdue_seconds": "100000x200"},
}
LATE = {"CJShopsMustReconnect": 70, "CJRetentionBehind": 90}


def promtool(*arguments: str) -> str:
    command = shutil.which("promtool")
    assert command, "promtool is not installed: apt-get install prometheus"
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_rules_and_the_configuration() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", str(MONITORING / "alerts.yaml"))
    promtool("check", "config", str(MONITORING / "prometheus.yaml"))


def test_each_alert_fires_for_what_it_is_for_and_none_when_all_is_well(tmp_path: Path) -> None:
    def test(name: str, changed: dict[str, str | None]) -> dict[str, Any]:
        series = {**HEALTHY, **changed}
        fires = [name] if name else []
        return {
            "interval": "30s",
            "input_series": [{"series": one, "values": values} for one, values in series.items() if values],
            "promql_expr_test": [
                {
                    "expr": f'count by (alertname) (ALERTS{{alertstate="firing"{one}}})',
                    "eval_time": f"{LATE.get(name, 15)}m",
                    "exp_samples": samples,
                }
                for one, samples in (
                    (f',alertname="{name}"', [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in fires]),
                    *([] if fires else [("", [])]),
                )
            ],
        }

    assert set(INCIDENTS) == set(RULES)
    tests = [test("", {}), *(test(name, changed) for name, changed in INCIDENTS.items())]
    file = tmp_path / "alerts_test.yaml"
    file.write_text(json.dumps({"rule_files": [str(MONITORING / "alerts.yaml")], "tests": tests}))
    promtool("test", "rules", str(file))


def expressions() -> Iterator[tuple[str, str]]:
    yield from ((name, rule["expr"]) for name, rule in RULES.items())
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", ()))


@pytest.mark.parametrize(("title", "expression"), list(expressions()))
def test_every_metric_that_is_asked_for_exists(title: str, expression: str) -> None:
    named = NAMED.findall(expression)
    assert named, title
    assert {SERIES.sub("", name) for name in named} <= KNOWN, title


def test_every_alert_has_a_row_in_the_runbook() -> None:
    page = (ROOT / "workers" / "README.md").read_text()
    rows = re.findall(r"(?m)^\| `(CJ\w+)` \|(.*)\|$", page)
    assert [name for name, _ in rows] == list(RULES)
    for name, row in rows:
        symptom, command, meaning = (cell.strip() for cell in row.split(" | "))
        assert symptom, name
        assert "`" in command, name
        assert len(meaning) > 40, name
