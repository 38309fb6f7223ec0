"""The workflow worker: applies a workflow's rules to accepted events.

Start with `handler`: one event, one transaction (conversation, context, turn rows, processed mark); `planned_turns`
queues the turns. `runner` calls it in conversation order and wakes other workers afterwards; `promises` keeps what
ended turns promised; `privacy` handles Shopify's privacy webhooks. May import workflows, storage, events, and within
workers the root and `shop`.
"""
