"""What a person reads when a scenario fails."""

import json

from workers.scenario.match import LogEntry
from workers.scenario.read import Passage
from workers.scenario.report import complaints, failure_report


def test_a_failure_shows_the_place_the_step_and_what_happened() -> None:
    failure = failure_report(
        "flow.yaml",
        Passage(26, "  - expect: cj_tool_call\n    min_delay: 1.0"),
        "came 0.70 s after the step before, expected at least 1.0 s",
        (
            LogEntry(0.5, "cj_message", "You have 42 customers in your store", number=0),
            LogEntry(1.2, "cj_tool_call", 'shopify_data {"data_type": "recent_orders"}', number=1),
            LogEntry(1.9, "cj_message", "word " * 30, number=2),
        ),
        matched=frozenset({0}),
        after=(0.5, 0),
        differs={1: "this one"},
        worker_lines=("agent: error turn failed",),
    )
    assert failure == (
        "flow.yaml:26: came 0.70 s after the step before, expected at least 1.0 s\n"
        "  26 | - expect: cj_tool_call\n"
        "  27 |   min_delay: 1.0\n"
        "\n"
        "  what happened (* = matched by an earlier step, > = not matched, from here on):\n"
        "  *    0.500 s  cj_message      You have 42 customers in your store\n"
        '  >    1.200 s  cj_tool_call    shopify_data {"data_type": "recent_orders"}\n'
        "                                ^ this one\n"
        f"       1.900 s  cj_message      {'word ' * 19}word\n"
        f"                                {('word ' * 10).strip()}\n"
        "\n"
        "  what the workers complained about:\n"
        "    agent: error turn failed"
    )


def test_when_nothing_more_happened_that_is_said() -> None:
    failure = failure_report(
        "f.yaml", Passage(3, "  - expect: error"), "did not come", (LogEntry(0.1, "action", "kill"),), after=(1, 0)
    )
    assert failure.endswith("     0.100 s  action          kill\n  >            (nothing more)")


def test_the_workers_complaints_are_picked_from_their_log() -> None:
    def line(level: str, **more: object) -> str:
        return "agent: " + json.dumps({"time": "now", "level": level, "kind": "agent", "event": "it", **more})

    told = complaints(
        [
            line("info"),
            line("info", event="no rule took the event", why="'success == true' is false"),
            line("warning", error_code="x", logger="workers.agent.tools"),
            line("warning", logger="py.warnings"),
            line("error", exception="Traceback …\n  File …\nValueError: no"),
            "supervisor: agent was killed by SIGKILL",
        ]
    )
    assert told == (
        "agent: info no rule took the event why='success == true' is false",
        "agent: warning it error_code=x",
        "agent: error it ValueError: no",
        "supervisor: agent was killed by SIGKILL",
    )


def test_only_the_latest_complaints_are_shown() -> None:
    assert complaints([f"agent: {n}" for n in range(100)])[-1] == "agent: 99"
    assert len(complaints([f"agent: {n}" for n in range(100)])) == 20
