"""Operators' tasks: migrate the schema, reseal tokens, import tokens from Redis, retry failed turns, read a timeline.

Each is a plain function, called by `cj` and by the tasks of queue `ops`.
May import storage, events and the workers' root.
"""
