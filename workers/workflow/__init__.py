"""The workflow worker: an accepted event meets its workflow's rules.

Start reading in `handler`: the event's one transaction (conversation, context, turn rows, processed mark). `runner`
calls it in the order of a conversation and tells the others afterwards; `privacy` is what Shopify's webhooks do.
May import workflows, storage, events, and of the workers the root, `delivery` and `shop`.
"""
