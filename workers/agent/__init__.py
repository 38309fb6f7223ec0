"""The agent worker: runs one turn from claim to final reply.

Start with `decide` (pure: the next move), then `runner` (carries it out), `answers` (asks the model, checks and says
its answer), `transactions` (what is committed together), `state`, `prompt`, `leases`. `tool` defines what a tool is,
`tools` lists and runs them. All time limits are in `time_limits`. The check of what CJ says is in `workers.truth`. May
import workflows, shopify's errors, storage, events, and within workers the root, `model`, `shop`, `delivery` and
`truth`.
"""
