"""Scenario tests: conversations written in YAML, run on the real workers, servers and development store.

SCENARIOS.md beside this file is the author's guide; `cj workflows test PATH…` runs them.

Start reading in `run`. The room reads as read, run, match, report: `read` makes a scenario of a file in the `language`;
`run` takes its steps in the `environment`, where `act` carries out actions and `observe` logs what happens; `match`
compares the log with what was expected; `report` shows a failure. `time_travel` skips time that nobody needs to wait
for, `scripted_model` is the language model, `killable` lets workers die at failpoints. Servers and processes are those
of `workers.local`.

May import every other room; only `workers.cli` and `workers.evaluate` import it. Never imports
pytest.
"""
