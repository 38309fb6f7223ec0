"""Scenario tests: conversations written in YAML, run on the real workers, servers and development store.

SCENARIOS.md beside this file is the author's guide; `cj workflows test PATH…` runs them.

The room reads as read, run, match, report: `read` makes a scenario of a file in the `language`; `run` takes its steps
in the `environment`, where `act` carries out actions and `observe` notes in a log what happens; `match` compares the
log with what was expected; `report` shows a failure. Start with `run`. `time_travel` lets time pass that nobody waits
for, `scripted_model` is the language model, `killable` lets workers die at failpoints. Servers and processes are those
of `workers.local`.

It may import every other room; only `workers.cli` imports it, never pytest.
"""
