"""The Shopify worker: the only process that opens access tokens.

Start with `fetch`: a request is answered from the cache, from a fetch in flight, or from Shopify. `tokens` opens and
renews tokens, `reader` queries Shopify, `results` defines the shape of tool results.
May import shopify, storage, events and the workers' root.
"""
