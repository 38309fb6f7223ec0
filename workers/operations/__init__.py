"""Operators' tasks: migrate the schema, reseal tokens, import tokens from Redis, retry failed turns, read a timeline.

Each is a plain function, called by `cj`, by the tasks of queue `ops`, and by the console (`console`, with its page).
Start with `status` (what is wrong?) and `why` (what happened to this one?). May import workflows, storage, events, and
within workers the root and `delivery`.
"""
