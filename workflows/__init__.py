"""Workflows: what an event means, written in YAML. Pure: no I/O but reading the files."""
