"""The agent worker: one turn from its claim to its last word.

Start reading in `decide` (pure: what comes next), then `runner` (carries it out), `transactions` (what is committed
together), `state`, `prompt`, `tools`, `leases`. How long everything may take stands in `time_limits`.
May import workflows, storage, events, and of the workers the root, `model`, `shop` and `delivery`.
"""
