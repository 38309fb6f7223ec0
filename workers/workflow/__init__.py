"""The workflow worker: applies a workflow's rules to accepted events.

Start reading in `handler`: the event's one transaction (conversation, context, turn rows, processed mark), with
`planned_turns`, the turns it asks for. `runner` calls it in conversation order and wakes other workers afterwards;
`promises` tells what was owed; `privacy` handles Shopify's privacy webhooks.
May import workflows, storage, events, and within workers the root and `shop`.
"""
