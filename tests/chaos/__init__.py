"""Chaos: real workers, real servers, random faults; then count what was lost, repeated, out of order or never finished.

`make chaos SECONDS=… SEED=…` is `python -m tests.chaos`. A run is planned from its seed (`plan`), events are published
(`source`), faults are injected (`faults`), a gateway process, which may be killed too, records what it showed in a file
(`gateway`, `record`), and finally `verdict` compares that file and Postgres with the published events.
"""
