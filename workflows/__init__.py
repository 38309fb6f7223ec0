"""Workflows: what an event means, written in YAML (README.md is the author's guide).

Pure functions over checked text: no I/O but reading the files, no state, no clock. May import `events`, whose catalog
says which events there are and which fields they have, and none of our other packages.

Start reading at engine.py, which turns (workflow, event) into actions; loader.py makes workflows out of files, with
check/ to find every mistake in them and expression/ to compile their conditions and templates.
"""
