"""The workflow worker: applies a workflow's rules to accepted events.

Start with `handler`: one event, one transaction (conversation, context, turn rows, processed mark). There
`event_conversation` carries out what a workflow says, and `planned_turns` queues the turns. `runner` calls it in
conversation order and wakes other workers afterwards; `promises` keeps what ended turns promised; `privacy` handles
Shopify's privacy webhooks. May import workflows, storage, events, and within workers the root, `agent`,
`delivery`, `model` and `shop`.
"""
