"""Workflows: what an event means, written in YAML (README.md is the author's guide).

Pure functions: no I/O but reading the files, no state, no clock. May import `events`, whose catalog defines the event
types and their fields, and none of the other packages.

Start with engine.py, which turns (workflow, event) into actions; loader.py loads workflows from files, check/ finds
every mistake in them, and expression/ compiles their conditions and templates.
"""
