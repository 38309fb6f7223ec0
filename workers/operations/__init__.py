"""What operators do: migrate, seal tokens anew, bring tokens from Redis, ask dead turns again, read a timeline.

Each is a plain function, called by `cj` and by the tasks of queue `ops`.
May import storage, events and the workers' root.
"""
