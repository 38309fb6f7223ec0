"""Chaos: real workers, real servers, random faults; then count what was lost, repeated, out of order, or never ended.

`make chaos SECONDS=… SEED=…` is `python -m tests.chaos`. A run is planned from its seed (`plan`), events are given
(`source`), faults happen (`faults`), a gateway process that is killed too keeps what it showed in a file (`gateway`,
`record`), and in the end `verdict` compares that file and Postgres with what was given.
"""
