"""Scenario tests: conversations written in YAML, run on the real workers, servers and development store.

SCENARIOS.md beside this file is the author's guide; `cj workflows test PATH…` runs them.

Start with `run`. The steps are read, run, match, report: `read` parses a file in the `language`; `run` executes its
steps in the `environment`, where `act` carries out actions and `observe` logs what happens; `match` compares the log
with the expectations; `report` shows a failure. `time_travel` skips idle time, `scripted_model` is the language model,
`killable` lets workers die at failpoints. Servers and processes come from `workers.local`.

May import every other room; only `workers.cli` and `workers.evaluate` import it. Never imports pytest.
"""
