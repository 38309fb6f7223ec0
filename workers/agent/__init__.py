"""The agent worker: runs one turn from claim to final reply.

Start reading in `decide` (pure: the next move), then `runner` (carries it out), `answers` (asks the model, says what
may be said), `transactions` (what is committed together), `state`, `prompt`, `leases`. `tool` says what a tool is,
`tools` lists and runs them. All time limits are in `time_limits`. What is said is checked in the room `truth`.
May import workflows, shopify's errors, storage, events, and within workers the root, `model`, `shop`, `delivery` and
`truth`.
"""
